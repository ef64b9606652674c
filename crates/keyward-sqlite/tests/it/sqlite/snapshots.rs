//! Snapshots of a file: held while changes go on, dropped early, and none keeps the log.

use std::path::Path;
use std::sync::Arc;

use keyward::change::KeyChange;
use keyward::gate::OpenError;
use keyward::store::{KeyStore as _, Page, Snapshot, StoreError};
use keyward_sqlite::SqliteStore;
use rusqlite::Connection;

use crate::sample::{Store as _, audit, id, issue, open, opened, revoke};

/// Moves the log into the database and truncates it; says whether a reader kept it from that.
fn is_log_held(raw: &Connection) -> bool {
    // Otherwise it waits for readers of earlier states.
    raw.busy_timeout(std::time::Duration::ZERO).unwrap();
    let truncate = "PRAGMA wal_checkpoint(TRUNCATE)";
    let (busy, left): (bool, i64) =
        raw.query_row(truncate, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    busy || 0 < left
}

/// How many keys a snapshot has, read to its end.
async fn count(snapshot: &mut dyn Snapshot) -> usize {
    let mut count = 0;
    while let Some(page) = snapshot.next(2).await.unwrap() {
        if let Page::Keys(keys) = page {
            count += keys.len();
        }
    }
    count
}

async fn issue_some(store: &SqliteStore, numbers: std::ops::Range<u64>) {
    for number in numbers {
        issue(store, number).await;
    }
}

#[tokio::test]
async fn a_snapshot_is_held_while_changes_go_on_and_lets_the_log_go_at_its_end() {
    let (_directory, store, raw) = opened();
    issue_some(&store, 1..6).await;
    let mut snapshot = store.snapshot().await.unwrap();
    assert!(matches!(snapshot.next(1).await.unwrap(), Some(Page::Tiers(_))));
    issue_some(&store, 6..30).await;
    revoke(&store, id(2), audit(50)).await;
    assert!(is_log_held(&raw), "the snapshot still needs the earlier pages");
    assert_eq!(count(&mut *snapshot).await, 5);
    assert!(!is_log_held(&raw), "the last row is read");
    assert!(snapshot.next(1).await.unwrap().is_none());
    assert_eq!(count(&mut *store.snapshot().await.unwrap()).await, 29);
}

#[tokio::test]
async fn a_snapshot_that_is_dropped_early_lets_the_log_go() {
    let (_directory, store, raw) = opened();
    issue_some(&store, 1..6).await;
    for pages in 0..3 {
        let mut snapshot = store.snapshot().await.unwrap();
        for _ in 0..pages {
            snapshot.next(1).await.unwrap();
        }
        issue(&store, 10 + pages).await;
        assert!(is_log_held(&raw));
        drop(snapshot);
        assert!(!is_log_held(&raw), "after {pages} pages");
    }
    // Nor does one whose opening no caller waits for.
    drop(store.snapshot());
    issue(&store, 20).await;
    assert!(!is_log_held(&raw));
}

/// There are four threads that read, and none of them is taken.
#[tokio::test]
async fn many_snapshots_keep_nobody_from_reading_and_changing() {
    let (_directory, store, _raw) = opened();
    issue(&store, 1).await;
    let mut held = Vec::new();
    for number in 2..12 {
        held.push(store.snapshot().await.unwrap());
        assert_eq!(issue(&store, number).await, id(number));
        assert!(store.find_key(id(number)).await.unwrap().is_some());
        store.ping().await.unwrap();
    }
    for (at, mut snapshot) in held.into_iter().enumerate() {
        assert_eq!(
            (snapshot.newest().change.0, count(&mut *snapshot).await),
            (at as u64 + 1, at + 1)
        );
    }
}

fn is_open_elsewhere(path: &Path) -> bool {
    match SqliteStore::open(path, "another", keyward::UnixMillis(1)) {
        Ok(_) => false,
        Err(keyward_sqlite::OpenError::Locked { .. }) => true,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_closed_store_ends_its_snapshots_and_lets_the_file_go() {
    let (directory, store, raw) = opened();
    drop(raw);
    let path = directory.path().join("keyward.db");
    issue_some(&store, 1..4).await;
    let mut snapshot = store.snapshot().await.unwrap();
    assert!(is_open_elsewhere(&path));
    store.close().await.unwrap();
    assert!(!is_open_elsewhere(&path));
    assert!(matches!(snapshot.next(1).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(snapshot.next(1).await, Err(StoreError::Unavailable(_))), "and again");
    assert!(matches!(store.snapshot().await, Err(StoreError::Unavailable(_))));
    assert!(store.changes(keyward::audit::ChangeId(0), 1).await.is_err());
}

/// The file belongs to it as well, until it is dropped.
#[tokio::test]
async fn a_snapshot_outlives_a_store_that_is_dropped() {
    let (directory, store, raw) = opened();
    drop(raw);
    let path = directory.path().join("keyward.db");
    issue_some(&store, 1..4).await;
    let mut snapshot = store.snapshot().await.unwrap();
    drop(store);
    assert!(is_open_elsewhere(&path));
    assert_eq!(count(&mut *snapshot).await, 3);
    drop(snapshot);
    assert!(!is_open_elsewhere(&path));
    let store = open(&path);
    assert_eq!(count(&mut *store.snapshot().await.unwrap()).await, 3);
}

/// Reads must be of the file that changes go to.
#[cfg(unix)]
#[tokio::test]
async fn no_snapshot_is_taken_of_another_file_in_the_place_of_this_one() {
    let (directory, store, _raw) = opened();
    issue(&store, 1).await;
    let (path, aside) = (directory.path().join("keyward.db"), directory.path().join("aside"));
    std::fs::rename(&path, &aside).unwrap();
    std::fs::copy(&aside, &path).unwrap();
    assert!(matches!(store.snapshot().await, Err(StoreError::Logged(_))));
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(count(&mut *store.snapshot().await.unwrap()).await, 1);
}

#[tokio::test]
async fn a_gate_that_is_open_holds_no_log() {
    let (_directory, store, raw) = opened();
    issue_some(&store, 1..6).await;
    let store = Arc::new(store);
    let gate = keyward::Gate::open(Arc::clone(&store) as _, "kw".parse().unwrap()).await.unwrap();
    assert_eq!(gate.index().len(), 5);
    issue(&*store, 10).await;
    assert!(!is_log_held(&raw));
}

/// Nothing else shows whether such a key is suspended.
#[tokio::test]
async fn a_key_whose_owner_has_no_row_is_refused() {
    let (_directory, store, raw) = opened();
    let mut new = crate::sample::new_key(1);
    new.owner = Some("org_1".parse().unwrap());
    store.insert_key(new, audit(1)).await.unwrap();
    raw.execute("DELETE FROM owners", []).unwrap();
    assert!(matches!(store.find_key(id(1)).await, Err(StoreError::Inconsistent(_))));
    let resume = store.change_key(id(1), KeyChange::Resume, None, audit(2)).await.unwrap_err();
    assert!(matches!(resume.of_store(), StoreError::Inconsistent(_)));
    let opened = keyward::Gate::open(Arc::new(store), "kw".parse().unwrap()).await.unwrap_err();
    assert!(matches!(opened, OpenError::Store(StoreError::Inconsistent(_))));
}

/// A snapshot that failed has nothing more to give.
#[tokio::test]
async fn a_snapshot_ends_with_what_cannot_be_read() {
    let (_directory, store, raw) = opened();
    issue_some(&store, 1..3).await;
    raw.execute("UPDATE keys SET scopes = ' ' WHERE id = 2", []).unwrap();
    let mut snapshot = store.snapshot().await.unwrap();
    snapshot.next(10).await.unwrap();
    assert!(matches!(snapshot.next(10).await, Err(StoreError::Inconsistent(_))));
    assert!(snapshot.next(10).await.is_err());
    assert!(!is_log_held(&raw));
}

/// The limits of a tier hold for all of its keys, so nothing is guessed: the error names the tier,
/// so that an operator finds the column.
#[tokio::test]
async fn damaged_limits_are_told_with_the_name_of_their_tier_or_owner() {
    for (sql, told) in [
        ("UPDATE tiers SET limits = '[{' WHERE name = 'pro'", "the tier `pro`: tiers.limits: "),
        (
            "INSERT INTO owners VALUES ('org_1', 1, NULL, '[7]', 0, 0)",
            "the owner `org_1`: owners.limits: ",
        ),
    ] {
        let (_directory, store, raw) = opened();
        raw.execute(sql, []).unwrap();
        let opened = keyward::Gate::open(Arc::new(store), "kw".parse().unwrap()).await;
        let OpenError::Store(error) = opened.unwrap_err() else { panic!("of the store") };
        assert!(matches!(error, StoreError::Inconsistent(_)));
        assert!(error.to_string().contains(told), "{error}");
    }
}
