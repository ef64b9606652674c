//! From where, and with which door key, doors may be asked.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::tempdir;

use super::{ADMIN, DOORS, World, bearer};
use crate::server::Connection;

#[test]
fn a_door_key_is_asked_for_where_one_is_set() {
    let folder = tempdir().unwrap();
    let made = keyward(folder.path(), &["door-key", "edge-1", "--json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let (key, line) = (made["door_key"].as_str().unwrap(), made["line"].as_str().unwrap());
    assert_eq!(key.len(), 64);
    let file = folder.path().join("door-keys");
    fs::write(&file, format!("{line}\n")).unwrap();
    let path = file.to_str().unwrap().to_owned();
    let mut world = World::start_in(folder, &[("KEYWARD_DOOR_KEYS_FILE", &path)]);
    let (_, secret) = world.issue(r#"{"name":"a"}"#);
    let (good, door) = (bearer(&secret), format!("x-keyward-door: {key}"));
    let rejected = r#"401 {"detail":"Invalid door key"}"#;
    for lines in [&[&*good][..], &[&good, "x-keyward-door: wrong"], &[&good, &door, &door]] {
        assert_eq!(world.ask("/doors/forwarded", lines).brief(), rejected, "{}", lines.len());
        let nginx = world.ask("/doors/nginx", lines);
        assert_eq!((nginx.status, nginx.header("x-keyward-status")), (403, Some("503")));
        let verify = Connection::open(world.doors).send("POST", "/verify", lines, "{}");
        assert_eq!(verify.brief(), rejected);
    }
    assert_eq!(world.ask("/doors/nginx", &[&good, &door]).status, 200);
    let form = "content-type: application/x-www-form-urlencoded";
    let introspect = |credential: &str, more: &str| {
        let body = format!("token={secret}{more}");
        Connection::open(world.doors).send("POST", "/introspect", &[form, credential], &body)
    };
    assert_eq!(introspect(&format!("authorization: Bearer {key}"), "").status, 200);
    assert_eq!(introspect("x-a: b", &format!("&client_id=api&client_secret={key}")).status, 200);
    let wrong = introspect("authorization: Basic YXBpOndyb25n", "");
    assert_eq!(wrong.brief(), r#"401 {"error":"invalid_client"}"#);
    assert_eq!(wrong.header("www-authenticate"), Some(r#"Basic realm="keyward""#));
    // Another file takes effect without a restart.
    fs::write(&file, format!("edge-2 {}\n", "0f".repeat(32))).unwrap();
    world.server.signal("HUP");
    world.server.wait_for_log("Read the settings anew");
    assert_eq!(world.ask("/doors/forwarded", &[&good, &door]).brief(), rejected);
}

#[test]
fn only_some_networks_may_ask() {
    let world = World::start_with(&[("KEYWARD_DOOR_NETWORKS", "192.0.2.0/24")]);
    let elsewhere = r#"403 {"detail":"Address not allowed"}"#;
    assert_eq!(world.post("/verify", &json!({ "key": "a" })).brief(), elsewhere);
    let lie = "x-forwarded-for: 192.0.2.1";
    assert_eq!(world.ask("/doors/forwarded", &[lie]).brief(), elsewhere);
    let nginx = world.ask("/doors/nginx", &[lie]);
    assert_eq!((nginx.status, nginx.header("x-keyward-status")), (403, Some("503")));
    assert_eq!(world.ask("/healthz", &[]).status, 200);
    // The doors are on their own listener alone.
    assert_eq!(world.server.send("POST", "/verify", &[], "{}").status, 404);
    assert_eq!(world.ask("/key", &[]).status, 404);
}

#[test]
fn doors_that_everyone_reaches_are_not_opened() {
    let refused = |variables: &[(&str, &str)]| {
        let folder = tempdir().unwrap();
        let environment: Vec<_> = [ADMIN].iter().chain(variables).copied().collect();
        let output = crate::server::command(folder.path(), &environment).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let exposed = refused(&[("KEYWARD_DOORS_LISTEN", "0.0.0.0:0")]);
    assert!(exposed.contains("`door_networks` or `door_keys_file`"), "{exposed}");
    let folder = tempdir().unwrap();
    let file = folder.path().join("door-keys");
    fs::write(&file, "edge-1 0f\n").unwrap();
    let malformed = refused(&[DOORS, ("KEYWARD_DOOR_KEYS_FILE", file.to_str().unwrap())]);
    assert!(malformed.contains("line 1: a digest is SHA-256"), "{malformed}");
}

/// Runs a command of the program, and returns its output.
fn keyward(folder: &Path, words: &[&str]) -> String {
    let program = std::process::Command::new(env!("CARGO_BIN_EXE_keyward"))
        .current_dir(folder)
        .args(words)
        .output()
        .unwrap();
    assert!(program.status.success());
    String::from_utf8(program.stdout).unwrap()
}

/// A client never learns what the operator has to mend, so the log says it.
#[test]
fn a_mistake_of_the_operator_is_in_the_log_once_a_minute() {
    let mut world = World::start();
    for _ in 0..3 {
        let asked = world.ask("/doors/nginx/scope/nothing", &[]);
        assert_eq!((asked.status, asked.header("x-keyward-status")), (403, Some("503")));
    }
    let line = world.server.wait_for_log("A door rejects requests");
    assert!(line.contains("The path of the door names no scope"), "{line}");
    let log = world.server.read_log();
    world.server.signal("TERM");
    assert!(!log.join().unwrap().contains("A door rejects requests"));
}

/// Wrong keys are counted for the address that is named, and not for the proxy that asks.
#[test]
fn an_address_with_too_many_wrong_keys_is_no_verdict() {
    let world = World::start_with(&[("KEYWARD_FAILURES_PER_MINUTE", "1")]);
    let wrong = |address: &str| world.post("/verify", &json!({ "key": "a", "address": address }));
    assert_eq!(wrong("192.0.2.1").json()["verdict"], "unknown");
    let flooded = wrong("192.0.2.1");
    assert_eq!(flooded.brief(), r#"429 {"detail":"Rate limit exceeded"}"#);
    assert_eq!(flooded.header("retry-after"), Some("60"));
    assert_eq!(wrong("192.0.2.2").json()["verdict"], "unknown");
    // A question about a key is no attempt to use it.
    for _ in 0..3 {
        assert_eq!(world.introspect("wrong"), json!({ "active": false }));
    }
    let lines = ["x-api-key: a", "x-forwarded-for: 192.0.2.3"];
    let statuses = [401, 429].map(|_| world.ask("/doors/forwarded", &lines).status);
    assert_eq!(statuses, [401, 429]);
}
