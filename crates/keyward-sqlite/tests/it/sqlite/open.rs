//! Opening a file, or rejecting it, and its content afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use keyward::UnixMillis;
use keyward::change::KeyChange;
use keyward::store::{KeyStore as _, Reports as _, StoreError};
use keyward_sqlite::{OpenError, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::sample::{
    Store as _, audit, batch, issue, keys, limit, open, open_alone, revoke, tier, trail, usage,
    used,
};

/// A directory of its own, and the path of a database in it.
fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    (directory, path)
}

fn refused(path: &Path) -> OpenError {
    SqliteStore::open(path, "a test", UnixMillis(1)).unwrap_err()
}

fn set_mode(path: &Path, mode: u32) {
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    fs::set_permissions(path, permissions).unwrap();
}

#[tokio::test]
async fn everything_survives_closing_and_opening() {
    let (_directory, path) = place();
    let store = open(&path);
    let key = issue(&store, 1).await;
    revoke(&store, key, audit(2)).await;
    store.put_tier(tier("trial", vec![limit(5)]), audit(3)).await.unwrap();
    store.add_usage(batch(1, 1, vec![used(key, 5)])).await.unwrap();
    let all = async |store: &SqliteStore| {
        (
            store.find_key(key).await.unwrap().unwrap(),
            store.tiers().await.unwrap(),
            usage(store, key, 0).await,
            trail(store).await,
        )
    };
    let before = all(&store).await;
    store.close().await.unwrap();
    let store = open(&path);
    assert_eq!(all(&store).await, before);
    store.add_usage(batch(1, 1, vec![used(key, 5)])).await.unwrap();
    assert_eq!(all(&store).await, before, "a batch of an earlier life counted again");
}

#[tokio::test]
async fn what_was_answered_survives_a_crash() {
    let (directory, path) = place();
    let store = open(&path);
    let key = issue(&store, 1).await;
    revoke(&store, key, audit(2)).await;
    // A killed process leaves the files as they are on the disk at this moment.
    let crashed = directory.path().join("crashed.db");
    fs::copy(&path, &crashed).unwrap();
    for suffix in ["-wal", ".ledger"] {
        let copied = directory.path().join(format!("crashed.db{suffix}"));
        fs::copy(directory.path().join(format!("keyward.db{suffix}")), copied).unwrap();
    }
    let keys = keys(&open(&crashed)).await;
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0], store.find_key(key).await.unwrap().unwrap());
}

#[tokio::test]
async fn closing_leaves_one_whole_file() {
    let (directory, path) = place();
    let store = open(&path);
    issue(&store, 1).await;
    store.close().await.unwrap();
    assert!(!directory.path().join("keyward.db-wal").exists());
    let alone = directory.path().join("alone.db");
    fs::copy(&path, &alone).unwrap();
    assert_eq!(keys(&open_alone(&alone)).await.len(), 1);
}

#[tokio::test]
async fn a_closed_store_refuses_everything() {
    let (_directory, path) = place();
    let store = open(&path);
    let key = issue(&store, 1).await;
    store.close().await.unwrap();
    let check = |error| assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    check(store.tiers().await.unwrap_err());
    check(store.load_keys().await.unwrap_err());
    check(store.find_key(key).await.unwrap_err());
    let revoke = KeyChange::Revoke { reason: None };
    check(store.change_key(key, revoke, None, audit(2)).await.unwrap_err().of_store());
    check(store.add_usage(batch(1, 1, Vec::new())).await.unwrap_err());
}

#[tokio::test]
async fn a_second_opener_is_told_who_holds_the_file() {
    let (_directory, path) = place();
    let first = SqliteStore::open(&path, "127.0.0.1:8080", UnixMillis(1)).unwrap();
    let error = refused(&path).to_string();
    let holder = format!("is in use by process {}, 127.0.0.1:8080;", process::id());
    assert!(error.contains(&holder), "{error}");
    issue(&first, 1).await;
    first.close().await.unwrap();
    assert_eq!(keys(&open(&path)).await.len(), 1);
}

#[test]
fn dropping_a_store_lets_the_next_one_in() {
    let (_directory, path) = place();
    drop(open(&path));
    drop(open(&path));
}

#[test]
fn two_names_of_one_file_are_one_file() {
    let (directory, path) = place();
    let link = directory.path().join("link.db");
    std::os::unix::fs::symlink("keyward.db", &link).unwrap();
    // The link leads nowhere yet: the file is created where it points.
    let first = open(&link);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(path.is_file());
    assert!(matches!(refused(&path), OpenError::Locked { .. }));
    assert!(matches!(refused(&link), OpenError::Locked { .. }));
    drop(first);
    drop(open(&path));
}

#[test]
fn only_the_owner_may_read_what_is_created() {
    let (directory, path) = place();
    let _store = open(&path);
    for name in
        ["keyward.db", "keyward.db-wal", "keyward.db-shm", "keyward.db.lock", "keyward.db.ledger"]
    {
        let permissions = fs::metadata(directory.path().join(name)).unwrap().permissions();
        let mode = std::os::unix::fs::PermissionsExt::mode(&permissions);
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_missing_directory_is_named() {
    let (directory, _) = place();
    let missing = directory.path().join("missing");
    let OpenError::DirectoryMissing { directory } = refused(&missing.join("keyward.db")) else {
        panic!("opened in a directory that is missing");
    };
    assert_eq!(directory, missing);
    assert!(!missing.exists());
}

#[test]
fn a_file_that_is_marked_read_only_stays_as_it_is() {
    let (_directory, path) = place();
    drop(open(&path));
    let before = fs::read(&path).unwrap();
    set_mode(&path, 0o400);
    assert!(matches!(refused(&path), OpenError::ReadOnly { .. }));
    assert_eq!(fs::read(&path).unwrap(), before);
    set_mode(&path, 0o600);
    drop(open(&path));
}

#[test]
fn a_directory_that_is_marked_read_only_stays_as_it_is() {
    let (directory, path) = place();
    set_mode(directory.path(), 0o500);
    let OpenError::ReadOnly { path: named } = refused(&path) else {
        panic!("opened in a directory that is read-only");
    };
    assert_eq!(named, directory.path().canonicalize().unwrap());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    set_mode(directory.path(), 0o700);
}

#[test]
fn what_is_not_a_database_stays_as_it_is() {
    let (directory, path) = place();
    let letter = "Dear reader, this is not a database. ".repeat(200);
    fs::write(&path, &letter).unwrap();
    assert!(matches!(refused(&path), OpenError::NotADatabase { .. }));
    assert_eq!(fs::read_to_string(&path).unwrap(), letter);
    assert!(matches!(refused(directory.path()), OpenError::NotADatabase { .. }));
}

#[test]
fn a_damaged_schema_is_refused_and_stays_as_it_is() {
    let (_directory, path) = place();
    drop(open(&path));
    let mut bytes = fs::read(&path).unwrap();
    // After the header of the file comes the first page of the schema.
    bytes[100..1_000].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(refused(&path), OpenError::Corrupt { .. }));
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[tokio::test]
async fn damage_that_opening_does_not_meet_is_an_error_where_it_is_met() {
    let (_directory, path) = place();
    let store = open(&path);
    for number in 1..=200 {
        issue(&store, number).await;
    }
    store.close().await.unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let digest = [&200_u64.to_be_bytes()[..], &[0x5a; 24]].concat();
    let damaged =
        bytes.chunks_exact_mut(4_096).filter(|page| page.windows(32).any(|w| w == digest));
    let damaged = damaged.map(|page| page.fill(0xff)).count();
    assert_eq!(damaged, 2, "one page of the table and one of its index");
    fs::write(&path, &bytes).unwrap();
    let store = open(&path);
    assert!(matches!(store.load_keys().await, Err(StoreError::Inconsistent(_))));
}

#[test]
fn a_newer_schema_is_refused_with_both_numbers_and_stays_as_it_is() {
    let (directory, path) = place();
    drop(open(&path));
    let raw = Connection::open(&path).unwrap();
    raw.execute("INSERT INTO keyward_migrations VALUES (99, 5)", []).unwrap();
    // Dies without tidying up: the row is in the log and in the log only.
    let newer = directory.path().join("newer.db");
    let (log, newer_log) = (path.with_extension("db-wal"), newer.with_extension("db-wal"));
    fs::copy(&path, &newer).unwrap();
    fs::copy(&log, &newer_log).unwrap();
    let read = || (fs::read(&newer).unwrap(), fs::read(&newer_log).unwrap());
    let before = read();
    let error = refused(&newer).to_string();
    assert!(error.contains("has schema 99 and this program knows none above "), "{error}");
    assert_eq!(read(), before);
}

#[test]
fn a_log_without_its_database_is_not_thrown_away() {
    let (directory, path) = place();
    let log = directory.path().join("keyward.db-wal");
    fs::write(&log, "changes").unwrap();
    assert!(matches!(refused(&path), OpenError::OrphanedWal { .. }));
    assert_eq!(fs::read_to_string(&log).unwrap(), "changes");
    assert!(!path.exists());
}

#[test]
fn tables_of_others_in_the_same_file_are_left_alone() {
    let (_directory, path) = place();
    drop(open(&path));
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch("CREATE TABLE articles (id INTEGER); INSERT INTO articles VALUES (7)")
        .unwrap();
    drop(open(&path));
    let kept: u64 = raw.query_row("SELECT id FROM articles", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 7);
}
