//! A disk that is really full: a file system of some megabytes for the server alone.

#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Server};

/// Set it to pass where neither root nor user namespaces can mount anything: then these tests show
/// nothing, and report that.
const WITHOUT: &str = "KEYWARD_TEST_WITHOUT_MOUNTS";

/// Mounts a small file system over the working directory and serves there. Both end with `unshare`.
const SCRIPT: &str = "mount -t tmpfs -o size=24m none . && cd \"$PWD\" && \
                      exec \"$0\" serve --listen 127.0.0.1:0";

/// Starts a server on such a file system. `None` if [`WITHOUT`] is set.
fn start(folder: &Path) -> Option<Server> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["sh", "-c", SCRIPT, env!("CARGO_BIN_EXE_keyward")]).current_dir(folder);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("ADMIN_API_KEY", ADMIN_KEY).env("KEYWARD_FLUSH_EVERY", "1m");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if std::env::var_os(WITHOUT).is_some() {
        return None;
    }
    Some(Server::spawn(&mut command))
}

/// The server's folder as the server sees it.
fn inside(server: &Server, folder: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", server.id()));
    root.join(folder.strip_prefix("/").unwrap())
}

/// Fills the disk to the last byte.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for len in [1 << 16, 1 << 12, 1] {
        let piece = vec![7; len];
        let error = loop {
            if let Err(error) = file.write_all(&piece) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
}

#[test]
fn on_a_full_disk_keys_are_revoked_and_suspended_and_nothing_else_is_changed() {
    let folder = tempdir().unwrap();
    let Some(server) = start(folder.path()) else { return };
    let inside = inside(&server, folder.path());
    let reserve = inside.join("keyward.db.reserve");
    let whole = fs::metadata(&reserve).unwrap().len();
    assert_ne!(whole, 0);
    let owned = r#"{"name":"owned","owner":"acme"}"#;
    let keys: Vec<_> = (0..40).map(|_| server.issue("leaked")).collect();
    assert_eq!(server.admin("POST", "/admin/api-keys", owned).status, 201);
    let works = |secret: &str| server.get("/key", secret).status;
    assert!(keys.iter().all(|(_, secret)| works(secret) == 200));

    fill(&inside.join("fill"));
    let issue = || server.admin("POST", "/admin/api-keys", owned).status;
    // Space that is left in the existing pages is used up first.
    while issue() == 201 {}
    assert_eq!(issue(), 503);
    assert_eq!(fs::metadata(&reserve).unwrap().len(), whole);
    for (id, secret) in &keys[..30] {
        assert_eq!(server.admin("DELETE", &format!("/admin/api-keys/{id}"), "").status, 204);
        assert_eq!(works(secret), 401);
        assert_eq!(issue(), 503);
    }
    for (id, secret) in &keys[30..] {
        let suspended = server.admin("POST", &format!("/admin/api-keys/{id}/suspend"), "");
        assert_eq!((suspended.status, works(secret)), (200, 401));
        let resumed = server.admin("POST", &format!("/admin/api-keys/{id}/resume"), "");
        assert_eq!((resumed.status, works(secret)), (503, 401));
    }
    assert_eq!(server.admin("POST", "/admin/owners/acme/suspend", "").status, 200);
    assert!(fs::metadata(&reserve).unwrap().len() < whole);

    fs::remove_file(inside.join("fill")).unwrap();
    assert_eq!(server.admin("POST", "/admin/owners/acme/resume", "").status, 200);
    assert_eq!(issue(), 201);
    assert_eq!(fs::metadata(&reserve).unwrap().len(), whole);
}
