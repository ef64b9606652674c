//! A server whose clock is earlier than the latest time that it stored.

use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Server, command, issued};

const KEYS: &str = "/admin/api-keys";

/// Stores this time as the latest one in the database, as if the clock had been ahead for a while.
fn claim(folder: &Path, latest: &str) {
    let connection = Connection::open(folder.join("keyward.db")).unwrap();
    let sql = "UPDATE clock SET latest_ms = unixepoch(?1) * 1000 WHERE latest_ms IS NOT NULL";
    assert_eq!(connection.execute(sql, [latest]).unwrap(), 1);
}

fn start_accepting_the_clock(folder: &Path) -> Server {
    let mut command = command(folder, &[("ADMIN_API_KEY", ADMIN_KEY)]);
    command.arg("--clock-is-right");
    Server::spawn(&mut command)
}

#[test]
fn a_clock_in_doubt_is_reported_until_the_operator_accepts_it() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    assert_eq!(server.send("GET", "/readyz", &[], "").status, 200);
    let body = r#"{"name":"a","expires_at":"2150-01-01T00:00:00Z"}"#;
    let (id, ends) = issued(&server.admin("POST", KEYS, body));
    let (_, lasts) = server.issue("b");
    assert!(server.stop().0.success());
    claim(folder.path(), "2200-01-01");

    let server = Server::start(folder.path());
    let status = |server: &Server, key: &str| server.get("/key", key).status;
    assert_eq!((status(&server, &ends), status(&server, &lasts)), (503, 200));
    let rejected = server.get("/key", &ends);
    assert_eq!(rejected.body, r#"{"detail":"Service Unavailable"}"#);
    assert!(rejected.header("retry-after").is_some());
    let ready = server.send("GET", "/readyz", &[], "");
    assert_eq!(ready.status, 503);
    let detail = ready.json()["detail"].as_str().unwrap().to_owned();
    let names_both = detail.starts_with("The clock says 20")
        && detail.contains(" before it is 2200-01-01T00:00:0");
    assert!(names_both, "{detail}");
    let found = doctor(folder.path(), &["--server", &format!("http://{}", server.address)]);
    assert!(found.contains("by what it said before it is 2200-01-01T00:00:"), "{found}");
    // A change with an end at an unknown time is rejected.
    let key = format!("{KEYS}/{id}");
    let rejected = [
        server.admin("POST", KEYS, r#"{"name":"c","expires_in":"90d"}"#),
        server.admin("POST", KEYS, r#"{"name":"c","expires_at":"2150-01-01T00:00:00Z"}"#),
        server.admin("PATCH", &key, r#"{"expires_in":"90d"}"#),
        server.admin("POST", &format!("{key}/rotate"), ""),
    ];
    for response in rejected {
        assert_eq!((response.status, response.body.contains("2200-01-01")), (503, true));
    }
    let taken = [
        server.admin("POST", KEYS, r#"{"name":"c"}"#),
        server.admin("POST", KEYS, r#"{"name":"c","expires_at":"2250-01-01T00:00:00Z"}"#),
        server.admin("PATCH", &key, r#"{"name":"d"}"#),
        server.admin("POST", &format!("{key}/rotate"), r#"{"grace":"0s"}"#),
    ];
    for response in &taken {
        assert!([200, 201].contains(&response.status), "{}", response.body);
    }
    let (_, ends) = issued(&taken[3]);
    assert!(server.stop().0.success());

    let doctor = doctor(folder.path(), &[]);
    assert!(doctor.contains("and read 2200-01-01T00:00:0"), "{doctor}");

    let server = start_accepting_the_clock(folder.path());
    assert_eq!((status(&server, &ends), status(&server, &lasts)), (200, 200));
    assert_eq!(server.send("GET", "/readyz", &[], "").status, 200);
    let trail = server.admin("GET", "/admin/audit?verb=accept-clock", "").json();
    assert_eq!((&trail["count"], &trail["entries"][0]["actor"]), (&1.into(), &"program".into()));
    assert!(server.stop().0.success());

    // The flag is still given when the clock is in doubt again.
    claim(folder.path(), "2200-01-01");
    let server = start_accepting_the_clock(folder.path());
    assert_eq!(status(&server, &ends), 503);
    let (_, log) = server.stop();
    assert!(log.contains("counts once"), "{log}");
    // A start without the flag, and then one with it.
    let server = Server::start(folder.path());
    assert_eq!(status(&server, &ends), 503);
    assert!(server.stop().0.success());
    let server = start_accepting_the_clock(folder.path());
    assert_eq!(status(&server, &ends), 200);
    let trail = server.admin("GET", "/admin/audit?verb=accept-clock", "").json();
    assert_eq!(trail["count"], 2);
}

fn doctor(folder: &Path, arguments: &[&str]) -> String {
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_keyward"));
    let doctor =
        doctor.arg("doctor").args(arguments).current_dir(folder).env_clear().output().unwrap();
    String::from_utf8(doctor.stdout).unwrap()
}
