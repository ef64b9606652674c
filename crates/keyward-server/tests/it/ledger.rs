//! A database that lacks acknowledged changes is recognised at the start, and not served.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Server, after_restore, command};

const ENVIRONMENT: [(&str, &str); 1] = [("ADMIN_API_KEY", ADMIN_KEY)];

fn file(folder: &Path, suffix: &str) -> PathBuf {
    folder.join(format!("keyward.db{suffix}"))
}

/// The names and bytes of all files but the ones that only show that a process has the database
/// open.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap());
    let all = entries.map(|entry| {
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap_or_default())
    });
    let mut files: Vec<_> =
        all.filter(|(name, _)| !name.ends_with(".lock") && !name.ends_with("-shm")).collect();
    files.sort();
    files
}

/// Starts the program, which must not serve and change nothing, and returns its error.
fn rejected(folder: &Path, flags: &[&str]) -> String {
    let before = files(folder);
    let ended = command(folder, &ENVIRONMENT).args(flags).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    let after = files(folder);
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&after), names(&before));
    assert!(after == before, "a failed start changed a byte");
    said
}

/// Starts with a loss that is accepted.
fn accept(folder: &Path, flag: &str) -> Server {
    Server::spawn(command(folder, &ENVIRONMENT).arg(flag))
}

fn run(server: &Server, words: &[&str]) -> (bool, String) {
    let program = Command::new(env!("CARGO_BIN_EXE_keyward"))
        .args(words)
        .args(["--server", &format!("http://{}", server.address)])
        .env_clear()
        .env("ADMIN_API_KEY", ADMIN_KEY)
        .output()
        .unwrap();
    let said = [program.stdout, program.stderr].concat();
    (program.status.success(), String::from_utf8(said).unwrap())
}

/// A server that was killed after it had issued keys and revoked every other one.
fn killed(folder: &Path) -> Vec<(u64, String)> {
    let server = Server::start(folder);
    let issue = |number| server.issue(&format!("key-{number}"));
    let keys: Vec<_> = (0..40).map(issue).collect();
    for (id, _) in keys.iter().step_by(2) {
        assert_eq!(server.admin("DELETE", &format!("/admin/api-keys/{id}"), "").status, 204);
    }
    server.kill();
    keys
}

#[test]
fn a_byte_that_flipped_in_the_log_of_changes_is_noticed() {
    let folder = tempdir().unwrap();
    let keys = killed(folder.path());
    let wal = file(folder.path(), "-wal");
    let whole = fs::read(&wal).unwrap();
    for place in [whole.len() / 3, whole.len() / 2, whole.len() * 9 / 10] {
        let mut flipped = whole.clone();
        flipped[place] ^= 0x10;
        fs::write(&wal, &flipped).unwrap();
        let said = rejected(folder.path(), &[]);
        assert!(said.contains("keyward.db") && said.contains("write-ahead log"), "{said}");
        assert_eq!(after_restore(&said), "--after-restore=60");
    }
    // With its bytes restored, it is served.
    fs::write(&wal, &whole).unwrap();
    drop(Server::start(folder.path()));
    let mut flipped = fs::read(&wal).unwrap();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&wal, &flipped).unwrap();
    let flag = after_restore(&rejected(folder.path(), &[]));
    let server = accept(folder.path(), &flag);
    for (_, secret) in keys.iter().step_by(2) {
        assert_eq!(server.get("/key", secret).status, 401, "a revoked key works again");
    }
    assert_eq!(server.issue("next").0, 41, "an id is given twice");
    let (whole, said) = run(&server, &["audit", "verify"]);
    assert!(whole, "{said}");
}

#[test]
fn a_log_or_a_database_that_is_gone_is_noticed() {
    for gone in [&["-wal"][..], &["-wal", "-shm"], &[""], &["", "-wal"], &["", "-wal", "-shm"]] {
        let folder = tempdir().unwrap();
        let keys = killed(folder.path());
        gone.iter().for_each(|suffix| fs::remove_file(file(folder.path(), suffix)).unwrap());
        let flag = after_restore(&rejected(folder.path(), &[]));
        assert_eq!(flag, "--after-restore=60", "without {gone:?}");
        rejected(folder.path(), &["--after-restore=59"]);
        let server = accept(folder.path(), &flag);
        assert_eq!(server.issue("next").0, 41, "an id is given twice, without {gone:?}");
        assert_eq!(server.get("/key", &keys[0].1).status, 401);
        let (whole, said) = run(&server, &["audit", "verify"]);
        assert!(whole, "without {gone:?}: {said}");
        drop(server);
        drop(accept(folder.path(), &flag));
    }
}

#[test]
fn a_restored_backup_undoes_no_revocation() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let [kept, revoked, suspended, rotated, owned] =
        ["kept", "revoked", "suspended", "rotated", "owned"].map(|name| server.issue(name));
    let admin = |server: &Server, method: &str, path: &str, body: &str| {
        let response = server.admin(method, path, body);
        assert!(response.status < 300, "{method} {path}: {}", response.body);
        response
    };
    let key = |id: u64| format!("/admin/api-keys/{id}");
    admin(&server, "PATCH", &key(owned.0), r#"{"owner":"acme"}"#);
    let backup = folder.path().join("backup");
    fs::write(&backup, admin(&server, "GET", "/admin/backup", "").bytes).unwrap();
    admin(&server, "DELETE", &key(revoked.0), "");
    admin(&server, "POST", &format!("{}/suspend", key(suspended.0)), "");
    admin(&server, "POST", &format!("{}/rotate", key(rotated.0)), r#"{"grace":"0s"}"#);
    admin(&server, "POST", "/admin/owners/acme/suspend", "");
    admin(&server, "POST", "/admin/owners/initech/suspend", "");
    let (lost_id, lost) = server.issue("lost");
    assert!(server.stop().0.success());

    let restore = || {
        fs::copy(&backup, file(folder.path(), "")).unwrap();
        for suffix in ["-wal", "-shm"] {
            drop(fs::remove_file(file(folder.path(), suffix)));
        }
    };
    restore();
    let flag = after_restore(&rejected(folder.path(), &[]));
    let server = accept(folder.path(), &flag);
    for words in ["revoked again: keys 2, 4", "suspended again: keys 3", "owners acme, initech"] {
        assert!(server.greeting.contains(words), "{}", server.greeting);
    }
    assert!(server.greeting.contains("unknown"), "{}", server.greeting);
    assert_eq!(server.get("/key", &kept.1).status, 200);
    for (id, secret) in [&revoked, &suspended, &rotated, &owned] {
        assert_eq!(server.get("/key", secret).status, 401, "key {id}");
    }
    assert_eq!(server.get("/key", &lost).status, 401);
    assert_eq!(server.issue("next").0, lost_id + 1, "an id is given twice");
    let owned_by = |owner: &str| server.admin("GET", &format!("/admin/owners/{owner}"), "").json();
    assert!(owned_by("acme")["state"] == "suspended");
    let trail = admin(&server, "GET", "/admin/audit?actor=program", "").json();
    let done = |verb: &str, id: u64| {
        trail["entries"].as_array().unwrap().iter().any(|entry| {
            entry["verb"] == verb && (entry["key_id"] == id || entry["key_id"].is_null())
        })
    };
    assert!(done("revoke", revoked.0) && done("suspend", suspended.0), "{trail}");
    assert!(done("revoke", rotated.0) && done("suspend-owner", 0) && done("accept-restore", 0));
    let (whole, said) = run(&server, &["audit", "verify"]);
    assert!(whole, "{said}");
    let entries = admin(&server, "GET", "/admin/audit?limit=1000", "").json()["count"].clone();
    assert!(server.stop().0.success());

    // The flag is still in the unit file.
    let server = accept(folder.path(), &flag);
    assert_eq!(admin(&server, "GET", "/admin/audit?limit=1000", "").json()["count"], entries);
    assert!(server.stop().0.success());
    // A second restore of the same backup is another loss.
    restore();
    let said = rejected(folder.path(), &[&flag]);
    assert!(!said.contains(&format!("{flag}`")), "{said}");
}

#[test]
fn a_backup_without_a_ledger_is_not_served_unseen() {
    let (folder, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
    let server = Server::start(folder.path());
    let (_, kept) = server.issue("kept");
    let backup = server.admin("GET", "/admin/backup", "").bytes;
    let (lost_id, _) = server.issue("lost");
    fs::write(file(elsewhere.path(), ""), backup).unwrap();
    let said = rejected(elsewhere.path(), &[]);
    assert!(said.contains("backup") && said.contains("keyward.db.ledger"), "{said}");
    let flag = after_restore(&said);
    assert_eq!(flag, "--after-restore=1");
    let restored = accept(elsewhere.path(), &flag);
    assert_eq!(restored.get("/key", &kept).status, 200);
    assert!(lost_id < restored.issue("next").0, "an id is given twice");
    let (whole, said) = run(&restored, &["audit", "verify"]);
    assert!(whole, "{said}");
    drop(restored);
    drop(accept(elsewhere.path(), &flag));
    drop(Server::start(elsewhere.path()));
}

#[test]
fn a_missing_damaged_or_foreign_ledger_is_named() {
    let (folder, other) = (tempdir().unwrap(), tempdir().unwrap());
    killed(folder.path());
    killed(other.path());
    let ledger = file(folder.path(), ".ledger");
    let whole = fs::read(&ledger).unwrap();
    let mut broken = whole.clone();
    broken[3 * 64 + 5] ^= 1;
    fs::write(&ledger, &broken).unwrap();
    let said = rejected(folder.path(), &[]);
    assert!(said.contains("keyward.db.ledger is broken at byte 192"), "{said}");
    fs::copy(file(other.path(), ".ledger"), &ledger).unwrap();
    let said = rejected(folder.path(), &[]);
    assert!(said.contains("belongs to another database"), "{said}");
    fs::remove_file(&ledger).unwrap();
    assert_eq!(after_restore(&rejected(folder.path(), &[])), "--after-restore=60");
    // A torn record is no loss: the database has it.
    fs::write(&ledger, &whole[..whole.len() - 10]).unwrap();
    assert!(Server::start(folder.path()).stop().0.success());
    let mended = fs::read(&ledger).unwrap();
    assert_eq!((mended.len() % 64, &mended[..64]), (0, &whole[..64]));
}

#[test]
fn a_ledger_that_cannot_be_written_stops_no_change() {
    let folder = tempdir().unwrap();
    let mut server = Server::start_with(
        folder.path(),
        &[("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_FLUSH_EVERY", "50ms")],
    );
    let log = server.read_log();
    let (id, secret) = server.issue("one");
    let (ledger, aside) = (file(folder.path(), ".ledger"), folder.path().join("aside"));
    fs::rename(&ledger, &aside).unwrap();
    fs::create_dir(&ledger).unwrap();
    assert_eq!(server.admin("DELETE", &format!("/admin/api-keys/{id}"), "").status, 204);
    assert_eq!(server.get("/key", &secret).status, 401);
    server.issue("two");
    assert_eq!(server.send("GET", "/readyz", &[], "").status, 503);
    // When the path is free again, it recovers without a change.
    fs::remove_dir(&ledger).unwrap();
    fs::rename(&aside, &ledger).unwrap();
    while server.send("GET", "/readyz", &[], "").status != 200 {}
    // A deleted ledger is written anew, with its former content.
    fs::remove_file(&ledger).unwrap();
    let (id, _) = server.issue("three");
    assert_eq!(server.admin("DELETE", &format!("/admin/api-keys/{id}"), "").status, 204);
    assert_eq!(server.send("GET", "/readyz", &[], "").status, 200);
    server.kill();
    let log = log.join().unwrap();
    assert_eq!(
        log.matches("cannot be written").count() - log.matches("mended").count(),
        1,
        "{log}"
    );
    let records = fs::read(&ledger).unwrap();
    let revoked = records.chunks(64).filter(|record| record[0] == 3).count();
    assert_eq!(revoked, 2);
    drop(Server::start(folder.path()));
}

#[test]
fn entries_that_were_cut_off_show() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    (0..10).for_each(|number| drop(server.issue(&format!("key-{number}"))));
    let (whole, said) = run(&server, &["audit", "verify"]);
    assert!(whole, "{said}");
    let raw = Connection::open(file(folder.path(), "")).unwrap();
    raw.execute("DELETE FROM audit WHERE 5 < id", []).unwrap();
    let (whole, said) = run(&server, &["audit", "verify"]);
    assert!(!whole && said.contains("entry 10 was cut off"), "{said}");
    server.issue("after");
    let (whole, said) = run(&server, &["audit", "verify"]);
    assert!(!whole && said.contains("between entry 5 and entry 11"), "{said}");
    assert_eq!(server.send("GET", "/readyz", &[], "").status, 503);
    // With the numbers set back, only the ledger shows it.
    raw.execute_batch(
        "DELETE FROM audit WHERE 5 < id; UPDATE sqlite_sequence SET seq = 5 WHERE name = 'audit'",
    )
    .unwrap();
    (0..8).for_each(|number| drop(server.issue(&format!("later-{number}"))));
    let (whole, said) = run(&server, &["audit", "verify"]);
    assert!(!whole && said.contains("entry 10 is not the one"), "{said}");
    server.kill();
    drop(raw);
    assert_eq!(after_restore(&rejected(folder.path(), &[])), "--after-restore=10");
}
