//! Requests at once are bounded, over all listeners and protocols.

use bytes::Bytes;
use tempfile::tempdir;

use crate::http2::client::Client;
use crate::server::{ADMIN_KEY, Connection, Server};

const BODY: &str = r#"{"name":"x"}"#;

/// A request to issue a key, whose body is to come: the server has its head, and waits.
fn begin(server: &Server) -> Connection {
    let mut connection = Connection::open(server.control().unwrap());
    let head = format!("POST /admin/api-keys HTTP/1.1\r\nhost: a\r\nx-admin-key: {ADMIN_KEY}\r\n");
    let length = BODY.len();
    let expect = format!("{head}expect: 100-continue\r\ncontent-length: {length}\r\n\r\n");
    connection.write(expect.as_bytes()).unwrap();
    assert_eq!(connection.read().unwrap().status, 100);
    connection
}

/// Sends requests without a key until the response to one has this status.
fn wait_for(server: &Server, status: u16) {
    let is_there = || server.send("GET", "/key", &[], "").status == status;
    assert!((0..5_000).any(|_| is_there()), "no response is {status}");
}

#[tokio::test]
async fn one_request_more_than_there_may_be_gets_503() {
    let folder = tempdir().unwrap();
    let environment = [
        ("ADMIN_API_KEY", ADMIN_KEY),
        ("KEYWARD_ADMIN_LISTEN", "127.0.0.1:0"),
        ("KEYWARD_REQUESTS_MAX", "3"),
        ("KEYWARD_THREADS", "2"),
    ];
    let mut server = Server::start_with(folder.path(), &environment);
    let mut client = Client::connect(server.control().unwrap()).await;
    let key = [("x-admin-key", ADMIN_KEY)];
    // The first to come, since nothing tells when it has its slot: the others leave it one.
    let mut third = client.begin("POST", "/admin/api-keys", &key, false).await.unwrap();
    third.body.send_data(Bytes::from_static(&BODY.as_bytes()[..5]), false).unwrap();
    assert_eq!(client.get("/healthz", &[]).await.status, 200, "the server has seen its head");
    let mut first = begin(&server);
    assert_eq!(server.get("/key", "wrong").status, 401);
    let second = begin(&server);
    wait_for(&server, 503);

    let rejected = server.get("/key", "wrong");
    assert_eq!(rejected.brief(), r#"503 {"detail":"Service Unavailable"}"#);
    assert_eq!(rejected.header("retry-after"), Some("1"));
    assert_eq!(client.get("/admin/tiers", &key).await.status, 503);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.send("GET", path, &[], "").status, 200, "{path}");
    }
    server.wait_for_log("3 requests are under way; more get 503");

    first.write(BODY.as_bytes()).unwrap();
    // A request gives its slot back before its response is sent.
    assert_eq!(first.read().unwrap().status, 201);
    assert_eq!(server.get("/key", "wrong").status, 401);
    third.body.send_data(Bytes::from_static(&BODY.as_bytes()[5..]), true).unwrap();
    assert_eq!(third.response().await.unwrap().status, 201);
    // A client that goes away takes its request along.
    drop(second);
    let mut rest = [begin(&server), begin(&server)];
    wait_for(&server, 401);
    for connection in &mut rest {
        connection.write(BODY.as_bytes()).unwrap();
        assert_eq!(connection.read().unwrap().status, 201);
    }
}
