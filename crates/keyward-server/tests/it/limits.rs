//! Several limits of a key and of a tier: bodies, the shown limits, and the headers for a caller.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::server::Server;

/// A limit that allows so many requests in a time, and as many at once.
pub(crate) fn limit(name: &str, amount: u32, per: &str) -> Value {
    json!({ "name": name, "amount": amount, "per": per, "burst": amount })
}

fn limits() -> Value {
    json!([limit("second", 10, "1s"), limit("requests", 5, "60s"), limit("day", 100, "86400s")])
}

/// Issues a key and returns its id and its secret.
fn issue(server: &Server, body: &Value) -> (u64, String) {
    let issued = server.admin("POST", "/admin/api-keys", &body.to_string()).json();
    (issued["key_id"].as_u64().unwrap(), issued["api_key"].as_str().unwrap().to_owned())
}

#[test]
fn a_key_and_a_tier_have_several_limits_and_all_of_them_hold() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let put = json!({ "limits": limits() }).to_string();
    assert_eq!(server.admin("PUT", "/admin/tiers/team", &put).json()["limits"], limits());
    assert_eq!(server.admin("GET", "/admin/tiers/team", "").json()["limits"], limits());
    let (_, secret) = issue(&server, &json!({ "name": "a", "tier": "team" }));
    let own = json!([limit("day", 3, "86400s"), limit("requests", 4, "60s")]);
    let (id, other) = issue(&server, &json!({ "name": "b", "tier": "team", "limits": own }));
    let path = format!("/admin/api-keys/{id}");
    assert_eq!(server.admin("GET", &path, "").json()["limits"], own);

    let statuses = |secret: &str, count: usize| {
        (0..count).map(|_| server.get("/key", secret).status).collect::<Vec<_>>()
    };
    assert_eq!(statuses(&secret, 6), [200, 200, 200, 200, 200, 429]);
    assert_eq!(statuses(&other, 4), [200, 200, 200, 429]);
    // A limit whose name stays keeps its used amount, and a new one begins full.
    let edit = json!({ "limits": [limit("week", 100, "7d"), limit("requests", 4, "60s")] });
    let own = json!([limit("week", 100, "604800s"), limit("requests", 4, "60s")]);
    assert_eq!(server.admin("PATCH", &path, &edit.to_string()).status, 200);
    assert_eq!(statuses(&other, 2), [200, 429]);

    let server = {
        server.kill();
        Server::start(folder.path())
    };
    assert_eq!(server.admin("GET", "/admin/tiers/team", "").json()["limits"], limits());
    assert_eq!(server.admin("GET", &path, "").json()["limits"], own);
    assert_eq!(server.get("/key", &secret).status, 200);
}

#[test]
fn a_caller_sees_all_limits_and_the_one_of_which_least_is_left() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, secret) = issue(&server, &json!({ "name": "a", "limits": limits() }));
    let response = server.get("/key", &secret);
    let key = response.json();
    let names = key["limits"].as_array().unwrap().iter().map(|limit| limit["name"].clone());
    assert_eq!(names.collect::<Vec<_>>(), ["second", "requests", "day"]);
    assert_eq!(key["limit"], key["limits"][1]);
    assert_eq!(key["limit"]["remaining"], 4);
    assert_eq!(key["limits"][2]["remaining"], 99);
    let policy = r#""second";q=10;w=1, "requests";q=5;w=60, "day";q=100;w=86400"#;
    assert_eq!(response.header("ratelimit-policy"), Some(policy));
    assert_eq!(response.header("x-ratelimit-limit"), Some("5"));

    let (_, secret) = issue(&server, &json!({ "name": "b", "limits": [] }));
    let key = server.get("/key", &secret).json();
    assert_eq!((key["limit"].clone(), key["limits"].clone()), (Value::Null, json!([])));
}

#[test]
fn invalid_limits_are_rejected_with_their_location_and_change_nothing() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (id, _) = issue(&server, &json!({ "name": "a" }));
    let many = |count: u32| (0..count).map(|at| limit(&format!("l{at}"), 1, "1s")).collect();
    let newest = || server.admin("GET", "/admin/audit?order=desc&limit=1", "").json();
    let before = newest();
    let colon = json!([limit("owner:day", 1, "1s")]);
    let same = json!([limit("day", 1, "1s"), limit("b", 1, "1s"), limit("day", 2, "1s")]);
    let burst = json!([{ "name": "a", "amount": 1, "per": "366d", "burst": 2 }]);
    for (limits, kind, at) in [
        (Value::Array(many(9)), "too_long", json!([])),
        (same, "value_error", json!([2, "name"])),
        (colon, "value_error", json!([0])),
        (json!([limit("", 1, "1s")]), "string_too_short", json!([0, "name"])),
        (json!([limit(&"n".repeat(25), 1, "1s")]), "string_too_long", json!([0, "name"])),
        (json!([limit("Day", 1, "1s")]), "value_error", json!([0])),
        (
            json!([limit("a", 1, "1s"), limit("b", 0, "1s")]),
            "greater_than_equal",
            json!([1, "amount"]),
        ),
        (burst, "value_error", json!([0])),
        (json!([{ "name": "a" }]), "missing", json!([0, "amount"])),
        (json!([7]), "model_attributes_type", json!([0])),
        (json!({}), "list_type", json!([])),
    ] {
        let loc = [&["body".into(), "limits".into()][..], at.as_array().unwrap()].concat();
        let key = format!("/admin/api-keys/{id}");
        for (method, path, mut body) in [
            ("POST", "/admin/api-keys", json!({ "name": "b" })),
            ("PATCH", &*key, json!({})),
            ("PUT", "/admin/tiers/basic", json!({})),
        ] {
            body["limits"] = limits.clone();
            let response = server.admin(method, path, &body.to_string());
            assert_eq!(response.status, 422, "{method} {body}");
            let fault = &response.json()["detail"][0];
            assert_eq!((&fault["type"], &fault["loc"]), (&json!(kind), &json!(loc)), "{fault}");
        }
    }
    assert_eq!(newest(), before);
    let eight = json!({ "limits": many(8) }).to_string();
    assert_eq!(server.admin("PUT", "/admin/tiers/basic", &eight).status, 200);
    assert_eq!(server.admin("PATCH", &format!("/admin/api-keys/{id}"), &eight).status, 200);
}

#[test]
fn an_export_carries_all_limits_to_another_server() {
    let (folder, other) = (tempdir().unwrap(), tempdir().unwrap());
    let (server, other) = (Server::start(folder.path()), Server::start(other.path()));
    issue(&server, &json!({ "name": "a", "limits": limits() }));
    let exported = server.admin("GET", "/admin/export", "").json();
    assert_eq!(exported["keys"][0]["limits"], limits());
    let body = json!({ "keys": exported["keys"] }).to_string();
    assert_eq!(other.admin("POST", "/admin/import", &body).json()["added"], 1);
    let again = other.admin("GET", "/admin/export", "").json();
    assert_eq!(again["keys"], exported["keys"]);

    // One of the keys is invalid, and the others are added.
    let mut keys = exported["keys"].clone();
    keys[0]["limits"] = json!([limit("day", 1, "1s"), limit("day", 2, "1s")]);
    keys[0].as_object_mut().unwrap().remove("key_id");
    let report = other.admin("POST", "/admin/import", &json!({ "keys": keys }).to_string()).json();
    let reason = "limits: two limits are called `day`; each needs a name of its own";
    assert_eq!(report["keys"][0]["reason"], reason);
}
