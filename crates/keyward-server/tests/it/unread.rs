//! Parameters and fields that a route does not read; that each route rejects them is a test of
//! `keyward-admin`.

use tempfile::tempdir;

use crate::server::Server;

#[test]
fn an_empty_body_counts_as_none() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    server.issue("a");
    let suspend = |body: &str| server.admin("POST", "/admin/api-keys/1/suspend", body).status;
    assert_eq!(["", "{}", " { }\n"].map(suspend), [200, 200, 200]);
    assert_eq!(["[]", "null", "reason", r#""leaked""#].map(suspend), [422, 422, 422, 422]);
    assert_eq!(suspend(&"x".repeat(64 * 1024 + 1)), 413);
}

#[test]
fn neither_of_two_contradicting_values_is_dropped_silently() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    server.issue("a");
    let rejected = |method: &str, path: &str, body: &str| {
        let response = server.admin(method, path, body);
        assert_eq!(response.status, 422, "{method} {path} {body}: {}", response.body);
    };
    for path in [
        "/admin/api-keys?tier=basic&tier=pro",
        "/admin/api-keys/1/usage?bucket=hour&bucket=hour",
        "/admin/usage?limit=1&limit=2",
        "/admin/owners?limit=1&limit=2",
        "/admin/audit?limit=1&%6cimit=2",
        "/admin/export?after=0&after=1",
    ] {
        rejected("GET", path, "");
    }
    rejected("DELETE", "/admin/api-keys/1?reason=a&reason=b", "");
    rejected("POST", "/admin/import?dry_run=true&dry_run=false", r#"{"keys":[]}"#);
    let twice = r#"{"name":"n","networks":["10.0.0.0/8"],"networks":[]}"#;
    rejected("POST", "/admin/api-keys", twice);
    rejected("POST", "/admin/api-keys", r#"{"name":"n","metadata":{"a":{"b":1,"b":2}}}"#);
    rejected("PATCH", "/admin/api-keys/1", r#"{"tier":"basic","tier":"pro"}"#);
    rejected("POST", "/admin/api-keys/1/rotate", r#"{"grace":"0s","grace":"30d"}"#);
    let limit = r#"{"name":"requests","amount":5,"amount":500,"per":"60s","burst":5}"#;
    rejected("PUT", "/admin/tiers/gold", &format!(r#"{{"limits":[{limit}]}}"#));
    let digest = "ab".repeat(32);
    let key = format!(r#"{{"name":"a","state":"revoked","secrets":[{{"digest":"{digest}"}}]"#);
    rejected(
        "POST",
        "/admin/import",
        &format!(r#"{{"keys":[{key},"metadata":{{"a":1,"a":2}}}}]}}"#),
    );
    rejected("POST", "/admin/import", &format!(r#"{{"keys":[{key},"state":"active"}}]}}"#));
    assert_eq!(server.admin("GET", "/admin/audit", "").json()["count"], 1);
}

#[test]
fn numbers_come_back_as_they_were_sent_or_are_rejected() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let metadata = r#"{"id":18446744073709551615,"price":0.1,"low":-9007199254740993,"x":1e22}"#;
    let body = format!("\u{feff}{{\"name\":\"a\",\"metadata\":{metadata}}}");
    assert_eq!(server.admin("POST", "/admin/api-keys", &body).status, 201);
    let shown = server.admin("GET", "/admin/api-keys/1", "");
    let kept = r#""metadata":{"id":18446744073709551615,"price":0.1,"low":-9007199254740993,"#;
    assert!(shown.body.contains(kept), "{}", shown.body);
    for number in ["12345678901234567890123", "0.12345678901234567890", "1e400"] {
        let metadata = format!(r#"{{"deep":[{{"n":{number}}}]}}"#);
        let body = format!(r#"{{"name":"a","metadata":{metadata}}}"#);
        assert_eq!(server.admin("POST", "/admin/api-keys", &body).status, 422, "{number}");
        let body = format!(r#"{{"metadata":{metadata}}}"#);
        assert_eq!(server.admin("PATCH", "/admin/api-keys/1", &body).status, 422, "{number}");
    }
    let (digest, large) = ("ab".repeat(32), "12345678901234567890123");
    let key =
        format!(r#"{{"name":"a","secrets":[{{"digest":"{digest}"}}],"metadata":{{"n":{large}}}}}"#);
    let imported = server.admin("POST", "/admin/import", &format!(r#"{{"keys":[{key}]}}"#)).json();
    assert_eq!(imported["refused"], 1, "{imported}");
}
