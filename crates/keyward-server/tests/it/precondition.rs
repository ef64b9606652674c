//! Changes that are made only to a key as it was seen.

use std::sync::Barrier;
use std::thread;

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Response, Server};

#[test]
fn one_of_many_edits_of_one_version_is_made() {
    const EDITORS: usize = 16;
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    server.issue("seen by all");
    for version in 1..=5 {
        let (start, tag) = (Barrier::new(EDITORS), format!("if-match: \"{version}\""));
        let edit = |editor: usize| {
            let mut connection = server.connect();
            let headers = [&*format!("x-admin-key: {ADMIN_KEY}"), &tag];
            let body = format!(r#"{{"name":"edit {version} of {editor}"}}"#);
            start.wait();
            connection.send("PATCH", "/admin/api-keys/1", &headers, &body)
        };
        let responses: Vec<_> = thread::scope(|scope| {
            let edits: Vec<_> =
                (0..EDITORS).map(|editor| scope.spawn(move || edit(editor))).collect();
            edits.into_iter().map(|edit| edit.join().unwrap()).collect()
        });
        let made: Vec<_> = responses.iter().filter(|response| response.status == 200).collect();
        let stale = responses.iter().filter(|response| response.status == 412).count();
        assert_eq!((made.len(), stale), (1, EDITORS - 1));
        let shown = server.admin("GET", "/admin/api-keys/1", "").json();
        assert_eq!(shown["name"], made[0].json()["name"]);
        assert_eq!(shown["version"], version + 1);
    }
}

fn send(server: &Server, method: &str, path: &str, header: &str, body: &str) -> Response {
    server.send(method, path, &[&*format!("x-admin-key: {ADMIN_KEY}"), header], body)
}

#[test]
fn a_tier_is_written_only_at_the_version_that_was_read() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let path = "/admin/tiers/gold";
    let put = |header: &str, amount: u32| {
        let limit = format!(r#"{{"name":"requests","amount":{amount},"per":"60s","burst":5}}"#);
        send(&server, "PUT", path, header, &format!(r#"{{"limits":[{limit}]}}"#))
    };
    assert_eq!(put("if-match: *", 1).status, 412, "it is not there");
    let made = put("if-none-match: *", 1);
    assert_eq!(made.status, 201);
    assert_eq!(put("if-none-match: *", 2).brief(), r#"412 {"detail":"The tier is there already"}"#);
    let tag = made.header("etag").unwrap().to_owned();
    let read = |header: &str| send(&server, "GET", path, header, "");
    let shown = read("accept: */*");
    assert_eq!((shown.status, shown.header("etag")), (200, Some(&*tag)));
    let known = read(&format!("if-none-match: {tag}"));
    assert_eq!((known.status, &*known.body, known.header("etag")), (304, "", Some(&*tag)));
    assert_eq!(put(&format!("if-match: {tag}"), 2).status, 200);
    let stale = r#"412 {"detail":"The tier has changed since; read it again"}"#;
    assert_eq!(put(&format!("if-match: {tag}"), 3).brief(), stale);
    assert_eq!(put("if-match: gold", 3).status, 400);
    assert_eq!(read(&format!("if-none-match: {tag}")).status, 200);
    assert_eq!(send(&server, "DELETE", path, &format!("if-match: {tag}"), "").brief(), stale);
    let shown = read("accept: */*");
    assert_eq!(shown.json()["limits"][0]["amount"], 2);
    let tag = format!("if-match: {}", shown.header("etag").unwrap());
    assert_eq!(send(&server, "DELETE", path, &tag, "").status, 204);
    assert_eq!(read("accept: */*").brief(), r#"404 {"detail":"Tier not found"}"#);
}

#[test]
fn a_key_that_is_known_is_not_sent_again() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    server.issue("a");
    let path = "/admin/api-keys/1";
    let read = |header: &str| send(&server, "GET", path, header, "").status;
    assert_eq!(read("if-none-match: \"1\""), 304);
    assert_eq!(read("if-none-match: W/\"1\", \"7\""), 304);
    assert_eq!(read("if-none-match: \"2\""), 200);
    assert_eq!(read("if-match: \"2\""), 412);
    for (method, path, body) in [
        ("PATCH", path, r#"{"name":"b"}"#),
        ("POST", "/admin/api-keys/1/suspend", ""),
        ("POST", "/admin/api-keys/1/resume", ""),
        ("POST", "/admin/api-keys/1/rotate", ""),
        ("DELETE", path, ""),
    ] {
        for header in ["if-none-match: *", "if-none-match: \"1\"", "if-match: \"2\""] {
            assert_eq!(send(&server, method, path, header, body).status, 412, "{method} {path}");
        }
    }
    assert_eq!(server.admin("GET", "/admin/audit", "").json()["count"], 1);
}

#[test]
fn a_key_that_was_suspended_with_its_owner_is_no_longer_as_it_was_seen() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let issue = || server.admin("POST", "/admin/api-keys", r#"{"name":"a","owner":"acme"}"#);
    assert_eq!(issue().header("etag"), Some("\"1\""));
    let path = "/admin/api-keys/1";
    let read = |tag: &str| {
        let shown = send(&server, "GET", path, &format!("if-none-match: \"{tag}\""), "");
        (shown.status, shown.header("etag").unwrap().to_owned())
    };
    let change = |method: &str, path: &str, tag: &str, body: &str| {
        let changed = send(&server, method, path, &format!("if-match: \"{tag}\""), body);
        (changed.status, changed.header("etag").map(str::to_owned))
    };
    let rename = |tag: &str| change("PATCH", path, tag, r#"{"name":"b"}"#);
    let tagged = |tag: &str| Some(format!("\"{tag}\""));
    assert_eq!(read("1"), (304, "\"1\"".to_owned()));

    assert_eq!(server.admin("POST", "/admin/owners/acme/suspend", "").status, 200);
    assert_eq!(read("1"), (200, "\"1.1\"".to_owned()));
    let shown = server.admin("GET", path, "").json();
    assert_eq!((&shown["state"], &shown["version"]), (&"suspended".into(), &1.into()));
    assert_eq!(rename("1").0, 412);
    assert_eq!(change("DELETE", path, "1", "").0, 412);
    assert_eq!(rename("1.1"), (200, tagged("2.1")));
    assert_eq!(read("2.1").0, 304);

    assert_eq!(server.admin("POST", "/admin/owners/acme/resume", "").status, 200);
    assert_eq!(read("2.1"), (200, "\"2.2\"".to_owned()));
    let rotate = |tag: &str| change("POST", "/admin/api-keys/1/rotate", tag, "");
    assert_eq!(rotate("2.1").0, 412);
    assert_eq!(rotate("2.2"), (200, tagged("3.2")));
    assert_eq!(issue().header("etag"), Some("\"1.2\""));
    let given = r#"{"owner":"other"}"#;
    assert_eq!(change("PATCH", path, "3.2", given), (200, tagged("4")));
}

#[test]
fn a_key_that_has_expired_is_sent_whatever_the_client_has() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    server.issue("a");
    let path = "/admin/api-keys/1";
    let edited = r#"{"expires_at":"2001-01-01T00:00:00Z"}"#;
    assert_eq!(server.admin("PATCH", path, edited).header("etag"), Some("\"2\""));
    let shown = send(&server, "GET", path, "if-none-match: \"2\"", "");
    assert_eq!((shown.status, &shown.json()["state"]), (200, &"expired".into()));
    assert_eq!(send(&server, "GET", path, "if-match: \"1\"", "").status, 412);
}

#[test]
fn an_owner_is_suspended_only_at_the_version_that_was_read() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let issue = || server.admin("POST", "/admin/api-keys", r#"{"name":"a","owner":"acme"}"#).status;
    assert_eq!(issue(), 201);
    let path = "/admin/owners/acme";
    let read = |header: &str| send(&server, "GET", path, header, "");
    let tag = read("accept: */*").header("etag").unwrap().to_owned();
    assert_eq!(read(&format!("if-none-match: {tag}")).status, 304);
    assert_eq!(issue(), 201);
    assert_eq!(read(&format!("if-none-match: {tag}")).status, 200);
    let suspend =
        |header: &str| send(&server, "POST", "/admin/owners/acme/suspend", header, "").status;
    assert_eq!(suspend(&format!("if-match: {tag}")), 412);
    let tag = read("accept: */*").header("etag").unwrap().to_owned();
    assert_eq!(suspend(&format!("if-none-match: {tag}")), 412);
    assert_eq!(suspend(&format!("if-match: {tag}")), 200);
}

#[test]
fn a_resource_without_a_tag_is_changed_under_no_tag() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let issue = |header: &str| send(&server, "POST", "/admin/api-keys", header, r#"{"name":"a"}"#);
    assert_eq!(issue("if-match: \"1\"").status, 412);
    assert_eq!(issue("if-none-match: *").status, 412);
    assert_eq!(issue("if-match: 1").status, 400);
    assert_eq!(issue("if-match: *").status, 201);
    let key = format!(r#"{{"name":"a","secrets":[{{"digest":"{}"}}]}}"#, "ab".repeat(32));
    let body = format!(r#"{{"keys":[{key}]}}"#);
    assert_eq!(send(&server, "POST", "/admin/import", "if-match: \"1\"", &body).status, 412);
    assert_eq!(server.admin("GET", "/admin/audit", "").json()["count"], 1);
}
