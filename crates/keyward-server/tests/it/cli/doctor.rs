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
fn a_server_that_responds_is_well() {
    let directory = TempDir::new().unwrap();
    let missing = r#"{"detail":"Missing Authorization header"}"#;
    let date = "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
    let limit = r#"{"name":"requests","amount":100,"per":"60s","burst":100}"#;
    let tiers =
        format!(r#"{{"tiers":[{{"name":"basic","limits":[{limit}],"keys":0}}],"count":1}}"#);
    let tiers = answer("200 OK", "", &tiers);
    let ready = answer("200 OK", "", r#"{"status":"ready"}"#);
    let server = Server::answering(vec![answer("401 Unauthorized", date, missing), ready, tiers]);
    let output = doctor(&directory, &server.url, &["--json"]);
    let checks = checks(&output);
    for name in ["clock", "settings", "database", "server", "admin routes", "limits"] {
        assert_eq!(status(&checks, name), "ok", "{name}");
    }
    assert_eq!(status(&checks, "clock skew"), "fail");
    assert_eq!(output.status.code(), Some(1), "the clocks are far apart");
    let requests = server.requests.join().unwrap();
    for request in &requests[..2] {
        assert!(!request.contains("x-admin-key"), "an unproven server gets no credential");
    }
    assert!(requests[2].contains("x-admin-key"));
}

#[test]
fn everything_around_a_running_server_is_checked() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("keyward.toml"), "connections_max = 16\n").unwrap();
    let permit = |name: &str, mode| {
        fs::set_permissions(directory.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    permit("keyward.toml", 0o666);
    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_ADMIN_LISTEN", "127.0.0.1:0")];
    let server = crate::server::Server::start_with(directory.path(), &environment);
    permit("keyward.db", 0o666);
    let (listen, admin) = (server.address.to_string(), server.control().unwrap().to_string());
    let addresses = ["--json", "--listen", &listen, "--admin-listen", &admin];
    // With an empty variable, the settings name the server.
    let output = doctor(&directory, "", &addresses);
    let checks = checks(&output);
    let shown = checks.iter().map(|(check, status)| match check.as_str() {
        // The free space differs between machines.
        "disk" => format!("{check}: …"),
        _ => format!("{check}: {status}"),
    });
    insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @r"
    clock: ok
    settings: ok
    admin key: warn
    file permissions: fail
    file permissions: ok
    file permissions: ok
    file permissions: fail
    file permissions: ok
    database: ok
    schema: ok
    latest reading: ok
    disk: …
    open files: ok
    server: ok
    server: ok
    admin routes: ok
    limits: ok
    clock skew: ok
    ");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_server_that_rejects_the_key_fails() {
    let directory = TempDir::new().unwrap();
    let missing = answer("401 Unauthorized", "", r#"{"detail":"Missing Authorization header"}"#);
    let refused = answer("403 Forbidden", "", r#"{"detail":"Invalid admin key"}"#);
    let ready = answer("200 OK", "", r#"{"status":"ready"}"#);
    let server = Server::answering(vec![missing, ready, refused]);
    let output = doctor(&directory, &server.url, &["--json"]);
    assert_eq!(status(&checks(&output), "admin routes"), "fail");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn settings_that_cannot_be_read_fail_with_advice() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("keyward.toml"), "listen = \"nowhere\"\n").unwrap();
    let output = doctor(&directory, "http://127.0.0.1:1", &[]);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(text.contains("setting `listen` (file keyward.toml)"), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_damaged_database_fails() {
    let directory = TempDir::new().unwrap();
    let server = crate::server::Server::start(directory.path());
    assert!(server.stop().0.success());
    let path = directory.path().join("keyward.db");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 4_096;
    bytes[last..].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let output = doctor(&directory, "http://127.0.0.1:1", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("fail    database")).unwrap();
    assert!(line.contains("is damaged") && line.contains("restore a backup"), "{text}");
}

#[test]
fn a_database_that_is_none_fails() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("keyward.db"), "x".repeat(5_000)).unwrap();
    let output = doctor(&directory, "http://127.0.0.1:1", &["--json"]);
    let checks = checks(&output);
    assert_eq!(status(&checks, "database"), "fail");
    assert_eq!(status(&checks, "server"), "warn", "no server runs yet");
    assert_eq!(output.status.code(), Some(1));
}
