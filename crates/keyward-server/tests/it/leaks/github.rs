//! Reports of GitHub's secret scanning, signed by a key of the test's own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::PublicKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::{EncodePublicKey as _, LineEnding};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::tempdir;

use super::{revocations, works};
use crate::sample;
use crate::server::{ADMIN_KEY, Response, Server};

const NAME: &str = "the-key-of-this-test";
const REFUSED: &str = r#"403 {"detail":"Invalid signature"}"#;

/// A server that publishes GitHub's keys, and the number of its requests.
struct KeyServer {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl KeyServer {
    fn start(key: &SigningKey) -> Self {
        Self::start_with(key, "200 OK", 0)
    }

    /// A server that responds with this status, possibly a redirection, and at least so many bytes.
    /// The target of the redirection exists.
    fn start_with(key: &SigningKey, status: &'static str, len_min: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let pem = PublicKey::from(key.verifying_key()).to_public_key_pem(LineEnding::LF).unwrap();
        let key = json!({ "key_identifier": NAME, "key": pem, "is_current": true });
        let list = json!({ "public_keys": [key] }).to_string();
        let spaces = " ".repeat(len_min.saturating_sub(list.len()));
        let body = list + &spaces;
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let lines = BufReader::new(&connection).lines().map_while(Result::ok);
                let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
                assert!(head.iter().any(|line| line.starts_with("user-agent: keyward/")));
                count.fetch_add(1, Ordering::SeqCst);
                let length = body.len();
                let status = if head[0].contains("/elsewhere") { "200 OK" } else { status };
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
                // The client may have read enough.
                drop(connection.write_all((head + &body).as_bytes()));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn sign(key: &SigningKey, body: &str) -> String {
    let signature: DerSignature = key.sign(body.as_bytes());
    STANDARD.encode(signature.as_bytes())
}

fn start(folder: &std::path::Path, url: &str) -> Server {
    Server::start_with(folder, &[("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_GITHUB_LEAKS", url)])
}

fn send(server: &Server, name: &str, signature: &str, body: &str) -> Response {
    let name = format!("Github-Public-Key-Identifier: {name}");
    let signature = format!("Github-Public-Key-Signature: {signature}");
    server.send("POST", "/leaks/github", &[&name, &signature], body)
}

fn found(token: &str) -> Value {
    json!({ "token": token, "type": "keyward_key", "url": "https://github.com/o/r/blob/1/f",
            "source": "content" })
}

fn labels(response: &Response) -> Vec<String> {
    let list = response.json();
    let label = |one: &Value| one["label"].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(label).collect()
}

#[test]
fn keys_that_github_found_are_revoked_and_only_real_ones() {
    let key = key(1);
    let keys = KeyServer::start(&key);
    let folder = tempdir().unwrap();
    let server = start(folder.path(), &keys.url);
    let (_, real) = server.issue("leaked");
    let (_, other) = server.issue("not leaked");
    let url = format!("https://example.com/\u{1}a?key={real}&key={other}&{}", "z".repeat(300));
    let body = json!([
        { "token": real, "type": "keyward_key", "url": url, "source": "issue_title", "new": 1 },
        { "token": "kw_no-such-key", "type": "keyward_key", "url": "" },
        { "token": "no key, nor could it be one", "type": "another" },
    ]);
    let body = body.to_string();
    let response = send(&server, NAME, &sign(&key, &body), &body);
    assert_eq!(response.status, 200, "{}", response.body);
    let expected = json!([
        { "token_hash": sample::digest(&real), "token_type": "keyward_key",
          "label": "true_positive" },
        { "token_hash": sample::digest("kw_no-such-key"), "token_type": "keyward_key",
          "label": "false_positive" },
        { "token_hash": sample::digest("no key, nor could it be one"), "token_type": "another",
          "label": "false_positive" },
    ]);
    assert_eq!(response.json(), expected);
    assert!(!works(&server, &real) && works(&server, &other));

    let told = revocations(&server);
    let start = "found by GitHub in issue_title: https://example.com/a?key=…&key=…&zzz";
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, "github");
    assert!(told[0].1.starts_with(start), "{told:?}");
    assert_eq!(told[0].1.chars().count(), 200);

    // A repeated report, as GitHub sends it without a response, gets the same result.
    let again = send(&server, NAME, &sign(&key, &body), &body);
    assert_eq!(again.json(), expected);
    assert_eq!(revocations(&server), told);
    assert_eq!(keys.asked(), 1);
}

#[test]
fn keys_confirmed_to_github_are_revoked_even_if_the_server_is_killed_at_once() {
    let key = key(13);
    let keys = KeyServer::start(&key);
    let folder = tempdir().unwrap();
    let server = start(folder.path(), &keys.url);
    let secrets: Vec<_> = (0..50).map(|_| server.issue("leaked").1).collect();
    let matches: Vec<_> = secrets.iter().map(|secret| found(secret)).collect();
    let body = json!(matches).to_string();
    let response = send(&server, NAME, &sign(&key, &body), &body);
    server.kill();
    assert_eq!(labels(&response), ["true_positive"; 50]);
    let server = Server::start(folder.path());
    assert!(secrets.iter().all(|secret| !works(&server, secret)));
}

#[test]
fn a_former_secret_counts_as_real_and_an_ended_one_revokes_nothing() {
    let key = key(2);
    let keys = KeyServer::start(&key);
    let folder = tempdir().unwrap();
    let server = start(folder.path(), &keys.url);
    let grace = [("former-with-grace", "2100-01-01T00:00:00Z")];
    let ended = [("former-that-ended", "2026-01-01T00:00:00Z")];
    let keys_with_former =
        [sample::key("a", &grace, "present-one"), sample::key("b", &ended, "present-two")];
    sample::add(&server, &keys_with_former);
    assert!(works(&server, "former-with-grace") && !works(&server, "former-that-ended"));
    let body = json!([found("former-with-grace"), found("former-that-ended")]).to_string();
    let response = send(&server, NAME, &sign(&key, &body), &body);
    assert_eq!(labels(&response), ["true_positive", "true_positive"]);
    assert!(!works(&server, "present-one") && !works(&server, "former-with-grace"));
    // The leaked secret is rejected, and its key has another secret for that reason.
    assert!(works(&server, "present-two"));
}

#[test]
fn a_bad_signature_is_rejected_without_detail() {
    let (key, other) = (key(3), key(4));
    let keys = KeyServer::start(&key);
    let folder = tempdir().unwrap();
    let server = start(folder.path(), &keys.url);
    let (_, secret) = server.issue("safe");
    let body = json!([found(&secret)]).to_string();
    let good = sign(&key, &body);
    let check = |response: Response| assert_eq!(response.brief(), REFUSED);
    check(server.send("POST", "/leaks/github", &[], &body));
    check(send(&server, NAME, "", &body));
    check(send(&server, NAME, "%%%", &body));
    check(send(&server, NAME, "AAAA", &body));
    assert_eq!(keys.asked(), 0, "no key was fetched for a malformed signature");
    check(send(&server, NAME, &sign(&other, &body), &body));
    check(send(&server, NAME, &good, &body.replace("content", "Content")));
    check(send(&server, NAME, &good, &format!("{body} ")));
    check(send(&server, NAME, &good, "not even JSON"));
    assert!(works(&server, &secret));
    assert_eq!(send(&server, NAME, &good, &body).status, 200);
    assert!(!works(&server, &secret));
    assert_eq!(keys.asked(), 1);
}

#[test]
fn keys_that_are_not_known_are_asked_for_only_now_and_then() {
    let key = key(5);
    let keys = KeyServer::start(&key);
    let folder = tempdir().unwrap();
    let server = start(folder.path(), &keys.url);
    let body = "[]";
    let good = sign(&key, body);
    assert_eq!(send(&server, "no-such-name", &good, body).brief(), REFUSED);
    for _ in 0..3 {
        // It may be a new one; the response asks the client to repeat the request.
        let response = send(&server, "no-such-name", &good, body);
        assert_eq!(response.status, 503);
        let secs: u64 = response.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&secs), "{secs}");
    }
    assert_eq!(send(&server, NAME, &good, body).brief(), "200 []");
    assert_eq!(keys.asked(), 1);
}

#[test]
fn a_report_that_cannot_be_stored_gets_try_again() {
    let key = key(6);
    let keys = KeyServer::start(&key);
    let folder = tempdir().unwrap();
    let server = start(folder.path(), &keys.url);
    let (_, secret) = server.issue("leaked");
    let body = json!([found(&secret)]).to_string();
    let signature = sign(&key, &body);
    let send = || send(&server, NAME, &signature, &body);
    // Another process writes, and does not end.
    let held = Connection::open(folder.path().join("keyward.db")).unwrap();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    let response = send();
    assert_eq!(response.brief(), r#"503 {"detail":"Service Unavailable"}"#);
    assert!(response.header("retry-after").is_some());
    held.execute_batch("ROLLBACK").unwrap();
    assert_eq!(labels(&send()), ["true_positive"]);
    assert!(!works(&server, &secret));
}

#[test]
fn without_githubs_keys_no_report_is_accepted() {
    let folder = tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let server = start(folder.path(), &nobody);
    assert_eq!(send(&server, NAME, &sign(&key(7), "[]"), "[]").status, 503);
}

#[test]
fn githubs_keys_are_read_at_the_configured_url_and_are_few() {
    let key = key(9);
    let folder = tempdir().unwrap();
    let moved = "302 Found\r\nlocation: /elsewhere";
    for (status, len_min, expected) in
        [(moved, 0, 503), ("200 OK", 64 * 1_024 + 1, 503), ("200 OK", 64 * 1_024, 200)]
    {
        let keys = KeyServer::start_with(&key, status, len_min);
        let server = start(folder.path(), &keys.url);
        assert_eq!(send(&server, NAME, &sign(&key, "[]"), "[]").status, expected, "{status}");
        assert_eq!(keys.asked(), 1);
    }
}

#[test]
fn keys_on_loopback_are_asked_for_without_a_proxy() {
    let key = key(10);
    let keys = KeyServer::start(&key);
    let folder = tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let environment = [
        ("KEYWARD_GITHUB_LEAKS", keys.url.as_str()),
        ("ALL_PROXY", &nobody),
        ("HTTP_PROXY", &nobody),
    ];
    let server = Server::start_with(folder.path(), &environment);
    assert_eq!(send(&server, NAME, &sign(&key, "[]"), "[]").brief(), "200 []");
}

#[test]
fn large_unverified_bodies_are_few() {
    let key = key(11);
    let keys = KeyServer::start(&key);
    let folder = tempdir().unwrap();
    let server = start(folder.path(), &keys.url);
    let large = format!("[{}]", " ".repeat(64 * 1_024));
    let good = sign(&key, &large);
    assert_eq!(send(&server, NAME, &good, &large).brief(), "200 []");
    // The server announces that it reads a body, and receives nothing of it.
    let head = format!(
        "POST /leaks/github HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\n\
         github-public-key-identifier: {NAME}\r\ngithub-public-key-signature: {good}\r\n\
         content-length: {}\r\n\r\n",
        large.len()
    );
    let begin = || {
        let mut connection = server.connect();
        connection.write(head.as_bytes()).unwrap();
        assert_eq!(connection.read().unwrap().status, 100);
        connection
    };
    let mut held: Vec<_> = (0..8).map(|_| begin()).collect();
    let rejected = send(&server, NAME, &good, &large);
    assert_eq!(rejected.brief(), r#"503 {"detail":"Service Unavailable"}"#);
    assert_eq!(rejected.header("retry-after"), Some("1"));
    let small = format!("[{}]", " ".repeat(64 * 1_024 - 2));
    assert_eq!(send(&server, NAME, &sign(&key, &small), &small).brief(), "200 []");
    let mut one = held.pop().unwrap();
    one.write(large.as_bytes()).unwrap();
    assert_eq!(one.read().unwrap().brief(), "200 []");
    assert_eq!(send(&server, NAME, &good, &large).brief(), "200 []");
}

#[test]
fn a_thousand_failed_lookups_do_not_stop_the_others() {
    let key = key(12);
    let keys = KeyServer::start(&key);
    let folder = tempdir().unwrap();
    let server = start(folder.path(), &keys.url);
    let (_, unreadable) = server.issue("unreadable");
    let (_, real) = server.issue("leaked");
    let file = Connection::open(folder.path().join("keyward.db")).unwrap();
    assert_eq!(file.execute("UPDATE keys SET scopes = '!' WHERE id = 1", []).unwrap(), 1);
    let mut matches = vec![found(&unreadable)];
    matches.extend((1..1_000).map(|number| found(&format!("kw_nobody-has-{number}"))));
    matches.push(found(&real));
    let body = json!(matches).to_string();
    let signature = sign(&key, &body);
    assert_eq!(send(&server, NAME, &signature, &body).status, 503);
    assert!(!works(&server, &real) && works(&server, &unreadable));
    assert_eq!(file.execute("UPDATE keys SET scopes = '' WHERE id = 1", []).unwrap(), 1);
    assert_eq!(send(&server, NAME, &signature, &body).status, 200);
    assert!(!works(&server, &unreadable));
}

#[test]
fn it_is_off_unless_set() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let unknown = server.send("POST", "/nothing", &[], "[]").brief();
    assert_eq!(send(&server, NAME, &sign(&key(8), "[]"), "[]").brief(), unknown);
    assert_eq!(server.send("GET", "/leaks/github", &[], "").brief(), unknown);
}
