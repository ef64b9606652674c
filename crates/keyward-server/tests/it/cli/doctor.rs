//! `keyward doctor`, in a directory of its own.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::{ADMIN_KEY, Server, answer};

fn doctor(directory: &TempDir, server: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_keyward"))
        .env_clear()
        .env("KEYWARD_SERVER", server)
        .env("ADMIN_API_KEY", ADMIN_KEY)
        .current_dir(directory.path())
        .arg("doctor")
        .args(arguments)
        .output()
        .unwrap()
}

fn checks(output: &Output) -> Vec<(String, String)> {
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |check: &serde_json::Value, name: &str| check[name].as_str().unwrap().to_owned();
    let checks = json["checks"].as_array().unwrap().iter();
    checks.map(|check| (text(check, "check"), text(check, "status"))).collect()
}

fn status(checks: &[(String, String)], name: &str) -> String {
    let found = checks.iter().find(|(check, _)| check == name);
    found.unwrap_or_else(|| panic!("{name} in {checks:?}")).1.clone()
}

#[test]
fn a_server_that_answers_is_well() {
    let directory = TempDir::new().unwrap();
    let missing = r#"{"detail":"Missing Authorization header"}"#;
    let date = "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
    let keys = answer("200 OK", "", r#"{"api_keys":[],"count":0,"next_cursor":null}"#);
    let server = Server::answering(vec![answer("401 Unauthorized", date, missing), keys]);
    let output = doctor(&directory, &server.url, &["--json"]);
    let checks = checks(&output);
    for name in ["clock", "settings", "database", "server", "admin routes"] {
        assert_eq!(status(&checks, name), "ok", "{name}");
    }
    assert_eq!(status(&checks, "clock skew"), "fail");
    assert_eq!(output.status.code(), Some(1), "the clocks are far apart");
    let requests = server.requests.join().unwrap();
    assert!(!requests[0].contains("x-admin-key"), "whoever answers has yet to show who it is");
    assert!(requests[1].contains("x-admin-key"));
}

#[test]
fn a_server_that_refuses_the_key_fails() {
    let directory = TempDir::new().unwrap();
    let missing = answer("401 Unauthorized", "", r#"{"detail":"Missing Authorization header"}"#);
    let refused = answer("403 Forbidden", "", r#"{"detail":"Invalid admin key"}"#);
    let server = Server::answering(vec![missing, refused]);
    let output = doctor(&directory, &server.url, &["--json"]);
    assert_eq!(status(&checks(&output), "admin routes"), "fail");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn settings_that_cannot_be_read_fail_with_what_to_do() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("keyward.toml"), "listen = \"nowhere\"\n").unwrap();
    let output = doctor(&directory, "http://127.0.0.1:1", &[]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(text.contains("setting `listen` (file keyward.toml)"), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_database_that_is_none_fails() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("keyward.db"), "x".repeat(5_000)).unwrap();
    let output = doctor(&directory, "http://127.0.0.1:1", &["--json"]);
    let checks = checks(&output);
    assert_eq!(status(&checks, "database"), "fail");
    assert_eq!(status(&checks, "server"), "warn", "nobody serves yet");
    assert_eq!(output.status.code(), Some(1));
}
