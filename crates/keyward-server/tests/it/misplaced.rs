//! Secrets that were put where they do not belong.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::server::Server;

#[test]
fn a_key_is_kept_nowhere_but_as_a_digest() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, secret) = server.issue("first");
    let post = ("POST", "/admin/api-keys");
    let patch = ("PATCH", "/admin/api-keys/1");
    let metadata = format!(r#"{{"name":"a","metadata":{{"note":["it is {secret}!"]}}}}"#);
    let member = format!(r#"{{"name":"a","metadata":{{"{secret}":1}}}}"#);
    let check = |(method, path): (&str, &str), body: &str, loc: Value| {
        let answer = server.admin(method, path, body);
        assert_eq!(answer.status, 422, "{method} {path}: {}", answer.body);
        assert!(!answer.body.contains(&secret[8..]), "{}", answer.body);
        let fault = &answer.json()["detail"][0];
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
    let trail = server.admin("GET", "/admin/audit", "");
    assert_eq!(trail.json()["count"], 1, "{}", trail.body);
}

#[test]
fn a_secret_that_came_from_elsewhere_is_not_sent_back() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let secret = "Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9";
    let check = |path: &str, body: &str| {
        let answer = server.admin("POST", path, body);
        assert_eq!(answer.status, 422, "{path} {body}: {}", answer.body);
        assert!(!answer.body.contains(secret), "{}", answer.body);
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
