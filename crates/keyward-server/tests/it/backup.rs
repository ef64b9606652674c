//! A copy of the database, taken while the server runs.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tempfile::tempdir;

use crate::sample;
use crate::server::{ADMIN_KEY, Connection, Server};

/// Makes the file larger than the buffers of a connection.
fn fill(server: &Server) {
    for batch in 0..4 {
        let key = |number: usize| {
            let mut key = sample::key("filler", &[], &format!("filler-{batch}-{number}"));
            key["metadata"] = serde_json::json!({ "notes": "x".repeat(2_000) });
            key
        };
        sample::add(server, &(0..1_000).map(key).collect::<Vec<_>>());
    }
}

/// Requests a copy, until no other is under way. The copy is made, and its response has begun.
fn begin(server: &Server) -> Connection {
    loop {
        let mut client = server.connect();
        let head = format!("GET /admin/backup HTTP/1.1\r\nhost: test\r\nx-admin-key: {ADMIN_KEY}");
        client.write(format!("{head}\r\n\r\n").as_bytes()).unwrap();
        let response = client.peek();
        if response.starts_with(b"HTTP/1.1 200 ") {
            return client;
        }
        assert!(response.starts_with(b"HTTP/1.1 503 "), "{}", String::from_utf8_lossy(response));
    }
}

fn leftovers(folder: &Path) -> Vec<String> {
    let names = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| name.contains("backup")).collect()
}

#[test]
fn a_copy_under_load_has_every_key_acknowledged_before() {
    let (folder, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(folder.path());
    let (issued, done) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let enough = |count| {
        while issued.lock().unwrap().len() < count {
            thread::yield_now();
        }
    };
    let (before, copy) = thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let (_, secret) = server.issue("busy");
                    issued.lock().unwrap().push(secret);
                }
            });
        }
        enough(50);
        let before = issued.lock().unwrap().clone();
        let copy = server.admin("GET", "/admin/backup", "");
        let after = issued.lock().unwrap().len();
        enough(after + 10);
        done.store(true, Ordering::Relaxed);
        (before, copy)
    });
    assert_eq!(copy.status, 200, "{}", copy.body);
    assert_eq!(copy.header("content-type"), Some("application/vnd.sqlite3"));
    assert_eq!(copy.header("cache-control"), Some("no-store"));
    assert!(copy.bytes.starts_with(b"SQLite format 3\0"));
    assert_eq!(leftovers(folder.path()), [""; 0]);

    fs::write(elsewhere.path().join("keyward.db"), &copy.bytes).unwrap();
    // The first server still runs, and issues keys.
    let restored = Server::start_restored(elsewhere.path());
    let mut connection = restored.connect();
    for secret in &before {
        let key = format!("x-api-key: {secret}");
        let response = connection.send("GET", "/key", &[&key], "");
        assert_eq!(response.status, 200);
    }
    // Later keys are whole in the copy, or not in it.
    let keys = restored.admin("GET", "/admin/api-keys?total=true", "").json()["total"].clone();
    // The newest entry records that the copy was restored.
    let entries = restored.admin("GET", "/admin/audit?order=desc&limit=2", "").json();
    assert_eq!(entries["entries"][1]["id"], keys);
    assert!(before.len() as u64 <= keys.as_u64().unwrap());
    server.issue("still here");
}

#[test]
fn a_client_that_hangs_up_leaves_no_files() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    fill(&server);
    for _ in 0..3 {
        drop(begin(&server));
        assert_eq!(leftovers(folder.path()), [""; 0]);
    }
    let copy = begin(&server).read().unwrap();
    assert_eq!(copy.status, 200);
    assert!(8_000_000 < copy.bytes.len(), "{}", copy.bytes.len());
    assert_eq!(leftovers(folder.path()), [""; 0]);
}

#[test]
fn a_second_copy_is_rejected_while_one_is_under_way() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    fill(&server);
    let mut first = begin(&server);
    let second = server.admin("GET", "/admin/backup", "");
    assert_eq!(second.brief(), r#"503 {"detail":"Another backup is under way"}"#);
    assert_eq!(second.header("retry-after"), Some("10"));
    // A copy does not delay other requests.
    assert_eq!(server.admin("GET", "/admin/api-keys?limit=1", "").status, 200);
    let copy = first.read().unwrap();
    assert!(8_000_000 < copy.bytes.len() && copy.bytes.starts_with(b"SQLite format 3\0"));
    assert_eq!(begin(&server).read().unwrap().bytes.len(), copy.bytes.len());
}
