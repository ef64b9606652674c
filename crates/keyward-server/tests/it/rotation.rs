//! Rotating keys: a new secret for the same key, and a grace for the one before.

use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::server::{Response, Server, issued};

const KEYS: &str = "/admin/api-keys";

fn rotate(server: &Server, id: u64, body: &str) -> Response {
    server.admin("POST", &format!("{KEYS}/{id}/rotate"), body)
}

fn secret(response: &Response) -> String {
    assert_eq!(response.status, 200, "{}", response.body);
    response.json()["api_key"].as_str().unwrap().to_owned()
}

#[test]
fn a_rotation_changes_the_secret_and_nothing_else() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let body = r#"{"name":"x","prefix":"acme","expires_at":"2100-01-01T00:00:00Z"}"#;
    let (id, old) = issued(&server.admin("POST", KEYS, body));
    assert_eq!(server.get("/key", &old).header("x-ratelimit-remaining"), Some("99"));
    let rotated = rotate(&server, id, "{}");
    assert_eq!(rotated.header("cache-control"), Some("no-store"));
    assert_eq!(rotated.header("etag"), Some("\"2\""));
    let json = rotated.json();
    let members: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["api_key", "key_id", "name", "tier", "hint", "grace_until", "expires_at", "version"];
    assert_eq!(members, expected);
    let new = secret(&rotated);
    assert!(new.starts_with("acme_") && new != old);
    assert_eq!(json["hint"], new[..9]);
    assert_eq!(json["expires_at"], "2100-01-01T00:00:00.000Z");
    // Both work, and take from the same limit.
    assert_eq!(server.get("/key", &new).header("x-ratelimit-remaining"), Some("98"));
    assert_eq!(server.get("/key", &old).header("x-ratelimit-remaining"), Some("97"));
    let shown = server.admin("GET", &format!("{KEYS}/{id}"), "");
    assert_eq!(shown.json()["grace_until"], json["grace_until"]);
    assert!(shown.json()["rotated_at"].is_string());
    assert!(!shown.body.contains(&new[10..]) && !shown.body.contains(&old[10..]));
    let usage = server.admin("GET", &format!("{KEYS}/{id}/usage"), "").json();
    assert_eq!(usage["total"]["allowed"], 3);
}

#[test]
fn a_second_rotation_ends_the_first_grace_at_once() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (id, first) = server.issue("x");
    let second = secret(&rotate(&server, id, r#"{"grace":"30d"}"#));
    let third = secret(&rotate(&server, id, ""));
    let statuses = [&first, &second, &third].map(|secret| server.get("/key", secret).status);
    assert_eq!(statuses, [401, 200, 200]);
    let last = rotate(&server, id, r#"{"grace":"0s"}"#);
    assert_eq!(last.json()["grace_until"], Value::Null);
    let fourth = secret(&last);
    let statuses = [&second, &third, &fourth].map(|secret| server.get("/key", secret).status);
    assert_eq!(statuses, [401, 401, 200]);
    assert_eq!(server.admin("GET", &format!("{KEYS}/{id}"), "").json()["grace_until"], Value::Null);
    // Each change of the key's state applies to all of its secrets.
    let fifth = secret(&rotate(&server, id, "{}"));
    assert_eq!(server.admin("POST", &format!("{KEYS}/{id}/suspend"), "").status, 200);
    let statuses = [&fourth, &fifth].map(|secret| server.get("/key", secret).status);
    assert_eq!(statuses, [401, 401]);
}

#[test]
fn no_rotation_makes_a_key_last_longer() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let body = r#"{"name":"x","expires_in":"1h"}"#;
    let response = server.admin("POST", KEYS, body);
    let (id, _) = issued(&response);
    let rotated = rotate(&server, id, r#"{"grace":"24h"}"#).json();
    assert_eq!(rotated["expires_at"], response.json()["expires_at"]);
    assert_eq!(rotated["grace_until"], response.json()["expires_at"]);
    let path = format!("{KEYS}/{id}");
    server.admin("PATCH", &path, r#"{"expires_at":"2020-01-01T00:00:00Z"}"#);
    assert_eq!(rotate(&server, id, "{}").brief(), r#"409 {"detail":"API key has expired"}"#);
    assert_eq!(rotate(&server, 99, "{}").brief(), r#"404 {"detail":"API key not found"}"#);
}

#[test]
fn a_grace_is_a_time_of_at_most_thirty_days() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (id, old) = server.issue("x");
    for grace in [json!("31d"), json!("24"), json!(""), json!("-1s"), json!(24), json!(null)] {
        let response = rotate(&server, id, &json!({ "grace": grace }).to_string());
        let fault = &response.json()["detail"][0];
        assert_eq!((response.status, &fault["loc"]), (422, &json!(["body", "grace"])), "{grace}");
    }
    for body in [r#"{"grace":"1h","api_key":"kw_mine"}"#, "[]", "zzz"] {
        assert_eq!(rotate(&server, id, body).status, 422, "{body}");
    }
    assert_eq!(server.admin("GET", &format!("{KEYS}/{id}"), "").json()["version"], 1);
    assert_eq!(server.get("/key", &old).status, 200);
}

/// Waits until each caller has had two more responses: the second one was requested after this
/// began.
fn wait_for_everyone(answered: &[AtomicUsize]) {
    let counts = || answered.iter().map(|count| count.load(Ordering::Relaxed));
    let before: Vec<_> = counts().collect();
    while counts().zip(&before).any(|(now, before)| now < before + 2) {
        thread::yield_now();
    }
}

#[test]
fn a_rotation_under_load_loses_no_request() {
    const CALLERS: usize = 64;
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (id, first) = issued(&server.admin("POST", KEYS, r#"{"name":"busy","limits":[]}"#));
    let in_use = RwLock::new(first);
    let done = AtomicBool::new(false);
    let answered: Vec<_> = (0..CALLERS).map(|_| AtomicUsize::new(0)).collect();
    let granted = AtomicUsize::new(0);
    let call = |answered: &AtomicUsize| {
        let mut connection = server.connect();
        while !done.load(Ordering::Relaxed) {
            let line = format!("x-api-key: {}", in_use.read().unwrap());
            let status = connection.send("GET", "/key", &[&line], "").status;
            granted.fetch_add(usize::from(status == 200), Ordering::Relaxed);
            answered.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        answered.iter().for_each(|answered| drop(scope.spawn(|| call(answered))));
        for _ in 0..5 {
            // Callers learn of the new secret only after the old one was replaced, and no caller
            // uses the one before that when the next rotation ends its grace.
            wait_for_everyone(&answered);
            let rotated = secret(&rotate(&server, id, r#"{"grace":"1h"}"#));
            wait_for_everyone(&answered);
            *in_use.write().unwrap() = rotated;
        }
        wait_for_everyone(&answered);
        done.store(true, Ordering::Relaxed);
    });
    let answered: usize = answered.into_iter().map(AtomicUsize::into_inner).sum();
    assert_eq!(granted.into_inner(), answered);
}
