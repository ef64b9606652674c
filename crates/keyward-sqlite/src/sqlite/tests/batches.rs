//! The knowledge that changes of one batch share, and forgetting it when one fails.

use keyward::audit::Chain;

use super::*;

/// The ids of the keys and what else counts on.
async fn counted(store: &SqliteStore) -> (Vec<u64>, u64, u64) {
    let ids = keys(store).await.iter().map(|key| key.id.map_or(0, KeyId::get)).collect();
    let mut chain = Chain::default();
    trail(store).await.iter().for_each(|entry| chain.follow(entry).unwrap());
    let tiers = store.tiers().await.unwrap();
    let basic = tiers.into_iter().find(|tier| tier.name.as_str() == "basic");
    (ids, chain.entries(), basic.map_or(0, |tier| tier.keys))
}

/// Keys that are issued in one batch, with the first job in it.
async fn issue_together<T>(
    store: &SqliteStore,
    numbers: [u64; 3],
    first: impl FnOnce(&Connection) -> Result<T, SqlError> + Send + 'static,
) -> [Result<KeyId, StoreError>; 3]
where
    T: Send + 'static,
{
    let (enter, entered) = mpsc::channel();
    let held = store.writer.call(move |connection| {
        entered.recv().unwrap();
        first(connection)
    });
    let others = async {
        let [a, b, c] = numbers.map(|number| issue(store, number));
        let (mut a, mut b, mut c) = (pin!(a), pin!(b), pin!(c));
        ask(a.as_mut()).await;
        ask(b.as_mut()).await;
        ask(c.as_mut()).await;
        enter.send(()).unwrap();
        [a.await, b.await, c.await]
    };
    let (_, others) = tokio::join!(held, others);
    others
}

#[tokio::test]
async fn a_change_that_fails_among_others_leaves_no_gap_and_no_count() {
    let (_directory, store) = opened();
    let before = store.commits();
    let [first, again, last] = issue_together(&store, [1, 1, 2], |_| Ok(())).await;
    assert_eq!(first.unwrap().get(), 1);
    assert!(matches!(again, Err(StoreError::Inconsistent(_))), "{again:?}");
    assert_eq!(last.unwrap().get(), 2);
    assert_eq!(store.commits(), before + 1);
    assert_eq!(counted(&store).await, (vec![1, 2], 2, 2));
}

#[tokio::test]
async fn what_a_batch_knew_that_failed_is_forgotten() {
    let (_directory, store) = opened();
    let spoil = |connection: &Connection| {
        let sql = "PRAGMA defer_foreign_keys = ON; \
                   INSERT INTO key_uses (key_id, last_used_at_ms) VALUES (99, 1)";
        Ok(connection.execute_batch(sql)?)
    };
    for failed in issue_together(&store, [1, 2, 3], spoil).await {
        assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    }
    assert_eq!(counted(&store).await, (vec![], 0, 0));
    assert_eq!(issue(&store, 1).await.unwrap().get(), 1);
    assert_eq!(counted(&store).await, (vec![1], 1, 1));
}

#[tokio::test]
async fn what_was_written_beside_a_batch_is_known_to_the_next() {
    let (_directory, store) = opened();
    issue(&store, 1).await.unwrap();
    execute(&store, "UPDATE tiers SET keys = 40 WHERE name = 'basic'").await;
    issue(&store, 2).await.unwrap();
    assert_eq!(counted(&store).await, (vec![1, 2], 2, 41));
}

#[tokio::test]
async fn a_first_change_that_finds_no_room_takes_no_other_along() {
    let (_directory, store) = opened();
    execute(&store, "PRAGMA max_page_count = 1").await;
    let (enter, entered) = mpsc::channel();
    let first = store.writer.call(move |connection| {
        entered.recv().unwrap();
        connection.execute_batch("CREATE TABLE too_much (a)")?;
        let tried = connection.execute_batch("INSERT INTO too_much VALUES (zeroblob(1000000))");
        // SQLite has ended the transaction, not only the statement.
        assert!(tried.is_err() && connection.is_autocommit(), "{tried:?}");
        Ok(tried?)
    });
    let other = async {
        let update = "UPDATE tiers SET keys = 7 WHERE name = 'basic'";
        let mut change =
            pin!(store.writer.call(|connection| Ok(connection.execute_batch(update)?)));
        ask(change.as_mut()).await;
        enter.send(()).unwrap();
        change.await
    };
    let (first, other) = tokio::join!(first, other);
    assert!(matches!(first, Err(StoreError::Unavailable(_))), "{first:?}");
    other.unwrap();
    let tiers = store.tiers().await.unwrap();
    assert!(tiers.iter().any(|tier| tier.name.as_str() == "basic" && tier.keys == 7));
}

#[tokio::test]
async fn an_import_does_not_wait_within_the_savepoint_of_a_batch() {
    let (_directory, store) = opened();
    let import = |numbers: std::ops::Range<u64>| {
        let keys = numbers.map(new_key).collect();
        store.commit(Change::Import { keys, dry_run: false }, audit())
    };
    let before = store.commits();
    let (enter, entered) = mpsc::channel();
    let held = store.writer.call(move |_| {
        let () = entered.recv().unwrap();
        Ok(())
    });
    let others = async {
        let mut jobs = (
            pin!(issue(&store, 1)),
            pin!(import(2..102)),
            pin!(issue(&store, 102)),
            pin!(import(103..105)),
        );
        ask(jobs.0.as_mut()).await;
        ask(jobs.1.as_mut()).await;
        ask(jobs.2.as_mut()).await;
        ask(jobs.3.as_mut()).await;
        enter.send(()).unwrap();
        jobs.0.await.unwrap();
        jobs.1.await.unwrap().outcome.unwrap();
        jobs.2.await.unwrap();
        jobs.3.await.unwrap().outcome.unwrap();
    };
    let (held, ()) = tokio::join!(held, others);
    held.unwrap();
    // The large one begins a batch, which the small ones after it share.
    assert_eq!(store.commits(), before + 2);
    let (ids, _, keys) = counted(&store).await;
    assert_eq!((ids, keys), ((1..=104).collect(), 104));
}
