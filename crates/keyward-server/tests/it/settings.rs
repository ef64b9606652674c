//! `keyward settings`, from a process's own environment and working directory.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

fn keyward(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command.env_clear().current_dir(directory.path());
    command
}

#[test]
fn settings_are_listed_with_their_sources_and_without_the_admin_key() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("keyward.toml"), "flush_every = \"2s\"\n").unwrap();
    let output = keyward(&directory)
        .args(["settings", "--listen", "127.0.0.1:9000"])
        .env("ADMIN_API_KEY", "hunter2-hunter2")
        .env("KEYWARD_LOG_FORMAT", "json")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[test]
fn a_variable_with_a_typing_error_ends_with_wrong_usage() {
    let directory = TempDir::new().unwrap();
    let output = keyward(&directory).arg("settings").env("KEYWARD_LISTN", "x").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    insta::assert_snapshot!(error, @"error: the environment sets `KEYWARD_LISTN`, which is no setting; did you mean `KEYWARD_LISTEN`?");
}
