//! A key's life from the command line, and finding keys.

use super::{Server, answer, body, first_lines, keyward, keyward_reading, story};

const KEY: &str = r#"{"key_id":7,"name":"mobile","tier":"basic","owner":"acme","state":"active","suspended_by":[],"hint":"kw_abcd","scopes":["*"],"networks":[],"limits":null,"metadata":{},"version":3,"created_at":"2026-01-01T00:00:00.000Z","expires_at":null,"last_used_at":null,"rotated_at":null,"grace_until":null,"revoked_at":null,"revoked_reason":null}"#;

#[test]
fn issue_sends_everything_that_was_given() {
    let server = Server::answering(vec![answer("201 Created", "", super::ISSUED)]);
    let restrictions = ["--owner", "acme", "--scope", "a:b", "--scope", "c:*", "--network", "::/0"];
    let more = ["--expires-in", "2w", "--limit", "100 per 1h burst 200", "--prefix", "acme_live"];
    let start = ["key", "issue", "--name", "x", "--metadata", r#"{"n": 1}"#, "--json"];
    let output = keyward(&server.url, &[&start[..], &restrictions, &more].concat());
    assert_eq!(output.status.code(), Some(0));
    let requests = server.requests.join().unwrap();
    insta::assert_snapshot!(body(&requests[0]), @r#"{"name":"x","owner":"acme","scopes":["a:b","c:*"],"networks":["::/0"],"limits":[{"name":"requests","amount":100,"per":"3600s","burst":200}],"metadata":{"n":1},"expires_in":"1209600s","prefix":"acme_live"}"#);
}

/// A page with these keys; the next one begins at the cursor.
fn page(ids: &[u64], next: &str, total: &str) -> String {
    let key = |id: &u64| KEY.replace(r#""key_id":7"#, &format!(r#""key_id":{id}"#));
    let keys: Vec<_> = ids.iter().map(key).collect();
    let (count, keys) = (keys.len(), keys.join(","));
    let body = format!(r#"{{"api_keys":[{keys}],"count":{count}{total},"next_cursor":{next}}}"#);
    answer("200 OK", "", &body)
}

#[test]
fn list_follows_the_cursor_over_an_empty_page() {
    let answers = vec![
        page(&[9], r#""a+b""#, r#","total":2"#),
        page(&[], r#""c""#, ""),
        page(&[4], "null", ""),
    ];
    let server = Server::answering(answers);
    let output = keyward(&server.url, &["key", "list", "--total"]);
    insta::assert_snapshot!(story(&server.url, &output));
    insta::assert_debug_snapshot!(first_lines(&server.requests.join().unwrap()), @r#"
    [
        "GET /admin/api-keys?limit=100&total=true HTTP/1.1",
        "GET /admin/api-keys?limit=99&cursor=a%2Bb HTTP/1.1",
        "GET /admin/api-keys?limit=99&cursor=c HTTP/1.1",
    ]
    "#);
}

#[test]
fn list_stops_when_it_has_enough() {
    let server = Server::answering(vec![page(&[9, 8], r#""a""#, "")]);
    let output = keyward(&server.url, &["key", "list", "--limit", "2"]);
    assert!(story(&server.url, &output).contains("There are more"));
    server.requests.join().unwrap();
}

#[test]
fn json_has_the_cursor_of_the_next_page() {
    let server = Server::answering(vec![page(&[9, 8], r#""a""#, r#","total":3"#)]);
    let output = keyward(&server.url, &["key", "list", "--limit", "2", "--total", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["count"].as_u64(), json["total"].as_u64()), (Some(2), Some(3)));
    assert_eq!(json["next_cursor"], "a");
}

#[test]
fn all_keys_are_listed_if_all_are_asked_for() {
    let ids: Vec<_> = (101..=200).collect();
    let server = Server::answering(vec![page(&ids, r#""a""#, ""), page(&[7], "null", "")]);
    let output = keyward(&server.url, &["key", "list", "--all", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["count"], 101);
    assert_eq!(json["api_keys"].as_array().unwrap().len(), 101);
    assert!(json["next_cursor"].is_null());
    let requests = server.requests.join().unwrap();
    assert_eq!(first_lines(&requests)[1], "GET /admin/api-keys?limit=100&cursor=a HTTP/1.1");
}

#[test]
fn pages_that_never_end_are_noticed() {
    let pages = vec![page(&[9], r#""a""#, ""), page(&[9], r#""a""#, "")];
    let server = Server::answering(pages);
    let output = keyward(&server.url, &["key", "list"]);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    error: the server's pages do not end; look into its log
    exit status 1
    ");
}

#[test]
fn list_sends_every_filter() {
    let server = Server::answering(vec![page(&[], "null", "")]);
    let filters = ["--state", "expired", "--tier", "pro", "--owner", "a b", "--name", "x&y"];
    let times = ["--expires-within", "2w", "--idle-for", "90d", "--created-after", "2026-01-01"];
    let rest = ["--created-before", "2026-02-01T00:00:00+01:00", "--sort", "-last_used"];
    let start = ["key", "list", "--json", "--hint", "kw_A"];
    let output = keyward(&server.url, &[&start[..], &filters, &times, &rest].concat());
    assert_eq!(output.status.code(), Some(0));
    insta::assert_debug_snapshot!(first_lines(&server.requests.join().unwrap()), @r#"
    [
        "GET /admin/api-keys?state=expired&tier=pro&owner=a%20b&name=x%26y&hint=kw_A&expires_within=14d&idle_for=90d&created_after=2026-01-01T00%3A00%3A00.000Z&created_before=2026-01-31T23%3A00%3A00.000Z&sort=-last_used&limit=100 HTTP/1.1",
    ]
    "#);
}

#[test]
fn edit_is_for_the_version_that_was_read() {
    let etag = "etag: \"3\"\r\n";
    let after = KEY.replace(r#""tier":"basic""#, r#""tier":"pro""#).replace("\"acme\"", "null");
    let answers = vec![answer("200 OK", etag, KEY), answer("200 OK", "", &after)];
    let server = Server::answering(answers);
    let output = keyward(&server.url, &["key", "edit", "7", "--tier", "pro", "--clear-owner"]);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    Changed key 7:
    field  before  after
    tier   basic   pro
    owner  acme    -
    exit status 0
    ");
    let requests = server.requests.join().unwrap();
    assert!(requests[1].starts_with("PATCH /admin/api-keys/7 "), "{requests:?}");
    assert!(requests[1].contains("if-match: \"3\"\r\n"), "{requests:?}");
    insta::assert_snapshot!(body(&requests[1]), @r#"{"tier":"pro","owner":null}"#);
}

#[test]
fn an_edit_of_an_old_version_ends_with_advice() {
    let changed = r#"{"detail":"The key has changed since; read it again"}"#;
    let answers = vec![
        answer("200 OK", "etag: \"4\"\r\n", KEY),
        answer("412 Precondition Failed", "", changed),
    ];
    let server = Server::answering(answers);
    let arguments = ["key", "edit", "7", "--never-expires", "--if-version", "3"];
    let output = keyward(&server.url, &arguments);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    error: the server at http://SERVER rejected the request with 412 Precondition Failed: The key has changed since; read it again; nothing was changed: look at the key with `keyward key show`, and repeat the command if you still mean it
    exit status 1
    ");
    let requests = server.requests.join().unwrap();
    assert!(requests[1].contains("if-match: \"3\"\r\n"), "{requests:?}");
    insta::assert_snapshot!(body(&requests[1]), @r#"{"expires_at":null}"#);
}

#[test]
fn the_version_of_a_key_is_its_own_whatever_becomes_of_its_owner() {
    let answers = vec![answer("200 OK", "etag: \"3.2\"\r\n", KEY), answer("200 OK", "", KEY)];
    let server = Server::answering(answers);
    let arguments = ["key", "edit", "7", "--never-expires", "--if-version", "3"];
    assert_eq!(keyward(&server.url, &arguments).status.code(), Some(0));
    let requests = server.requests.join().unwrap();
    assert!(requests[1].contains("if-match: \"3.2\"\r\n"), "{requests:?}");
}

#[test]
fn an_edit_of_nothing_is_wrong_usage() {
    let output = keyward("http://127.0.0.1:1", &["key", "edit", "7"]);
    insta::assert_snapshot!(story("http://127.0.0.1:1", &output), @r"
    error: nothing to change; `keyward key edit --help` lists what can be
    exit status 2
    ");
}

#[test]
fn suspend_and_resume_need_no_body() {
    let suspended = KEY.replace("\"active\"", "\"suspended\"");
    for (verb, key) in [("suspend", suspended.as_str()), ("resume", KEY)] {
        let server = Server::answering(vec![answer("200 OK", "", key)]);
        let output = keyward(&server.url, &["key", verb, "7"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let requests = server.requests.join().unwrap();
        let expected = format!("POST /admin/api-keys/7/{verb} HTTP/1.1");
        assert_eq!(first_lines(&requests), [expected]);
        assert_eq!(body(&requests[0]), "");
    }
}

#[test]
fn rotate_sends_the_grace_and_shows_the_secret_once() {
    let rotated = r#"{"api_key":"kw_new","key_id":7,"name":"mobile","tier":"pro","hint":"kw_new1","grace_until":null,"expires_at":null,"version":4}"#;
    for (arguments, sent) in [
        (&["key", "rotate", "7", "--quiet"][..], "{}"),
        (&["key", "rotate", "7", "--quiet", "--grace", "7d"], r#"{"grace":"604800s"}"#),
    ] {
        let server = Server::answering(vec![answer("200 OK", "", rotated)]);
        let output = keyward(&server.url, arguments);
        assert_eq!(story(&server.url, &output), "kw_new\nexit status 0");
        let requests = server.requests.join().unwrap();
        assert_eq!(first_lines(&requests), ["POST /admin/api-keys/7/rotate HTTP/1.1"]);
        assert_eq!(body(&requests[0]), sent);
    }
}

#[test]
fn revoke_of_an_unknown_key_ends_with_status_4() {
    let gone = answer("404 Not Found", "", r#"{"detail":"API key not found"}"#);
    let server = Server::answering(vec![gone]);
    let output = keyward(&server.url, &["key", "revoke", "7"]);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    error: API key not found
    exit status 4
    ");
}

#[test]
fn revoke_deletes_the_key_with_its_reason() {
    let server = Server::answering(vec!["HTTP/1.1 204 No Content\r\n\r\n".to_owned()]);
    let output = keyward(&server.url, &["key", "revoke", "7", "--reason", "on GitHub & Co"]);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    Revoked key 7. No request with it is accepted any more.
    exit status 0
    ");
    let requests = server.requests.join().unwrap();
    let expected = "DELETE /admin/api-keys/7?reason=on%20GitHub%20%26%20Co HTTP/1.1";
    assert_eq!(first_lines(&requests), [expected]);
}

/// SHA-256 of `kw_a-leaked-secret`.
const DIGEST: &str = "5cf236852a75151eb9290d6be2d390dc80c3bc3b23448b51839d650730eacca1";

#[test]
fn revoke_by_secret_sends_its_digest_only() {
    let found = format!(
        r#"{{"matches":[{{"digest":"{DIGEST}","key_id":7,"name":"mobile","state":"active","secret":"former"}}]}}"#
    );
    let answers = vec![answer("200 OK", "", &found), "HTTP/1.1 204 No Content\r\n\r\n".to_owned()];
    let server = Server::answering(answers);
    let output =
        keyward_reading("kw_a-leaked-secret\n", &server.url, &["key", "revoke", "--stdin"]);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    Revoked key 7, mobile (that was a former secret; the current one ended with it). No request with it is accepted any more.
    exit status 0
    ");
    let requests = server.requests.join().unwrap();
    assert_eq!(body(&requests[0]), format!(r#"{{"digests":["{DIGEST}"]}}"#));
    let lines = ["POST /admin/api-keys/identify HTTP/1.1", "DELETE /admin/api-keys/7 HTTP/1.1"];
    assert_eq!(first_lines(&requests), lines);
    assert!(!requests.concat().contains("leaked"), "{requests:?}");
}

#[test]
fn a_former_secret_after_its_grace_revokes_nothing() {
    let found = format!(
        r#"{{"matches":[{{"digest":"{DIGEST}","key_id":7,"name":"mobile","state":"active","secret":"former","ends_at":"2020-01-01T00:00:00.000Z"}}]}}"#
    );
    let server = Server::answering(vec![answer("200 OK", "", &found)]);
    let output =
        keyward_reading("kw_a-leaked-secret\n", &server.url, &["key", "revoke", "--stdin"]);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    error: that is a former secret of key 7, mobile, and opens nothing any more; nothing was revoked. To end the key all the same, `keyward key revoke 7`
    exit status 1
    ");
    assert_eq!(server.requests.join().unwrap().len(), 1);
}

#[test]
fn a_lost_response_to_a_read_is_no_lost_change() {
    let server = Server::answering(vec![String::new()]);
    let output = keyward_reading("kw_a-leaked-secret", &server.url, &["key", "identify"]);
    let story = story(&server.url, &output);
    assert!(story.contains("broke before the response came; try again"), "{story}");
    assert!(story.ends_with("exit status 3"), "{story}");
}

#[test]
fn more_digests_than_a_request_may_have_go_in_several() {
    let found = format!(
        r#"{{"matches":[{{"digest":"{DIGEST}","key_id":7,"name":"mobile","state":"active","secret":"current"}}]}}"#
    );
    let none = answer("200 OK", "", r#"{"matches":[]}"#);
    let server = Server::answering(vec![none, answer("200 OK", "", &found)]);
    let others = (0..1_000).map(|number| format!("kw_of-another-server-{number}\n"));
    let input = others.chain(["kw_a-leaked-secret\n".to_owned()]).collect::<String>();
    let output = keyward_reading(&input, &server.url, &["key", "identify"]);
    let story = story(&server.url, &output);
    assert!(story.contains("\n1001  7   mobile "), "{story}");
    let requests = server.requests.join().unwrap();
    let lens = requests.iter().map(|request| {
        let body: serde_json::Value = serde_json::from_str(body(request)).unwrap();
        body["digests"].as_array().unwrap().len()
    });
    assert_eq!(lens.collect::<Vec<_>>(), [1_000, 1]);
}

#[test]
fn a_secret_of_no_key_revokes_nothing() {
    let server = Server::answering(vec![answer("200 OK", "", r#"{"matches":[]}"#)]);
    let output = keyward_reading("kw_a-leaked-secret", &server.url, &["key", "revoke", "--stdin"]);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    error: no key of this server has that secret; nothing was revoked
    exit status 4
    ");
    let output = keyward_reading("", "http://127.0.0.1:1", &["key", "revoke", "--stdin"]);
    insta::assert_snapshot!(story("http://127.0.0.1:1", &output), @r"
    error: standard input has no secret
    exit status 2
    ");
}

#[test]
fn identify_tells_line_by_line() {
    let found = format!(
        r#"{{"matches":[{{"digest":"{DIGEST}","key_id":7,"name":"mobile","state":"active","secret":"current"}}]}}"#
    );
    let server = Server::answering(vec![answer("200 OK", "", &found)]);
    let input = "kw_of-another-server\n\nkw_a-leaked-secret\r\n";
    let output = keyward_reading(input, &server.url, &["key", "identify"]);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    line  id  name                   state   secret
    1     -   no key of this server  -       -
    3     7   mobile                 active  current
    exit status 0
    ");
    let server = Server::answering(vec![answer("200 OK", "", r#"{"matches":[]}"#)]);
    let output = keyward_reading(input, &server.url, &["key", "identify"]);
    assert_eq!(output.status.code(), Some(4));
}

#[test]
fn usage_asks_for_its_time_and_bucket() {
    let usage = r#"{"key_id":7,"from":"2026-01-01T00:00:00.000Z","to":"2026-01-02T00:00:00.000Z","bucket":"day","total":{},"days":[]}"#;
    let server = Server::answering(vec![answer("200 OK", "", usage)]);
    let times = ["--from", "2026-11-01", "--to", "2026-12-01", "--bucket", "day"];
    let output = keyward(&server.url, &[&["key", "usage", "7"][..], &times].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    insta::assert_debug_snapshot!(first_lines(&server.requests.join().unwrap()), @r#"
    [
        "GET /admin/api-keys/7/usage?from=2026-11-01T00%3A00%3A00.000Z&to=2026-12-01T00%3A00%3A00.000Z&bucket=day HTTP/1.1",
    ]
    "#);
}
