//! Which files are walked, which are left out, and which line a key is on.

use std::fs;

use tempfile::TempDir;

use super::*;

const KEY: &str = "kw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1";

/// `place:line` of each key, and `place: cause` of each source that could not be read.
fn scan(act: impl FnOnce(&mut Scanner<'_>) -> io::Result<()>) -> Vec<String> {
    let mut told = Vec::new();
    let finder = Finder::default();
    let mut scanner = Scanner::new(&finder, |event| {
        told.push(match event {
            Event::Found { place, line, .. } => format!("{place}:{line}"),
            Event::Unreadable { place, cause } => format!("{place}: {:?}", cause.kind()),
        });
        Ok(())
    });
    act(&mut scanner).unwrap();
    drop(scanner);
    told
}

/// The events of a scan of a directory with these files, with paths relative to it.
fn scan_directory(files: &[&str]) -> Vec<String> {
    let directory = TempDir::new().unwrap();
    for file in files {
        let path = directory.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, KEY).unwrap();
    }
    let root = format!("{}/", directory.path().display());
    let told = scan(|scanner| scanner.scan_path(directory.path()));
    told.into_iter().map(|line| line.replace(&root, "")).collect()
}

#[test]
fn hidden_files_are_searched() {
    assert_eq!(scan_directory(&[".env", ".a/.b/c", "d"]), [".a/.b/c:1", ".env:1", "d:1"]);
}

#[test]
fn of_git_only_what_is_compressed_is_left_out() {
    let files = [".git/config", ".git/logs/HEAD", ".git/objects/ab/cd", "objects/x", "a/objects"];
    let found = [".git/config:1", ".git/logs/HEAD:1", "a/objects:1", "objects/x:1"];
    assert_eq!(scan_directory(&files), found);
}

#[test]
fn what_is_not_there_is_told() {
    let told = scan(|scanner| scanner.scan_path(Path::new("/nowhere/at/all")));
    assert_eq!(told, ["/nowhere/at/all: NotFound"]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_only_if_they_are_named() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("there")).unwrap();
    fs::write(path("there/file"), KEY).unwrap();
    fs::create_dir(path("here")).unwrap();
    std::os::unix::fs::symlink(path("there"), path("here/directory")).unwrap();
    std::os::unix::fs::symlink(path("there/file"), path("here/file")).unwrap();
    assert_eq!(scan(|scanner| scanner.scan_path(&path("here"))), [""; 0]);
    assert_eq!(scan(|scanner| scanner.scan_path(&path("here/file"))).len(), 1);
    assert_eq!(scan(|scanner| scanner.scan_path(&path("here/directory"))).len(), 1);
    std::os::unix::fs::symlink(path("nowhere"), path("here/dangling")).unwrap();
    let told = scan(|scanner| scanner.scan_path(&path("here/dangling")));
    assert_eq!(told, [format!("{}: NotFound", path("here/dangling").display())]);
}

/// A reader that gives a few bytes at a time, and is interrupted before each read.
struct Trickle<'a> {
    rest: &'a [u8],
    len: usize,
    is_interrupted: bool,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_interrupted = !self.is_interrupted;
        if self.is_interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let (now, later) = self.rest.split_at(self.len.min(self.rest.len()));
        self.rest = later;
        buffer[..now.len()].copy_from_slice(now);
        Ok(now.len())
    }
}

#[test]
fn lines_are_right_however_the_stream_comes() {
    let text = format!("{KEY}\n\n{KEY} {KEY}\r\nx\n\"{KEY}\"\n{KEY}");
    for len in [1, 2, 3, 51, 52, 53, 54, 1_000] {
        let stream = Trickle { rest: text.as_bytes(), len, is_interrupted: false };
        let told = scan(|scanner| scanner.scan_stream("-", stream));
        assert_eq!(told, ["-:1", "-:3", "-:3", "-:5", "-:6"], "{len} bytes at a time");
    }
}

#[test]
fn a_stream_that_breaks_has_told_what_it_had() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let text = format!("{KEY}\n");
    let told = scan(|scanner| scanner.scan_stream("-", text.as_bytes().chain(Broken)));
    assert_eq!(told, ["-:1", "-: ConnectionReset"]);
}

#[test]
fn an_error_of_the_listener_ends_the_scan() {
    let finder = Finder::default();
    let mut scanner = Scanner::new(&finder, |_| Err(io::ErrorKind::BrokenPipe.into()));
    let text = format!("{KEY}\n{KEY}\n");
    let error = scanner.scan_stream("-", text.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}
