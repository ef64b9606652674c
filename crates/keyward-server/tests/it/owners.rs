//! Owners: suspending one with all of its keys, and resuming just those.

use serde_json::json;
use tempfile::tempdir;

use crate::cli::keyward;
use crate::limits::limit;
use crate::sample;
use crate::server::{ADMIN_KEY, Server};

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
    server.get("/key", secret).status
}

#[test]
fn an_owner_is_suspended_and_resumed_with_the_former_states_of_all_keys() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let states = [("acme-works", "active"), ("acme-off", "suspended"), ("acme-gone", "revoked")];
    add(&server, "acme", &states);
    add(&server, "other", &[("other-works", "active")]);
    let statuses =
        || ["acme-works", "acme-off", "acme-gone", "other-works"].map(|key| status(&server, key));
    assert_eq!(statuses(), [200, 401, 401, 200]);
    let act = |verb: &str| server.admin("POST", &format!("/admin/owners/acme/{verb}"), "").brief();
    let suspended = r#"200 {"owner":"acme","state":"suspended","keys":3,"limits":[],"version":1}"#;
    let active = r#"200 {"owner":"acme","state":"active","keys":3,"limits":[],"version":2}"#;
    // A repeated suspension changes nothing.
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
fn an_owner_without_keys_exists_only_while_it_is_suspended() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let show = || server.admin("GET", "/admin/owners/acme", "").brief();
    let unknown = r#"404 {"detail":"Owner not found"}"#;
    assert_eq!(show(), unknown);
    assert_eq!(server.admin("POST", "/admin/owners/acme/suspend", "").status, 200);
    let suspended = r#"200 {"owner":"acme","state":"suspended","keys":0,"limits":[],"version":1}"#;
    assert_eq!(show(), suspended);
    let resumed = server.admin("POST", "/admin/owners/acme/resume", "").brief();
    let active = r#"200 {"owner":"acme","state":"active","keys":0,"limits":[],"version":2}"#;
    assert_eq!(resumed, active);
    assert_eq!(show(), unknown);
}

#[test]
fn suspended_owners_are_listed_in_pages() {
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
    for rejected in ["?limit=0", "?limit=1001", "?after=two%20words", "?state=active"] {
        assert!(list(rejected).starts_with("422 "), "{rejected}");
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

fn edit(server: &Server, owner: &str, limits: &serde_json::Value) -> crate::server::Response {
    let body = json!({ "limits": limits }).to_string();
    server.admin("PATCH", &format!("/admin/owners/{owner}"), &body)
}

#[test]
fn all_keys_of_an_owner_share_its_limits_on_top_of_their_own() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let limits = json!([limit("requests", 3, "3600s"), limit("day", 9, "86400s")]);
    // It has no key yet.
    let edited = edit(&server, "acme", &limits);
    let shown = json!({"owner": "acme", "state": "active", "keys": 0, "limits": limits,
        "version": 1});
    assert_eq!((edited.status, edited.json()), (200, shown.clone()));
    let path = "/admin/owners/acme";
    assert_eq!(server.admin("GET", path, "").json(), shown);
    assert_eq!(server.admin("GET", path, "").header("etag"), edited.header("etag"));

    add(&server, "acme", &[("acme-one", "active"), ("acme-two", "active")]);
    add(&server, "other", &[("other-one", "active")]);
    let of = ["acme-one", "acme-two", "acme-one", "acme-two", "other-one"];
    assert_eq!(of.map(|key| status(&server, key)), [200, 200, 200, 429, 200]);
    let denied = server.get("/key", "acme-one");
    let policy = r#""requests";q=100;w=60, "owner:requests";q=3;w=3600, "owner:day";q=9;w=86400"#;
    assert_eq!(denied.header("ratelimit-policy"), Some(policy));
    assert_eq!(denied.header("x-ratelimit-limit"), Some("3"));
    let retry = denied.header("retry-after").unwrap();
    let told = denied.header("ratelimit").unwrap();
    assert!(told.contains(&format!(r#""owner:requests";r=0;t={retry}"#)), "{told}");

    // Its keys show it, and new limits hold at once; the existing ones keep their state.
    let more = json!([limit("day", 9, "86400s")]);
    assert_eq!(edit(&server, "acme", &more).json()["version"], 2);
    let key = server.get("/key", "acme-one").json();
    assert_eq!(
        (&key["limits"][0]["name"], &key["limits"][1]["name"]),
        (&json!("requests"), &json!("owner:day"))
    );
    assert_eq!(
        (&key["limits"][1]["remaining"], &key["limit"]["name"]),
        (&json!(5), &json!("owner:day"))
    );

    let server = {
        server.kill();
        Server::start(folder.path())
    };
    assert_eq!(server.admin("GET", path, "").json()["limits"], more);
    let policy = r#""requests";q=100;w=60, "owner:day";q=9;w=86400"#;
    let told = server.get("/key", "acme-two");
    assert_eq!(told.header("ratelimit-policy"), Some(policy));
    // `null` and `[]` are none.
    for none in [json!(null), json!([])] {
        edit(&server, "acme", &more);
        assert_eq!(edit(&server, "acme", &none).json()["limits"], json!([]));
        let told = server.get("/key", "acme-two");
        assert_eq!(told.header("ratelimit-policy"), Some(r#""requests";q=100;w=60"#));
    }
}

#[test]
fn an_edit_of_an_owner_is_audited_and_made_of_the_version_that_was_read() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let path = "/admin/owners/acme";
    let send = |header: &str, limits: &serde_json::Value| {
        let headers = [format!("x-admin-key: {ADMIN_KEY}"), header.to_owned()];
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        server.send("PATCH", path, &headers, &json!({ "limits": limits }).to_string())
    };
    let (few, many) = (json!([limit("day", 1, "1d")]), json!([limit("day", 2, "1d")]));
    assert_eq!(send("if-match: *", &few).status, 412, "it is not there");
    let made = send("if-none-match: *", &few);
    assert_eq!(made.status, 200);
    assert_eq!(send("if-none-match: *", &many).status, 412, "it is there");
    let tag = made.header("etag").unwrap();
    assert_eq!(send(&format!("if-match: {tag}"), &many).status, 200);
    let stale = send(&format!("if-match: {tag}"), &few).brief();
    assert_eq!(stale, r#"412 {"detail":"The owner has changed since; read it again"}"#);
    // A change without effect is not recorded, and neither is an empty body.
    assert_eq!(edit(&server, "acme", &many).json()["version"], 2);
    assert_eq!(server.admin("PATCH", path, "{}").json()["version"], 2);

    let trail = server.admin("GET", "/admin/audit?verb=edit-owner", "").json();
    assert_eq!(trail["count"], 2);
    let entry = &trail["entries"][1];
    let limits = |at: &str| entry["details"][at]["limits"][0]["amount"].clone();
    assert_eq!(
        (&entry["owner"], limits("before"), limits("after")),
        (&json!("acme"), json!(1), json!(2))
    );

    // An owner that is no longer known counts as absent, with any version.
    for verb in ["suspend", "resume"] {
        assert_eq!(server.admin("POST", &format!("/admin/owners/b/{verb}"), "").status, 200);
    }
    let body = json!({ "limits": few }).to_string();
    let headers = [&*format!("x-admin-key: {ADMIN_KEY}"), "if-none-match: *"];
    let made = server.send("PATCH", "/admin/owners/b", &headers, &body);
    assert_eq!((made.status, made.json()["version"].clone()), (200, json!(3)));

    // Suspended and resumed, it keeps them, and stays known.
    for verb in ["suspend", "resume"] {
        assert_eq!(server.admin("POST", &format!("{path}/{verb}"), "").status, 200);
    }
    let shown = server.admin("GET", path, "").json();
    assert_eq!((&shown["state"], &shown["version"]), (&json!("active"), &json!(4)));
    assert_eq!(shown["limits"][0]["amount"], 2);
}

#[test]
fn an_invalid_edit_of_an_owner_changes_nothing() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let many = |count: u32| (0..count).map(|at| limit(&format!("l{at}"), 1, "1s")).collect();
    let loc = |path: &str, body: &serde_json::Value| {
        let response = server.admin("PATCH", path, &body.to_string());
        assert_eq!(response.status, 422, "{path} {body}");
        response.json()["detail"][0]["loc"].clone()
    };
    let body = |limits: serde_json::Value| json!({ "limits": limits });
    let path = "/admin/owners/acme";
    let same = json!([limit("a", 1, "1s"), limit("a", 2, "1s")]);
    assert_eq!(loc(path, &body(same)), json!(["body", "limits", 1, "name"]));
    let nine: Vec<_> = many(9);
    assert_eq!(loc(path, &body(json!(nine))), json!(["body", "limits"]));
    let colon = json!([limit("owner:a", 1, "1s")]);
    assert_eq!(loc(path, &body(colon)), json!(["body", "limits", 0]));
    assert_eq!(loc(path, &json!({ "limit": [] })), json!(["body", "limit"]));
    assert_eq!(loc(path, &json!([])), json!(["body"]));
    let owners = ["two%20words", "%C3%BC", &"o".repeat(101)].map(|owner| owner.to_owned());
    for owner in owners {
        let path = format!("/admin/owners/{owner}");
        assert_eq!(loc(&path, &body(json!([]))), json!(["path", "owner"]));
    }
    assert_eq!(server.admin("GET", "/admin/audit", "").json()["count"], 0);
    assert_eq!(server.admin("GET", path, "").status, 404);
    let eight: Vec<_> = many(8);
    assert_eq!(edit(&server, "acme", &json!(eight)).status, 200);
}

#[test]
fn limits_of_owners_are_transferred_and_left_out_where_there_are_none() {
    let (folder, other) = (tempdir().unwrap(), tempdir().unwrap());
    let (server, other) = (Server::start(folder.path()), Server::start(other.path()));
    add(&server, "acme", &[("acme-works", "active")]);
    let page = |server: &Server| server.admin("GET", "/admin/export", "").json();
    assert_eq!(page(&server).get("owner_limits"), None);
    let limits = json!([limit("requests", 1, "3600s")]);
    edit(&server, "acme", &limits);
    edit(&server, "no-key-yet", &limits);
    edit(&server, "none", &limits);
    edit(&server, "none", &json!([]));
    let told = [("acme", &limits), ("no-key-yet", &limits)];
    let told = told.map(|(owner, limits)| json!({ "owner": owner, "limits": limits }));
    assert_eq!(page(&server)["owner_limits"], json!(told));

    let file = folder.path().join("keys.jsonl");
    let path = file.to_str().unwrap();
    let keyward = |server: &Server, arguments: &[&str]| {
        let output = keyward(&format!("http://{}", server.address), arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?} {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    keyward(&server, &["export", "--output", path]);
    let story = keyward(&other, &["import", path, "--dry-run"]);
    assert!(story.contains("note: the owner `acme` would get its limits"), "{story}");
    assert_eq!(page(&other).get("owner_limits"), None);
    for _ in 0..2 {
        keyward(&other, &["import", path]);
        assert_eq!(page(&other)["owner_limits"], json!(told));
    }
    // Existing limits stay.
    edit(&other, "no-key-yet", &json!([limit("requests", 2, "3600s")]));
    let story = keyward(&other, &["import", path]);
    let note = "note: the owner `no-key-yet` keeps its limits, which are others";
    assert!(story.contains(note), "{story}");
    assert_eq!([status(&other, "acme-works"), status(&other, "acme-works")], [200, 429]);
}
