//! TLS on the listeners: both protocols, faults of files, and another certificate while serving.

mod files;

use std::net::SocketAddr;
use std::path::Path;

use files::{Authority, connect};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::http2::client::Client;
use crate::server::{ADMIN_KEY, Connection, Server, command};

const KEY: (&str, &str) = ("ADMIN_API_KEY", ADMIN_KEY);
const PUBLIC: [(&str, &str); 2] =
    [("KEYWARD_TLS_CERTIFICATE", "public.pem"), ("KEYWARD_TLS_KEY", "public.key")];
/// A request of HTTP/1.1 after which the connection closes.
const LAST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

fn start(folder: &Path, more: &[(&str, &str)]) -> Server {
    Server::start_with(folder, &[&[KEY], &PUBLIC[..], more].concat())
}

/// The response to some bytes, up to the end of the connection.
async fn answer(mut stream: TlsStream<TcpStream>, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// The bytes of the certificate that new connections get.
async fn certificate(address: SocketAddr, authority: &Authority) -> Vec<u8> {
    let stream = connect(address, authority.client(&[])).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn both_protocols_are_spoken_through_tls() {
    let folder = tempdir().unwrap();
    let ours = Authority::new();
    ours.write(folder.path(), "public", 2099);
    let server = start(folder.path(), &[("KEYWARD_ADMIN_LISTEN", "127.0.0.1:0")]);
    let greeting = &server.greeting;
    assert!(greeting.contains("  listening  https://127.0.0.1:"), "{greeting}");
    assert!(greeting.contains("  admin      http://127.0.0.1:"), "{greeting}");
    assert!(greeting.contains(" https://127.0.0.1:"), "{greeting}");
    let chosen = |stream: &TlsStream<TcpStream>| {
        stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8(name.to_vec()).unwrap())
    };
    let stream = connect(server.address, ours.client(&["http/1.1", "h2"])).await.unwrap();
    assert_eq!(chosen(&stream).as_deref(), Some("h2"));
    let mut client = Client::over(stream).await;
    assert_eq!(client.get("/healthz", &[]).await.status, 200);
    assert_eq!(client.get("/key", &[("x-api-key", "wrong")]).await.status, 401);
    for (protocols, expected) in [(&["http/1.1"][..], Some("http/1.1")), (&[], None)] {
        let stream = connect(server.address, ours.client(protocols)).await.unwrap();
        assert_eq!(chosen(&stream).as_deref(), expected);
        let response = answer(stream, LAST).await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert!(!response.contains("strict-transport-security"), "{response}");
    }
    // Without a choice, the first bytes decide as without TLS.
    let mut client = Client::over(connect(server.address, ours.client(&[])).await.unwrap()).await;
    assert_eq!(client.get("/healthz", &[]).await.status, 200);
    assert!(connect(server.address, ours.client(&["spdy/3"])).await.is_err());
    assert!(connect(server.address, Authority::new().client(&[])).await.is_err());
    let mut plain = Connection::open(server.control().unwrap());
    assert_eq!(plain.send("GET", "/healthz", &[], "").status, 200);
}

#[test]
fn http_without_tls_is_told_to_use_it() {
    let folder = tempdir().unwrap();
    Authority::new().write(folder.path(), "public", 2099);
    let server = start(folder.path(), &[("KEYWARD_HEADER_TIMEOUT", "100ms")]);
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(30_000));
    for bytes in [LAST, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", long.as_bytes()] {
        let mut connection = server.connect();
        connection.write(bytes).unwrap();
        let response = connection.read().unwrap();
        assert_eq!(response.brief(), "400 This listener speaks HTTPS\n");
        assert_eq!(response.header("content-type"), Some("text/plain"));
        assert!(connection.is_closed());
    }
    // Neither silence nor half a handshake holds a connection for longer than half a head.
    for bytes in [&b""[..], b"\x16\x03\x01\x02\x00\x01", b"\0\0\0"] {
        let mut connection = server.connect();
        connection.write(bytes).unwrap();
        while !connection.is_closed() {}
    }
}

#[test]
fn when_connections_run_short_unfinished_handshakes_give_way() {
    let folder = tempdir().unwrap();
    Authority::new().write(folder.path(), "public", 2099);
    let more = [("KEYWARD_HEADER_TIMEOUT", "5m"), ("KEYWARD_CONNECTIONS_MAX", "2")];
    let server = start(folder.path(), &more);
    let mut silent: Vec<_> = (0..2).map(|_| server.connect()).collect();
    silent[1].write(b"\x16\x03\x01\x02\x00").unwrap();
    let mut third = server.connect();
    third.write(LAST).unwrap();
    assert_eq!(third.read().unwrap().status, 400);
    assert!(silent[0].is_closed(), "the first one gave way");
}

#[tokio::test]
async fn the_doors_can_ask_for_a_certificate_of_the_client() {
    let folder = tempdir().unwrap();
    let (ours, proxies) = (Authority::new(), Authority::new());
    ours.write(folder.path(), "doors", 2099);
    std::fs::write(folder.path().join("proxies.pem"), &proxies.pem).unwrap();
    let environment = [
        KEY,
        ("KEYWARD_DOORS_LISTEN", "127.0.0.1:0"),
        ("KEYWARD_DOORS_TLS_CERTIFICATE", "doors.pem"),
        ("KEYWARD_DOORS_TLS_KEY", "doors.key"),
        ("KEYWARD_DOOR_CLIENT_CA", "proxies.pem"),
    ];
    let server = Server::start_with(folder.path(), &environment);
    let line = server.greeting.lines().find(|line| line.starts_with("  doors ")).unwrap();
    let address = line.trim().split("https://").nth(1).unwrap().parse().unwrap();
    let verify = async |config| {
        let mut client = Client::over(connect(address, config).await.unwrap()).await;
        let json = [("content-type", "application/json")];
        client.send("POST", "/verify", &json, r#"{"key":"kw_nothing"}"#).await
    };
    let verdict = verify(proxies_client(&ours, &proxies)).await.unwrap();
    assert_eq!((verdict.status, &verdict.json()["verdict"]), (200, &"unknown".into()));
    // TLS 1.3 tells a client without a certificate when it reads.
    for config in [ours.client(&["h2"]), proxies_client(&ours, &Authority::new())] {
        let connected = connect(address, config).await;
        let refused = match connected {
            Ok(mut stream) => stream.read_u8().await.is_err(),
            Err(_) => true,
        };
        assert!(refused);
    }
}

fn proxies_client(ours: &Authority, maker: &Authority) -> rustls::ClientConfig {
    ours.client_of(maker)
}

#[tokio::test]
async fn sighup_brings_another_certificate_and_keeps_connections() {
    let folder = tempdir().unwrap();
    let ours = Authority::new();
    ours.write(folder.path(), "public", 2099);
    let mut server = start(folder.path(), &[]);
    let log = server.log_lines();
    let wait_for = |words: &str| {
        let line = log.iter().find(|line| line.contains(words));
        line.unwrap_or_else(|| panic!("it ended without {words}"))
    };
    wait_for("The certificate of the public listener expires at 2100-01-01T00:00:00Z");
    let mut client =
        Client::over(connect(server.address, ours.client(&["h2"])).await.unwrap()).await;
    assert_eq!(client.get("/healthz", &[]).await.status, 200);
    let first = certificate(server.address, &ours).await;

    ours.write(folder.path(), "public", 2098);
    server.signal("HUP");
    wait_for("The certificate of the public listener expires at 2099-01-01T00:00:00Z");
    wait_for("Read the settings anew");
    let second = certificate(server.address, &ours).await;
    assert_ne!(first, second);
    assert_eq!(client.get("/healthz", &[]).await.status, 200, "the connection is kept");

    // A key that does not fit, then none.
    std::fs::write(folder.path().join("public.key"), "").unwrap();
    server.signal("HUP");
    let kept = wait_for("Kept all settings as they were");
    assert!(kept.contains("tls_key") && kept.contains("is empty"), "{kept}");
    assert_eq!(certificate(server.address, &ours).await, second);
    ours.write(folder.path(), "other", 2099);
    std::fs::copy(folder.path().join("other.key"), folder.path().join("public.key")).unwrap();
    server.signal("HUP");
    let kept = wait_for("Kept all settings as they were");
    assert!(kept.contains("the key of another certificate"), "{kept}");
    assert_eq!(certificate(server.address, &ours).await, second);

    ours.write(folder.path(), "public", 2025);
    server.signal("HUP");
    let warned = wait_for("The certificate of the public listener expired at 2026-01-01");
    assert!(warned.contains("WARN") && warned.contains("renew it"), "{warned}");
    assert_eq!(client.get("/healthz", &[]).await.status, 200, "the connection is kept");
}

#[test]
fn files_that_cannot_be_used_stop_the_start_and_are_named() {
    let folder = tempdir().unwrap();
    let ours = Authority::new();
    ours.write(folder.path(), "public", 2099);
    ours.write(folder.path(), "other", 2099);
    std::fs::write(folder.path().join("empty"), "\n").unwrap();
    let fault = |environment: &[(&str, &str)]| {
        let ended = command(folder.path(), environment).output().unwrap();
        assert!(!ended.status.success());
        String::from_utf8(ended.stderr).unwrap()
    };
    let (certificate, key) = ("KEYWARD_TLS_CERTIFICATE", "KEYWARD_TLS_KEY");
    let admin =
        [("KEYWARD_ADMIN_TLS_CERTIFICATE", "public.pem"), ("KEYWARD_ADMIN_TLS_KEY", "public.key")];
    for (environment, expected) in [
        (
            &[(certificate, "public.pem")][..],
            "`tls_certificate` (environment variable KEYWARD_TLS_CERTIFICATE): needs `tls_key` too",
        ),
        (
            &[(key, "public.key")],
            "`tls_key` (environment variable KEYWARD_TLS_KEY): needs `tls_certificate` too",
        ),
        (
            &[(certificate, "public.pem"), (key, "other.key")],
            "`tls_key` (environment variable KEYWARD_TLS_KEY): file other.key is the key of another certificate than the first one in public.pem",
        ),
        (
            &[(certificate, "empty"), (key, "other.key")],
            "`tls_certificate` (environment variable KEYWARD_TLS_CERTIFICATE): file empty is empty",
        ),
        (
            &[(certificate, "public.pem"), (key, "missing")],
            "`tls_key` (environment variable KEYWARD_TLS_KEY): file missing cannot be read",
        ),
        (
            &admin,
            "`admin_tls_certificate` (environment variable KEYWARD_ADMIN_TLS_CERTIFICATE): means nothing without `admin_listen`",
        ),
        (
            &[("KEYWARD_DOOR_CLIENT_CA", "public.pem")],
            "`door_client_ca` (environment variable KEYWARD_DOOR_CLIENT_CA): means nothing without `doors_tls_certificate`",
        ),
    ] {
        let said = fault(environment);
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("BEGIN"), "{said}");
    }
}

#[test]
fn doctor_looks_at_certificates_and_keys() {
    let folder = tempdir().unwrap();
    let ours = Authority::new();
    ours.write(folder.path(), "public", 2099);
    let look = || {
        let mut doctor = std::process::Command::new(env!("CARGO_BIN_EXE_keyward"));
        doctor.args(["doctor", "--listen", "127.0.0.1:9"]).current_dir(folder.path()).env_clear();
        let output = doctor.envs([KEY]).envs(PUBLIC).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let words = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let seen = words(look());
    assert!(seen.contains("that of the public listener expires at 2100-01-01T00:00:00Z"), "{seen}");
    assert!(seen.contains("public.key (mode 644)"), "{seen}");
    assert!(seen.contains("it speaks TLS, so none was checked"), "{seen}");
    ours.write(folder.path(), "public", 2020);
    let seen = words(look());
    assert!(
        seen.contains("fail certificate that of the public listener expired at 2021-01-01"),
        "{seen}"
    );
}
