//! The admin API: who may use it, its recorded responses, and the effects of its changes.

use insta::assert_snapshot;
use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Server};

#[test]
fn the_admin_key_is_asked_before_anything_else() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let wrong = ["x-admin-key: wrong"];
    let twice = format!("x-admin-key: {ADMIN_KEY}");
    let forbidden = r#"403 {"detail":"Invalid admin key"}"#;
    assert_eq!(server.send("POST", "/admin/api-keys", &[], "{}").brief(), forbidden);
    assert_eq!(server.send("POST", "/admin/api-keys", &wrong, "zzz").brief(), forbidden);
    assert_eq!(server.send("GET", "/admin/api-keys/abc", &wrong, "").brief(), forbidden);
    assert_eq!(server.send("PUT", "/admin/tiers/basic", &wrong, "").brief(), forbidden);
    assert_eq!(server.send("GET", "/admin/tiers", &[&twice, &twice], "").brief(), forbidden);
    // A caller's key grants no access here.
    let (_, secret) = server.issue("caller");
    let as_admin = format!("x-admin-key: {secret}");
    assert_eq!(server.send("GET", "/admin/tiers", &[&as_admin], "").brief(), forbidden);
}

#[test]
fn without_an_admin_key_it_serves_and_names_the_missing_setting() {
    let folder = tempdir().unwrap();
    let server = Server::start_with(folder.path(), &[]);
    assert!(server.greeting.contains("ADMIN_API_KEY is not set"), "{}", server.greeting);
    let response = server.admin("POST", "/admin/api-keys", "{}");
    assert_eq!(response.brief(), r#"500 {"detail":"ADMIN_API_KEY is not configured"}"#);
    assert_eq!(server.send("GET", "/key", &[], "").status, 401);
}

#[test]
fn invalid_bodies_get_the_recorded_responses() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let long = format!(r#"{{"name":"{}"}}"#, "n".repeat(101));
    let bodies = [
        "zzz",
        "[]",
        "",
        r#"{"tier":"basic"}"#,
        r#"{"name":5}"#,
        r#"{"name":null}"#,
        r#"{"name":""}"#,
        &long,
        r#"{"name":"x","id":7}"#,
        r#"{"name":"x","tier":"gold"}"#,
        r#"{"name":"x","scopes":"a"}"#,
        r#"{"name":"x","scopes":[1]}"#,
        r#"{"name":"x","expires_at":"soon"}"#,
        r#"{"tier":1e999}"#,
        r#"{"name":"","tier":7,"owner_id":1,"created_at":2}"#,
    ];
    let response = |body: &&str| server.admin("POST", "/admin/api-keys", body).brief();
    let responses: Vec<_> = bodies.iter().map(response).collect();
    assert_snapshot!(responses.join("\n"));
    assert_eq!(server.admin("GET", "/admin/api-keys", "").json()["count"], 0);
}

#[test]
fn key_ids_are_whole_numbers() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let delete = |id: &str| server.admin("DELETE", &format!("/admin/api-keys/{id}"), "").brief();
    assert_snapshot!(delete("abc"), @r#"422 {"detail":[{"type":"int_parsing","loc":["path","key_id"],"msg":"Input should be a valid integer, unable to parse string as an integer","input":"abc"}]}"#);
    for id in ["1", "0", "-1", "99999999999999999999999999"] {
        assert_eq!(delete(id), r#"404 {"detail":"API key not found"}"#, "{id}");
    }
}

#[test]
fn a_key_is_shown_once_and_never_again() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let body = r#"{"name":"weather-bot","tier":"pro","scopes":["articles:read"],"expires_at":"2100-01-01T00:00:00Z"}"#;
    let response = server.admin("POST", "/admin/api-keys", body);
    assert_eq!(response.status, 201);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("content-type"), Some("application/json"));
    let issued = response.json();
    let members: Vec<_> = issued.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members[..5], ["api_key", "key_id", "name", "tier", "created_at"]);
    let secret = issued["api_key"].as_str().unwrap();
    let seen = [
        server.admin("GET", "/admin/api-keys", "").body,
        server.admin("GET", "/admin/api-keys/1", "").body,
        server.admin("GET", "/admin/api-keys/1/usage", "").body,
    ]
    .concat();
    assert!(seen.contains("weather-bot") && !seen.contains(&secret[8..]), "{seen}");
    let shown = server.admin("GET", "/admin/api-keys/1", "").json();
    assert_eq!(shown["hint"], secret[..7]);
    assert_eq!(shown["state"], "active");
    assert_eq!(shown["expires_at"], "2100-01-01T00:00:00.000Z");
    assert_eq!(shown["last_used_at"], serde_json::Value::Null);
}

#[test]
fn revoking_is_final_and_keeps_everything() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (id, secret) = server.issue("leaked");
    assert_eq!(server.get("/key", &secret).status, 200);
    let path = format!("/admin/api-keys/{id}");
    assert_eq!(server.admin("DELETE", &path, "").brief(), "204 ");
    let rejected = r#"401 {"detail":"Invalid or inactive API key"}"#;
    assert_eq!(server.get("/key", &secret).brief(), rejected);
    assert_eq!(server.admin("DELETE", &path, "").brief(), "204 ");
    assert_eq!(server.admin("GET", &path, "").json()["state"], "revoked");
    let usage = server.admin("GET", &format!("{path}/usage"), "").json();
    assert_eq!(usage["total"]["allowed"], 1);
    assert_eq!(usage["total"]["revoked"], 1);
}

#[test]
fn keys_are_listed_page_by_page() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    for number in 1..=5 {
        server.issue(&format!("key-{number}"));
    }
    let mut path = "/admin/api-keys?limit=2".to_owned();
    let mut ids = Vec::new();
    loop {
        let page = server.admin("GET", &path, "");
        let keys = page.json()["api_keys"].as_array().unwrap().clone();
        ids.extend(keys.iter().map(|key| key["key_id"].as_u64().unwrap()));
        let Some(link) = page.header("link") else { break };
        let query = link.strip_prefix("<?").unwrap().split('>').next().unwrap();
        path = format!("/admin/api-keys?{query}");
    }
    assert_eq!(ids, [5, 4, 3, 2, 1]);
    assert_eq!(server.admin("GET", "/admin/api-keys?limit=0", "").status, 422);
    assert_eq!(server.admin("GET", "/admin/api-keys?limit=101", "").status, 422);
}

#[test]
fn a_tier_counts_for_all_of_its_keys_at_once() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, secret) = server.issue("weather-bot");
    let remaining = || {
        let response = server.get("/key", &secret);
        (response.status, response.header("x-ratelimit-remaining").map(str::to_owned))
    };
    assert_eq!(remaining(), (200, Some("99".to_owned())));
    let put = |body| server.admin("PUT", "/admin/tiers/basic", body);
    let strict = put(r#"{"limits":[{"name":"requests","amount":1,"per":"1d","burst":2}]}"#);
    assert_snapshot!(strict.brief(), @r#"200 {"name":"basic","limits":[{"name":"requests","amount":1,"per":"86400s","burst":2}]}"#);
    assert_eq!(remaining(), (200, Some("0".to_owned())));
    assert_eq!(remaining().0, 429);
    assert_eq!(put(r#"{"limits":[]}"#).status, 200);
    assert_eq!(remaining(), (200, None));
    let new = server.admin("PUT", "/admin/tiers/gold", r#"{"limits":[]}"#);
    assert_eq!(new.status, 201);
    let listed = server.admin("GET", "/admin/tiers", "").json();
    assert_eq!(listed["count"], 4);
}

#[test]
fn invalid_tiers_are_rejected() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let limit = |amount: &str, per: &str, burst: &str| {
        let limit =
            format!(r#"{{"name":"requests","amount":{amount},"per":{per},"burst":{burst}}}"#);
        server.admin("PUT", "/admin/tiers/basic", &format!(r#"{{"limits":[{limit}]}}"#)).brief()
    };
    let responses = [
        limit("0", r#""60s""#, "1"),
        limit("1.5", r#""60s""#, "1"),
        limit("1", "60", "1"),
        limit("1", r#""500ms""#, "1"),
        limit("1", r#""366d""#, "2"),
        limit("99999999999", r#""60s""#, "-1"),
        server.admin("PUT", "/admin/tiers/Basic!", r#"{"limits":[]}"#).brief(),
        server.admin("PUT", "/admin/tiers/basic", r#"{"limits":{}}"#).brief(),
        server.admin("PUT", "/admin/tiers/basic", "{}").brief(),
    ];
    assert_snapshot!(responses.join("\n"));
}
