//! What signals do to the program: an orderly end loses no count, and no other signal ends it.

use std::path::Path;

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Server};

/// Nothing is flushed before the end.
const SELDOM: [(&str, &str); 2] = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_FLUSH_EVERY", "5m")];
const REQUESTS: u64 = 3;

/// Sends requests with a new key, whose id it returns.
fn count(server: &Server) -> u64 {
    let (id, secret) = server.issue("counted");
    for _ in 0..REQUESTS {
        assert_eq!(server.get("/articles", &secret).status, 200);
    }
    id
}

#[track_caller]
fn check_counted(folder: &Path, id: u64) {
    let server = Server::start(folder);
    let usage = server.admin("GET", &format!("/admin/api-keys/{id}/usage"), "").json();
    assert_eq!(usage["total"]["allowed"], REQUESTS);
}

#[test]
fn every_orderly_end_flushes() {
    for signal in ["TERM", "INT", "QUIT"] {
        let folder = tempdir().unwrap();
        let server = Server::start_with(folder.path(), &SELDOM);
        let id = count(&server);
        server.signal(signal);
        let (status, errors) = server.wait();
        assert!(status.success(), "{signal}: {errors}");
        check_counted(folder.path(), id);
    }
}

#[test]
fn other_signals_end_nothing() {
    let folder = tempdir().unwrap();
    let server = Server::start_with(folder.path(), &SELDOM);
    let id = count(&server);
    for signal in ["HUP", "USR1", "USR2", "PIPE", "XFSZ"] {
        server.signal(signal);
        assert_eq!(server.send("GET", "/healthz", &[], "").status, 200, "{signal}");
    }
    let (status, errors) = server.stop();
    assert!(status.success(), "{errors}");
    check_counted(folder.path(), id);
}
