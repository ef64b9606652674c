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

#[test]
fn an_admin_key_that_is_easy_to_guess_is_rejected_before_anything_is_opened() {
    let directory = TempDir::new().unwrap();
    let rejected = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut program = keyward(&directory);
        program.arg("serve").args(arguments).envs(variables.iter().copied());
        // If it got further, this is where it would end.
        program.env("DATABASE_URL", "sqlite:no-such-folder/keyward.db");
        let output = program.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "no greeting is printed");
        String::from_utf8(output.stderr).unwrap()
    };
    let everywhere = ["--listen", "0.0.0.0:0"];
    let error = rejected(&everywhere, &[("ADMIN_API_KEY", "short")]);
    insta::assert_snapshot!(error, @"error: other machines can reach the admin routes on 0.0.0.0:0, but the admin key is shorter than 24 characters; make one with `openssl rand -hex 32` and set it as ADMIN_API_KEY, or serve the admin routes on 127.0.0.1 alone, without a proxy");
    let repeated = "x".repeat(64);
    let printed = "an-admin-key-for-these-tests";
    for (key, why) in [(repeated.as_str(), "repetitions"), (printed, "made of words")] {
        let error = rejected(&everywhere, &[("ADMIN_API_KEY", key)]);
        assert!(error.contains(why) && !error.contains(key), "{error}");
        let behind_proxy = [("ADMIN_API_KEY", key), ("KEYWARD_TRUSTED_PROXIES", "127.0.0.1")];
        let error = rejected(&["--listen", "127.0.0.1:0"], &behind_proxy);
        assert!(error.contains(why) && !error.contains(key), "{error}");
    }
}
