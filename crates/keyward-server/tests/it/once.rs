//! Requests that take effect once, however often they are sent: `Idempotency-Key`.

use std::sync::Barrier;
use std::thread;

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Response, Server};

const KEYS: &str = "/admin/api-keys";
const BODY: &str = r#"{"name":"once","expires_in":"1s"}"#;

fn send(server: &Server, path: &str, name: &str, body: &str) -> Response {
    let admin = format!("x-admin-key: {ADMIN_KEY}");
    server.send("POST", path, &[&admin, &format!("idempotency-key: {name}")], body)
}

#[test]
fn a_key_is_issued_once_and_its_secret_shown_once() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let first = send(&server, KEYS, "\"8e03978e\"", BODY);
    assert_eq!((first.status, &first.json()["key_id"]), (201, &1.into()));
    let repeated =
        r#"409 {"detail":"The request was made before, and the secret was shown then","key_id":1}"#;
    assert_eq!(send(&server, KEYS, "\"8e03978e\"", BODY).brief(), repeated);
    let other = send(&server, KEYS, "\"8e03978e\"", r#"{"name":"another"}"#);
    assert_eq!(other.status, 422);
    assert_eq!(other.json()["detail"][0]["loc"], serde_json::json!(["header", "Idempotency-Key"]));
    // It is stored with the change, so it survives whenever the change does.
    server.kill();
    let server = Server::start(folder.path());
    assert_eq!(send(&server, KEYS, "\"8e03978e\"", BODY).brief(), repeated);
    assert_eq!(send(&server, KEYS, "b", BODY).status, 201);
    assert_eq!(server.admin("GET", "/admin/audit", "").json()["count"], 2);
}

#[test]
fn a_key_is_rotated_once_whatever_its_version_is_by_then() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    server.issue("a");
    let path = "/admin/api-keys/1/rotate";
    let admin = format!("x-admin-key: {ADMIN_KEY}");
    let rotate = |name: &str, body: &str| {
        let name = format!("idempotency-key: {name}");
        server.send("POST", path, &[&admin, &name, "if-match: \"1\""], body)
    };
    assert_eq!(rotate("a", "").status, 200);
    let again = rotate("a", "");
    assert_eq!((again.status, &again.json()["key_id"]), (409, &1.into()));
    assert_eq!(rotate("a", "{}").status, 422, "it is another body");
    assert_eq!(rotate("b", "").status, 412);
    assert_eq!(send(&server, path, "b", "").status, 200, "a request without effect keeps no name");
    assert_eq!(send(&server, KEYS, "b", r#"{"name":"a"}"#).status, 422, "it is another path");
}

#[test]
fn a_try_that_changed_nothing_keeps_nothing() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    assert_eq!(send(&server, KEYS, "a", r#"{"name":""}"#).status, 422);
    server.admin("POST", "/admin/owners/acme/suspend", "");
    let of_acme = r#"{"name":"x","owner":"acme"}"#;
    assert_eq!(send(&server, KEYS, "a", of_acme).brief(), r#"409 {"detail":"Owner is suspended"}"#);
    server.admin("POST", "/admin/owners/acme/resume", "");
    assert_eq!(send(&server, KEYS, "a", of_acme).status, 201);
}

#[test]
fn one_of_many_requests_at_once_is_carried_out() {
    const SENDERS: usize = 8;
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    for round in 1..=5 {
        let (start, name) = (Barrier::new(SENDERS), format!("idempotency-key: {round}"));
        let issue = || {
            let mut connection = server.connect();
            let headers = [&*format!("x-admin-key: {ADMIN_KEY}"), &name];
            start.wait();
            connection.send("POST", KEYS, &headers, r#"{"name":"same"}"#)
        };
        let responses: Vec<_> = thread::scope(|scope| {
            let issued: Vec<_> = (0..SENDERS).map(|_| scope.spawn(issue)).collect();
            issued.into_iter().map(|issued| issued.join().unwrap()).collect()
        });
        let made: Vec<_> = responses.iter().filter(|response| response.status == 201).collect();
        let repeated: Vec<_> = responses.iter().filter(|response| response.status == 409).collect();
        assert_eq!((made.len(), repeated.len()), (1, SENDERS - 1));
        let id = &made[0].json()["key_id"];
        assert!(repeated.iter().all(|response| response.json()["key_id"] == *id));
    }
    assert_eq!(server.admin("GET", "/admin/audit", "").json()["count"], 5);
}

#[test]
fn a_name_is_one_to_64_visible_characters_and_no_key() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, secret) = server.issue("a");
    for name in ["", "two words", &"n".repeat(65), &secret] {
        let response = send(&server, KEYS, name, BODY);
        assert_eq!(response.status, 400, "{name}: {}", response.body);
        assert!(!response.body.contains(&secret), "{}", response.body);
    }
    let admin = format!("x-admin-key: {ADMIN_KEY}");
    let twice = [&*admin, "idempotency-key: a", "idempotency-key: a"];
    assert_eq!(server.send("POST", KEYS, &twice, BODY).status, 400);
    assert_eq!(send(&server, KEYS, &"n".repeat(64), BODY).status, 201);
}
