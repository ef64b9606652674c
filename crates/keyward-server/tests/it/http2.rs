//! HTTP/2 by prior knowledge: on every listener, with the bounds of HTTP/1.

pub(crate) mod client;
mod floods;
mod malformed;
mod raw;

use bytes::Bytes;
use client::Client;
use raw::{DATA, END_STREAM, GOAWAY, HEADERS, Raw, SETTINGS, block, frame};
use serde_json::json;
use tempfile::tempdir;

use crate::limits::limit;
use crate::server::{ADMIN_KEY, Connection, Server};

const HEALTH: [raw::Field<'static>; 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/healthz")];

#[tokio::test]
async fn every_listener_speaks_http_2_and_http_1() {
    let folder = tempdir().unwrap();
    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_ADMIN_LISTEN", "127.0.0.1:0")];
    let server = Server::start_with(folder.path(), &environment);
    let mut admin = Client::connect(server.control().unwrap()).await;
    let mut public = Client::connect(server.address).await;
    let key = [("x-admin-key", ADMIN_KEY)];
    let issued = admin.send("POST", "/admin/api-keys", &key, r#"{"name":"x"}"#).await.unwrap();
    assert_eq!(issued.status, 201);
    let (_, secret) = crate::server::issued(&issued);
    for _ in 0..3 {
        let mine = public.get("/key", &[("x-api-key", &secret)]).await;
        assert_eq!(mine.status, 200, "{}", mine.body);
        assert_eq!(mine.header("ratelimit-policy").map(|_| ()), Some(()));
        assert_eq!(mine.header("x-request-id").map(str::len), Some(16));
        assert_eq!(server.get("/key", &secret).status, 200, "HTTP/1.1 too");
    }
    let wrong = public.get("/key", &[("x-api-key", "wrong")]).await;
    assert_eq!(wrong.brief(), r#"401 {"detail":"Invalid or inactive API key"}"#);
    let head = public.send("HEAD", "/key", &[("x-api-key", &secret)], "").await.unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let misplaced = public.get(&format!("/?{ADMIN_KEY}"), &[]).await;
    assert_eq!((misplaced.status, misplaced.header("connection")), (400, None));
    assert_eq!(public.get("/admin/api-keys", &key).await.status, 404);
    assert_eq!(public.get("/healthz", &[]).await.status, 200, "after a rejection too");
}

/// A hundred requests on one connection, all begun before one ends.
#[tokio::test]
async fn a_limit_holds_for_requests_at_the_same_time() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let body = json!({ "name": "x", "limits": [limit("requests", 50, "3600s")] }).to_string();
    let (_, secret) = crate::server::issued(&server.admin("POST", "/admin/api-keys", &body));
    let mut client = Client::connect(server.address).await;
    let mut begun = Vec::new();
    for _ in 0..100 {
        begun.push(client.begin("GET", "/key", &[("x-api-key", &secret)], true).await.unwrap());
    }
    let (mut allowed, mut limited) = (0, 0);
    for request in begun {
        match request.response().await.unwrap().status {
            200 => allowed += 1,
            429 => limited += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((allowed, limited), (50, 50));
}

#[test]
fn the_first_bytes_decide() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let status = |bytes: &[u8]| {
        let mut connection = server.connect();
        connection.write(bytes).unwrap();
        connection.read().unwrap().status
    };
    // As far as the preface, and then another way.
    assert_eq!(status(b"PRI * HTTP/2.0\r\n\r\n\r\nSM\r\n\r\n"), 400);
    assert_eq!(status(b"PRI * HTTP/1.1\r\nhost: a\r\n\r\n"), 404);
    assert_eq!(status(b"P / HTTP/1.1\r\nhost: a\r\n\r\n"), 404);
    // In pieces.
    let mut raw = Raw::silent(server.address);
    for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" {
        raw.send(&[*byte]);
    }
    raw.send(&frame(SETTINGS, 0, 0, &[]));
    raw.head(END_STREAM, 1, &HEALTH);
    assert_eq!(raw.outcome(1), "200");
    let mut connection = server.connect();
    for byte in b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n" {
        connection.write(&[*byte]).unwrap();
    }
    assert_eq!(connection.read().unwrap().status, 200);
}

#[test]
fn slow_and_idle_clients_are_disconnected() {
    let folder = tempdir().unwrap();
    let environment = [
        ("ADMIN_API_KEY", ADMIN_KEY),
        ("KEYWARD_HEADER_TIMEOUT", "100ms"),
        ("KEYWARD_REQUEST_TIMEOUT", "300ms"),
    ];
    let server = Server::start_with(folder.path(), &environment);
    let mut silent = Raw::open(server.address);
    assert_eq!(silent.outcome(1), "closed", "no request");
    let mut half = Raw::silent(server.address);
    half.send(b"PRI * HT");
    assert_eq!(half.outcome(1), "closed", "half a preface");
    let mut slow = Raw::open(server.address);
    slow.send(&frame(HEADERS, END_STREAM, 1, &block(&HEALTH)));
    assert_eq!(slow.outcome(1), "closed", "half a head");
    let mut slow = Raw::open(server.address);
    slow.head(END_STREAM, 1, &HEALTH);
    assert_eq!(slow.outcome(1), "200");
    slow.send(&frame(HEADERS, END_STREAM, 3, &block(&HEALTH)));
    assert_eq!(slow.outcome(3), "closed", "half a head after a request");
    // A body that does not come.
    let mut posting = Raw::open(server.address);
    let post = [(":method", "POST"), (":scheme", "http"), (":authority", "a")];
    let post = [&post[..], &[(":path", "/admin/api-keys"), ("x-admin-key", ADMIN_KEY)]].concat();
    posting.head(0, 1, &post);
    assert_eq!(posting.outcome(1), "408");
    posting.head(END_STREAM, 3, &HEALTH);
    assert_eq!(posting.outcome(3), "200", "the connection goes on");
    // A client that reads no response: it allows not a byte of it.
    let mut deaf = Raw::open(server.address);
    deaf.send(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]));
    let document = [&HEALTH[..3], &[(":path", "/openapi.json")]].concat();
    deaf.head(END_STREAM, 1, &document);
    assert_eq!(deaf.outcome(1), "200");
    assert_eq!(deaf.outcome(1), "closed", "its response has its time");
}

#[test]
fn an_idle_connection_is_told_of_its_end() {
    let folder = tempdir().unwrap();
    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_KEEP_ALIVE_TIMEOUT", "100ms")];
    let server = Server::start_with(folder.path(), &environment);
    let mut idle = Raw::open(server.address);
    idle.head(END_STREAM, 1, &HEALTH);
    assert_eq!(idle.outcome(1), "200");
    assert_eq!(idle.rest(&[GOAWAY]).len(), 1);
    // A head in time keeps it.
    let mut connection = Raw::open(server.address);
    connection.head(END_STREAM, 1, &HEALTH);
    assert_eq!(connection.outcome(1), "200");
}

#[test]
fn when_connections_run_short_idle_ones_give_way() {
    let folder = tempdir().unwrap();
    // No connection reaches its timeout.
    let environment = [
        ("ADMIN_API_KEY", ADMIN_KEY),
        ("KEYWARD_HEADER_TIMEOUT", "5m"),
        ("KEYWARD_KEEP_ALIVE_TIMEOUT", "1h"),
        ("KEYWARD_CONNECTIONS_MAX", "3"),
    ];
    let server = Server::start_with(folder.path(), &environment);
    let mut posting = Raw::open(server.address);
    let post = [(":method", "POST"), (":scheme", "http"), (":authority", "a")];
    let post = [&post[..], &[(":path", "/admin/api-keys"), ("x-admin-key", ADMIN_KEY)]].concat();
    posting.head(0, 1, &post);
    posting.send(&frame(DATA, 0, 1, b"{\"name\""));
    let mut idle = Raw::open(server.address);
    idle.head(END_STREAM, 1, &HEALTH);
    assert_eq!(idle.outcome(1), "200");
    // More connections than the server takes, one after the other, and each of them stays open.
    let mut good = Vec::new();
    while !idle.has_ended() {
        let mut connection = Connection::open(server.address);
        assert_eq!(connection.send("GET", "/healthz", &[], "").status, 200);
        good.push(connection);
        assert!(good.len() < 1_000, "an idle connection gives way");
    }
    posting.send(&frame(DATA, END_STREAM, 1, b":\"x\"}"));
    assert_eq!(posting.outcome(1), "201", "a request under way is never cut");
}

#[tokio::test]
async fn requests_under_way_have_their_responses_when_the_server_stops() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let mut idle = Raw::open(server.address);
    idle.head(END_STREAM, 1, &HEALTH);
    assert_eq!(idle.outcome(1), "200");
    let mut client = Client::connect(server.address).await;
    let key = [("x-admin-key", ADMIN_KEY)];
    let mut begun = client.begin("POST", "/admin/api-keys", &key, false).await.unwrap();
    begun.body.send_data(Bytes::from_static(b"{\"name\":"), false).unwrap();
    assert_eq!(client.get("/healthz", &[]).await.status, 200, "the server has seen its head");
    server.signal("TERM");
    assert_eq!(idle.rest(&[GOAWAY]).first().map(|frame| frame.stream), Some(0));
    begun.body.send_data(Bytes::from_static(b"\"x\"}"), true).unwrap();
    assert_eq!(begun.response().await.unwrap().status, 201);
    client.connection.await.unwrap().unwrap();
    let (status, log) = server.wait();
    assert!(status.success() && !log.contains("did not finish in time"), "{log}");
}
