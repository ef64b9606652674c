//! `keyward scan` as a process of its own, on files, streams and a repository.

mod encoded;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::cli::{Server, answer};

const KEY: &str = "kw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1";
/// SHA-256 of the key.
const DIGEST: &str = "c6b99eab33d34a5580c419011ec52b20a85402d499a8addeebc71c2a4eea0b5d";
/// With one zero too many.
const OTHER: &str = "kw_000000000000000000000000000000000000000000002CZclj";

fn keyward(directory: &Path, server: Option<&str>, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command.env_clear().current_dir(directory).arg("scan").args(arguments);
    if let Some(server) = server {
        command.env("KEYWARD_SERVER", server).env("ADMIN_API_KEY", "an-admin-key-for-these-tests");
    }
    command
}

/// Both outputs and the status; no secret may be in them.
fn story(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    let story = format!("{out}{err}exit status {}", output.status.code().unwrap());
    assert!(!story.contains(&KEY[3..12]) && !story.contains(&KEY[20..30]), "{story}");
    story
}

fn scan(directory: &Path, arguments: &[&str]) -> String {
    story(&keyward(directory, None, arguments).output().unwrap())
}

fn scan_text(text: &str, server: Option<&str>, arguments: &[&str]) -> String {
    let directory = TempDir::new().unwrap();
    let mut command = keyward(directory.path(), server, arguments);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = pipes.spawn().unwrap();
    process.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    story(&process.wait_with_output().unwrap())
}

/// A directory with keys in three files of many kinds.
fn planted() -> TempDir {
    let directory = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write(".env", format!("A=1\nTOKEN={KEY}\n").as_bytes());
    write("a/b/app.json", format!("{{\"log\":\"failed\\n{KEY}\"}}").as_bytes());
    write("image.bin", &[&[0, 159, 255][..], KEY.as_bytes(), &[0, 10]].concat());
    write("clean.rs", b"fn main() { let kw_key = 1; }\n");
    write("almost.txt", format!("{OTHER}\n{KEY}0\n{}\n", &KEY[..51]).as_bytes());
    directory
}

#[test]
fn planted_keys_are_found() {
    insta::assert_snapshot!(scan(planted().path(), &["--offline", "."]), @r"
    ./.env:2: kw_yhjs…
    ./a/b/app.json:1: kw_yhjs…
    ./image.bin:1: kw_yhjs…
    exit status 1
    ");
}

#[test]
fn nothing_found_ends_with_status_0_and_without_a_word() {
    assert_eq!(scan(planted().path(), &["--offline", "clean.rs", "almost.txt"]), "exit status 0");
    assert_eq!(scan(planted().path(), &["clean.rs"]), "exit status 0");
}

#[test]
fn other_prefixes_are_not_looked_for() {
    assert_eq!(scan(planted().path(), &["--offline", "--prefix", "acme", "."]), "exit status 0");
    let story = scan(planted().path(), &["--offline", "--prefix", "acme", "--prefix", "kw", "."]);
    assert!(story.ends_with("exit status 1"), "{story}");
}

#[test]
fn unreadable_files_are_named() {
    let clean = scan(planted().path(), &["--offline", "clean.rs", "absent"]);
    insta::assert_snapshot!(clean, @r"
    error: absent: cannot be read: No such file or directory (os error 2)
    exit status 2
    ");
    // A key that was found determines the exit status.
    let found = scan(planted().path(), &["--offline", "absent", ".env"]);
    assert!(found.contains("error: absent") && found.ends_with("exit status 1"), "{found}");
}

#[test]
fn a_key_where_a_path_should_be_is_not_repeated() {
    let story = scan(planted().path(), &["--offline", KEY]);
    assert!(story.starts_with("error: kw_yhjs…: cannot be read"), "{story}");
}

#[test]
fn a_stream_is_searched_beyond_any_buffer() {
    let text = format!("{}{KEY}\n", "line of text\n".repeat(100_000));
    let story = scan_text(&text, None, &["--offline", "-"]);
    assert_eq!(story, "-:100001: kw_yhjs…\nexit status 1");
}

#[test]
fn json_is_one_object_a_line() {
    let story = scan_text(&format!("{KEY}\n"), None, &["--offline", "--json", "-"]);
    insta::assert_snapshot!(story, @r#"
    {"path":"-","line":1,"start":0,"end":52,"hint":"kw_yhjs","asked":false,"key_id":null,"name":null,"state":null,"secret":null}
    exit status 1
    "#);
}

#[test]
fn the_server_is_asked_by_digest() {
    let body = format!(
        r#"{{"matches":[{{"digest":"{DIGEST}","key_id":7,"name":"mobile","state":"active","secret":"current"}}]}}"#
    );
    let server = Server::answering(vec![answer("200 OK", "", &body)]);
    let url = server.url.clone();
    let story = scan_text(&format!("{KEY}\nx\n{KEY}\n"), Some(&url), &["-"]);
    insta::assert_snapshot!(story, @r#"
    -:1: kw_yhjs… key 7 "mobile" (active)
    -:3: kw_yhjs… key 7 "mobile" (active)
    exit status 1
    "#);

    let requests = server.requests.join().unwrap();
    assert!(requests[0].starts_with("POST /admin/api-keys/identify HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[0].contains(DIGEST), "{requests:?}");
    assert!(!requests[0].contains("yhjs"), "{requests:?}");
}

#[test]
fn without_a_server_the_scan_goes_on() {
    let nobody = "http://127.0.0.1:1";
    insta::assert_snapshot!(scan_text(&format!("{KEY}\n"), Some(nobody), &["-"]), @r"
    -:1: kw_yhjs…
    warning: going on without the server: no server responds at http://127.0.0.1:1
    exit status 1
    ");
    insta::assert_snapshot!(scan_text(&format!("{KEY}\n"), None, &["-"]), @r"
    -:1: kw_yhjs…
    warning: going on without the server: there is no admin key; set ADMIN_API_KEY, or give --offline if it need not be asked
    exit status 1
    ");
}

#[test]
fn rules_are_for_the_prefixes_in_use() {
    let body = r#"{"prefixes":["acme","acme_test"]}"#;
    let server = Server::answering(vec![answer("200 OK", "", body)]);
    let url = server.url.clone();
    let story = scan_text("", Some(&url), &["--rules", "gitleaks"]);
    assert!(story.contains("'''(acme_(?:"), "{story}");
    assert!(story.contains("'''(acme_test_(?:"), "{story}");
    assert!(!story.contains("kw_") && story.ends_with("exit status 0"), "{story}");
    assert!(server.requests.join().unwrap()[0].starts_with("GET /admin/prefixes HTTP/1.1\r\n"));

    let given = ["--rules", "trufflehog", "--prefix", "own", "--prefix", "own_2"];
    let story = scan_text("", Some("http://127.0.0.1:1"), &given);
    assert!(story.contains("(own_2_(?:") && story.ends_with("status 0"), "{story}");

    let story = scan_text("", None, &["--offline", "--rules", "gitleaks"]);
    assert!(story.contains("(kw_(?:"), "{story}");
}

#[test]
fn without_a_path_nothing_is_scanned() {
    let story = scan(planted().path(), &["--offline"]);
    assert!(story.contains("<PATH>") && story.ends_with("exit status 2"), "{story}");
}

#[test]
fn a_name_that_is_no_text_hides_no_other_file() {
    use std::os::unix::ffi::OsStrExt as _;

    let directory = planted();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.txt");
    fs::write(directory.path().join(name), KEY).unwrap();
    let mut command = keyward(directory.path(), None, &["--offline", ".env"]);
    let output = command.arg(name).output().unwrap();
    assert_eq!(story(&output), ".env:2: kw_yhjs…\ncaf\u{fffd}.txt:1: kw_yhjs…\nexit status 1");
}

#[test]
fn a_reader_that_leaves_early_hides_no_finding() {
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let directory = planted();
    let mut command = keyward(directory.path(), None, &["--offline", "."]);
    assert_eq!(command.stdout(closed).output().unwrap().status.code(), Some(1));
}

#[test]
fn more_digests_than_a_request_may_have_go_in_several() {
    let found = format!(
        r#"{{"matches":[{{"digest":"{DIGEST}","key_id":7,"name":"mobile","state":"active","secret":"current"}}]}}"#
    );
    // A key may begin at its `k` or at its `w`, so the server is asked for both.
    let none = answer("200 OK", "", r#"{"matches":[]}"#);
    let server = Server::answering(vec![none, answer("200 OK", "", &found)]);
    let url = server.url.clone();
    let story = scan_text(&format!("{KEY}\n").repeat(501), Some(&url), &["-"]);
    assert_eq!(story.matches(" unknown to the server\n").count(), 500, "{story}");
    assert!(story.contains("-:501: kw_yhjs… key 7 \"mobile\" (active)\n"), "{story}");
    let requests = server.requests.join().unwrap();
    let digests = requests.iter().map(|request| request.matches(DIGEST).count());
    assert_eq!(digests.collect::<Vec<_>>(), [500, 1]);
    let all = requests.iter().map(|request| request.matches("\",\"").count() + 1);
    assert_eq!(all.collect::<Vec<_>>(), [1_000, 2]);
}

#[test]
fn findings_in_an_endless_stream_are_printed_line_by_line() {
    let directory = TempDir::new().unwrap();
    let mut command = keyward(directory.path(), None, &["--offline", "-"]);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let (told, tell) = mpsc::channel();
    let reading = thread::spawn(move || {
        let line = lines.next();
        told.send(line.unwrap().unwrap()).unwrap();
    });
    stdin.write_all(format!("{KEY}\n").as_bytes()).unwrap();
    let line = tell.recv_timeout(Duration::from_secs(60));
    drop(stdin);
    assert_eq!(line.as_deref(), Ok("-:1: kw_yhjs…"), "before the stream ended");
    reading.join().unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(1));
}

/// A repository for a test.
struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Self(TempDir::new().unwrap());
        assert!(repository.git(&["init", "-q", "-b", "main"]));
        repository
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn git(&self, arguments: &[&str]) -> bool {
        let names = ["-c", "user.name=x", "-c", "user.email=x@example"];
        let mut command = Command::new("git");
        command.args(names).args(arguments).current_dir(self.path()).env("HOME", self.path());
        command.output().unwrap().status.success()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), text).unwrap();
    }

    /// A script of the lines of the help between these two.
    fn script(&self, first: &str, last: &str) -> String {
        let help = keyward(self.path(), None, &["--help"]).output().unwrap().stdout;
        let help = String::from_utf8(help).unwrap();
        let from = help.lines().skip_while(|line| !line.trim().starts_with(first));
        let mut lines = Vec::new();
        for line in from {
            lines.push(line.replace("keyward ", &format!("{} ", env!("CARGO_BIN_EXE_keyward"))));
            if line.ends_with(last) {
                break;
            }
        }
        format!("#!/bin/sh\n{}\n", lines.join("\n"))
    }

    /// Adds a file, with Git set up in one of the ways in which a key could hide.
    fn hide(&self, way: &str) {
        let leak = format!("x {KEY}\n");
        match way {
            "zeros" => self.write("leak", [&b"\0\0"[..], leak.as_bytes()].concat()),
            "marked" => {
                self.write(".gitattributes", "leak -diff\n");
                self.write("leak", leak);
            }
            "converted" => {
                self.write(".gitattributes", "leak diff=hidden\n");
                assert!(self.git(&["config", "diff.hidden.textconv", "true"]));
                self.write("leak", leak);
            }
            "other program" => {
                assert!(self.git(&["config", "diff.external", "true"]));
                self.write("leak", leak);
            }
            "coloured" => {
                assert!(self.git(&["config", "color.ui", "always"]));
                self.write("leak", leak);
            }
            _ => self.write("leak", leak),
        }
    }
}

const WAYS: [&str; 6] = ["plain", "zeros", "marked", "converted", "other program", "coloured"];

#[test]
fn the_hook_of_the_help_rejects_a_commit_with_a_key() {
    for way in WAYS {
        let repository = Repository::new();
        let git = |arguments: &[&str]| repository.git(arguments);
        let hook = repository.path().join(".git/hooks/pre-commit");
        write_program(&hook, &repository.script("git diff ", "keyward scan --offline -"));

        repository.write("clean", "nothing\n");
        assert!(git(&["add", "clean"]) && git(&["commit", "-qm", "clean"]));
        repository.hide(way);
        assert!(git(&["add", "."]) && !git(&["commit", "-qm", "leak"]), "{way}");
        // Taking it out is no leak.
        assert!(git(&["commit", "-qnm", "leak"]) && git(&["rm", "-q", "leak"]), "{way}");
        assert!(git(&["commit", "-qm", "gone"]), "{way}");
        assert_eq!(scan(repository.path(), &["--offline", "."]), "exit status 0");
    }
}

#[test]
fn the_history_command_of_the_help_finds_keys_in_every_commit() {
    for way in [&WAYS[..], &["merged"]].concat() {
        let repository = Repository::new();
        let git = |arguments: &[&str]| assert!(repository.git(arguments), "{way} {arguments:?}");
        let commit = |name: &str| {
            repository.write(name, name);
            git(&["add", "."]);
            git(&["commit", "-qm", name]);
        };
        commit("first");
        if way == "merged" {
            git(&["checkout", "-qb", "side"]);
            commit("side");
            git(&["checkout", "-q", "main"]);
            commit("other");
            git(&["merge", "-q", "--no-commit", "--no-ff", "side"]);
        }
        repository.hide(way);
        git(&["add", "."]);
        git(&["commit", "-qm", "leak"]);
        // Its removal would show a file that a merge brought in.
        if way != "merged" {
            git(&["rm", "-q", "leak"]);
            git(&["commit", "-qm", "gone"]);
        }
        let script = repository.script("git log ", "keyward scan -");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).current_dir(repository.path());
        let output = command.env("HOME", repository.path()).output().unwrap();
        let story = story(&output);
        assert!(story.contains(": kw_yhjs…\n") && story.ends_with("status 1"), "{way}: {story}");
    }
}

fn write_program(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
