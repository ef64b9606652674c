//! Secrets that were put where they do not belong.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Server};

#[test]
fn a_key_is_stored_only_as_a_digest() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, secret) = server.issue("first");
    let post = ("POST", "/admin/api-keys");
    let patch = ("PATCH", "/admin/api-keys/1");
    let metadata = format!(r#"{{"name":"a","metadata":{{"note":["it is {secret}!"]}}}}"#);
    let member = format!(r#"{{"name":"a","metadata":{{"{secret}":1}}}}"#);
    let check = |(method, path): (&str, &str), body: &str, loc: Value| {
        let response = server.admin(method, path, body);
        assert_eq!(response.status, 422, "{method} {path}: {}", response.body);
        assert!(!response.body.contains(&secret[8..]), "{}", response.body);
        let fault = &response.json()["detail"][0];
        assert_eq!((&fault["type"], &fault["loc"]), (&json!("value_error"), &loc));
        assert_eq!(fault["input"], Value::Null);
    };
    for request in [post, patch] {
        check(request, &format!(r#"{{"name":"{secret}"}}"#), json!(["body", "name"]));
        let owner = format!(r#"{{"name":"a","owner":"x-{secret}"}}"#);
        check(request, &owner, json!(["body", "owner"]));
        check(request, &metadata, json!(["body", "metadata"]));
        check(request, &member, json!(["body", "metadata"]));
    }
    let revoke = format!("/admin/api-keys/1?reason=it%20is%20{secret}");
    check(("DELETE", &revoke), "", json!(["query", "reason"]));
    let suspend = format!("/admin/owners/{secret}/suspend");
    check(("POST", &suspend), "", json!(["path", "owner"]));
    // No text around it hides it.
    for torn in [format!("n {secret}a"), format!("x{secret}0"), secret[3..].to_owned()] {
        check(post, &json!({ "name": torn }).to_string(), json!(["body", "name"]));
        check(
            post,
            &json!({ "name": "a", "owner": torn.replace(' ', "-") }).to_string(),
            json!(["body", "owner"]),
        );
        let escaped = json!({ "name": "a", "metadata": { "a": [{ &torn: 1 }] } }).to_string();
        let escaped = escaped.replace(&secret[3..9], &unicode(&secret[3..9]));
        check(patch, &escaped, json!(["body", "metadata"]));
        let revoke = format!("/admin/api-keys/1?reason={}", torn.replace(' ', "%20"));
        check(("DELETE", &revoke), "", json!(["query", "reason"]));
    }
    let trail = server.admin("GET", "/admin/audit", "");
    assert_eq!(trail.json()["count"], 1, "{}", trail.body);
}

/// A text with each character as JSON may escape it.
fn unicode(text: &str) -> String {
    text.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect()
}

#[test]
fn a_key_with_more_text_after_it_is_neither_logged_nor_echoed() {
    let folder = tempdir().unwrap();
    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_LOG", "trace")];
    let mut server = Server::start_with(folder.path(), &environment);
    let log = server.read_log();
    let (_, secret) = server.issue("first");
    let long = format!("{secret}a");
    let path = format!("/key/{long}");
    let id = [format!("x-request-id: {long}")];
    let ids = id.each_ref().map(String::as_str);
    for (method, path) in [("GET", path.as_str()), ("GET", "/healthz"), (&long, "/healthz")] {
        let response = server.send(method, path, &ids, "");
        let headers = format!("{:?}", response.headers);
        assert!(!headers.contains(&secret[8..]) && !response.body.contains(&secret[8..]));
    }
    for query in ["limit", "sort", "name", "state", &long] {
        let path = format!("/admin/api-keys?{query}={long}");
        let response = server.admin("GET", &path, "");
        let headers = format!("{:?}", response.headers);
        assert!(!headers.contains(&secret[8..]), "{headers}");
        assert!(!response.body.contains(&secret[8..]), "{}", response.body);
    }
    assert!(server.stop().0.success());
    let log = log.join().unwrap();
    assert!(log.contains("/healthz"), "the log is empty, so this test proves nothing");
    assert!(!log.contains(&secret[8..]), "a key is in the log");
}

#[test]
fn the_admin_key_in_a_url_or_a_kept_header_is_rejected() {
    let folder = tempdir().unwrap();
    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_LOG", "trace")];
    let mut server = Server::start_with(folder.path(), &environment);
    let log = server.read_log();
    let escaped: String = ADMIN_KEY.bytes().map(|b| format!("%{b:02X}")).collect();
    let paths = [
        format!("/key/{ADMIN_KEY}"),
        format!("/{escaped}"),
        format!("/admin/api-keys?limit={ADMIN_KEY}"),
        format!("/admin/api-keys?{ADMIN_KEY}=1"),
        format!("/admin/api-keys?limit={escaped}"),
        format!("/healthz?a=b&c=%22{ADMIN_KEY}%22"),
    ];
    for path in &paths {
        let response = server.admin("GET", path, "");
        assert_eq!(response.status, 400, "{path}");
        assert!(!response.body.contains(ADMIN_KEY) && !response.body.contains(&escaped));
    }
    let named = [format!("idempotency-key: {ADMIN_KEY}"), format!("x-admin-key: {ADMIN_KEY}")];
    let named = named.each_ref().map(String::as_str);
    let response = server.send("POST", "/admin/api-keys", &named, r#"{"name":"a"}"#);
    assert_eq!(response.status, 400);
    let id = format!("x-request-id: {ADMIN_KEY}");
    let response = server.send("GET", "/healthz", &[&id], "");
    assert_eq!(response.status, 200);
    assert_ne!(response.header("x-request-id"), Some(ADMIN_KEY));
    assert!(server.stop().0.success());
    let log = log.join().unwrap();
    assert!(log.contains("with 400"), "the log is empty, so this test proves nothing");
    assert!(!log.contains(ADMIN_KEY) && !log.contains(&escaped), "the admin key is in the log");
}

#[test]
fn a_foreign_secret_is_not_echoed() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let secret = "Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9";
    let check = |path: &str, body: &str| {
        let response = server.admin("POST", path, body);
        assert_eq!(response.status, 422, "{path} {body}: {}", response.body);
        assert!(!response.body.contains(secret), "{}", response.body);
    };
    let bodies = [
        format!(r#""{secret}""#),
        format!(r#"["{secret}"]"#),
        format!(r#"{{"{secret}":1}}"#),
        format!(r#"{{"digests":"{secret}"}}"#),
        format!(r#"{{"digests":["{secret}"]}}"#),
        format!(r#"{{"digests":[{{"{secret}":"{secret}"}}]}}"#),
        format!(r#"{{"text":"{secret}"}}"#),
    ];
    bodies.iter().for_each(|body| check("/admin/api-keys/identify", body));
    for body in [r#""S""#, r#"{"keys":"S"}"#, r#"{"keys":[{"S":"S"}],"S":"S"}"#, r#"[["S"]]"#] {
        check("/admin/import", &body.replace('S', secret));
    }
    for member in ["api_key", "secret", "client_secret", "token", "password"] {
        check("/admin/api-keys", &format!(r#"{{"name":"a","{member}":"{secret}"}}"#));
        check("/admin/api-keys", &format!(r#"{{"{member}":"{secret}"}}"#));
    }
}
