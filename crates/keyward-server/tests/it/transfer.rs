//! Moving keys from one server to another over HTTP.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::sample;
use crate::server::{Server, issued};

/// The data of a server: tiers, suspended owners and keys.
fn export(server: &Server, page: u32) -> (Value, Value, Vec<Value>) {
    let path = |after: &str| format!("/admin/export?limit={page}{after}");
    let first = server.admin("GET", &path(""), "");
    assert_eq!(first.header("cache-control"), Some("no-store"));
    let first = first.json();
    let mut keys = first["keys"].as_array().unwrap().clone();
    let mut next = first["next_after"].as_u64();
    while let Some(after) = next {
        let page = server.admin("GET", &path(&format!("&after={after}")), "").json();
        assert!(page.get("tiers").is_none(), "they are on the first page alone");
        keys.extend(page["keys"].as_array().unwrap().iter().cloned());
        next = page["next_after"].as_u64();
    }
    (first["tiers"].clone(), first["suspended_owners"].clone(), keys)
}

/// Writes tiers, keys and suspended owners to a server, in the order in which they need each other.
fn write(server: &Server, (tiers, owners, keys): &(Value, Value, Vec<Value>)) {
    for tier in tiers.as_array().unwrap() {
        let path = format!("/admin/tiers/{}", tier["name"].as_str().unwrap());
        let body = json!({ "limits": tier["limits"] }).to_string();
        assert!(server.admin("PUT", &path, &body).status < 300);
    }
    sample::add(server, keys);
    for owner in owners.as_array().unwrap() {
        let path = format!("/admin/owners/{}/suspend", owner.as_str().unwrap());
        assert_eq!(server.admin("POST", &path, "").status, 200);
    }
}

/// The fields that a key has in an export and where it is shown alike.
const SHOWN: [&str; 12] = [
    "name",
    "tier",
    "owner",
    "scopes",
    "networks",
    "limits",
    "metadata",
    "created_at",
    "expires_at",
    "last_used_at",
    "revoked_at",
    "revoked_reason",
];

fn works(server: &Server, secret: &str) -> bool {
    server.get("/key", secret).status == 200
}

/// Fills a server with keys of every kind; returns secrets and whether they work.
fn fill(server: &Server) -> Vec<(String, bool)> {
    let post = |path: &str, body: &str| server.admin("POST", path, body);
    let limits = r#"[{"name":"requests","amount":3,"per":"1d","burst":7}]"#;
    let gold = format!(r#"{{"limits":{limits}}}"#);
    assert_eq!(server.admin("PUT", "/admin/tiers/gold", &gold).status, 201);
    assert_eq!(server.admin("DELETE", "/admin/tiers/pro", "").status, 204);
    let full = format!(
        r#"{{"name":"ü \" full","tier":"gold","owner":"acme","scopes":["articles:*","*"],
            "networks":["127.0.0.0/8","::1"],"limits":{limits},"expires_at":"2100-01-01T00:00:00Z",
            "metadata":{{"z":[1.5,{{"é":null}}],"a":"\n"}},"prefix":"acme_live"}}"#
    );
    let (full_id, full) = issued(&post("/admin/api-keys", &full));
    let rotated = post(&format!("/admin/api-keys/{full_id}/rotate"), "{}");
    let (_, full_now) = issued(&rotated);
    let (plain_id, plain) = server.issue("plain");
    let (_, plain_now) =
        issued(&post(&format!("/admin/api-keys/{plain_id}/rotate"), r#"{"grace":"0s"}"#));
    let unlimited = r#"{"name":"unlimited","limits":[]}"#;
    let (_, unlimited) = issued(&post("/admin/api-keys", unlimited));
    let (off_id, off) = server.issue("off");
    assert_eq!(post(&format!("/admin/api-keys/{off_id}/suspend"), "").status, 200);
    let (gone_id, gone) = server.issue("gone");
    let gone_path = format!("/admin/api-keys/{gone_id}?reason=why%20not");
    assert_eq!(server.admin("DELETE", &gone_path, "").status, 204);
    let (_, late) = issued(&post("/admin/api-keys", r#"{"name":"late","owner":"late"}"#));
    assert_eq!(post("/admin/owners/late/suspend", "").status, 200);
    let ended = [("imported-former", "2026-01-01T00:00:00Z")];
    sample::add(server, &[sample::key("imported", &ended, "imported-now")]);
    assert!(works(server, &unlimited), "it is used, so that it has a time of that");
    let secrets = [
        (full, true),
        (full_now, true),
        (plain, false),
        (plain_now, true),
        (unlimited, true),
        (off, false),
        (gone, false),
        (late, false),
        ("imported-former".to_owned(), false),
        ("imported-now".to_owned(), true),
    ];
    secrets.to_vec()
}

#[test]
fn exported_and_imported_keys_are_the_same_and_go_on_working() {
    let (here, there) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(here.path());
    let secrets = fill(&server);
    // A stop stores when keys were used.
    assert!(server.stop().0.success());
    let server = Server::start(here.path());
    let whole = export(&server, 1_000);
    assert_eq!(export(&server, 3), whole, "in pages as well");
    let (tiers, owners, keys) = &whole;
    assert_eq!(tiers.as_array().unwrap().len(), 3);
    assert_eq!(*owners, json!(["late"]));
    assert!(keys.iter().any(|key| key["last_used_at"].is_string()));
    for key in keys {
        let shown = server.admin("GET", &format!("/admin/api-keys/{}", key["key_id"]), "").json();
        for field in SHOWN {
            assert_eq!(key[field], shown[field], "{field} of {key}");
        }
    }
    let text = json!(keys).to_string();
    for (secret, _) in &secrets {
        assert!(!text.contains(&secret[secret.len() - 8..]) || secret.starts_with("imported"));
    }

    let copy = Server::start(there.path());
    assert_eq!(copy.admin("DELETE", "/admin/tiers/pro", "").status, 204);
    write(&copy, &whole);
    let copied = export(&copy, 1_000);
    assert_eq!(copied.0.as_array().unwrap().len(), 3);
    assert_eq!((&copied.1, &copied.2), (&whole.1, &whole.2));
    for (secret, expected) in &secrets {
        assert_eq!(works(&copy, secret), *expected, "{}", &secret[..8]);
    }
    // A former secret's limit is its key's, and the next key gets the next id.
    let last = keys.iter().filter_map(|key| key["key_id"].as_u64()).max().unwrap();
    assert_eq!(copy.issue("next").0, last + 1);
}

#[test]
fn a_dry_run_reports_the_outcomes_and_a_repeated_import_skips() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let keys = [
        sample::key("one", &[("former-one", "2100-01-01T00:00:00Z")], "secret-one"),
        sample::key("two", &[], "secret-two"),
    ];
    let body = json!({ "keys": keys }).to_string();
    let dry = server.admin("POST", "/admin/import?dry_run=true", &body);
    let added = r#"200 {"added":2,"skipped":0,"refused":0,"keys":[{"status":"added","key_id":1,"reason":null},{"status":"added","key_id":2,"reason":null}]}"#;
    assert_eq!(dry.brief(), added);
    assert!(!works(&server, "secret-one"));
    assert_eq!(server.admin("GET", "/admin/audit", "").json()["count"], 0);
    assert_eq!(server.admin("POST", "/admin/import", &body).brief(), added);
    assert!(works(&server, "secret-one") && works(&server, "former-one"));
    let again = server.admin("POST", "/admin/import", &body);
    assert_eq!(
        again.brief(),
        added.replace("added", "skipped").replacen(
            "skipped\":2,\"skipped\":0",
            "added\":0,\"skipped\":2",
            1
        )
    );
    assert_eq!(server.admin("GET", "/admin/audit", "").json()["count"], 2);
}

#[test]
fn each_key_is_rejected_for_itself_with_a_reason() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    sample::add(&server, &[sample::key("there", &[], "secret-there")]);
    let with = |member: &str, value: Value| {
        let mut key = sample::key("x", &[], &format!("secret-with-{member}"));
        key[member] = value;
        key
    };
    let twice = [("secret-twice", "2100-01-01T00:00:00Z")];
    let taken = [("secret-there", "2100-01-01T00:00:00Z")];
    let keys = [
        sample::key("good", &[], "secret-good"),
        with("tier", json!("gone")),
        with("key_id", json!(1)),
        sample::key("taken", &taken, "secret-new"),
        sample::key("twice", &twice, "secret-twice"),
        with("state", json!("dead")),
        with("colour", json!("red")),
        with("expires_at", json!("soon")),
        with("revoked_at", json!("2026-01-01T00:00:00Z")),
        with("revoked_reason", json!("leaked")),
        json!([1, 2]),
        json!({ "name": "no secret", "secrets": [] }),
        sample::key("better", &[], "secret-better"),
    ];
    let report = sample::import(&server, &keys).json();
    assert_eq!((&report["added"], &report["refused"]), (&json!(2), &json!(11)));
    let rows = report["keys"].as_array().unwrap();
    assert_eq!((&rows[0]["status"], &rows[12]["status"]), (&json!("added"), &json!("added")));
    let reasons: Vec<_> = rows.iter().filter_map(|row| row["reason"].as_str()).collect();
    insta::assert_snapshot!(reasons.join("\n"));
    assert!(works(&server, "secret-good") && works(&server, "secret-better"));
    assert!(!works(&server, "secret-new"));
}

#[test]
fn an_imported_id_leaves_room_for_the_ids_of_new_keys() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let key = |id: u64| {
        let mut key = sample::key("high", &[], &format!("secret-of-{id}"));
        key["key_id"] = id.into();
        key
    };
    let highest = 4_503_599_627_370_495;
    let keys = [key(highest), key(highest + 1), key(i64::MAX as u64), key(u64::MAX)];
    let report = sample::import(&server, &keys).json();
    assert_eq!((&report["added"], &report["refused"]), (&json!(1), &json!(3)));
    let reason = "key_id: a whole number from 1 to 4503599627370495";
    assert!(report["keys"].as_array().unwrap()[1..].iter().all(|row| row["reason"] == reason));
    assert_eq!(server.issue("next").0, highest + 1);
    let shown = |id: u64| server.admin("GET", &format!("/admin/api-keys/{id}"), "").status;
    assert_eq!((shown(highest + 1), shown(1 << 53), shown(u64::MAX)), (200, 404, 404));
}

#[test]
fn a_request_brings_1_to_1000_keys() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let key = |number: usize| sample::key("many", &[], &format!("secret-{number}"));
    let many = |count: usize| (0..count).map(key).collect::<Vec<_>>();
    let report = sample::import(&server, &many(1_000));
    assert_eq!(report.json()["added"], 1_000);
    assert!(works(&server, "secret-0") && works(&server, "secret-999"));
    assert_eq!(sample::import(&server, &many(1_001)).status, 422);
    assert_eq!(sample::import(&server, &[]).status, 422);
    let post = |path: &str, body: &str| server.admin("POST", path, body).status;
    assert_eq!(post("/admin/import?dry_run=yes", r#"{"keys":[]}"#), 422);
    assert_eq!(post("/admin/import", r#"{"keys":{}}"#), 422);
    assert_eq!(post("/admin/import", r#"{"keys":[],"more":1}"#), 422);
    let listed = json!([[sample::key("listed", &[], "secret-listed")]]).to_string();
    let rejected = server.admin("POST", "/admin/import", &listed);
    assert_eq!((rejected.status, works(&server, "secret-listed")), (422, false));
    assert_eq!(rejected.json()["detail"][0]["type"], "model_attributes_type");
    assert_eq!(post("/admin/import", &format!(r#"{{"keys":["{}"]}}"#, "x".repeat(4 << 20))), 413);
}
