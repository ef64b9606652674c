//! Every route with every kind of caller.
//!
//! The table `access/routes.txt` is written by hand. A unit test in `src/app.rs` fails if the
//! program has a route that is not in it, or the reverse.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::json;
use tempfile::{TempDir, tempdir};

use crate::issuer::{FakeIssuer, SigningKey, unsigned};
use crate::server::{ADMIN_KEY, Connection, Response, Server, issued, new_admin_key};

/// Turns on the routes that are off by default. GitHub's keys are never fetched.
const LEAKS: [(&str, &str); 2] =
    [("KEYWARD_LEAK_REPORTS", "1000"), ("KEYWARD_GITHUB_LEAKS", "http://127.0.0.1:1/")];

/// A row of the table.
struct Route {
    method: &'static str,
    path: String,
    access: &'static str,
    /// The status for callers that may use it.
    status: u16,
}

fn routes() -> Vec<Route> {
    let rows = include_str!("access/routes.txt").lines();
    let rows = rows.filter(|row| !row.starts_with('#') && !row.is_empty());
    let rows = rows.filter(|row| cfg!(feature = "news") || !row.contains("/articles"));
    let route = |row: &'static str| {
        let [method, path, access, status] =
            row.split_whitespace().collect::<Vec<_>>().try_into().expect(row);
        let path = path.replace("{key_id}", "999999");
        let path = path.split('/').map(|part| if part.starts_with('{') { "nobody" } else { part });
        let path = path.collect::<Vec<_>>().join("/");
        Route { method, path, access, status: status.parse().unwrap() }
    };
    rows.map(route).collect()
}

/// A kind of caller: its headers, and how far it gets.
struct Kind {
    name: &'static str,
    headers: Vec<String>,
    /// How far it gets under `/admin`: a role, or else the response.
    admin: Result<u8, &'static str>,
    /// Whether it has a key for `/key` and similar routes.
    has_key: bool,
}

const VIEWER: u8 = 1;
const ISSUER: u8 = 2;
const ADMIN: u8 = 3;

const NO_KEY: &str = r#"403 {"detail":"Invalid admin key"}"#;
const NO_TOKEN: &str = r#"401 {"detail":"Invalid access token"}"#;
const NO_ROLE: &str = r#"403 {"detail":"Insufficient role"}"#;
const ELSEWHERE: &str = r#"403 {"detail":"Address not allowed"}"#;
const UNKNOWN: &str = r#"404 {"detail":"Not Found"}"#;

fn is_of_doors(path: &str) -> bool {
    ["/verify", "/doors/", "/introspect", "/envoy."].iter().any(|doors| path.starts_with(doors))
}

fn rank(access: &str) -> u8 {
    match access {
        "viewer" => VIEWER,
        "issuer" => ISSUER,
        "admin" => ADMIN,
        other => panic!("{other} is no role"),
    }
}

fn kinds(issuer: &FakeIssuer, key: &SigningKey, right_key: &str, secret: &str) -> Vec<Kind> {
    let bearer = |token: &str| format!("authorization: Bearer {token}");
    let with = |changes| bearer(&issuer.token(key, &changes));
    let past = issuer.claims(&json!({}))["exp"].as_i64().unwrap() - 3_600;
    let expired = with(json!({ "iat": past - 1, "nbf": past - 1, "exp": past }));
    let admin_key = |key: &str| format!("x-admin-key: {key}");
    let unsigned_token =
        |alg: &str| unsigned(&json!({ "alg": alg, "kid": "a" }), &issuer.claims(&json!({})));
    let none = bearer(&format!("{}.", unsigned_token("none")));
    let kind = |name, headers: &[&String], admin| {
        let headers = headers.iter().map(|line| (*line).clone()).collect();
        Kind { name, headers, admin, has_key: false }
    };
    let caller =
        |name, header: String, admin| Kind { has_key: true, ..kind(name, &[&header], Err(admin)) };
    let (good, right) = (with(json!({})), admin_key(right_key));
    let forgeries = key.hs256_forgeries(&issuer.claims(&json!({})));
    let [number, pkcs1, spki, pem] = forgeries.map(|token| bearer(&token));
    vec![
        kind("nobody", &[], Err(NO_KEY)),
        caller("a key that may do everything", bearer(secret), NO_TOKEN),
        caller("the same in the other header", format!("x-api-key: {secret}"), NO_KEY),
        kind("the same as admin key", &[&admin_key(secret)], Err(NO_KEY)),
        kind("viewer", &[&with(json!({ "roles": ["viewer"] }))], Ok(VIEWER)),
        kind("issuer", &[&with(json!({ "roles": "issuer" }))], Ok(ISSUER)),
        kind("admin", &[&good], Ok(ADMIN)),
        kind("a person without a role", &[&with(json!({ "roles": ["owner"] }))], Err(NO_ROLE)),
        kind("admin key", &[&right], Ok(ADMIN)),
        kind("wrong admin key", &[&admin_key("wrong")], Err(NO_KEY)),
        kind(
            "wrong admin key in addition to a good token",
            &[&admin_key("wrong"), &good],
            Err(NO_KEY),
        ),
        kind("admin key in addition to an expired token", &[&right, &expired], Ok(ADMIN)),
        kind("two admin keys", &[&right, &right], Err(NO_KEY)),
        kind("two tokens", &[&good, &good], Err(NO_TOKEN)),
        kind("wrong issuer", &[&with(json!({ "iss": "https://x.example" }))], Err(NO_TOKEN)),
        kind("expired token", &[&expired], Err(NO_TOKEN)),
        kind("token that is not good yet", &[&with(json!({ "nbf": past + 7_200 }))], Err(NO_TOKEN)),
        kind("wrong audience", &[&with(json!({ "aud": "account" }))], Err(NO_TOKEN)),
        kind("no audience", &[&with(json!({ "aud": null }))], Err(NO_TOKEN)),
        kind("alg none", &[&none], Err(NO_TOKEN)),
        kind("HS256 with the public key, as a number", &[&number], Err(NO_TOKEN)),
        kind("HS256 with the public key, in PKCS #1", &[&pkcs1], Err(NO_TOKEN)),
        kind("HS256 with the public key, in DER", &[&spki], Err(NO_TOKEN)),
        kind("HS256 with the public key, in PEM", &[&pem], Err(NO_TOKEN)),
        kind("another's key", &[&bearer(&foreign(issuer))], Err(NO_TOKEN)),
        kind("no token", &[&"authorization: Basic YTpi".to_owned()], Err(NO_TOKEN)),
    ]
}

/// A token that is good in every part, of the same kind and under the id of the issuer's key, but
/// signed by a foreign one.
fn foreign(issuer: &FakeIssuer) -> String {
    issuer.token(&SigningKey::another_rsa("a"), &json!({}))
}

fn check(route: &Route, kind: &Kind, response: &Response) {
    let place = format!("{} {} as {}: {}", route.method, route.path, kind.name, response.brief());
    match (route.access, kind.admin) {
        ("open" | "door", _) => assert_eq!(response.status, route.status, "{place}"),
        ("key", _) if kind.has_key => assert_eq!(response.status, route.status, "{place}"),
        ("key", _) => assert!(matches!(response.status, 400 | 401), "{place}"),
        (access, Ok(role)) if rank(access) <= role => {
            assert_eq!(response.status, route.status, "{place}");
            assert_ne!(response.brief(), UNKNOWN, "{place}");
        }
        (_, Ok(_)) => assert_eq!(response.brief(), NO_ROLE, "{place}"),
        (_, Err(rejection)) => {
            assert_eq!(response.brief(), rejection, "{place}");
            let challenge = response.header("www-authenticate");
            let expected = (rejection == NO_TOKEN).then_some(r#"Bearer error="invalid_token""#);
            assert_eq!(challenge, expected, "{place}");
        }
    }
    check_caches(route, response, &place);
}

/// No cache stores the responses to operators, and none hands one caller's response to another.
fn check_caches(route: &Route, response: &Response, place: &str) {
    let (kept, depends_on) = (response.header("cache-control"), response.header("vary"));
    let expected = match route.access {
        "open" if route.path == "/openapi.json" || route.path.starts_with("/docs") => (None, None),
        "key" if route.path == "/key" && response.status == 200 => {
            (Some("no-store"), Some("Authorization, X-API-Key"))
        }
        "key" => (Some("private, no-cache"), Some("Authorization, X-API-Key")),
        "open" if route.path == "/metrics" => (Some("no-store"), Some("Accept")),
        _ => (Some("no-store"), None),
    };
    assert_eq!((kept, depends_on), expected, "{place}");
}

/// A server with everything on, an issuer, and a key that may do everything.
struct World {
    server: Server,
    kinds: Vec<Kind>,
    /// How many requests were sent: each comes from another address, so that wrong admin keys stay
    /// below the limit.
    sent: u32,
    _folder: TempDir,
}

impl World {
    fn start(more: &[(&str, &str)]) -> Self {
        let key = SigningKey::rsa("a");
        let issuer = FakeIssuer::start(&[&key]);
        let (folder, admin_key) = (tempdir().unwrap(), new_admin_key());
        let door_keys = folder.path().join("door-keys");
        fs::write(&door_keys, format!("edge {}\n", "0f".repeat(32))).unwrap();
        let base = [
            ("ADMIN_API_KEY", admin_key.as_str()),
            ("KEYWARD_OIDC_ISSUER", &issuer.url()),
            ("KEYWARD_OIDC_AUDIENCE", "keyward"),
            ("KEYWARD_TRUSTED_PROXIES", "127.0.0.1"),
            ("KEYWARD_METRICS_LISTEN", "127.0.0.1:0"),
            ("KEYWARD_DOORS_LISTEN", "127.0.0.1:0"),
            ("KEYWARD_DOOR_KEYS_FILE", door_keys.to_str().unwrap()),
            LEAKS[0],
            LEAKS[1],
        ];
        let environment: Vec<_> = base.iter().chain(more).copied().collect();
        let server = Server::start_with(folder.path(), &environment);
        let mut world = Self { server, kinds: Vec::new(), sent: 0, _folder: folder };
        let right = [format!("x-admin-key: {admin_key}")];
        let tier = world.send("PUT", "/admin/tiers/free", &right, r#"{"limits":[]}"#);
        assert_eq!(tier.status, 201, "{}", tier.body);
        let body = r#"{"name":"all","tier":"free","scopes":["*"]}"#;
        let (_, secret) = issued(&world.send("POST", "/admin/api-keys", &right, body));
        world.kinds = kinds(&issuer, &key, &admin_key, &secret);
        world
    }

    fn control(&self) -> SocketAddr {
        self.server.control().unwrap_or(self.server.address)
    }

    /// Sends a request to the control plane, from within 198.51.0.0/16.
    fn send(&mut self, method: &str, path: &str, headers: &[String], body: &str) -> Response {
        self.sent += 1;
        let address = Ipv4Addr::from_bits(0xC633_0000 + self.sent);
        let metrics = self.server.metrics().filter(|_| path == "/metrics");
        let doors = self.server.doors().filter(|_| is_of_doors(path));
        let to = metrics.or(doors).unwrap_or_else(|| self.control());
        self.send_from(address, to, (method, path), headers, body)
    }

    fn send_from(
        &self,
        from: Ipv4Addr,
        to: SocketAddr,
        (method, path): (&str, &str),
        headers: &[String],
        body: &str,
    ) -> Response {
        let forwarded = format!("x-forwarded-for: {from}");
        let headers: Vec<_> = headers.iter().chain([&forwarded]).map(String::as_str).collect();
        Connection::open(to).send(method, path, &headers, body)
    }

    /// Sends every kind of caller to a route.
    fn check(&mut self, route: &Route) {
        for at in 0..self.kinds.len() {
            let headers = self.kinds[at].headers.clone();
            let response = self.send(route.method, &route.path, &headers, "{}");
            check(route, &self.kinds[at], &response);
        }
    }

    /// No rejected request has changed anything.
    fn check_unchanged(&mut self) {
        let admin_key = |kind: &&Kind| kind.name == "admin key";
        let headers = self.kinds.iter().find(admin_key).unwrap().headers.clone();
        assert_eq!(self.send("GET", "/admin/api-keys", &headers, "").json()["count"], 1);
    }
}

#[test]
fn every_route_responds_to_every_kind_of_caller_as_its_row_says() {
    let mut world = World::start(&[]);
    for route in routes() {
        world.check(&route);
    }
    world.check_unchanged();
}

#[test]
fn the_control_plane_moves_whole_to_a_separate_listener() {
    let mut world = World::start(&[
        ("KEYWARD_ADMIN_LISTEN", "127.0.0.1:0"),
        ("KEYWARD_ADMIN_NETWORKS", "198.51.0.0/16"),
    ]);
    let (public, control) = (world.server.address, world.control());
    assert_ne!(public, control);
    let outside = Ipv4Addr::new(198, 52, 0, 1);
    for route in routes().iter().filter(|route| route.path.starts_with("/admin/")) {
        world.check(route);
        let place = (route.method, route.path.as_str());
        for kind in &world.kinds {
            let there =
                world.send_from(Ipv4Addr::new(198, 51, 0, 1), public, place, &kind.headers, "{}");
            assert_eq!(there.brief(), UNKNOWN, "{place:?} as {}", kind.name);
            let rejected = world.send_from(outside, control, place, &kind.headers, "{}");
            assert_eq!(rejected.brief(), ELSEWHERE, "{place:?} as {}", kind.name);
            assert_eq!(rejected.header("cache-control"), Some("no-store"), "{place:?}");
        }
    }
    world.check_unchanged();
}

#[test]
fn the_control_plane_may_have_a_listener_of_its_own() {
    let folder = tempdir().unwrap();
    let environment =
        [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_ADMIN_LISTEN", "127.0.0.1:0"), LEAKS[0], LEAKS[1]];
    let server = Server::start_with(folder.path(), &environment);
    let control = server.control().expect("the greeting names it");
    assert_ne!(control, server.address);
    let admin_key = format!("x-admin-key: {ADMIN_KEY}");
    for route in routes().into_iter().filter(|route| route.access != "door") {
        let send = |address| {
            let mut connection = Connection::open(address);
            connection.send(route.method, &route.path, &[&admin_key], "{}")
        };
        let path = route.path.as_str();
        let is_control = path.starts_with("/admin/") || path == "/metrics";
        let is_everywhere =
            ["/healthz", "/readyz", "/openapi.json"].contains(&path) || path.starts_with("/docs");
        let (here, there) =
            if is_control { (control, server.address) } else { (server.address, control) };
        let expected = if route.access == "key" { 401 } else { route.status };
        assert_eq!(send(here).status, expected, "{} {}", route.method, route.path);
        if is_everywhere {
            assert_eq!(send(there).status, expected, "{} {}", route.method, route.path);
        } else {
            assert_eq!(send(there).brief(), UNKNOWN, "{} {}", route.method, route.path);
        }
    }
    // The existing files, which a parameter in the table cannot show.
    for path in ["/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/docs.js"] {
        let get = |address| Connection::open(address).send("GET", path, &[], "");
        assert_eq!(get(control).status, 200, "{path}");
        assert_eq!(get(server.address).status, 200, "{path}");
    }
    // Each listener describes itself, with links to itself.
    let paths = |address| {
        let document = Connection::open(address).send("GET", "/openapi.json", &[], "").json();
        assert_eq!(document["servers"], serde_json::json!([{ "url": "." }]));
        document["paths"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert!(paths(control).contains(&"/admin/tiers".to_owned()));
    assert!(!paths(control).contains(&"/key".to_owned()));
    assert!(paths(server.address).contains(&"/key".to_owned()));
    assert!(!paths(server.address).iter().any(|path| path.starts_with("/admin")));
}
