//! Copies that are taken while changes go on.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use keyward::audit::Chain;
use keyward::store::{Backup as _, KeyStore as _, StoreError};
use tokio::task::JoinSet;

use crate::sample::{batch, issue, keys, open, open_alone, trail, usage, used};

#[tokio::test]
async fn a_copy_taken_under_load_is_whole_and_opens() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&directory.path().join("keyward.db")));
    let first = issue(&*store, 1).await;
    store.add_usage(batch(1, 1, vec![used(first, 5)])).await.unwrap();
    let mut changes = JoinSet::new();
    for number in 2..=400 {
        let store = Arc::clone(&store);
        changes.spawn(async move { issue(&*store, number).await });
    }
    let mut copies = Vec::new();
    for number in 0..5 {
        let copy = directory.path().join(format!("copy-{number}.db"));
        store.back_up(&copy).await.unwrap();
        copies.push(copy);
    }
    assert_eq!(changes.join_all().await.len(), 399);

    let mut known = 0;
    for path in copies {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let copy = open_alone(&path);
        let (keys, trail) = (keys(&copy).await, trail(&copy).await);
        assert_eq!(keys.len() + 1, trail.len(), "each change with its entry, and the restoring");
        assert!(known <= keys.len());
        known = keys.len();
        let mut chain = Chain::default();
        trail.iter().for_each(|entry| chain.follow(entry).unwrap());
        assert_eq!(usage(&copy, first, 0).await.len(), 1);
        issue(&copy, 1_000).await;
        copy.close().await.unwrap();
        let raw = rusqlite::Connection::open(&path).unwrap();
        let check: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
    }
    assert_eq!(keys(&*store).await.len(), 400);
}

#[tokio::test]
async fn a_copy_replaces_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    let store = open(&path);
    let there = directory.path().join("there");
    fs::write(&there, "mine").unwrap();
    for taken in [&there, &path, &directory.path().join("missing/copy.db")] {
        let error = store.back_up(taken).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }
    assert_eq!(fs::read_to_string(&there).unwrap(), "mine");
    assert!(keys(&store).await.is_empty());
}
