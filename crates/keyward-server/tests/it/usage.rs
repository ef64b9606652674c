//! Usage of a key, of all keys, and the usage that a caller sees of its own key.

use insta::assert_snapshot;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::server::Server;

const KEYS: &str = "/admin/api-keys";

/// A body in which times, which differ from run to run, are named instead.
fn steady(mut json: Value, names: &[&str]) -> String {
    for name in names {
        let member = json.pointer_mut(name).unwrap();
        assert!(member.is_string(), "{name} is a time");
        *member = "<time>".into();
    }
    json.to_string()
}

#[test]
fn usage_is_counted_by_the_hour_and_by_the_day() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (id, secret) = server.issue("weather-bot");
    for _ in 0..3 {
        assert_eq!(server.get("/key", &secret).status, 200);
    }
    server.admin("PATCH", &format!("{KEYS}/{id}"), r#"{"networks":["192.0.2.0/24"]}"#);
    assert_eq!(server.get("/key", &secret).status, 403);
    server.admin("POST", &format!("{KEYS}/{id}/suspend"), "");
    assert_eq!(server.get("/key", &secret).status, 401);
    let usage = |query: &str| server.admin("GET", &format!("{KEYS}/{id}/usage{query}"), "");
    let total = json!({ "allowed": 3, "limited": 0, "out_of_scope": 0, "out_of_network": 1,
        "suspended": 1, "revoked": 0, "expired": 0, "introspected": 0 });
    let hourly = usage("").json();
    assert_eq!((&hourly["bucket"], &hourly["total"]), (&json!("hour"), &total));
    assert!(hourly["hours"][0]["hour"].as_str().unwrap().ends_with(":00:00.000Z"));
    assert_eq!(hourly.get("days"), None);
    let daily = usage("?bucket=day").json();
    assert_eq!((&daily["bucket"], &daily["total"]), (&json!("day"), &total));
    assert_eq!(daily["days"].as_array().unwrap().len(), 1);
    let day = daily["days"][0]["day"].as_str().unwrap();
    assert!(hourly["hours"][0]["hour"].as_str().unwrap().starts_with(day));
    assert_eq!(daily["from"].as_str().unwrap()[10..], *"T00:00:00.000Z");
    let past = usage("?from=2020-01-01T00:30:00Z&to=2020-01-02T00:00:00Z").json();
    assert_eq!(past["from"], "2020-01-01T00:00:00.000Z");
    assert_eq!(past["to"], "2020-01-02T00:00:00.000Z");
    assert_eq!((&past["total"]["allowed"], &past["hours"]), (&json!(0), &json!([])));
}

#[test]
fn the_keys_with_the_most_are_named() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, quiet) = server.issue("quiet");
    let (id, busy) = server.issue("busy");
    let (_, rejected) = server.issue("refused");
    server.admin("POST", &format!("{KEYS}/3/suspend"), "");
    for (secret, times) in [(&quiet, 1), (&busy, 3), (&rejected, 2)] {
        (0..times).for_each(|_| drop(server.get("/key", secret)));
    }
    let top = |query: &str| {
        let json = server.admin("GET", &format!("/admin/usage{query}"), "").json();
        let names = json["top"].as_array().unwrap().iter();
        (names.map(|key| key["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>(), json)
    };
    let (names, json) = top("");
    assert_eq!(names, ["busy", "refused", "quiet"]);
    assert_eq!((&json["total"]["allowed"], &json["total"]["suspended"]), (&json!(4), &json!(2)));
    assert_eq!(json["top"][0]["key_id"], id);
    assert_eq!(top("?by=denials").0, ["refused"]);
    assert_eq!(top("?top=1").0, ["busy"]);
    assert!(top("?to=2020-01-02T00:00:00Z").0.is_empty());
}

#[test]
fn invalid_spans_are_rejected() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    server.issue("x");
    let rejected = |path: &str| server.admin("GET", path, "").brief();
    let responses = [
        rejected("/admin/api-keys/1/usage?from=2020-01-01T00:00:00Z"),
        rejected("/admin/api-keys/1/usage?from=2010-01-01T00:00:00Z&bucket=day"),
        rejected("/admin/api-keys/1/usage?to=1970-01-01T00:00:00Z"),
        rejected("/admin/api-keys/1/usage?from=x&to=y&bucket=week&hour=1"),
        rejected("/admin/usage?from=2020-01-02T00:00:00Z&to=2020-01-01T00:00:00Z"),
        rejected("/admin/usage?by=age&top=0"),
        rejected("/admin/api-keys/9/usage"),
    ];
    assert_snapshot!(responses.join("\n"));
}

#[test]
fn a_caller_sees_its_own_key() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let body = r#"{"name":"weather-bot","owner":"org_2f9","scopes":["articles:read"],
        "expires_at":"2100-01-01T00:00:00Z"}"#;
    let response = server.admin("POST", KEYS, body);
    let secret = response.json()["api_key"].as_str().unwrap().to_owned();
    let own = server.get("/key", &secret);
    assert_eq!(own.header("cache-control"), Some("no-store"));
    assert_eq!(own.header("x-ratelimit-remaining"), Some("99"));
    let counts = r#"{"allowed":1,"limited":0,"out_of_scope":0,"out_of_network":0,"suspended":0,"revoked":0,"expired":0,"introspected":0}"#;
    let times = ["/limit/reset_at", "/limits/0/reset_at"];
    let text = steady(own.json(), &times).replace(counts, "<1 allowed>");
    assert_snapshot!(text, @r#"{"key_id":1,"name":"weather-bot","tier":"basic","owner":"org_2f9","scopes":["articles:read"],"expires_at":"2100-01-01T00:00:00.000Z","limit":{"name":"requests","amount":100,"per":"60s","burst":100,"remaining":99,"reset_at":"<time>"},"limits":[{"name":"requests","amount":100,"per":"60s","burst":100,"remaining":99,"reset_at":"<time>"}],"usage":{"today":<1 allowed>,"month":<1 allowed>}}"#);
    assert!(!own.body.contains(&secret[8..]));
    // Flushed and pending requests are counted together, each once.
    server.admin("GET", "/admin/usage", "");
    let own = server.get("/key", &secret).json();
    assert_eq!(own["usage"]["today"]["allowed"], 2);
    assert_eq!(own["usage"]["month"]["allowed"], 2);
    let none = server.send("GET", "/key", &[], "").brief();
    assert_eq!(none, r#"401 {"detail":"Missing Authorization header"}"#);
    // The admin key is no key of a caller.
    assert_eq!(server.admin("GET", "/key", "").status, 401);
}
