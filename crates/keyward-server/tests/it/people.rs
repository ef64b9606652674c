//! People: how the control plane judges tokens, with the real program and an issuer next to it.

use std::net::TcpListener;

use serde_json::json;
use tempfile::{TempDir, tempdir};

use crate::issuer::{FakeIssuer, SigningKey};
use crate::server::{ADMIN_KEY, Server, command};

const PATH: &str = "/admin/tiers";

fn start(folder: &TempDir, issuer: &FakeIssuer, more: &[(&str, &str)]) -> Server {
    let url = issuer.url();
    let base = [("KEYWARD_OIDC_ISSUER", url.as_str()), ("KEYWARD_OIDC_AUDIENCE", "keyward")];
    let environment: Vec<_> = base.iter().chain(more).copied().collect();
    Server::start_with(folder.path(), &environment)
}

fn status(server: &Server, token: &str) -> u16 {
    server.get(PATH, token).status
}

#[test]
fn people_need_no_admin_key() {
    let key = SigningKey::p256("a");
    let issuer = FakeIssuer::start(&[&key]);
    let folder = tempdir().unwrap();
    let server = start(&folder, &issuer, &[]);
    assert!(server.greeting.contains(&issuer.url()), "{}", server.greeting);
    assert!(!server.greeting.contains("is not set"), "{}", server.greeting);
    assert_eq!(status(&server, &issuer.token(&key, &json!({}))), 200);
    let wrong = server.send("GET", PATH, &["x-admin-key: anything"], "");
    assert_eq!(wrong.brief(), r#"403 {"detail":"Invalid admin key"}"#);
}

#[test]
fn every_algorithm_works() {
    let keys = [SigningKey::rsa("r"), SigningKey::p256("p"), SigningKey::ed25519("e")];
    let issuer = FakeIssuer::start(&keys.each_ref());
    let folder = tempdir().unwrap();
    let server = start(&folder, &issuer, &[]);
    for key in &keys {
        assert_eq!(status(&server, &issuer.token(key, &json!({}))), 200);
    }
    assert_eq!(issuer.asked(), 1);
}

#[test]
fn new_keys_of_the_issuer_are_found() {
    let (old, new) = (SigningKey::rsa("old"), SigningKey::ed25519("new"));
    let issuer = FakeIssuer::start(&[&old]);
    let folder = tempdir().unwrap();
    let server = start(&folder, &issuer, &[]);
    let (before, after) = (issuer.token(&old, &json!({})), issuer.token(&new, &json!({})));
    assert_eq!(status(&server, &before), 200);
    assert_eq!(status(&server, &after), 401);
    issuer.publish(&[&new]);
    assert_eq!(status(&server, &after), 200);
    assert_eq!(status(&server, &before), 401, "the old issuer is no longer accepted");
}

#[test]
fn no_token_is_accepted_while_no_key_is_known() {
    let key = SigningKey::rsa("a");
    let issuer = FakeIssuer::start(&[&key]);
    let folder = tempdir().unwrap();
    let server = start(&folder, &issuer, &[]);
    let token = issuer.token(&key, &json!({}));
    issuer.set_down(true);
    let response = server.get(PATH, &token);
    assert_eq!(response.brief(), r#"503 {"detail":"Service Unavailable"}"#);
    assert_eq!(response.header("retry-after"), Some("1"));
    issuer.set_down(false);
    assert_eq!(status(&server, &token), 200);
    issuer.set_down(true);
    assert_eq!(status(&server, &token), 200, "the keys are known by now");
}

#[test]
fn sighup_changes_roles_and_keeps_the_known_keys_of_the_issuer() {
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    let folder = tempdir().unwrap();
    let write = |roles: &str| {
        let text = format!("log = \"info\"\noidc_roles = \"{roles}\"\n");
        std::fs::write(folder.path().join("keyward.toml"), text).unwrap();
    };
    write("viewer=readers");
    let mut server = start(&folder, &issuer, &[]);
    let token = issuer.token(&key, &json!({ "roles": ["writers"] }));
    assert_eq!(status(&server, &token), 403);
    assert_eq!(issuer.asked(), 1);
    write("viewer=readers,admin=writers");
    server.signal("HUP");
    server.wait_for_log("Read the settings anew");
    assert_eq!(status(&server, &token), 200);
    assert_eq!(issuer.asked(), 2, "its settings changed, so it is asked anew");
    server.signal("HUP");
    server.wait_for_log("Read the settings anew");
    assert_eq!(status(&server, &token), 200);
    assert_eq!(issuer.asked(), 2, "its settings are the same");
}

#[test]
fn roles_have_the_names_and_the_place_that_the_issuer_gives_them() {
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    let folder = tempdir().unwrap();
    let more = [
        ("KEYWARD_OIDC_ROLE_CLAIM", "realm_access.roles"),
        ("KEYWARD_OIDC_ROLES", "viewer=keyward-viewer,admin=keyward-admin"),
    ];
    let server = start(&folder, &issuer, &more);
    let put = |roles| {
        let changes = json!({ "roles": null, "realm_access": { "roles": roles } });
        let line = format!("authorization: Bearer {}", issuer.token(&key, &changes));
        server.send("PUT", "/admin/tiers/basic", &[&line], "{}").status
    };
    assert_eq!(put(json!(["offline_access", "keyward-admin"])), 422);
    assert_eq!(put(json!("keyward-admin")), 422);
    assert_eq!(put(json!(["keyward-viewer"])), 403);
    assert_eq!(put(json!(["admin"])), 403, "the role's own name is no name of the issuer's");
    let outside = issuer.token(&key, &json!({ "roles": ["keyward-admin"] }));
    assert_eq!(status(&server, &outside), 403);
}

#[test]
fn a_person_without_a_usable_name_is_rejected() {
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    let folder = tempdir().unwrap();
    let server = start(&folder, &issuer, &[]);
    for sub in [json!(null), json!(""), json!("a\r\nb"), json!("x".repeat(201))] {
        assert_eq!(status(&server, &issuer.token(&key, &json!({ "sub": sub }))), 401, "{sub}");
    }
}

#[test]
fn the_audit_names_a_person_and_their_address() {
    let key = SigningKey::p256("a");
    let issuer = FakeIssuer::start(&[&key]);
    let folder = tempdir().unwrap();
    let server = start(&folder, &issuer, &[("KEYWARD_TRUSTED_PROXIES", "127.0.0.1")]);
    let send = |method, path: &str, changes, from: &str, body| {
        let token = format!("authorization: Bearer {}", issuer.token(&key, &changes));
        let from = format!("x-forwarded-for: {from}");
        server.send(method, path, &[&token, &from, "x-request-id: asked-1"], body)
    };
    let mail = json!({ "email": "ann@example.com", "email_verified": true });
    let typed = json!({ "email": "root@example.com", "email_verified": false });
    // The addresses left of the client's own are made up by the client.
    let from = "198.51.100.9, 192.0.2.7";
    let issued = send("POST", "/admin/api-keys", mail, from, r#"{"name":"hers"}"#);
    assert_eq!(issued.status, 201, "{}", issued.body);
    let revoked = send("DELETE", "/admin/api-keys/1", typed, "2001:db8::7", "");
    assert_eq!(revoked.status, 204, "{}", revoked.body);
    let trail = send("GET", "/admin/audit", json!({ "roles": "viewer" }), from, "").json();
    let told: Vec<_> = trail["entries"].as_array().unwrap().iter().collect();
    assert_eq!(told.len(), 2, "{trail}");
    for (verb, actor, address) in
        [("issue", "oidc:ann@example.com", "192.0.2.7"), ("revoke", "oidc:7f3c", "2001:db8::7")]
    {
        let entry = told.iter().find(|entry| entry["verb"] == verb).unwrap();
        assert_eq!(entry["actor"], actor);
        assert_eq!(entry["address"], address);
        assert_eq!(entry["request_id"], "asked-1");
        assert_eq!(entry["key_id"], 1);
    }
}

#[test]
fn an_issuer_on_loopback_is_asked_without_a_proxy() {
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    let folder = tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let server = start(&folder, &issuer, &[("ALL_PROXY", &nobody), ("HTTP_PROXY", &nobody)]);
    assert_eq!(status(&server, &issuer.token(&key, &json!({}))), 200);
}

#[test]
fn an_issuer_whose_keys_moved_is_no_longer_believed() {
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    issuer.state.lock().unwrap().moved = Some("/keys");
    let folder = tempdir().unwrap();
    let server = start(&folder, &issuer, &[]);
    assert_eq!(status(&server, &issuer.token(&key, &json!({}))), 503);
}

#[test]
fn a_token_of_an_unknown_key_gets_try_again_while_the_issuer_is_down() {
    let (key, foreign) = (SigningKey::ed25519("a"), SigningKey::ed25519("foreign"));
    let issuer = FakeIssuer::start(&[&key]);
    let folder = tempdir().unwrap();
    let server = start(&folder, &issuer, &[]);
    let made_up = issuer.token(&foreign, &json!({}));
    let responses: Vec<_> = (0..20).map(|_| server.get(PATH, &made_up)).collect();
    assert_eq!(responses[0].brief(), r#"401 {"detail":"Invalid access token"}"#);
    let last = &responses[19];
    assert_eq!(last.brief(), r#"503 {"detail":"Service Unavailable"}"#);
    assert_eq!(last.header("retry-after"), Some("1"));
    assert_eq!(issuer.asked(), 6);
    assert_eq!(status(&server, &issuer.token(&key, &json!({}))), 200);
}

#[test]
fn ten_wrong_tokens_a_minute_are_too_many_and_known_people_come_in_all_the_same() {
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    let folder = tempdir().unwrap();
    let server = start(&folder, &issuer, &[("ADMIN_API_KEY", ADMIN_KEY)]);
    let known = issuer.token(&key, &json!({}));
    assert_eq!(status(&server, &known), 200);
    for number in 0..10 {
        let wrong = issuer.token(&key, &json!({ "aud": "account", "jti": number }));
        assert_eq!(status(&server, &wrong), 401);
    }
    let wrong = issuer.token(&key, &json!({ "aud": "account" }));
    let response = server.get(PATH, &wrong);
    assert_eq!(response.brief(), r#"429 {"detail":"Too many wrong access tokens"}"#);
    assert!(response.header("retry-after").is_some());
    assert_eq!(status(&server, &issuer.token(&key, &json!({ "jti": "new" }))), 429);
    assert_eq!(status(&server, &known), 200);
    assert_eq!(server.admin("GET", PATH, "").status, 200, "they are no wrong admin keys");
}

#[test]
fn a_missing_role_is_named_only_in_the_log() {
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    let folder = tempdir().unwrap();
    let server = start(&folder, &issuer, &[("KEYWARD_LOG", "debug")]);
    let forbidden = r#"403 {"detail":"Insufficient role"}"#;
    let viewer = issuer.token(&key, &json!({ "roles": ["viewer"] }));
    let header = format!("authorization: Bearer {viewer}");
    let response = server.send("POST", "/admin/api-keys", &[&header], r#"{"name":"a"}"#);
    assert_eq!(response.brief(), forbidden);
    let none = issuer.token(&key, &json!({ "roles": ["cook"] }));
    assert_eq!(server.get(PATH, &none).brief(), forbidden);
    let (_, log) = server.stop();
    assert!(log.contains(" needs the role issuer"), "{log}");
    assert!(log.contains("names none of the roles"), "{log}");
}

#[test]
fn tokens_are_not_in_the_log() {
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    let folder = tempdir().unwrap();
    let server = start(&folder, &issuer, &[("KEYWARD_LOG", "trace")]);
    let good = issuer.token(&key, &json!({}));
    let bad = issuer.token(&key, &json!({ "aud": "account" }));
    assert_eq!((status(&server, &good), status(&server, &bad)), (200, 401));
    let (_, log) = server.stop();
    assert!(log.contains("its audience is another"), "{log}");
    for token in [good, bad] {
        assert!(!log.contains(token.rsplit('.').next().unwrap()), "{log}");
    }
}

#[test]
fn an_issuer_that_others_could_impersonate_is_rejected_at_the_start() {
    let folder = tempdir().unwrap();
    let rejected = |variables: &[(&str, &str)]| {
        let output = command(folder.path(), variables).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let error = rejected(&[
        ("KEYWARD_OIDC_ISSUER", "http://login.example.com"),
        ("KEYWARD_OIDC_AUDIENCE", "keyward"),
    ]);
    insta::assert_snapshot!(error, @"error: setting `oidc_issuer` (environment variable KEYWARD_OIDC_ISSUER): must be https://, since an impostor of that server could make keys; http:// is only accepted on loopback");
    let error = rejected(&[("KEYWARD_OIDC_ISSUER", "https://login.example.com")]);
    insta::assert_snapshot!(error, @"error: setting `oidc_issuer` (environment variable KEYWARD_OIDC_ISSUER): needs `oidc_audience` too: without it, a token that the issuer made for any other service would be accepted");
}
