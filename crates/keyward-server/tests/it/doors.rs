//! The doors of the real program.

mod access;
mod forward;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::server::{ADMIN_KEY, Connection, Response, Server};

const KEYS: &str = "/admin/api-keys";
const DOORS: (&str, &str) = ("KEYWARD_DOORS_LISTEN", "127.0.0.1:0");
const ADMIN: (&str, &str) = ("ADMIN_API_KEY", ADMIN_KEY);
const FORWARD: [&str; 4] = ["/doors/forwarded", "/doors/nginx", "/doors/haproxy", "/doors/envoy"];

/// A server with doors that this machine may use.
struct World {
    server: Server,
    doors: SocketAddr,
    _folder: TempDir,
}

impl World {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(more: &[(&str, &str)]) -> Self {
        let folder = tempdir().unwrap();
        Self::start_in(folder, more)
    }

    fn start_in(folder: TempDir, more: &[(&str, &str)]) -> Self {
        let environment: Vec<_> = [ADMIN, DOORS].iter().chain(more).copied().collect();
        let server = Server::start_with(folder.path(), &environment);
        let doors = server.doors().expect("the greeting names them");
        Self { server, doors, _folder: folder }
    }

    fn issue(&self, body: &str) -> (u64, String) {
        crate::server::issued(&self.server.admin("POST", KEYS, body))
    }

    fn post(&self, path: &str, body: &Value) -> Response {
        Connection::open(self.doors).send("POST", path, &[], &body.to_string())
    }

    fn verify(&self, body: &Value) -> Value {
        let response = self.post("/verify", body);
        assert_eq!(response.status, 200, "{}", response.body);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        response.json()
    }

    fn ask(&self, path: &str, headers: &[&str]) -> Response {
        Connection::open(self.doors).send("GET", path, headers, "")
    }

    fn introspect(&self, secret: &str) -> Value {
        let form = "content-type: application/x-www-form-urlencoded";
        let body = format!("token_type_hint=access_token&token={secret}");
        let response = Connection::open(self.doors).send("POST", "/introspect", &[form], &body);
        assert_eq!(response.status, 200, "{}", response.body);
        response.json()
    }
}

fn bearer(secret: &str) -> String {
    format!("authorization: Bearer {secret}")
}

#[test]
fn a_verdict_has_all_that_the_response_needs() {
    let world = World::start();
    let (_, secret) = world.issue(
        r#"{"name":"weather-bot","owner":"acme","scopes":["a:read"],"metadata":{"plan":"gold"}}"#,
    );
    let verdict = world.verify(&json!({ "key": secret, "scopes": ["a:read"] }));
    let key = json!({ "key_id": 1, "name": "weather-bot", "tier": "basic", "owner": "acme",
        "scopes": ["a:read"], "expires_at": null, "metadata": { "plan": "gold" } });
    assert_eq!(verdict["key"], key);
    let words = |verdict: &Value| {
        ["valid", "verdict", "status", "detail"].map(|field| verdict[field].clone())
    };
    assert_eq!(words(&verdict), [json!(true), json!("allowed"), json!(200), Value::Null]);
    assert_eq!(
        (&verdict["limit"]["remaining"], &verdict["limit"]["per"]),
        (&json!(99), &json!("60s"))
    );
    assert_eq!(verdict["limit"]["retry_after"], Value::Null);
    assert_eq!(verdict["headers"]["RateLimit"], r#""requests";r=99;t=1"#);
    assert_eq!(verdict["headers"]["X-RateLimit-Remaining"], "99");

    let denied = world.verify(&json!({ "key": secret, "scopes": ["a:read", "b:write"] }));
    let forbidden = [json!(false), json!("out_of_scope"), json!(403), json!("Insufficient scope")];
    assert_eq!((words(&denied), &denied["key"], &denied["limit"]), (forbidden, &key, &Value::Null));
    let challenge = r#"Bearer error="insufficient_scope", scope="a:read b:write""#;
    assert_eq!(denied["headers"]["WWW-Authenticate"], challenge);

    let costly = world.verify(&json!({ "key": secret, "cost": 101 }));
    assert_eq!((&costly["verdict"], &costly["status"]), (&json!("too_costly"), &json!(403)));
    // 0 is judged and takes nothing.
    let judged = world.verify(&json!({ "key": secret, "cost": 0 }));
    assert_eq!(judged["limit"]["remaining"], 99);
    assert_eq!(world.verify(&json!({ "key": secret, "cost": 99 }))["limit"]["remaining"], 0);
    let limited = world.verify(&json!({ "key": secret }));
    let too_many = [json!(false), json!("limited"), json!(429), json!("Rate limit exceeded")];
    assert_eq!(words(&limited), too_many);
    assert_eq!(
        limited["limit"]["retry_after"].to_string(),
        limited["headers"]["Retry-After"].as_str().unwrap()
    );

    let unknown = world.verify(&json!({ "key": "wrong" }));
    assert_eq!((&unknown["verdict"], &unknown["key"]), (&json!("unknown"), &Value::Null));
    assert_eq!(unknown["headers"]["WWW-Authenticate"], r#"Bearer error="invalid_token""#);
}

#[test]
fn a_key_that_ended_is_named_and_gets_one_detail() {
    let world = World::start();
    let (id, secret) = world.issue(r#"{"name":"a"}"#);
    let ended = |verdict: &str| {
        let seen = world.verify(&json!({ "key": secret }));
        assert_eq!((&seen["verdict"], &seen["status"]), (&json!(verdict), &json!(401)));
        assert_eq!(
            (&seen["detail"], &seen["key"]["key_id"]),
            (&json!("Invalid or inactive API key"), &json!(id))
        );
    };
    world.server.admin("POST", &format!("{KEYS}/{id}/suspend"), "");
    ended("suspended");
    world.server.admin("POST", &format!("{KEYS}/{id}/resume"), "");
    assert_eq!(world.verify(&json!({ "key": secret }))["valid"], true);
    let rotated = world.server.admin("POST", &format!("{KEYS}/{id}/rotate"), r#"{"grace":"0s"}"#);
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    ended("replaced");
    assert_eq!(world.server.admin("DELETE", &format!("{KEYS}/{id}"), "").status, 204);
    ended("revoked");
}

#[test]
fn a_malformed_ask_is_rejected_and_takes_nothing() {
    let world = World::start();
    let (_, secret) = world.issue(r#"{"name":"a"}"#);
    let check = |body: &Value, place: &str, kind: &str| {
        let response = world.post("/verify", body);
        let fault = response.json()["detail"][0].clone();
        let location = fault["loc"].as_array().unwrap().last().unwrap().to_string();
        assert_eq!((response.status, &*location), (422, place), "{}", response.body);
        assert_eq!(fault["type"], kind, "{}", response.body);
        assert!(!response.body.contains(&secret[8..]), "{}", response.body);
    };
    check(&json!({}), r#""key""#, "missing");
    check(&json!({ "key": "" }), r#""key""#, "string_too_short");
    check(&json!({ "key": "k".repeat(513) }), r#""key""#, "string_too_long");
    // Not even its name is sent back, which may be a key.
    check(&json!({ "key": secret, "costs": secret }), r#""body""#, "extra_forbidden");
    check(&json!({ "key": secret, "cost": -1 }), r#""cost""#, "greater_than_equal");
    check(&json!({ "key": secret, "cost": 1_000_001 }), r#""cost""#, "less_than_equal");
    check(&json!({ "key": secret, "scopes": ["a:*"] }), "0", "value_error");
    check(&json!({ "key": secret, "scopes": vec!["a:b"; 9] }), r#""scopes""#, "too_long");
    check(&json!({ "key": secret, "address": "1.2.3.4:5" }), r#""address""#, "value_error");
    check(&json!({ "key": secret, "request_id": "two words" }), r#""request_id""#, "value_error");
    check(
        &json!({ "key": secret, "resource": "r".repeat(129) }),
        r#""resource""#,
        "string_too_long",
    );
    let requests = json!({ "requests": [{ "key": secret }, { "key": secret, "cost": "1" }] });
    assert_eq!(world.post("/verify/batch", &requests).status, 422);
    let many = json!({ "requests": vec![json!({ "key": secret }); 101] });
    assert_eq!(world.post("/verify/batch", &many).status, 422);
    let long = json!({ "key": "k".repeat(20_000) });
    assert_eq!(world.post("/verify", &long).brief(), r#"413 {"detail":"Content Too Large"}"#);
    assert_eq!(world.verify(&json!({ "key": secret }))["limit"]["remaining"], 99);
}

#[test]
fn a_batch_is_decided_in_its_order() {
    let world = World::start();
    let (_, secret) = world.issue(r#"{"name":"a"}"#);
    let requests = json!({ "requests": [
        { "key": secret, "cost": 60 }, { "key": "wrong" }, { "key": secret, "cost": 60 },
        { "key": secret, "cost": 40 },
    ] });
    let results = world.post("/verify/batch", &requests).json()["results"].clone();
    let words = results.as_array().unwrap().iter().map(|one| one["verdict"].as_str().unwrap());
    assert_eq!(words.collect::<Vec<_>>(), ["allowed", "unknown", "limited", "allowed"]);
}

#[test]
fn the_same_ask_takes_once_and_is_judged_anew() {
    let world = World::start();
    let (id, secret) = world.issue(r#"{"name":"a"}"#);
    let ask = |request_id: &str| world.verify(&json!({ "key": secret, "request_id": request_id }));
    for _ in 0..3 {
        assert_eq!(ask("8e03978e")["limit"]["remaining"], 99);
    }
    assert_eq!(ask("another")["limit"]["remaining"], 98);
    assert_eq!(world.server.admin("DELETE", &format!("{KEYS}/{id}"), "").status, 204);
    assert_eq!(ask("8e03978e")["verdict"], "revoked");
    let usage = world.server.admin("GET", &format!("{KEYS}/{id}/usage"), "").json();
    assert_eq!((&usage["total"]["allowed"], &usage["total"]["revoked"]), (&json!(2), &json!(1)));
}

#[test]
fn introspection_says_whether_a_key_works() {
    let world = World::start();
    let body = r#"{"name":"weather-bot","owner":"acme","scopes":["a:read","b:write"],
        "expires_at":"2100-01-01T00:00:00Z"}"#;
    let (id, secret) = world.issue(body);
    let (_, plain) = world.issue(r#"{"name":"plain"}"#);
    let (_, bound) = world.issue(r#"{"name":"bound","networks":["127.0.0.0/8"]}"#);
    let mut active = world.introspect(&secret);
    let issued_at = active.as_object_mut().unwrap().remove("iat").unwrap();
    assert!(1_700_000_000 < issued_at.as_u64().unwrap());
    let expected = json!({ "active": true, "scope": "a:read b:write", "client_id": "1",
        "sub": "acme", "username": "weather-bot", "token_type": "Bearer", "exp": 4_102_444_800_u64,
        "iss": "keyward", "jti": "1", "keyward_tier": "basic" });
    assert_eq!(active, expected);
    assert_eq!(world.introspect(&plain)["sub"], "key:2");
    let inactive = json!({ "active": false });
    assert_eq!(world.introspect(&bound), inactive);
    assert_eq!(world.introspect("wrong"), inactive);
    // Nothing was taken, and a key whose limit is reached still works.
    assert_eq!(world.verify(&json!({ "key": secret, "cost": 100 }))["limit"]["remaining"], 0);
    assert_eq!(world.introspect(&secret)["active"], true);
    world.server.admin("DELETE", &format!("{KEYS}/{id}"), "");
    assert_eq!(world.introspect(&secret), inactive);
    let usage = world.server.admin("GET", &format!("{KEYS}/{id}/usage"), "").json();
    let counted = ["allowed", "introspected", "revoked"].map(|outcome| &usage["total"][outcome]);
    assert_eq!(counted, [&json!(1), &json!(2), &json!(1)]);
    let json = Connection::open(world.doors).send("POST", "/introspect", &[], r#"{"token":"a"}"#);
    assert_eq!(json.brief(), r#"400 {"error":"invalid_request"}"#);
}

/// Law 4, through a mixture of doors.
#[test]
fn a_limit_holds_through_all_doors_together() {
    let world = World::start();
    let limits = r#"{"limits":[{"name":"requests","amount":50,"per":"1h","burst":50}]}"#;
    assert_eq!(world.server.admin("PUT", "/admin/tiers/fifty", limits).status, 201);
    let (_, secret) = world.issue(r#"{"name":"a","tier":"fifty"}"#);
    let allowed = AtomicU32::new(0);
    thread::scope(|scope| {
        for asker in 0..20 {
            let (world, secret, allowed) = (&world, &secret, &allowed);
            scope.spawn(move || {
                for n in 0..10 {
                    let is_allowed = match FORWARD.get((asker + n) % 6) {
                        Some(door) => world.ask(door, &[&bearer(secret)]).status == 200,
                        None if n % 2 == 0 => {
                            world.verify(&json!({ "key": secret }))["valid"] == true
                        }
                        None => world.server.get("/key", secret).status == 200,
                    };
                    allowed.fetch_add(u32::from(is_allowed), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(allowed.into_inner(), 50);
}

/// Law 2, through each door.
#[test]
fn a_revoked_key_is_dead_at_every_door_when_the_response_arrives() {
    let world = World::start();
    for door in FORWARD {
        let (id, secret) = world.issue(r#"{"name":"a"}"#);
        assert_eq!(world.ask(door, &[&bearer(&secret)]).status, 200);
        assert_eq!(world.server.admin("DELETE", &format!("{KEYS}/{id}"), "").status, 204);
        assert_eq!(world.ask(door, &[&bearer(&secret)]).status, 401, "{door}");
        assert_eq!(world.verify(&json!({ "key": secret }))["verdict"], "revoked");
        assert_eq!(world.introspect(&secret), json!({ "active": false }));
    }
}
