//! Owners: suspending one with all of its keys, and resuming just those.

use serde_json::json;
use tempfile::tempdir;

use crate::sample;
use crate::server::Server;

/// Adds keys of one owner, in these states.
fn add(server: &Server, owner: &str, keys: &[(&str, &str)]) {
    let key = |(secret, state): &(&str, &str)| {
        let mut key = sample::key(secret, &[], secret);
        key["owner"] = owner.into();
        key["state"] = (*state).into();
        key
    };
    sample::add(server, &keys.iter().map(key).collect::<Vec<_>>());
}

fn status(server: &Server, secret: &str) -> u16 {
    server.get("/articles?limit=1", secret).status
}

#[test]
fn an_owner_is_suspended_with_all_keys_and_resumed_to_what_they_were() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let states = [("acme-works", "active"), ("acme-off", "suspended"), ("acme-gone", "revoked")];
    add(&server, "acme", &states);
    add(&server, "other", &[("other-works", "active")]);
    let statuses =
        || ["acme-works", "acme-off", "acme-gone", "other-works"].map(|key| status(&server, key));
    assert_eq!(statuses(), [200, 401, 401, 200]);
    let act = |verb: &str| server.admin("POST", &format!("/admin/owners/acme/{verb}"), "").brief();
    let suspended = r#"200 {"owner":"acme","state":"suspended","keys":3}"#;
    let active = r#"200 {"owner":"acme","state":"active","keys":3}"#;
    // Twice is fine, and the second time nothing changes.
    assert_eq!((act("suspend").as_str(), act("suspend").as_str()), (suspended, suspended));
    assert_eq!(statuses(), [401, 401, 401, 200]);
    assert_eq!(server.admin("GET", "/admin/owners/acme", "").brief(), suspended);
    assert_eq!((act("resume").as_str(), act("resume").as_str()), (active, active));
    assert_eq!(statuses(), [200, 401, 401, 200]);
    let trail = server.admin("GET", "/admin/audit?order=desc&limit=2", "").json();
    let verbs = [&trail["entries"][1], &trail["entries"][0]].map(|entry| entry["verb"].clone());
    assert_eq!(verbs, [json!("suspend-owner"), json!("resume-owner")]);
    assert_eq!(trail["entries"][0]["owner"], "acme");
}

#[test]
fn a_suspension_survives() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    add(&server, "acme", &[("acme-works", "active")]);
    assert_eq!(server.admin("POST", "/admin/owners/acme/suspend", "").status, 200);
    server.kill();
    let server = Server::start(folder.path());
    assert_eq!(status(&server, "acme-works"), 401);
    assert_eq!(server.admin("POST", "/admin/owners/acme/resume", "").status, 200);
    assert_eq!(status(&server, "acme-works"), 200);
}

#[test]
fn an_owner_without_keys_is_there_only_while_it_is_suspended() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let show = || server.admin("GET", "/admin/owners/acme", "").brief();
    let unknown = r#"404 {"detail":"Owner not found"}"#;
    assert_eq!(show(), unknown);
    assert_eq!(server.admin("POST", "/admin/owners/acme/suspend", "").status, 200);
    assert_eq!(show(), r#"200 {"owner":"acme","state":"suspended","keys":0}"#);
    let resumed = server.admin("POST", "/admin/owners/acme/resume", "").brief();
    assert_eq!(resumed, r#"200 {"owner":"acme","state":"active","keys":0}"#);
    assert_eq!(show(), unknown);
}

#[test]
fn those_that_are_suspended_are_listed_page_by_page() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    add(&server, "works", &[("works", "active")]);
    for owner in ["c", "a", "b%26", "gone"] {
        let path = format!("/admin/owners/{owner}/suspend");
        assert_eq!(server.admin("POST", &path, "").status, 200);
    }
    server.admin("POST", "/admin/owners/gone/resume", "");
    let list = |query: &str| server.admin("GET", &format!("/admin/owners{query}"), "").brief();
    let all = r#"200 {"count":3,"suspended_owners":["a","b&","c"],"next_after":null}"#;
    assert_eq!(list(""), all);
    let first = r#"200 {"count":2,"suspended_owners":["a","b&"],"next_after":"b&"}"#;
    assert_eq!(list("?limit=2"), first);
    let second = r#"200 {"count":1,"suspended_owners":["c"],"next_after":null}"#;
    assert_eq!(list("?limit=2&after=b%26"), second);
    for refused in ["?limit=0", "?limit=1001", "?after=two%20words", "?state=active"] {
        assert!(list(refused).starts_with("422 "), "{refused}");
    }
}

#[test]
fn an_owner_is_an_id_and_no_prose() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let status = |owner: &str| server.admin("GET", &format!("/admin/owners/{owner}"), "").status;
    assert_eq!(status("two%20words"), 422);
    assert_eq!(status(&"o".repeat(101)), 422);
    assert_eq!(status(&"o".repeat(100)), 404);
    assert_eq!(status("a%2Fb"), 404);
    assert_eq!(status("%FF"), 400);
}
