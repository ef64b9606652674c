//! Tiers: how many keys have them, and when they can be deleted.

use serde_json::json;
use tempfile::tempdir;

use crate::sample;
use crate::server::Server;

/// The tiers with the number of their keys, in order.
fn uses(server: &Server) -> Vec<(String, u64)> {
    let listed = server.admin("GET", "/admin/tiers", "").json();
    let tiers = listed["tiers"].as_array().unwrap();
    assert_eq!(listed["count"], tiers.len());
    let used = |tier: &serde_json::Value| {
        (tier["name"].as_str().unwrap().to_owned(), tier["keys"].as_u64().unwrap())
    };
    tiers.iter().map(used).collect()
}

#[test]
fn a_tier_is_deleted_once_no_key_has_it() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let delete = |name: &str| server.admin("DELETE", &format!("/admin/tiers/{name}"), "").brief();
    assert_eq!(server.admin("PUT", "/admin/tiers/gold", r#"{"limits":[]}"#).status, 201);
    let of_gold = |name: &str, state: &str| {
        let mut key = sample::key(name, &[], name);
        (key["tier"], key["state"]) = ("gold".into(), state.into());
        key
    };
    sample::add(&server, &[of_gold("gold-one", "active")]);
    assert_eq!(delete("gold"), r#"409 {"detail":"Tier is used by 1 key"}"#);
    sample::add(&server, &[of_gold("gold-two", "revoked"), sample::key("x", &[], "basic-one")]);
    assert_eq!(delete("gold"), r#"409 {"detail":"Tier is used by 1 key"}"#);
    let counts = [("basic", 1), ("pro", 0), ("enterprise", 0), ("gold", 1)];
    let counts = counts.map(|(name, keys)| (name.to_owned(), keys));
    assert_eq!(uses(&server), counts);
    assert_eq!(server.get("/key", "gold-one").status, 200);

    assert_eq!(delete("pro"), "204 ");
    assert_eq!(delete("pro"), r#"404 {"detail":"Tier not found"}"#);
    assert_eq!(server.admin("DELETE", "/admin/tiers/Pro!", "").status, 422);
    let body = r#"{"name":"x","tier":"pro"}"#;
    assert_eq!(server.admin("POST", "/admin/api-keys", body).status, 422);
    let server = {
        server.kill();
        Server::start(folder.path())
    };
    assert_eq!(
        uses(&server).iter().map(|(name, _)| name).collect::<Vec<_>>(),
        ["basic", "enterprise", "gold"]
    );
}

#[test]
fn the_trail_tells_of_a_tier_before_and_after() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let limits = |amount: u32| json!([{ "name": "requests", "amount": amount, "per": "60s", "burst": amount }]);
    let put = |amount| json!({ "limits": limits(amount) }).to_string();
    assert_eq!(server.admin("PUT", "/admin/tiers/gold", &put(5)).status, 201);
    assert_eq!(server.admin("PUT", "/admin/tiers/gold", &put(7)).status, 200);
    assert_eq!(server.admin("DELETE", "/admin/tiers/gold", "").status, 204);
    let entries = server.admin("GET", "/admin/audit", "").json()["entries"].clone();
    let told = |at: usize, when: &str| entries[at]["details"][when].pointer("/0/amount").cloned();
    assert_eq!(entries[0]["tier"], "gold");
    assert_eq!((told(0, "before"), told(0, "after")), (None, Some(json!(5))));
    assert_eq!((told(1, "before"), told(1, "after")), (Some(json!(5)), Some(json!(7))));
    assert_eq!((told(2, "before"), told(2, "after")), (Some(json!(7)), None));
    assert_eq!(entries[2]["verb"], "delete-tier");
}

#[test]
fn keys_that_were_revoked_go_on_showing_a_tier_that_is_gone() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let put = |server: &Server| server.admin("PUT", "/admin/tiers/gold", r#"{"limits":[]}"#).status;
    assert_eq!(put(&server), 201);
    let issue = |server: &Server| {
        let body = r#"{"name":"a","tier":"gold"}"#;
        server.admin("POST", "/admin/api-keys", body).json()["key_id"].as_u64().unwrap()
    };
    let old = issue(&server);
    assert_eq!(server.admin("DELETE", &format!("/admin/api-keys/{old}"), "").status, 204);
    assert_eq!(server.admin("DELETE", "/admin/tiers/gold", "").status, 204);
    server.kill();
    let server = Server::start(folder.path());
    assert_eq!(put(&server), 201);
    let young = issue(&server);
    let listed = |server: &Server, query: &str| {
        let listed = server.admin("GET", &format!("/admin/api-keys?sort=created&{query}"), "");
        let keys = listed.json()["api_keys"].as_array().unwrap().clone();
        keys.iter().map(|key| (key["key_id"].clone(), key["tier"].clone())).collect::<Vec<_>>()
    };
    let both = [(json!(old), json!("gold")), (json!(young), json!("gold"))];
    assert_eq!(listed(&server, ""), both);
    assert_eq!(listed(&server, "tier=gold"), both[1..]);
    assert!(uses(&server).contains(&("gold".to_owned(), 1)));

    // On another server that has a tier of that name already, it is not theirs either.
    let exported = server.admin("GET", "/admin/export", "").json();
    assert_eq!(exported["keys"][0]["tier_gone"], true);
    assert_eq!(exported["keys"][1].get("tier_gone"), None);
    let other = tempdir().unwrap();
    let other = Server::start(other.path());
    assert_eq!(put(&other), 201);
    let body = json!({ "keys": exported["keys"] }).to_string();
    assert_eq!(other.admin("POST", "/admin/import", &body).json()["added"], 2);
    assert_eq!(listed(&other, ""), both);
    assert_eq!(listed(&other, "tier=gold"), both[1..]);
}
