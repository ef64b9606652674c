//! The commands that `keyward serve` suggests, run as they are printed.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Server, command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_keyward");

/// Types a line into a shell, in another folder than that of the server.
fn type_line(line: &str, path: &Path) -> Output {
    let elsewhere = tempdir().unwrap();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", line]).current_dir(elsewhere.path()).env_clear();
    let path = format!("{}:/usr/bin:/bin", path.display());
    shell.env("PATH", path).env("ADMIN_API_KEY", ADMIN_KEY).output().unwrap()
}

/// The server's own command, with the program under another name.
fn start_as(program: &Path, folder: &Path, path: &Path) -> Server {
    let usual = command(folder, &[("ADMIN_API_KEY", ADMIN_KEY)]);
    let mut other = Command::new(program);
    other.args(usual.get_args()).current_dir(folder).env_clear();
    for (name, value) in usual.get_envs() {
        other.env(name, value.unwrap_or_default());
    }
    other.env("PATH", path).stdout(std::process::Stdio::piped());
    other.stderr(std::process::Stdio::piped());
    Server::spawn(&mut other)
}

#[test]
fn the_next_command_works_as_it_is_printed() {
    let folder = tempdir().unwrap();
    let tools = folder.path().join("my tools");
    std::fs::create_dir(&tools).unwrap();
    // No copy: a process that another test starts meanwhile may hold it open for writing.
    symlink(PROGRAM, tools.join("keyward")).unwrap();
    // By its path, which is relative and has a space in it.
    let server = start_as(&tools.join("keyward"), folder.path(), &tools);
    let line = server.greeting.lines().find(|line| line.contains("key issue")).unwrap().trim();
    assert!(line.starts_with('\'') && line.contains(" --server http://127.0.0.1:"), "{line}");
    let issued = type_line(line, Path::new("/nowhere"));
    assert!(issued.status.success(), "{line}: {issued:?}");
    let path = if cfg!(feature = "news") { "articles" } else { "key" };
    assert!(server.greeting.contains(&format!("http://{}/{path}", server.address)));
}

#[test]
fn a_program_found_in_path_is_named_without_its_folder() {
    let folder = tempdir().unwrap();
    let tools = folder.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    symlink(PROGRAM, tools.join("keyward")).unwrap();
    let server = start_as(Path::new("keyward"), folder.path(), &tools);
    let line = server.greeting.lines().find(|line| line.contains("key issue")).unwrap().trim();
    assert!(line.starts_with("keyward key issue"), "{line}");
    assert!(type_line(line, &tools).status.success(), "{line}");
}
