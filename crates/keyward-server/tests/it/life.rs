//! Issuing, editing, suspending, resuming, revoking and identifying keys.

use insta::assert_snapshot;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Response, Server};

const KEYS: &str = "/admin/api-keys";
const REFUSED: &str = r#"401 {"detail":"Invalid or inactive API key"}"#;
const FULL: &str = r#"{"name":"weather-bot","tier":"pro","owner":"org_2f9","scopes":["articles:read","a:*"],
    "networks":["10.0.0.0/8","::1"],"metadata":{"z":1,"a":[true]},"prefix":"acme_live",
    "limits":[{"name":"requests","amount":5,"per":"1m","burst":7}],
    "expires_at":"2100-01-01T00:00:00.123Z"}"#;

/// A body whose secret and times, which differ from run to run, are named instead.
fn steady(response: &Response) -> String {
    let mut json = response.json();
    for name in ["api_key", "hint", "created_at", "last_used_at", "rotated_at", "revoked_at"] {
        if let Some(member) = json.get_mut(name).filter(|member| !member.is_null()) {
            *member = format!("<{name}>").into();
        }
    }
    format!("{} {json}", response.status)
}

fn patch(server: &Server, id: u64, headers: &[&str], body: &str) -> Response {
    let admin = format!("x-admin-key: {ADMIN_KEY}");
    let headers: Vec<_> = headers.iter().copied().chain([admin.as_str()]).collect();
    server.send("PATCH", &format!("{KEYS}/{id}"), &headers, body)
}

fn act(server: &Server, id: u64, verb: &str) -> Response {
    server.admin("POST", &format!("{KEYS}/{id}/{verb}"), "")
}

fn show(server: &Server, id: u64) -> Value {
    server.admin("GET", &format!("{KEYS}/{id}"), "").json()
}

fn faults(response: &Response) -> Vec<String> {
    assert_eq!(response.status, 422, "{}", response.body);
    let fault = |fault: &Value| {
        let place: Vec<_> =
            fault["loc"].as_array().unwrap().iter().map(|step| step.to_string()).collect();
        format!("{} {}", place.join(".").replace('"', ""), fault["type"].as_str().unwrap())
    };
    response.json()["detail"].as_array().unwrap().iter().map(fault).collect()
}

#[test]
fn a_key_is_issued_with_everything_that_it_can_have() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let issued = server.admin("POST", KEYS, FULL);
    assert_snapshot!(steady(&issued), @r#"201 {"api_key":"<api_key>","key_id":1,"name":"weather-bot","tier":"pro","created_at":"<created_at>","hint":"<hint>","scopes":["articles:read","a:*"],"expires_at":"2100-01-01T00:00:00.123Z","owner":"org_2f9","networks":["10.0.0.0/8","::1/128"],"limits":[{"name":"requests","amount":5,"per":"60s","burst":7}],"metadata":{"z":1,"a":[true]},"version":1}"#);
    assert_eq!(issued.header("etag"), Some("\"1\""));
    assert_eq!(issued.header("location"), Some("api-keys/1"));
    assert_eq!(issued.header("cache-control"), Some("no-store"));
    assert!(issued.json()["api_key"].as_str().unwrap().starts_with("acme_live_"));
    let shown = server.admin("GET", "/admin/api-keys/1", "");
    assert_snapshot!(steady(&shown), @r#"200 {"key_id":1,"name":"weather-bot","tier":"pro","owner":"org_2f9","state":"active","suspended_by":[],"hint":"<hint>","scopes":["articles:read","a:*"],"networks":["10.0.0.0/8","::1/128"],"limits":[{"name":"requests","amount":5,"per":"60s","burst":7}],"metadata":{"z":1,"a":[true]},"version":1,"created_at":"<created_at>","expires_at":"2100-01-01T00:00:00.123Z","last_used_at":null,"rotated_at":null,"grace_until":null,"revoked_at":null,"revoked_reason":null}"#);
    assert_eq!(shown.header("etag"), Some("\"1\""));
    let prefixes = server.admin("GET", "/admin/prefixes", "").brief();
    assert_eq!(prefixes, r#"200 {"prefixes":["acme_live","kw"]}"#);
    // From 127.0.0.1 it may not be used, and the response to its holder says so.
    let secret = issued.json()["api_key"].as_str().unwrap().to_owned();
    assert_eq!(server.get("/key", &secret).brief(), r#"403 {"detail":"Address not allowed"}"#);
}

#[test]
fn every_fault_of_a_new_key_is_reported_at_once() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let body = r#"{"name":"a\u0000b","owner":"two words","scopes":["x",7],"networks":["10.0.0.1/8"],
        "limits":[{"name":"requests","amount":0,"per":"1y","burst":1}],"metadata":[],
        "expires_at":"1969-12-31T23:59:59Z","prefix":"Kw","colour":"red"}"#;
    assert_snapshot!(server.admin("POST", KEYS, body).brief());
    let rejected = |member: &str| {
        faults(&server.admin("POST", KEYS, &format!(r#"{{"name":"x",{member}}}"#))).join(", ")
    };
    let span = "body.expires_in value_error";
    for lifetime in ["0s", "90", "1y", "-1d", "36526d", "999999999999999999999d", ""] {
        assert_eq!(rejected(&format!(r#""expires_in":"{lifetime}""#)), span, "{lifetime}");
    }
    assert_eq!(rejected(r#""expires_in":90"#), "body.expires_in string_type");
    assert_eq!(rejected(r#""expires_at":"2100-01-01T00:00:00Z","expires_in":"1d""#), span);
    assert_eq!(rejected(r#""expires_at":"2020-01-01T00:00:00Z""#), "body.expires_at value_error");
    for time in ["9999999-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2030-01-01", "2030"] {
        let fault = rejected(&format!(r#""expires_at":"{time}""#));
        assert_eq!(fault, "body.expires_at datetime_parsing", "{time}");
    }
    let large = format!(r#""metadata":{{"a":"{}"}}"#, "x".repeat(4_089));
    assert_eq!(rejected(&large), "body.metadata value_error");
    let scopes = json!(vec!["a:b"; 33]);
    assert_eq!(rejected(&format!(r#""scopes":{scopes}"#)), "body.scopes too_long");
    let networks = json!(vec!["::1"; 33]);
    assert_eq!(rejected(&format!(r#""networks":{networks}"#)), "body.networks too_long");
    assert_eq!(server.admin("GET", KEYS, "").json()["count"], 0);
    // The largest accepted values.
    let body = format!(
        r#"{{"name":"x","expires_in":"36525d","metadata":{{"a":"{}"}},"owner":null,"limits":[]}}"#,
        "x".repeat(4_088)
    );
    assert_eq!(server.admin("POST", KEYS, &body).status, 201);
}

#[test]
fn fields_that_only_the_server_sets_are_rejected_and_change_nothing() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (id, _) = server.issue("mine");
    let before = show(&server, id);
    for member in [
        "id",
        "key_id",
        "owner_id",
        "hash",
        "key_hash",
        "digest",
        "created_at",
        "state",
        "version",
        "hint",
        "api_key",
        "revoked_at",
        "last_used_at",
        "prefix",
    ] {
        let body = json!({ "tier": "enterprise", "scopes": ["*"], member: 7 }).to_string();
        let told = faults(&patch(&server, id, &[], &body));
        assert_eq!(told, [format!("body.{member} extra_forbidden")]);
        if member != "prefix" {
            let body = json!({ "name": "x", member: 7 }).to_string();
            let told = faults(&server.admin("POST", KEYS, &body));
            assert_eq!(told, [format!("body.{member} extra_forbidden")]);
        }
    }
    assert_eq!(show(&server, id), before);
    assert_eq!(server.admin("GET", KEYS, "").json()["count"], 1);
    assert_eq!(server.admin("GET", "/admin/audit", "").json()["count"], 1);
}

#[test]
fn a_key_never_manages_keys_whatever_its_scopes() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (id, _) = server.issue("other");
    let response = server.admin("POST", KEYS, r#"{"name":"all","scopes":["*"]}"#);
    let secret = response.json()["api_key"].as_str().unwrap().to_owned();
    let bearer = format!("authorization: Bearer {secret}");
    let path = format!("{KEYS}/{id}");
    for (method, path) in [
        ("GET", KEYS.to_owned()),
        ("POST", KEYS.to_owned()),
        ("GET", path.clone()),
        ("PATCH", path.clone()),
        ("DELETE", path.clone()),
        ("POST", format!("{path}/suspend")),
        ("POST", format!("{path}/rotate")),
        ("POST", format!("{KEYS}/identify")),
        ("GET", "/admin/usage".to_owned()),
        ("GET", "/admin/prefixes".to_owned()),
    ] {
        let response = server.send(method, &path, &[&bearer], r#"{"name":"stolen"}"#);
        assert_eq!(response.brief(), r#"403 {"detail":"Invalid admin key"}"#, "{method} {path}");
    }
    assert_eq!(show(&server, id)["version"], 1);
}

#[test]
fn an_edit_counts_from_the_next_request_on() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (id, secret) = server.issue("weather-bot");
    let limited_to = || {
        let response = server.get("/key", &secret);
        (response.status, response.header("x-ratelimit-limit").map(str::to_owned))
    };
    assert_eq!(limited_to(), (200, Some("100".to_owned())));
    assert_eq!(patch(&server, id, &[], r#"{"tier":"enterprise"}"#).status, 200);
    assert_eq!(limited_to(), (200, Some("10000".to_owned())));
    assert_eq!(patch(&server, id, &[], r#"{"limits":[]}"#).status, 200);
    assert_eq!(limited_to(), (200, None));
    assert_eq!(server.get("/key", &secret).json()["limit"], Value::Null);
    assert_eq!(patch(&server, id, &[], r#"{"limits":null,"scopes":["a:b"]}"#).status, 200);
    assert_eq!(server.get("/key", &secret).json()["scopes"], json!(["a:b"]));
    assert_eq!(patch(&server, id, &[], r#"{"networks":["192.0.2.0/24"]}"#).status, 200);
    assert_eq!(server.get("/key", &secret).status, 403);
    let owned = r#"{"networks":["127.0.0.0/8"],"owner":"org_2f9","name":"renamed"}"#;
    assert_eq!(patch(&server, id, &[], owned).status, 200);
    let own = server.get("/key", &secret).json();
    assert_eq!((&own["owner"], &own["name"]), (&json!("org_2f9"), &json!("renamed")));
    // A past expiry expires it now; removing the expiry restores it.
    let past = patch(&server, id, &[], r#"{"expires_at":"2020-01-01T00:00:00Z"}"#);
    assert_eq!(past.json()["state"], "expired");
    assert_eq!(server.get("/key", &secret).brief(), REFUSED);
    assert_eq!(patch(&server, id, &[], r#"{"expires_in":null}"#).json()["state"], "active");
    assert_eq!(server.get("/key", &secret).status, 200);
    assert_eq!(patch(&server, id, &[], r#"{"expires_in":"0s"}"#).json()["state"], "expired");
}

#[test]
fn edits_of_two_people_do_not_overwrite_each_other() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (id, _) = server.issue("shared");
    let edit = |tag: &str, name: &str| {
        let body = json!({ "name": name }).to_string();
        let response = patch(&server, id, &[&format!("if-match: {tag}")], &body);
        (response.status, response.header("etag").map(str::to_owned))
    };
    let done = |tag: &str| (200, Some(tag.to_owned()));
    assert_eq!(edit("\"1\"", "first"), done("\"2\""));
    assert_eq!(edit("\"1\"", "second"), (412, None));
    assert_eq!(edit("W/\"2\"", "weak"), (412, None));
    assert_eq!(edit("\"02\", \"x\"", "other"), (412, None));
    assert_eq!(edit("\"9\", \"2\"", "third"), done("\"3\""));
    assert_eq!(edit("*", "fourth"), done("\"4\""));
    for malformed in ["4", "\"4", "\"4\" \"5\"", "*, \"4\"", ""] {
        assert_eq!(edit(malformed, "fifth").0, 400, "{malformed}");
    }
    // A change without effect does not raise the version.
    assert_eq!(edit("\"4\"", "fourth"), done("\"4\""));
    assert_eq!(patch(&server, id, &[], "{}").header("etag"), Some("\"4\""));
    assert_eq!(show(&server, id)["name"], "fourth");
    let stale = patch(&server, id, &["if-match: \"1\""], "{}").brief();
    assert_eq!(stale, r#"412 {"detail":"The key has changed since; read it again"}"#);
    let gone = patch(&server, 99, &["if-match: \"1\""], "{}").brief();
    assert_eq!(gone, r#"404 {"detail":"API key not found"}"#);
    // The other changes of a key check it as well.
    let admin = format!("x-admin-key: {ADMIN_KEY}");
    let path = format!("{KEYS}/{id}");
    for (method, path) in [
        ("POST", format!("{path}/suspend")),
        ("POST", format!("{path}/resume")),
        ("POST", format!("{path}/rotate")),
        ("DELETE", path),
    ] {
        let response = server.send(method, &path, &[&admin, "if-match: \"3\""], "");
        assert_eq!(response.status, 412, "{method} {path}");
    }
    assert_eq!(show(&server, id)["version"], 4);
}

#[test]
fn suspending_counts_for_the_next_request_and_can_be_undone() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (id, secret) = server.issue("weather-bot");
    for _ in 0..50 {
        assert_eq!(act(&server, id, "suspend").json()["state"], "suspended");
        assert_eq!(server.get("/key", &secret).brief(), REFUSED);
        assert_eq!(act(&server, id, "resume").json()["state"], "active");
        assert_eq!(server.get("/key", &secret).status, 200);
    }
    assert_eq!(act(&server, id, "suspend").header("etag"), Some("\"102\""));
    let again = act(&server, id, "suspend");
    assert_eq!((again.status, again.header("etag")), (200, Some("\"102\"")));
    assert_eq!(act(&server, 99, "suspend").brief(), r#"404 {"detail":"API key not found"}"#);
    assert_eq!(faults(&act_on(&server, "abc", "resume")), ["path.key_id int_parsing"]);
}

fn act_on(server: &Server, id: &str, verb: &str) -> Response {
    server.admin("POST", &format!("{KEYS}/{id}/{verb}"), "")
}

#[test]
fn resuming_an_owner_restores_exactly_the_keys_that_suspending_it_stopped() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let issue = || {
        let response = server.admin("POST", KEYS, r#"{"name":"x","owner":"org_2f9"}"#);
        crate::server::issued(&response)
    };
    let ((one, secret), (two, _)) = (issue(), issue());
    act(&server, two, "suspend");
    let owner = |verb: &str| server.admin("POST", &format!("/admin/owners/org_2f9/{verb}"), "");
    assert_eq!(owner("suspend").status, 200);
    assert_eq!(server.get("/key", &secret).brief(), REFUSED);
    assert_eq!(show(&server, one)["suspended_by"], json!(["owner"]));
    assert_eq!(show(&server, two)["suspended_by"], json!(["key", "owner"]));
    let rejected = server.admin("POST", KEYS, r#"{"name":"x","owner":"org_2f9"}"#).brief();
    assert_eq!(rejected, r#"409 {"detail":"Owner is suspended"}"#);
    // Resuming the key alone does not help.
    assert_eq!(act(&server, one, "resume").json()["state"], "suspended");
    assert_eq!(owner("resume").status, 200);
    assert_eq!(server.get("/key", &secret).status, 200);
    assert_eq!(show(&server, two)["suspended_by"], json!(["key"]));
}

#[test]
fn a_revoked_key_stays_as_it_is() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (id, secret) = server.issue("leaked");
    let path = format!("{KEYS}/{id}");
    let revoke = |query: &str| server.admin("DELETE", &format!("{path}{query}"), "");
    for reason in ["?reason=", "?reason=a%0Ab", &format!("?reason={}", "x".repeat(201))] {
        assert_eq!(faults(&revoke(reason)), ["query.reason value_error"]);
    }
    assert_eq!(faults(&revoke("?why=x")), ["query.why extra_forbidden"]);
    assert_eq!(server.get("/key", &secret).status, 200);
    assert_eq!(revoke("?reason=found%20in%20a%20log").brief(), "204 ");
    assert_eq!(server.get("/key", &secret).brief(), REFUSED);
    assert_eq!(revoke("?reason=another").brief(), "204 ");
    let shown = show(&server, id);
    assert_eq!(
        (&shown["state"], &shown["revoked_reason"]),
        (&json!("revoked"), &json!("found in a log"))
    );
    let revoked = r#"409 {"detail":"API key is revoked"}"#;
    assert_eq!(patch(&server, id, &[], r#"{"name":"x"}"#).brief(), revoked);
    for verb in ["suspend", "resume", "rotate"] {
        assert_eq!(act(&server, id, verb).brief(), revoked, "{verb}");
    }
    assert_eq!(show(&server, id), shown);
}

#[test]
fn a_text_is_identified_by_its_digest_alone() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, old) = server.issue("weather-bot");
    let (_, _) = server.issue("other");
    let rotated = act(&server, 1, "rotate").json();
    let new = rotated["api_key"].as_str().unwrap();
    let digest = |text: &str| -> String {
        Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let identify =
        |body: &Value| server.admin("POST", &format!("{KEYS}/identify"), &body.to_string());
    let (old_digest, new_digest) = (digest(&old), digest(new));
    let asked = json!({ "digests": [old_digest, digest("unknown"), new_digest, old_digest] });
    let matches = identify(&asked).json()["matches"].as_array().unwrap().clone();
    let one = |digest: &str, secret: &str, ends_at: &Value| json!({ "digest": digest, "key_id": 1, "name": "weather-bot", "state": "active", "secret": secret, "ends_at": ends_at });
    assert_eq!(matches.len(), 2);
    assert!(matches.contains(&one(&old_digest, "former", &rotated["grace_until"])));
    assert!(matches.contains(&one(&new_digest, "current", &Value::Null)));
    // A grace that was cut short has its end in this response and in later ones.
    assert_eq!(server.admin("POST", &format!("{KEYS}/1/rotate"), r#"{"grace":"0s"}"#).status, 200);
    let matches = identify(&asked).json()["matches"].as_array().unwrap().clone();
    assert_eq!(matches.len(), 2);
    for known in &matches {
        let ends_at = known["ends_at"].as_str().unwrap();
        assert!("2026" < ends_at && ends_at < rotated["grace_until"].as_str().unwrap(), "{known}");
    }
    // A secret that is sent by mistake is not sent back.
    for body in [
        json!({ "digests": [old] }),
        json!({ "digests": old }),
        json!({ "secrets": [old] }),
        json!({ "digests": ["a-43-character-secret-that-was-imported-here"] }),
    ] {
        let response = identify(&body);
        assert_eq!(response.status, 422);
        assert!(
            !response.body.contains(&old[8..]) && !response.body.contains("imported"),
            "{}",
            response.body
        );
    }
    let misplaced = server.admin("POST", KEYS, &json!({ "name": "x", "api_key": old }).to_string());
    assert!(misplaced.status == 422 && !misplaced.body.contains(&old[8..]), "{}", misplaced.body);
    let many = vec!["0".repeat(64); 1_000];
    assert_eq!(identify(&json!({ "digests": many })).brief(), r#"200 {"matches":[]}"#);
    let more = vec!["0".repeat(64); 1_001];
    assert_eq!(faults(&identify(&json!({ "digests": more }))), ["body.digests too_long"]);
    assert_eq!(faults(&identify(&json!({ "digests": [] }))), ["body.digests too_short"]);
}
