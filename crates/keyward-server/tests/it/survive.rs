//! Acknowledged changes survive: `kill -9`, an orderly stop, and a second process.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Connection, Server, command, issued};

const CALLERS: usize = 64;
const ROUNDS: usize = 20;
/// Responses after which the server is killed, in the middle of its work.
const ANSWERS: usize = 400;

/// Whether a key must work: `false` once its revocation was acknowledged. A key whose revocation
/// was requested and not acknowledged may do either, so it is not in here.
type Known = Mutex<HashMap<String, bool>>;

#[test]
fn acknowledged_changes_survive_kill_9_twenty_times() {
    let folder = tempdir().unwrap();
    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_FAILURES_PER_MINUTE", "0")];
    let mut all = HashMap::new();
    for round in 0..ROUNDS {
        let server = Server::start_with(folder.path(), &environment);
        check(&server, &all);
        let known = Known::default();
        let responses = AtomicUsize::new(0);
        let address = server.address;
        thread::scope(|scope| {
            for _ in 0..CALLERS {
                scope.spawn(|| issue_and_revoke(address, &known, &responses));
            }
            while responses.load(Ordering::Relaxed) < ANSWERS {
                thread::yield_now();
            }
            server.kill();
        });
        let known = known.into_inner().unwrap();
        assert!(!known.is_empty(), "round {round} issued nothing");
        all.extend(known);
    }
    let server = Server::start_with(folder.path(), &environment);
    check(&server, &all);
    assert!(all.values().any(|works| !works), "no key was revoked, so this test proves nothing");
}

/// Issues keys, and revokes every other one, until the connection breaks.
fn issue_and_revoke(address: SocketAddr, known: &Known, responses: &AtomicUsize) {
    let admin_key = format!("x-admin-key: {ADMIN_KEY}");
    let mut connection = Connection::open(address);
    for number in 0.. {
        let body = r#"{"name":"survivor"}"#;
        let response = connection.try_send("POST", "/admin/api-keys", &[&admin_key], body);
        let Some(response) = response else { return };
        assert_eq!(response.status, 201, "{}", response.body);
        let (id, secret) = issued(&response);
        known.lock().unwrap().insert(secret.clone(), true);
        responses.fetch_add(1, Ordering::Relaxed);
        if number % 2 == 0 {
            continue;
        }
        known.lock().unwrap().remove(&secret);
        let path = format!("/admin/api-keys/{id}");
        let Some(response) = connection.try_send("DELETE", &path, &[&admin_key], "") else {
            return;
        };
        assert_eq!(response.status, 204, "{}", response.body);
        known.lock().unwrap().insert(secret, false);
        responses.fetch_add(1, Ordering::Relaxed);
    }
}

fn check(server: &Server, all: &HashMap<String, bool>) {
    let mut connection = server.connect();
    for (secret, works) in all {
        let key = format!("x-api-key: {secret}");
        let status = connection.send("GET", "/key", &[&key], "").status;
        assert_eq!(status, if *works { 200 } else { 401 });
    }
}

#[test]
fn an_orderly_stop_loses_no_count() {
    let folder = tempdir().unwrap();
    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_FLUSH_EVERY", "1m")];
    let server = Server::start_with(folder.path(), &environment);
    let (id, secret) = server.issue("counted");
    for _ in 0..9 {
        assert_eq!(server.get("/key", &secret).status, 200);
    }
    let (status, errors) = server.stop();
    assert!(status.success(), "{errors}");
    let server = Server::start(folder.path());
    let usage = server.admin("GET", &format!("/admin/api-keys/{id}/usage"), "").json();
    assert_eq!(usage["total"]["allowed"], 9);
    let key = server.admin("GET", &format!("/admin/api-keys/{id}"), "").json();
    assert!(key["last_used_at"].is_string(), "{key}");
}

/// By a server that runs, in the store that it has.
#[test]
fn usage_of_old_days_is_forgotten_if_a_setting_says_so() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (id, secret) = server.issue("counted");
    assert_eq!(server.get("/key", &secret).status, 200);
    server.stop();
    let file = rusqlite::Connection::open(folder.path().join("keyward.db")).unwrap();
    // A day ago and ten days ago.
    let columns = "key_id, allowed, limited, out_of_scope, out_of_network, suspended, revoked, \
                   expired, introspected";
    let earlier = |days| {
        let sql = format!(
            "INSERT INTO usage (hour, {columns}) SELECT hour - 24 * {days}, {columns} FROM usage \
             WHERE hour = (SELECT max(hour) FROM usage)"
        );
        assert_eq!(file.execute(&sql, ()).unwrap(), 1);
    };
    earlier(1);
    earlier(10);
    drop(file);
    let allowed = |server: &Server| {
        let usage = server.admin("GET", &format!("/admin/api-keys/{id}/usage"), "").json();
        usage["total"]["allowed"].as_u64().unwrap()
    };
    let server = Server::start(folder.path());
    assert_eq!(allowed(&server), 3);
    server.stop();
    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_USAGE_DAYS", "2")];
    let server = Server::start_with(folder.path(), &environment);
    while allowed(&server) == 3 {}
    assert_eq!(allowed(&server), 2);
}

#[test]
fn a_second_process_gets_the_name_of_the_holder() {
    let folder = tempdir().unwrap();
    let first = Server::start(folder.path());
    let second = command(folder.path(), &[("ADMIN_API_KEY", ADMIN_KEY)]).output().unwrap();
    let errors = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success());
    assert!(errors.contains("keyward.db"), "{errors}");
    assert!(errors.contains(&first.address.to_string()), "{errors}");
    assert_eq!(first.send("GET", "/readyz", &[], "").status, 200);
}

#[test]
fn parallel_requests_never_pass_a_limit() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let limits = r#"{"limits":[{"name":"requests","amount":50,"per":"1h","burst":50}]}"#;
    assert_eq!(server.admin("PUT", "/admin/tiers/basic", limits).status, 200);
    let (_, secret) = server.issue("eager");
    let statuses = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                let status = server.get("/key", &secret).status;
                statuses.lock().unwrap().push(status);
            });
        }
    });
    let statuses = statuses.into_inner().unwrap();
    let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(200), count(429)), (50, 150));
}

#[test]
fn no_secret_is_in_the_log_or_the_files() {
    let folder = tempdir().unwrap();
    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_LOG", "trace")];
    let mut server = Server::start_with(folder.path(), &environment);
    let log = server.read_log();
    let (id, secret) = server.issue("quiet");
    assert_eq!(server.get("/key", &secret).status, 200);
    assert_eq!(server.admin("GET", "/admin/audit?limit=zzz", "").status, 422);
    // A client that puts its key where none belongs.
    let escaped = secret.replace('_', "%5F");
    for path in [format!("/key/{secret}"), format!("/a/{escaped}/b?key={secret}")] {
        assert_eq!(server.get(&path, &secret).status, 404);
    }
    let named = server.send("GET", "/healthz", &[&format!("x-request-id: {secret}")], "");
    assert_ne!(named.header("x-request-id"), Some(secret.as_str()));
    let body = format!(r#"{{"name":"x","api_key":"{ADMIN_KEY}"}}"#);
    assert_eq!(server.admin("POST", "/admin/api-keys", &body.replace(ADMIN_KEY, "y")).status, 422);
    assert_eq!(server.admin("DELETE", &format!("/admin/api-keys/{id}"), "").status, 204);
    assert_eq!(server.get("/key", &secret).status, 401);
    assert!(server.stop().0.success());
    let log = log.join().unwrap();
    assert!(log.contains("/admin/api-keys"), "the log is empty, so this test proves nothing");
    let part = &secret[8..];
    assert!(!log.contains(part) && !log.contains(ADMIN_KEY), "a secret is in the log");
    for file in folder.path().read_dir().unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(part.len()).any(|window| window == part.as_bytes()));
    }
}

#[test]
fn without_an_entry_in_the_audit_trail_nothing_changes() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let (id, secret) = server.issue("kept");
    let state = || {
        let key = format!("/admin/api-keys/{id}");
        let paths = [&key, "/admin/api-keys", "/admin/tiers", "/admin/audit", "/admin/owners/acme"];
        paths.map(|path| server.admin("GET", path, "").brief())
    };
    let before = state();
    let file = rusqlite::Connection::open(folder.path().join("keyward.db")).unwrap();
    let no_entry = "CREATE TRIGGER no_entry BEFORE INSERT ON audit \
                    BEGIN SELECT RAISE(ABORT, 'a test wants no entry'); END";
    file.execute_batch(no_entry).unwrap();
    let key = format!("/admin/api-keys/{id}");
    let limits = r#"{"limits":[]}"#;
    let changes = [
        ("POST", "/admin/api-keys", r#"{"name":"new"}"#),
        ("PATCH", &key, r#"{"name":"other","owner":"acme"}"#),
        ("DELETE", &key, ""),
        ("POST", &format!("{key}/suspend"), ""),
        ("POST", &format!("{key}/rotate"), ""),
        ("PUT", "/admin/tiers/basic", limits),
        ("PUT", "/admin/tiers/new", limits),
        ("DELETE", "/admin/tiers/pro", ""),
        ("POST", "/admin/owners/acme/suspend", ""),
    ];
    for (method, path, body) in changes {
        let response = server.admin(method, path, body);
        let place = format!("{method} {path}");
        assert_eq!(response.brief(), r#"503 {"detail":"Service Unavailable"}"#, "{place}");
        assert!(response.header("retry-after").is_some(), "{place}");
        assert_eq!(state(), before, "{place}");
        assert_eq!(server.get("/key", &secret).header("x-ratelimit-limit"), Some("100"));
    }
    file.execute_batch("DROP TRIGGER no_entry").unwrap();
    for (method, path, body) in changes.into_iter().filter(|(method, ..)| *method != "DELETE") {
        let status = server.admin(method, path, body).status;
        assert!((200..300).contains(&status), "{method} {path}: {status}");
    }
}
