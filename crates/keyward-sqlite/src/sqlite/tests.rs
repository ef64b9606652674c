//! What only the inside of the store can bring about: a full disk, a commit that fails, a panic.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::task::Poll;

use keyward::audit::AuditEntry;
use keyward::change::KeyChange;
use keyward::digest::Digest;
use keyward::issue::NewKey;
use keyward::query::AuditFilter;
use keyward::rules::{Decided, OwnerChange};
use keyward::stored::{StoredSecret, Unkept};
use rusqlite::StatementStatus;
use tempfile::TempDir;

use super::*;
use crate::open_error::OpenError;
use crate::sql_error::SqlError;

mod batches;
mod files;

fn opened() -> (TempDir, SqliteStore) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    let store = SqliteStore::open(&path, "a test", UnixMillis(1)).unwrap();
    (directory, store)
}

fn audit() -> Audit {
    Audit::program(UnixMillis(1))
}

fn new_key(number: u64) -> Unkept {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    let key = NewKey::plain("a".parse().unwrap(), "basic".parse().unwrap(), None);
    let (digest, hint) = (Digest::from_stored(bytes), "kw_".to_owned());
    key.with_secret(StoredSecret { digest, hint, created_at: UnixMillis(1) })
}

async fn issue(store: &SqliteStore, number: u64) -> Result<KeyId, StoreError> {
    match store.commit(Change::Issue(Box::new(new_key(number))), audit()).await?.outcome {
        Ok(Decided::Issued { key, .. }) => Ok(key.id),
        other => panic!("{other:?}"),
    }
}

async fn keys(store: &SqliteStore) -> Vec<Unkept> {
    store.export_keys(None, 10_000).await.unwrap()
}

async fn trail(store: &SqliteStore) -> Vec<AuditEntry> {
    let max = 10_000.try_into().unwrap();
    let query = AuditQuery { filter: AuditFilter::default(), after: None, descending: false, max };
    store.audit_entries(query).await.unwrap().entries
}

/// Lets a change enter the queue, after another one that is under way.
async fn ask(mut change: Pin<&mut impl Future>) {
    let waits = poll_fn(|context| Poll::Ready(change.as_mut().poll(context).is_pending()));
    assert!(waits.await);
}

/// Runs SQL in the thread that writes, as a change of its own.
async fn execute(store: &SqliteStore, sql: &'static str) {
    store.writer.call(move |connection| Ok(connection.execute_batch(sql)?)).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_loses_nothing() {
    let (_directory, store) = opened();
    // SQLite never goes below the pages that there are, so this is: not one more.
    execute(&store, "PRAGMA max_page_count = 1").await;
    let mut kept = 0;
    let error = loop {
        match issue(&store, kept + 1).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert_ne!(kept, 0);
    assert_eq!(keys(&store).await.len() as u64, kept);
    assert_eq!(trail(&store).await.len() as u64, kept);

    execute(&store, "PRAGMA max_page_count = 100000").await;
    assert_eq!(issue(&store, kept + 1).await.unwrap().get(), kept + 1);
}

#[tokio::test]
async fn a_commit_that_fails_is_told_to_all_who_share_it() {
    let (_directory, store) = opened();
    issue(&store, 1).await.unwrap();
    let before = store.commits();
    let (enter, entered) = mpsc::channel();
    // Holds the batch open until the other change has joined it, then spoils the commit.
    let spoiled = store.writer.call(move |connection| {
        entered.recv().unwrap();
        let sql = "PRAGMA defer_foreign_keys = ON; \
                   INSERT INTO key_uses (key_id, last_used_at_ms) VALUES (99, 1)";
        Ok(connection.execute_batch(sql)?)
    });
    let other = async {
        let mut change = pin!(issue(&store, 2));
        ask(change.as_mut()).await;
        enter.send(()).unwrap();
        change.await
    };
    let (spoiled, other) = tokio::join!(spoiled, other);
    assert!(matches!(spoiled, Err(StoreError::Unavailable(_))), "{spoiled:?}");
    assert!(matches!(other, Err(StoreError::Unavailable(_))), "{other:?}");
    assert_eq!(store.commits(), before);
    assert_eq!(keys(&store).await.len(), 1);

    issue(&store, 2).await.unwrap();
    assert_eq!(keys(&store).await.len(), 2);
}

#[tokio::test]
async fn a_transaction_that_is_rolled_back_under_a_batch_is_told_to_all_who_share_it() {
    let (_directory, store) = opened();
    let (enter, entered) = mpsc::channel();
    let spoiled = store.writer.call(move |connection| {
        entered.recv().unwrap();
        Ok(connection.execute_batch("ROLLBACK")?)
    });
    let other = async {
        let mut change = pin!(issue(&store, 1));
        ask(change.as_mut()).await;
        enter.send(()).unwrap();
        change.await
    };
    let (spoiled, other) = tokio::join!(spoiled, other);
    assert!(matches!(spoiled, Err(StoreError::Unavailable(_))), "{spoiled:?}");
    assert!(matches!(other, Err(StoreError::Unavailable(_))), "{other:?}");
    assert!(keys(&store).await.is_empty());
    issue(&store, 1).await.unwrap();
}

#[tokio::test]
async fn what_comes_behind_a_first_change_that_fails_is_kept_and_told_so() {
    let (_directory, store) = opened();
    let before = store.commits();
    let (enter, entered) = mpsc::channel();
    let failing = store.writer.call(move |connection| -> Result<(), SqlError> {
        entered.recv().unwrap();
        connection.execute_batch("DELETE FROM tiers")?;
        Err(SqlError::Inconsistent("on purpose".to_owned()))
    });
    let other = async {
        let mut change = pin!(issue(&store, 1));
        ask(change.as_mut()).await;
        enter.send(()).unwrap();
        change.await
    };
    let (failing, other) = tokio::join!(failing, other);
    assert!(matches!(failing, Err(StoreError::Inconsistent(_))), "{failing:?}");
    assert_eq!(other.unwrap().get(), 1);
    assert_eq!(store.commits(), before + 1);
    assert_eq!(trail(&store).await.len(), 1);
    assert_eq!(store.tiers().await.unwrap().len(), 3);
}

#[tokio::test]
async fn after_a_panic_changes_are_refused_and_nothing_hangs() {
    let (directory, store) = opened();
    issue(&store, 1).await.unwrap();
    let broken = store.writer.call(|connection| -> Result<(), SqlError> {
        connection.execute_batch("DELETE FROM key_uses")?;
        panic!("on purpose, to see the outcome of the others");
    });
    let (broken, other) = tokio::join!(broken, issue(&store, 2));
    assert!(matches!(broken, Err(StoreError::Unavailable(_))));
    assert!(matches!(other, Err(StoreError::Unavailable(_))));
    assert!(matches!(issue(&store, 3).await, Err(StoreError::Unavailable(_))));
    assert_eq!(keys(&store).await.len(), 1);

    store.close().await.unwrap();
    let path = directory.path().join("keyward.db");
    let store = SqliteStore::open(&path, "a test", UnixMillis(1)).unwrap();
    assert_eq!(keys(&store).await.len(), 1);
}

#[tokio::test]
async fn closing_finishes_what_was_asked_before_even_if_nobody_waits_for_it() {
    let (directory, store) = opened();
    let (enter, entered) = mpsc::channel();
    let held = store.writer.call(move |_| {
        entered.recv().unwrap();
        Ok(())
    });
    let closed = async {
        {
            let mut change = pin!(issue(&store, 1));
            ask(change.as_mut()).await;
        }
        enter.send(()).unwrap();
        store.close().await
    };
    let (held, closed) = tokio::join!(held, closed);
    held.unwrap();
    closed.unwrap();
    let path = directory.path().join("keyward.db");
    let store = SqliteStore::open(&path, "a test", UnixMillis(1)).unwrap();
    assert_eq!(keys(&store).await.len(), 1);
}

/// The value of a setting on a thread's own connection.
async fn pragma(worker: &Worker, name: &'static str) -> i64 {
    let ask = move |connection: &Connection| {
        Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
    };
    worker.call(ask).await.unwrap()
}

#[tokio::test]
async fn the_connection_that_writes_waits_for_the_disk_and_keeps_references_whole() {
    let (_directory, store) = opened();
    for (name, value) in [
        // FULL: a commit is on the disk before it returns.
        ("synchronous", 2),
        ("fullfsync", 1),
        ("checkpoint_fullfsync", 1),
        ("foreign_keys", 1),
        // MEMORY: nothing of ours goes to /tmp.
        ("temp_store", 2),
        ("wal_autocheckpoint", 32_768),
        ("query_only", 0),
    ] {
        assert_eq!(pragma(&store.writer, name).await, value, "{name}");
    }
    for (name, value) in [("query_only", 1), ("temp_store", 2)] {
        assert_eq!(pragma(&store.reader, name).await, value, "{name}");
    }
}

#[tokio::test]
async fn there_is_always_a_reader_for_short_questions() {
    let (directory, store) = opened();
    let store = Arc::new(store);
    let permits = u32::try_from(LONG_READS_MAX).unwrap();
    let taken = Arc::clone(&store.long_reads).acquire_many_owned(permits).await.unwrap();
    let mut copies: Vec<_> = (0..READERS)
        .map(|number| {
            let (store, path) = (Arc::clone(&store), directory.path().join(number.to_string()));
            tokio::spawn(async move { store.back_up(&path).await })
        })
        .collect();
    let top = Arc::clone(&store);
    let top = tokio::spawn(async move {
        let hours = Hours { from: UnixHour(0), to: UnixHour(9) };
        top.usage_top(hours, TopBy::Requests, 1).await.map(drop)
    });
    copies.push(top);
    for _ in 0..20 {
        assert_eq!(store.tiers().await.unwrap().len(), 3);
        assert!(copies.iter().all(|copy| !copy.is_finished()));
    }
    drop(taken);
    for copy in copies {
        copy.await.unwrap().unwrap();
    }
    assert_eq!(store.long_reads.available_permits(), LONG_READS_MAX);
}

#[tokio::test]
async fn the_connection_that_reads_cannot_write() {
    let (_directory, store) = opened();
    let written =
        store.reader.call(|connection| Ok(connection.execute_batch("DELETE FROM tiers")?));
    written.await.unwrap_err();
    assert_eq!(store.tiers().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_page_is_read_without_compiling_its_statement_anew() {
    let (_directory, store) = opened();
    for worker in [&store.reader, &store.writer] {
        let anew = worker.call(|connection| {
            let sql = "SELECT id FROM keys WHERE ?1 < id ORDER BY id LIMIT ?2";
            let mut statement = connection.prepare(sql)?;
            for limit in 1..=20 {
                assert!(statement.query((0, limit))?.next()?.is_none());
            }
            Ok(statement.get_status(StatementStatus::RePrepare))
        });
        assert_eq!(anew.await.unwrap(), 0);
    }
}
