//! The content of the ledger next to a database, and opening a database that is older than it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use keyward::UnixMillis;
use keyward::audit::ChangeId;
use keyward::change::KeyChange;
use keyward::record::KeyState;
use keyward::store::{Backup as _, KeyStore as _};
use keyward_sqlite::{Loss, OpenError, OpenOptions, Restored, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::sample::{
    Store as _, audit, change, copy, digest, id, issue, keys, open, owner, revoke, rotation, verbs,
};

const SCHEMA_2: &[u8] = include_bytes!("../golden/schema-2.db");

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    (directory, path)
}

fn ledger(path: &Path) -> PathBuf {
    path.with_extension("db.ledger")
}

/// How many records of each kind the ledger has, by their number in the form; heads aside.
fn kinds(path: &Path) -> BTreeMap<u8, usize> {
    let bytes = fs::read(ledger(path)).unwrap();
    assert_eq!(bytes.len() % 64, 0);
    let mut kinds = BTreeMap::new();
    for record in bytes.chunks(64).skip(1).filter(|record| record[0] != 1) {
        *kinds.entry(record[0]).or_default() += 1;
    }
    kinds
}

/// Opens a database that is older than its ledger, at a time.
fn accept(path: &Path, now: u64) -> (SqliteStore, Restored) {
    let refused = SqliteStore::open(path, "a test", UnixMillis(now)).unwrap_err();
    let OpenError::Lost { loss: loss @ Loss::Changes { .. }, .. } = refused else {
        panic!("{refused}");
    };
    let (now, after_restore) = (UnixMillis(now), Some(loss.change()));
    let options = OpenOptions { holder: "a test", now, after_restore, ledger: true };
    let (store, restored) = SqliteStore::open_with(path, &options).unwrap();
    (store, restored.unwrap())
}

#[tokio::test]
async fn what_ends_or_stops_a_key_is_noted_and_nothing_else() {
    let (_directory, path) = place();
    let store = open(&path);
    for number in 1..=4 {
        issue(&store, number).await;
    }
    assert_eq!(kinds(&path), BTreeMap::new());
    revoke(&store, id(1), audit(2)).await;
    change(&store, id(2), rotation(12, 60), audit(3)).await;
    // The grace of the one before ends.
    change(&store, id(2), rotation(13, 60), audit(4)).await;
    change(&store, id(3), KeyChange::Suspend, audit(5)).await;
    change(&store, id(3), KeyChange::Resume, audit(6)).await;
    for suspended in [true, false, true] {
        store.set_owner_suspended(owner("acme"), suspended, audit(7)).await.unwrap();
    }
    let noted = BTreeMap::from([(2, 3), (3, 1), (4, 1), (5, 1), (6, 2), (7, 1)]);
    assert_eq!(kinds(&path), noted);

    let mut revoked = copy(20);
    revoked.state = KeyState::Revoked { at: UnixMillis(1) };
    store.import_keys(vec![revoked.clone()], true, audit(8)).await.unwrap();
    assert_eq!(kinds(&path), noted, "a dry run changes nothing");
    store.import_keys(vec![revoked], false, audit(9)).await.unwrap();
    assert_eq!(kinds(&path)[&3], 2);
}

#[tokio::test]
async fn what_was_not_committed_is_not_noted() {
    let (_directory, path) = place();
    let store = open(&path);
    issue(&store, 1).await;
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch(
        "CREATE TRIGGER no_entry BEFORE INSERT ON audit \
         BEGIN SELECT RAISE(ABORT, 'a test wants no entry'); END",
    )
    .unwrap();
    let revoke = KeyChange::Revoke { reason: None };
    store.change_key(id(1), revoke, None, audit(2)).await.unwrap_err();
    raw.execute_batch("DROP TRIGGER no_entry").unwrap();
    issue(&store, 2).await;
    assert_eq!(kinds(&path), BTreeMap::new());
}

#[tokio::test]
async fn a_database_of_an_earlier_version_gets_a_ledger_with_what_has_ended_in_it() {
    let (_directory, path) = place();
    fs::write(&path, SCHEMA_2).unwrap();
    let store = open(&path);
    let count = |sql: &str| {
        let raw = Connection::open(&path).unwrap();
        raw.query_row(sql, [], |row| row.get::<_, usize>(0)).unwrap()
    };
    let revoked = count("SELECT count(*) FROM keys WHERE state = 'revoked'");
    let suspended = count("SELECT count(*) FROM keys WHERE state = 'suspended'");
    let replaced = count("SELECT count(*) FROM former_secrets");
    let owners = count("SELECT count(*) FROM owners WHERE suspended_at_ms IS NOT NULL");
    let expected = [(2, replaced), (3, revoked), (4, suspended), (6, owners)];
    let expected: BTreeMap<_, _> = expected.into_iter().filter(|(_, count)| *count != 0).collect();
    assert!(!expected.is_empty(), "nothing has ended in it, so nothing is shown");
    assert_eq!(kinds(&path), expected);
    let newest = store.newest_change().unwrap();
    drop(store);
    // From now on it is one that has a ledger.
    let whole = fs::read(ledger(&path)).unwrap();
    fs::remove_file(ledger(&path)).unwrap();
    let refused = SqliteStore::open(&path, "a test", UnixMillis(2)).unwrap_err();
    let OpenError::Lost { loss: Loss::Ledger { newest: found }, .. } = refused else {
        panic!("{refused}");
    };
    assert_eq!(found, newest.0);
    fs::write(ledger(&path), whole).unwrap();
    drop(open(&path));
}

#[tokio::test]
async fn a_ledger_that_is_older_than_its_database_catches_up() {
    let (_directory, path) = place();
    let store = open(&path);
    for number in 1..=3 {
        issue(&store, number).await;
    }
    let older = fs::read(ledger(&path)).unwrap();
    revoke(&store, id(1), audit(2)).await;
    change(&store, id(2), KeyChange::Suspend, audit(3)).await;
    store.set_owner_suspended(owner("acme"), true, audit(4)).await.unwrap();
    store.close().await.unwrap();
    let noted = kinds(&path);
    // As power loss leaves it: the file system had written the database alone.
    fs::write(ledger(&path), older).unwrap();
    drop(open(&path));
    assert_eq!(kinds(&path), noted);
    assert_eq!(noted, BTreeMap::from([(3, 1), (4, 1), (6, 1)]));
}

#[tokio::test]
async fn a_secret_in_its_grace_ends_with_it_after_a_restore() {
    let (directory, path) = place();
    let store = open(&path);
    for number in 1..=2 {
        issue(&store, number).await;
    }
    let backup = directory.path().join("backup");
    store.back_up(&backup).await.unwrap();
    change(&store, id(1), rotation(11, 1_000), audit(10)).await;
    change(&store, id(2), rotation(12, 1_000), audit(10)).await;
    store.close().await.unwrap();
    fs::copy(&backup, &path).unwrap();
    let ends_at = 1_010;
    let (store, restored) = accept(&path, ends_at - 1);
    assert_eq!((restored.replaced, restored.revoked), (vec![id(1), id(2)], Vec::new()));
    for key in keys(&store).await {
        let number = key.key.id.get();
        let former: Vec<_> =
            key.key.former.iter().map(|it| (it.secret.digest, it.ends_at)).collect();
        assert_eq!(former, [(digest(number), UnixMillis(ends_at))]);
        assert_ne!(key.key.secret.digest, digest(number));
    }
    drop(store);

    // A moment later it has ended, and so has the key, whose newer secret no caller knows.
    fs::copy(&backup, &path).unwrap();
    let (store, restored) = accept(&path, ends_at);
    assert_eq!((restored.replaced, restored.revoked), (Vec::new(), vec![id(1), id(2)]));
    let expected = ["issue", "issue", "accept-restore", "revoke", "revoke"];
    assert_eq!(verbs(&store).await, expected);
}

#[tokio::test]
async fn what_was_resumed_since_the_backup_is_named_and_left() {
    let (directory, path) = place();
    let store = open(&path);
    for number in 1..=2 {
        issue(&store, number).await;
    }
    change(&store, id(1), KeyChange::Suspend, audit(2)).await;
    store.set_owner_suspended(owner("acme"), true, audit(3)).await.unwrap();
    let backup = directory.path().join("backup");
    store.back_up(&backup).await.unwrap();
    change(&store, id(1), KeyChange::Resume, audit(4)).await;
    change(&store, id(2), KeyChange::Suspend, audit(4)).await;
    store.set_owner_suspended(owner("acme"), false, audit(5)).await.unwrap();
    let newest = store.newest_change().unwrap().0;
    store.close().await.unwrap();
    fs::copy(&backup, &path).unwrap();
    let (store, restored) = accept(&path, 6);
    assert_eq!(restored.loss, Loss::Changes { known: newest, newest: ChangeId(4) });
    assert_eq!(restored.left_suspended, [id(1)]);
    assert_eq!(restored.left_suspended_owners, [owner("acme")]);
    assert_eq!((restored.suspended, restored.suspended_owners), (vec![id(2)], Vec::new()));
    let states = keys(&store).await.into_iter().map(|key| key.key.state);
    assert!(states.into_iter().all(|state| state == KeyState::Suspended));
}
