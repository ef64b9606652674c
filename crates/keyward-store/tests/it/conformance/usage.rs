//! What is promised of usage: every batch counts, and counts once.

use keyward::UnixMillis;
use keyward::count::Counts;
use keyward::store::Store;
use keyward::time::UnixHour;
use keyward::usage::UsageRow;

use crate::sample::{batch, id, issue, trail, usage, used};

super::promises!(
    counts_add_up_and_each_outcome_is_kept_apart,
    a_batch_that_comes_again_counts_once,
    writers_are_told_apart,
    usage_is_told_apart_by_key,
    last_use_only_moves_forward,
    usage_is_not_on_record,
);

/// The hours of a key and what was allowed in each.
async fn allowed(store: &dyn Store, key: u64) -> Vec<(u32, u64)> {
    let usage = usage(store, id(key), 0).await;
    usage.iter().map(|(hour, counts)| (hour.0, counts.allowed)).collect()
}

async fn counts_add_up_and_each_outcome_is_kept_apart(store: &dyn Store) {
    let key = issue(store, 1).await;
    let counts = Counts {
        allowed: 1,
        limited: 2,
        out_of_scope: 3,
        suspended: 4,
        revoked: 5,
        expired: 6,
        out_of_network: 7,
    };
    let row = UsageRow { key_id: key, hour: UnixHour(5), counts, last_used_at: None };
    store.add_usage(batch(1, 1, vec![row])).await.unwrap();
    assert_eq!(usage(store, key, 0).await, [(UnixHour(5), counts)]);
    store.add_usage(batch(1, 2, vec![row, row])).await.unwrap();
    let sum = Counts {
        allowed: 3,
        limited: 6,
        out_of_scope: 9,
        suspended: 12,
        revoked: 15,
        expired: 18,
        out_of_network: 21,
    };
    assert_eq!(usage(store, key, 0).await, [(UnixHour(5), sum)]);
}

async fn a_batch_that_comes_again_counts_once(store: &dyn Store) {
    let key = issue(store, 1).await;
    for _ in 0..3 {
        store.add_usage(batch(1, 1, vec![used(key, 5)])).await.unwrap();
    }
    assert_eq!(allowed(store, 1).await, [(5, 1)]);
    store.add_usage(batch(1, 2, vec![used(key, 5)])).await.unwrap();
    store.add_usage(batch(1, 2, vec![used(key, 5)])).await.unwrap();
    assert_eq!(allowed(store, 1).await, [(5, 2)]);
}

async fn writers_are_told_apart(store: &dyn Store) {
    let key = issue(store, 1).await;
    store.add_usage(batch(1, 1, vec![used(key, 5)])).await.unwrap();
    store.add_usage(batch(2, 1, vec![used(key, 5)])).await.unwrap();
    assert_eq!(allowed(store, 1).await, [(5, 2)]);
}

async fn usage_is_told_apart_by_key(store: &dyn Store) {
    let (first, second) = (issue(store, 1).await, issue(store, 2).await);
    let rows = vec![used(first, 5), used(second, 6)];
    store.add_usage(batch(1, 1, rows)).await.unwrap();
    assert_eq!(allowed(store, 1).await, [(5, 1)]);
    assert_eq!(allowed(store, 2).await, [(6, 1)]);
    assert_eq!(allowed(store, 3).await, []);
}

async fn last_use_only_moves_forward(store: &dyn Store) {
    let key = issue(store, 1).await;
    let row = |at| UsageRow { last_used_at: at, ..used(key, 5) };
    let times = [Some(0), None, Some(70), Some(60), None, Some(71)];
    let expected = [Some(0), Some(0), Some(70), Some(70), Some(70), Some(71)];
    for (number, (at, expected)) in (1..).zip(times.into_iter().zip(expected)) {
        store.add_usage(batch(1, number, vec![row(at.map(UnixMillis))])).await.unwrap();
        let details = store.find_key(key).await.unwrap().unwrap();
        assert_eq!(details.last_used_at, expected.map(UnixMillis), "batch {number}");
    }
}

async fn usage_is_not_on_record(store: &dyn Store) {
    let key = issue(store, 1).await;
    store.add_usage(batch(1, 1, vec![used(key, 5)])).await.unwrap();
    assert_eq!(trail(store).await.len(), 1);
}
