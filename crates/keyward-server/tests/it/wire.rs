//! Bad input on the wire: every request gets a response, and no client can block the server.

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Server};

/// The status that these bytes get on a connection of their own.
fn status(server: &Server, bytes: &[u8]) -> u16 {
    let mut connection = server.connect();
    connection.write(bytes).unwrap();
    connection.read().map_or(0, |response| response.status)
}

#[test]
fn ambiguous_requests_are_rejected() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let check = |bytes: &[u8], expected| {
        assert_eq!(status(&server, bytes), expected, "{}", String::from_utf8_lossy(bytes));
    };
    check(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n", 200);
    check(b"GET /healthz HTTP/1.1\r\n\r\n", 400);
    check(b"GET /healthz HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400);
    check(b"GET /healthz HTTP/1.0\r\n\r\n", 200);
    let post = "POST /admin/api-keys HTTP/1.1\r\nhost: a\r\n";
    let both = "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    check(format!("{post}{both}").as_bytes(), 400);
    let reversed = "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n";
    check(format!("{post}{reversed}").as_bytes(), 400);
    let admin = format!("x-admin-key: {ADMIN_KEY}\r\n");
    let chunks = "transfer-encoding: chunked\r\n\r\nc\r\n{\"name\":\"x\"}\r\n0\r\n\r\n";
    check(format!("{post}{admin}{chunks}").as_bytes(), 201);
}

#[test]
fn odd_headers_get_a_response() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let get = |line: &[u8]| {
        let mut bytes = b"GET /key HTTP/1.1\r\nhost: a\r\n".to_vec();
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n\r\n");
        status(&server, &bytes)
    };
    assert_eq!(get(b"authorization: Bearer k\xc3\xa9y-of-no-caller"), 401);
    assert_eq!(get(b"x-api-key: \xff\xff\xff"), 401);
    assert_eq!(get(b"authorization: Bearer a\0b"), 400);
    assert_eq!(get(b"authorization: Bearer abcdefgh\r\nauthorization: Bearer abcdefgh"), 400);
    assert_eq!(get(format!("authorization: Bearer {}", "k".repeat(513)).as_bytes()), 401);
    assert_eq!(get(format!("authorization: Bearer {}", "k".repeat(15_000)).as_bytes()), 401);
    assert_eq!(get(format!("authorization: Bearer {}", "k".repeat(17_000)).as_bytes()), 431);
    assert_eq!(status(&server, b"\x16\x03\x01 this is TLS\r\n\r\n"), 400);
}

#[test]
fn unknown_routes_and_methods_get_the_responses_of_the_contract() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let unknown = server.send("GET", "/nothing", &[], "");
    assert_eq!(unknown.brief(), r#"404 {"detail":"Not Found"}"#);
    assert_eq!(unknown.header("content-type"), Some("application/json"));
    let method = server.send("PATCH", "/key", &[], "");
    assert_eq!(method.brief(), r#"405 {"detail":"Method Not Allowed"}"#);
    assert_eq!(method.header("allow"), Some("GET,HEAD"));
    let problem = server.send("GET", "/nothing", &["accept: application/problem+json"], "");
    assert_eq!(problem.header("content-type"), Some("application/problem+json"));
    assert_eq!(problem.json()["detail"], "Not Found");
}

#[test]
fn a_path_that_is_no_text_is_rejected_as_malformed() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let response = server.admin("GET", "/admin/api-keys/%ff", "");
    assert_eq!(response.brief(), r#"400 {"detail":"The path is not UTF-8"}"#);
    assert_eq!(response.header("content-type"), Some("application/json"));
}

#[test]
fn a_body_is_bounded() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(64 * 1024));
    let response = server.admin("POST", "/admin/api-keys", &large);
    assert_eq!(response.brief(), r#"413 {"detail":"Content Too Large"}"#);
}

#[test]
fn slow_and_idle_clients_are_disconnected() {
    let folder = tempdir().unwrap();
    let environment = [
        ("ADMIN_API_KEY", ADMIN_KEY),
        ("KEYWARD_HEADER_TIMEOUT", "100ms"),
        ("KEYWARD_REQUEST_TIMEOUT", "300ms"),
        ("KEYWARD_CONNECTIONS_MAX", "2"),
    ];
    let server = Server::start_with(folder.path(), &environment);
    let mut silent = server.connect();
    let mut slow = server.connect();
    slow.write(b"GET /healthz HTTP/1.1\r\nhost:").unwrap();
    // Both connections are taken; this one is served as soon as they are free.
    assert_eq!(server.send("GET", "/healthz", &[], "").status, 200);
    assert!(silent.is_closed());
    assert!(slow.is_closed());
    let mut half = server.connect();
    let head = format!("POST /admin/api-keys HTTP/1.1\r\nhost: a\r\nx-admin-key: {ADMIN_KEY}\r\n");
    half.write(format!("{head}content-length: 50\r\n\r\n{{").as_bytes()).unwrap();
    assert_eq!(half.read().unwrap().status, 408);
}

#[test]
fn a_response_carries_the_id_of_its_request() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let mine = server.send("GET", "/healthz", &["x-request-id: mine-1"], "");
    assert_eq!(mine.header("x-request-id"), Some("mine-1"));
    let indecent = server.send("GET", "/healthz", &["x-request-id: a b\"c"], "");
    assert_eq!(indecent.header("x-request-id").map(str::len), Some(16));
}

#[test]
fn a_byte_order_mark_before_json_is_skipped() {
    let folder = tempdir().unwrap();
    let server = Server::start_with(
        folder.path(),
        &[("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_LEAK_REPORTS", "100")],
    );
    let check = |path: &str, body: &str, expected| {
        let response = server.admin("POST", path, &format!("\u{feff}{body}"));
        assert_eq!(response.status, expected, "{path}: {}", response.body);
    };
    check("/admin/api-keys", r#"{"name":"marked"}"#, 201);
    check("/admin/api-keys/1/rotate", "", 200);
    check("/admin/api-keys/1/suspend", "{}", 200);
    check("/admin/api-keys/1/resume", "", 200);
    check("/admin/api-keys/identify", r#"{"digests":[]}"#, 422);
    check("/admin/import", r#"{"keys":[]}"#, 422);
    check("/leaks", r#"{"reports":[{"text":"kw_nobody","found_at":"here"}]}"#, 202);
}

#[test]
fn an_unreadable_head_gets_a_rejection_in_the_usual_form() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let check = |bytes: &str, status: u16, detail: &str| {
        let mut connection = server.connect();
        connection.write(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        connection.write(bytes.as_bytes()).unwrap();
        assert_eq!(connection.read().unwrap().status, 200, "the request before gets its response");
        let response = connection.read().unwrap();
        assert_eq!(response.brief(), format!(r#"{status} {{"detail":"{detail}"}}"#), "{bytes}");
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("x-request-id").map(str::len), Some(16));
        assert_eq!(response.header("connection"), Some("close"));
        assert!(connection.is_closed());
    };
    check("GET /a b HTTP/1.1\r\nhost: a\r\n\r\n", 400, "Malformed request line");
    check("GET /a\r\n\r\n", 400, "Malformed request line");
    check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "Malformed request line");
    check("GET / HTTP/1.1\r\nhost : a\r\n\r\n", 400, "Malformed header field");
    let length = "Malformed Content-Length or Transfer-Encoding";
    check("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1x\r\n\r\n", 400, length);
    check("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", 400, length);
    let (long, short) = ("y".repeat(20_000), "y".repeat(9));
    check(&format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"), 414, "URI Too Long");
    let large = "Request Header Fields Too Large";
    check(&format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n"), 431, large);
    let many = format!("x: {short}\r\n").repeat(101);
    check(&format!("GET / HTTP/1.1\r\n{many}\r\n"), 431, large);
}

#[test]
fn a_client_that_half_closes_gets_every_response() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let get = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let post = format!("POST /admin/api-keys HTTP/1.1\r\nhost: a\r\nx-admin-key: {ADMIN_KEY}\r\n");
    let body = r#"{"name":"half"}"#;
    let sized = format!("{post}content-length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("{post}transfer-encoding: chunked\r\n\r\nf\r\n{body}\r\n0\r\n\r\n");
    let check = |request: &str, expected: &[u16]| {
        let mut connection = server.connect();
        connection.write(request.as_bytes()).unwrap();
        connection.half_close();
        let statuses: Vec<_> = expected.iter().map(|_| connection.read().unwrap().status).collect();
        assert_eq!(statuses, expected);
        assert!(connection.is_closed());
    };
    for _ in 0..20 {
        check(get, &[200]);
    }
    check("GET /healthz HTTP/1.0\r\n\r\n", &[200]);
    check(&sized, &[201]);
    check(&chunked, &[201]);
    check(&format!("{get}{sized}{get}{chunked}"), &[200, 201, 200, 201]);
    check(&format!("{post}content-length: 99\r\n\r\n{{"), &[400]);
    check("GET /healthz HTT", &[]);
}

#[test]
fn an_idle_connection_outlives_the_time_for_heads() {
    let folder = tempdir().unwrap();
    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_HEADER_TIMEOUT", "100ms")];
    let server = Server::start_with(folder.path(), &environment);
    let mut idle = server.connect();
    assert_eq!(idle.send("GET", "/healthz", &[], "").status, 200);
    let mut slow = server.connect();
    assert_eq!(slow.send("GET", "/healthz", &[], "").status, 200);
    slow.write(b"GET /healthz HTTP/1.1\r\nhost:").unwrap();
    assert!(slow.is_closed(), "half a head has its time");
    assert_eq!(idle.send("GET", "/healthz", &[], "").status, 200);

    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_KEEP_ALIVE_TIMEOUT", "100ms")];
    let folder = tempdir().unwrap();
    let server = Server::start_with(folder.path(), &environment);
    let mut idle = server.connect();
    assert_eq!(idle.send("GET", "/healthz", &[], "").status, 200);
    assert!(idle.is_closed());
}

#[test]
fn when_connections_run_short_the_slow_and_idle_give_way() {
    let folder = tempdir().unwrap();
    // No connection reaches its timeout.
    let environment = [
        ("ADMIN_API_KEY", ADMIN_KEY),
        ("KEYWARD_HEADER_TIMEOUT", "5m"),
        ("KEYWARD_KEEP_ALIVE_TIMEOUT", "1h"),
        ("KEYWARD_CONNECTIONS_MAX", "4"),
    ];
    let server = Server::start_with(folder.path(), &environment);
    let mut slow: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for connection in &mut slow {
        connection.write(b"GET /healthz HTTP/1.1\r\nhost:").unwrap();
    }
    let head = format!("POST /admin/api-keys HTTP/1.1\r\nhost: a\r\nx-admin-key: {ADMIN_KEY}\r\n");
    let mut posting = server.connect();
    let expect = "expect: 100-continue\r\n";
    posting.write(format!("{head}{expect}content-length: 16\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(posting.read().unwrap().status, 100, "its request is under way");
    // More connections than the server takes, one after the other, and each of them stays open.
    let mut good: Vec<_> = (0..8)
        .map(|_| {
            let mut connection = server.connect();
            assert_eq!(connection.send("GET", "/healthz", &[], "").status, 200);
            connection
        })
        .collect();
    assert!(slow.iter_mut().any(super::server::Connection::is_closed));
    assert!(good[0].is_closed(), "the one longest idle gave way");
    assert_eq!(good[7].send("GET", "/healthz", &[], "").status, 200);
    posting.write(br#"{"name":"under"}"#).unwrap();
    assert_eq!(posting.read().unwrap().status, 201, "a request under way is never cut");
}

#[test]
fn connections_are_kept_as_each_version_of_http_defines() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let mut old = server.connect();
    for _ in 0..2 {
        old.write(b"GET /healthz HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").unwrap();
        assert_eq!(old.read().unwrap().status, 200);
    }
    old.write(b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(old.read().unwrap().status, 200);
    assert!(old.is_closed());
    let mut pipelined = server.connect();
    pipelined.write(&b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n".repeat(50)).unwrap();
    for _ in 0..50 {
        assert_eq!(pipelined.read().unwrap().status, 200);
    }
}
