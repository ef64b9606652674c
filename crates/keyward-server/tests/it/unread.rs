//! Parameters and members that a route does not read.

use serde_json::json;
use tempfile::tempdir;

use crate::server::Server;

/// Every route under `/admin` that is there to be asked, whatever is left out of its query.
const ROUTES: [(&str, &str); 21] = [
    ("GET", "/admin/api-keys"),
    ("POST", "/admin/api-keys"),
    ("POST", "/admin/api-keys/identify"),
    ("GET", "/admin/api-keys/1"),
    ("PATCH", "/admin/api-keys/1"),
    ("DELETE", "/admin/api-keys/1"),
    ("POST", "/admin/api-keys/1/suspend"),
    ("POST", "/admin/api-keys/1/resume"),
    ("POST", "/admin/api-keys/1/rotate"),
    ("GET", "/admin/api-keys/1/usage"),
    ("GET", "/admin/usage"),
    ("GET", "/admin/prefixes"),
    ("GET", "/admin/tiers"),
    ("PUT", "/admin/tiers/basic"),
    ("DELETE", "/admin/tiers/pro"),
    ("GET", "/admin/owners"),
    ("POST", "/admin/owners/acme/suspend"),
    ("GET", "/admin/audit"),
    ("POST", "/admin/import"),
    ("GET", "/admin/export"),
    ("GET", "/admin/backup"),
];

#[test]
fn what_no_route_reads_is_refused_and_nothing_is_done() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, secret) = server.issue("a");
    for (method, path) in ROUTES {
        let check = |path: &str, body: &str, place: &str| {
            let answer = server.admin(method, path, body);
            assert_eq!(answer.status, 422, "{method} {path} {body}: {}", answer.body);
            let faults = answer.json()["detail"].clone();
            let faults = faults.as_array().unwrap();
            // Where a body may hold secrets, names that nobody knows are not repeated.
            let places = [json!([place, "grase"]), json!([place])];
            let told = faults.iter().any(|fault| places.contains(&fault["loc"]));
            assert!(told, "{method} {path}: {faults:?}");
        };
        check(&format!("{path}?grase=0s"), "{}", "query");
        check(path, r#"{"grase":"0s"}"#, "body");
    }
    assert_eq!(server.get("/key", &secret).status, 200);
    assert_eq!(server.admin("GET", "/admin/audit", "").json()["count"], 1);
}

#[test]
fn a_body_that_says_nothing_is_as_good_as_none() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    server.issue("a");
    let suspend = |body: &str| server.admin("POST", "/admin/api-keys/1/suspend", body).status;
    assert_eq!(["", "{}", " { }\n"].map(suspend), [200, 200, 200]);
    assert_eq!(["[]", "null", "reason", r#""leaked""#].map(suspend), [422, 422, 422, 422]);
    assert_eq!(suspend(&"x".repeat(64 * 1024 + 1)), 413);
}
