//! Requests that two readers would read in two ways, as they can be sent in HTTP/2.

use tempfile::tempdir;

use super::raw::{CONTINUATION, DATA, END_HEADERS, END_STREAM, Field, HEADERS, Raw, block, frame};
use crate::server::{ADMIN_KEY, Server};

const PROTOCOL_ERROR: &str = "reset 1";

/// The head of a request for this path, with further fields.
fn get<'a>(path: &'a str, more: &[Field<'a>]) -> Vec<Field<'a>> {
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)];
    [&pseudo[..], more].concat()
}

/// What becomes of a request with this head, on a connection of its own.
fn outcome(server: &Server, fields: &[Field<'_>]) -> String {
    let mut raw = Raw::open(server.address);
    raw.head(END_STREAM, 1, fields);
    raw.outcome(1)
}

#[test]
fn fields_that_belong_to_a_connection_are_rejected() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let health = |field| outcome(&server, &get("/healthz", &[field]));
    assert_eq!(health(("accept", "*/*")), "200");
    assert_eq!(health(("te", "trailers")), "200");
    for field in [
        ("connection", "close"),
        ("connection", "x-api-key"),
        ("keep-alive", "1"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("te", "trailers, chunked"),
    ] {
        assert_eq!(health(field), PROTOCOL_ERROR, "{field:?}");
    }
}

#[test]
fn names_and_values_have_one_meaning() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let health = |field| outcome(&server, &get("/healthz", &[field]));
    for field in [
        ("X-Api-Key", "k"),
        ("x api-key", "k"),
        ("x-api-key:", "k"),
        ("x-api-key\r\nx", "k"),
        ("", "k"),
        ("x", "a\r\nx-api-key: k"),
        ("x", "a\nb"),
        ("x", "a\rb"),
        ("x", "a\0b"),
        ("x", "a\u{7f}b"),
    ] {
        assert_rejected(&health(field), &format!("{field:?}"));
    }
    for field in [("x", " a"), ("x", "a "), ("x", "a\t"), ("x-api-key", " k")] {
        assert_eq!(health(field), "400", "{field:?}");
    }
    assert_eq!(health(("x", "")), "200");
}

/// The stream or the connection ended, and no handler saw the request.
#[track_caller]
fn assert_rejected(outcome: &str, what: &str) {
    assert!(outcome.starts_with("reset 1") || outcome.starts_with("goaway "), "{what}: {outcome}");
}

#[test]
fn pseudo_fields_are_known_there_once_and_first() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (method, scheme) = ((":method", "GET"), (":scheme", "http"));
    let (authority, path) = ((":authority", "a"), (":path", "/healthz"));
    let check =
        |fields: &[Field<'_>]| assert_rejected(&outcome(&server, fields), &format!("{fields:?}"));
    check(&[method, scheme, authority, path, path]);
    check(&[method, scheme, authority, path, (":path", "/key")]);
    check(&[method, method, scheme, authority, path]);
    check(&[method, scheme, authority, (":authority", "b"), path]);
    check(&[method, scheme, ("accept", "*/*"), authority, path]);
    check(&[method, scheme, authority, ("accept", "*/*"), path]);
    check(&[method, scheme, authority, path, (":unknown", "x")]);
    check(&[method, scheme, authority, path, (":status", "200")]);
    check(&[method, scheme, authority, path, (":protocol", "websocket")]);
    check(&[scheme, authority, path]);
    check(&[method, authority, path]);
    check(&[method, scheme, authority]);
    check(&[method, scheme, authority, (":path", "")]);
    check(&[method, scheme, authority, (":path", "/a b")]);
    check(&[(":method", "G T"), scheme, authority, path]);
    check(&[method, scheme, (":authority", "a b"), path]);
    assert_eq!(outcome(&server, &[method, scheme, authority, path]), "200");
}

#[test]
fn a_request_names_one_host() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let health = |fields: &[Field<'_>]| outcome(&server, &get("/healthz", fields));
    assert_eq!(health(&[("host", "a")]), "200");
    assert_eq!(health(&[("host", "b")]), "400");
    assert_eq!(health(&[("host", "a"), ("host", "a")]), "400");
    let bare = [(":method", "GET"), (":scheme", "http"), (":path", "/healthz")];
    assert_eq!(outcome(&server, &bare), "400");
    assert_eq!(outcome(&server, &[&bare[..], &[("host", "a")]].concat()), "200");
    assert_eq!(outcome(&server, &get("/admin/api-keys/%ff", &[])), "400");
}

#[test]
fn credentials_are_judged_as_in_http_1() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (_, secret) = server.issue("raw");
    let bearer = format!("Bearer {secret}");
    let key = |fields: &[Field<'_>]| outcome(&server, &get("/key", fields));
    assert_eq!(key(&[("authorization", &bearer)]), "200");
    assert_eq!(key(&[("x-api-key", &secret)]), "200");
    assert_eq!(key(&[("authorization", &bearer), ("authorization", &bearer)]), "400");
    assert_eq!(key(&[("authorization", &format!("Bearer {}", "k".repeat(15_000)))]), "401");
    assert_eq!(key(&[("authorization", &format!("Bearer {}", "k".repeat(17_000)))]), "431");
}

/// What becomes of a request to issue a key, whose body comes in these frames.
fn posted(server: &Server, more: &[Field<'_>], body: &[(u8, u8, &[u8])]) -> String {
    let pseudo = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/admin/api-keys"),
        ("x-admin-key", ADMIN_KEY),
    ];
    let mut raw = Raw::open(server.address);
    raw.head(0, 1, &[&pseudo[..], more].concat());
    for (kind, flags, content) in body {
        raw.send(&frame(*kind, *flags, 1, content));
    }
    raw.outcome(1)
}

#[test]
fn a_body_has_the_length_that_is_stated() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let body: &[u8] = br#"{"name":"x"}"#;
    let whole = [(DATA, END_STREAM, body)];
    assert_eq!(posted(&server, &[], &whole), "201");
    assert_eq!(posted(&server, &[("content-length", "12")], &whole), "201");
    for length in ["0", "11", "13", "-1", "+12", "12, 12", "x", "", "18446744073709551628"] {
        let outcome = posted(&server, &[("content-length", length)], &whole);
        assert_rejected(&outcome, length);
    }
    let two = [("content-length", "12"), ("content-length", "13")];
    assert_rejected(&posted(&server, &two, &whole), "two lengths");
    let nothing = [(DATA, END_STREAM, &b""[..])];
    assert_rejected(&posted(&server, &[("content-length", "12")], &nothing), "no body");
    let longer = [(DATA, 0, body), (DATA, END_STREAM, body)];
    assert_rejected(&posted(&server, &[("content-length", "12")], &longer), "two frames");
    // Trailers end a body, and nothing reads them.
    let trailers = |fields: &[Field<'_>]| {
        let trailers = block(fields);
        posted(&server, &[], &[(DATA, 0, body), (HEADERS, END_HEADERS | END_STREAM, &trailers)])
    };
    assert_eq!(trailers(&[("x-checksum", "1")]), "201");
    assert_eq!(trailers(&[(":path", "/key"), ("content-length", "1")]), "201");
    assert_rejected(&trailers(&[("connection", "close")]), "trailers");
    let keys = server.admin("GET", "/admin/api-keys", "").json();
    assert_eq!(
        keys["api_keys"].as_array().unwrap().len(),
        4,
        "no other request made a key: {keys}"
    );
}

#[test]
fn frames_out_of_their_order_end_the_connection() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let head = block(&get("/healthz", &[]));
    let after = |bytes: &[u8]| {
        let mut raw = Raw::open(server.address);
        raw.send(bytes);
        raw.outcome(1)
    };
    let whole = END_STREAM | END_HEADERS;
    assert_eq!(after(&frame(HEADERS, whole, 1, &head)), "200");
    for (what, bytes) in [
        ("a body without a head", frame(DATA, END_STREAM, 1, b"x")),
        ("a stream of the server", frame(HEADERS, whole, 2, &head)),
        ("a head on no stream", frame(HEADERS, whole, 0, &head)),
        ("the rest of no head", frame(CONTINUATION, END_HEADERS, 1, &head)),
        ("a head within another", {
            [frame(HEADERS, END_STREAM, 1, &head), frame(HEADERS, whole, 3, &head)].concat()
        }),
        ("a head that is no HPACK", frame(HEADERS, whole, 1, &[0xff; 9])),
        ("a frame that is too long", frame(DATA, 0, 1, &[0; 16_385])),
    ] {
        let outcome = after(&bytes);
        assert!(outcome.starts_with("goaway "), "{what}: {outcome}");
    }
}
