//! Tiers, owners and the usage of all keys.

use super::{Server, answer, body, first_lines, keyward, story};

#[test]
fn a_tier_is_set_by_its_name() {
    let tier = r#"{"name":"pro","limits":[{"name":"requests","amount":5,"per":"60s","burst":9}]}"#;
    let server = Server::answering(vec![answer("200 OK", "", tier)]);
    let output = keyward(&server.url, &["tier", "set", "pro", "--limit", "5 per 60s burst 9"]);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    Tier pro: 5 per 60s burst 9. It holds from the next request on.
    exit status 0
    ");
    let requests = server.requests.join().unwrap();
    assert_eq!(first_lines(&requests), ["PUT /admin/tiers/pro HTTP/1.1"]);
    insta::assert_snapshot!(body(&requests[0]), @r#"{"limits":[{"name":"requests","amount":5,"per":"60s","burst":9}]}"#);
}

#[test]
fn a_flag_is_repeated_for_each_limit() {
    let tier = r#"{"name":"team","limits":[{"name":"requests","amount":5,"per":"60s","burst":5},{"name":"day","amount":9,"per":"86400s","burst":9}]}"#;
    let server = Server::answering(vec![answer("200 OK", "", tier)]);
    let flags = ["--limit", "5 per 60s", "--limit", "day: 9 per 1d"];
    let output = keyward(&server.url, &[&["tier", "set", "team"], &flags[..]].concat());
    insta::assert_snapshot!(story(&server.url, &output), @r"
    Tier team: 5 per 60s, day: 9 per 1d. It holds from the next request on.
    exit status 0
    ");
    let requests = server.requests.join().unwrap();
    insta::assert_snapshot!(body(&requests[0]), @r#"{"limits":[{"name":"requests","amount":5,"per":"60s","burst":5},{"name":"day","amount":9,"per":"86400s","burst":9}]}"#);
}

#[test]
fn a_tier_is_not_set_without_limits() {
    let output = keyward("http://127.0.0.1:1", &["tier", "set", "pro"]);
    insta::assert_snapshot!(story("http://127.0.0.1:1", &output), @r"
    error: give the limits with --limit, or say --unlimited
    exit status 2
    ");
}

#[test]
fn an_absent_tier_ends_with_status_4() {
    let tiers =
        answer("200 OK", "", r#"{"count":1,"tiers":[{"name":"pro","limits":[],"keys":0}]}"#);
    let server = Server::answering(vec![tiers]);
    let output = keyward(&server.url, &["tier", "show", "gold"]);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    error: there is no tier gold
    exit status 4
    ");
}

#[test]
fn a_tier_in_use_is_not_deleted() {
    let used = answer("409 Conflict", "", r#"{"detail":"Tier is used by 12 keys"}"#);
    let server = Server::answering(vec![used]);
    let output = keyward(&server.url, &["tier", "delete", "pro"]);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    error: the server at http://SERVER rejected the request with 409 Conflict: Tier is used by 12 keys
    exit status 1
    ");
}

#[test]
fn owners_are_suspended_whatever_they_are_called() {
    let owner = r#"{"owner":"a/b","state":"suspended","keys":12,"version":1}"#;
    let server = Server::answering(vec![answer("200 OK", "", owner)]);
    let output = keyward(&server.url, &["owner", "suspend", "a/b"]);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    Suspended owner a/b, 12 keys. No request with them is accepted until `keyward owner resume a/b`.
    exit status 0
    ");
    let requests = server.requests.join().unwrap();
    assert_eq!(first_lines(&requests), ["POST /admin/owners/a%2Fb/suspend HTTP/1.1"]);
}

#[test]
fn an_owner_is_edited_at_the_version_that_was_read_or_made() {
    let limits = r#"[{"name":"requests","amount":5,"per":"60s","burst":5}]"#;
    let owner = |limits: &str| {
        let state = r#""state":"active","keys":12,"version":1"#;
        let body = format!(r#"{{"owner":"a/b",{state},"limits":{limits}}}"#);
        answer("200 OK", "etag: \"abc\"\r\n", &body)
    };
    let absent = answer("404 Not Found", "", r#"{"detail":"Owner not found"}"#);
    let answers = vec![owner("[]"), owner(limits), absent, owner("[]")];
    let server = Server::answering(answers);
    let output = keyward(&server.url, &["owner", "edit", "a/b", "--limit", "5 per 60s"]);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    Owner a/b: 5 per 60s, for all of its keys together (12 keys). It holds from the next request on.
    exit status 0
    ");
    let output = keyward(&server.url, &["owner", "edit", "a/b", "--unlimited"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let requests = server.requests.join().unwrap();
    let (get, patch) = ("GET /admin/owners/a%2Fb HTTP/1.1", "PATCH /admin/owners/a%2Fb HTTP/1.1");
    assert_eq!(first_lines(&requests), [get, patch, get, patch]);
    assert_eq!(body(&requests[1]), format!(r#"{{"limits":{limits}}}"#));
    assert_eq!(body(&requests[3]), r#"{"limits":[]}"#);
    assert!(requests[1].contains("if-match: \"abc\"\r\n"), "{}", requests[1]);
    assert!(requests[3].contains("if-none-match: *\r\n"), "{}", requests[3]);
    let none = keyward("http://127.0.0.1:1", &["owner", "edit", "acme"]);
    assert_eq!(none.status.code(), Some(2), "{none:?}");
}

#[test]
fn suspended_owners_are_listed_page_by_page() {
    let page = |owners: &str, next: &str| {
        let body = format!(r#"{{"count":1,"suspended_owners":[{owners}],"next_after":{next}}}"#);
        answer("200 OK", "", &body)
    };
    let pages = vec![page(r#""a/b""#, r#""a/b""#), page(r#""c""#, "null"), page("", "null")];
    let server = Server::answering(pages);
    let output = keyward(&server.url, &["owner", "list"]);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    a/b
    c
    exit status 0
    ");
    let none = keyward(&server.url, &["owner", "list", "--json"]);
    let none: serde_json::Value = serde_json::from_slice(&none.stdout).unwrap();
    assert_eq!(none, serde_json::json!({"count": 0, "suspended_owners": []}));
    let requests = server.requests.join().unwrap();
    let first = "GET /admin/owners?limit=1000 HTTP/1.1";
    let second = "GET /admin/owners?limit=1000&after=a%2Fb HTTP/1.1";
    assert_eq!(first_lines(&requests), [first, second, first]);
}

#[test]
fn an_owner_without_keys_may_be_a_typing_error() {
    let owner = r#"{"owner":"acme-crop","state":"suspended","keys":0,"version":1}"#;
    let server = Server::answering(vec![answer("200 OK", "", owner)]);
    let output = keyward(&server.url, &["owner", "suspend", "acme-crop"]);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    Suspended owner acme-crop, 0 keys. No request with them is accepted until `keyward owner resume acme-crop`.
    warning: owner acme-crop has no keys; is it written right?
    exit status 0
    ");
}

#[test]
fn usage_of_all_keys_asks_for_the_first_of_them() {
    let usage = r#"{"from":"2026-11-23T00:00:00.000Z","to":"2026-11-24T00:00:00.000Z","total":{},"top":[]}"#;
    let server = Server::answering(vec![answer("200 OK", "", usage)]);
    let output = keyward(&server.url, &["usage", "--by", "denials", "--top", "3", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let requests = server.requests.join().unwrap();
    assert_eq!(first_lines(&requests), ["GET /admin/usage?by=denials&top=3 HTTP/1.1"]);
}
