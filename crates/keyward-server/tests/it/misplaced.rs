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
