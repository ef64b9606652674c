//! Forward authentication: what proxies are told.

use serde_json::json;

use super::{FORWARD, World, bearer};
use crate::server::Connection;

#[test]
fn a_proxy_is_told_who_is_calling() {
    let world = World::start();
    let body = r#"{"name":"Wetter-Bot 50% ü","owner":"acme","scopes":["a:read","b:*"]}"#;
    let (_, secret) = world.issue(body);
    let (_, plain) = world.issue(r#"{"name":"plain"}"#);
    for door in FORWARD {
        let allowed = world.ask(&format!("{door}/scope/a:read"), &[&bearer(&secret)]);
        let field = |name: &str| allowed.header(&format!("x-keyward-{name}")).unwrap().to_owned();
        let identity = ["key-id", "name", "tier", "owner", "scopes"].map(field);
        let expected = ["1", "Wetter-Bot%2050%25%20%C3%BC", "basic", "acme", "a:read b:*"];
        assert_eq!((allowed.status, identity), (200, expected.map(str::to_owned)), "{door}");
        assert_eq!((allowed.header("content-length"), &*allowed.body), (Some("0"), ""), "{door}");
        assert_eq!(allowed.header("cache-control"), Some("no-store"), "{door}");
        assert!(allowed.header("ratelimit").is_some(), "{door}");
        let nobody = world.ask(door, &[&format!("x-api-key: {plain}")]);
        let empty = ["x-keyward-owner", "x-keyward-scopes"].map(|name| nobody.header(name));
        assert_eq!((nobody.status, empty), (200, [Some(""), Some("")]), "{door}");
    }
    // What Envoy adds is the client's own path.
    let own = "/doors/envoy/scope/a:read/-/scope/c:d/v1/x?cost=0";
    assert_eq!(world.ask(own, &[&bearer(&secret)]).status, 200);
    let stricter = "/doors/envoy/scope/a:read/scope/c:d/v1/x";
    assert_eq!(world.ask(stricter, &[&bearer(&secret)]).status, 403);
}

#[test]
fn a_denial_is_the_response_for_the_client() {
    let world = World::start();
    let (_, secret) = world.issue(r#"{"name":"a","scopes":["a:read"]}"#);
    let (_, bound) = world.issue(r#"{"name":"b","networks":["192.0.2.0/24"]}"#);
    let (good, bound) = (bearer(&secret), bearer(&bound));
    let check = |path: &str, headers: &[&str], status: u16, detail: &str| {
        for door in FORWARD.iter().filter(|door| **door != "/doors/nginx") {
            let response = world.ask(&format!("{door}{path}"), headers);
            let expected = format!(r#"{status} {{"detail":"{detail}"}}"#);
            assert_eq!(response.brief(), expected, "{door}{path}");
        }
        let response = world.ask(&format!("/doors/nginx{path}"), headers);
        let told = (response.header("x-keyward-status"), response.header("x-keyward-detail"));
        assert_eq!(told, (Some(&*status.to_string()), Some(detail)), "{path}");
        assert_eq!(response.status, if status == 401 { 401 } else { 403 });
        assert_eq!((response.header("content-length"), &*response.body), (Some("0"), ""));
    };
    check("", &[], 401, "Missing Authorization header");
    check("", &["authorization: Bearer wrong"], 401, "Invalid or inactive API key");
    let malformed = "Invalid Authorization format. Use: Bearer YOUR_API_KEY";
    check("", &["authorization: Basic YTpi"], 401, malformed);
    check("", &[&good, &good], 400, "More than one API key in the request");
    check("/scope/b:read", &[&good], 403, "Insufficient scope");
    check("/cost/101", &[&good], 403, "Request costs more than its limit ever allows");
    // The peer is never the client, and only the right-most address is no lie.
    check("", &[&bound], 403, "Address not allowed");
    check("", &[&bound, "x-forwarded-for: 192.0.2.1, 198.51.100.1"], 403, "Address not allowed");
    let there = "x-forwarded-for: 198.51.100.1, 192.0.2.1";
    assert_eq!(world.ask("/doors/nginx", &[&bound, there]).status, 200);
    // The operator's own mistakes are no client's.
    let path = "The path of the door has to go on with /scope/SCOPE or /cost/NUMBER";
    for door in ["/doors/forwarded", "/doors/haproxy"] {
        let response = world.ask(&format!("{door}/scopes/a:b"), &[&good]);
        assert_eq!(response.brief(), format!(r#"503 {{"detail":"{path}"}}"#));
        assert_eq!(response.header("retry-after"), Some("1"));
    }
    check(
        "/scope/nothing",
        &[&good],
        503,
        "The path of the door names no scope, or one that is not resource:action",
    );
}

#[test]
fn every_method_may_ask_and_no_query_is_read() {
    let world = World::start();
    let (_, secret) = world.issue(r#"{"name":"a"}"#);
    for door in FORWARD {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let path = format!("{door}?cost=0&api_key=x");
            let mut connection = Connection::open(world.doors);
            let response = connection.send(method, &path, &[&bearer(&secret)], "");
            assert_eq!(response.status, 200, "{method} {door}");
        }
    }
    let left = world.verify(&json!({ "key": secret, "cost": 0 }))["limit"]["remaining"].clone();
    assert_eq!(left, 100 - 4 * 7);
}

#[test]
fn the_asks_of_haproxy_take_once() {
    let world = World::start();
    let (_, secret) = world.issue(r#"{"name":"a"}"#);
    let remaining = |door: &str, ask: &str| {
        let response = world.ask(door, &[&bearer(&secret), &format!("x-keyward-ask: {ask}")]);
        response.header("x-ratelimit-remaining").unwrap().parse::<u32>().unwrap()
    };
    assert_eq!(remaining("/doors/haproxy", "a1"), 99);
    assert_eq!(remaining("/doors/haproxy", "a1"), 99);
    assert_eq!(remaining("/doors/haproxy", "b2"), 98);
    // No other door reads it.
    for (door, left) in [("/doors/forwarded", 97), ("/doors/nginx", 96), ("/doors/envoy", 95)] {
        assert_eq!(remaining(door, "b2"), left, "{door}");
    }
}
