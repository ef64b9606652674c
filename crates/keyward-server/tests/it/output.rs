//! Output that cannot be written: it has no other effect.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Server, command};

/// Every request writes a line to the log, and nothing is flushed before the end.
const TALKATIVE: [(&str, &str); 3] =
    [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_LOG", "debug"), ("KEYWARD_FLUSH_EVERY", "1m")];
/// How many requests have a key.
const COUNTED: u64 = 5;

/// The device that is always full.
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// Sends requests to a server whose output has no reader any more, some of them with a key, stops
/// it, and looks in the database for the counts.
#[track_caller]
fn check_served(folder: &Path, server: Server, requests: u64) {
    let (id, secret) = server.issue("heard");
    let mut connection = server.connect();
    for _ in 0..requests {
        assert_eq!(connection.send("GET", "/healthz", &[], "").status, 200);
    }
    let key = format!("x-api-key: {secret}");
    for _ in 0..COUNTED {
        assert_eq!(connection.send("GET", "/key", &[&key], "").status, 200);
    }
    assert_eq!(server.send("GET", "/readyz", &[], "").status, 200);
    server.signal("TERM");
    let (status, _) = server.wait();
    assert!(status.success(), "{status}");
    let server = Server::start(folder);
    let usage = server.admin("GET", &format!("/admin/api-keys/{id}/usage"), "").json();
    assert_eq!(usage["total"]["allowed"], COUNTED);
}

#[test]
fn a_log_on_a_full_disk_is_lost_and_nothing_else() {
    let folder = tempdir().unwrap();
    let server = Server::spawn(command(folder.path(), &TALKATIVE).stderr(full()));
    check_served(folder.path(), server, 5);
}

#[test]
fn a_log_whose_reader_is_gone_is_lost_and_nothing_else() {
    let folder = tempdir().unwrap();
    let mut server = Server::start_with(folder.path(), &TALKATIVE);
    server.close_log();
    check_served(folder.path(), server, 5);
}

#[test]
fn no_request_waits_for_a_log_whose_reader_does_not_read() {
    let folder = tempdir().unwrap();
    let (unread, log) = std::io::pipe().unwrap();
    let server = Server::spawn(command(folder.path(), &TALKATIVE).stderr(log));
    // A pipe holds 64 KiB, and the program some thousand lines: this is more than both.
    check_served(folder.path(), server, 3_000);
    drop(unread);
}

#[test]
fn a_server_that_cannot_print_its_greeting_serves_and_logs_that() {
    let folder = tempdir().unwrap();
    let mut child = command(folder.path(), &TALKATIVE).stdout(full()).spawn().unwrap();
    let mut log = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("The greeting could not be written") {
        line.clear();
        assert_ne!(std::io::BufRead::read_line(&mut log, &mut line).unwrap(), 0, "it ended");
    }
    // Its address is in the lock file, too.
    let lock = fs::read_to_string(folder.path().join("keyward.db.lock")).unwrap();
    let address = lock.split("http://").nth(1).unwrap().split_whitespace().next().unwrap();
    let mut connection = crate::server::Connection::open(address.parse().unwrap());
    let status = connection.send("GET", "/healthz", &[], "").status;
    drop((child.kill(), child.wait()));
    assert_eq!(status, 200);
}

/// The result of a command whose output goes there.
fn run(words: &[&str], to: impl Into<Stdio>, errors_to: impl Into<Stdio>) -> Output {
    let folder = tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command.args(words).current_dir(folder.path()).env_clear();
    command.stdin(Stdio::null()).stdout(to).stderr(errors_to).output().unwrap()
}

const ASKING: [&[&str]; 6] = [
    &["--help"],
    &["--version"],
    &["key", "issue", "--help"],
    &["settings"],
    &["settings", "--json"],
    &["completions", "bash"],
];

#[test]
fn a_command_whose_result_cannot_be_written_fails() {
    for words in ASKING {
        let Output { status, stderr, .. } = run(words, full(), Stdio::piped());
        let errors = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{words:?}: {errors}");
        assert!(errors.starts_with("error: standard output cannot be written: "), "{errors}");
        // Even if that cannot be written, the exit status reports it.
        assert_eq!(run(words, full(), full()).status.code(), Some(1), "{words:?}");
    }
}

#[test]
fn a_secret_that_was_not_printed_is_reported() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let issue = |to: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
        command.args(["key", "issue", "--name", "unseen", "--server"]);
        command.arg(format!("http://{}", server.address));
        command.env_clear().env("ADMIN_API_KEY", ADMIN_KEY).stdin(Stdio::null());
        command.stdout(to).stderr(Stdio::piped()).output().unwrap()
    };
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    for to in [full().into(), closed.into()] {
        let Output { status, stderr, .. } = issue(to);
        let errors = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{errors}");
        assert!(errors.contains("key "), "{errors}");
    }
}

#[test]
fn a_command_whose_reader_has_seen_enough_ends_quietly() {
    for words in ASKING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let Output { status, stderr, .. } = run(words, writer, Stdio::piped());
        assert_eq!((status.code(), stderr.as_slice()), (Some(0), &b""[..]), "{words:?}");
    }
}

#[test]
fn wrong_usage_keeps_its_status_without_standard_error() {
    for words in [&["nonsense"][..], &["serve", "--listen", "nowhere"], &["scan", "--nonsense"]] {
        assert_eq!(run(words, Stdio::null(), full()).status.code(), Some(2), "{words:?}");
    }
}
