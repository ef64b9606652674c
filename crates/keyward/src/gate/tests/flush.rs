//! Usage on its way to the store: nothing is lost and nothing counts twice.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::count::Outcome;
use crate::digest::Digest;
use crate::index::Entry;
use crate::stored::Key;
use crate::usage::{BATCH_ROWS_MAX, QUEUE_LEN};

const HOUR: u64 = 3_600_000;

#[tokio::test]
async fn a_flush_that_failed_is_repeated_and_counts_once() {
    let (store, gate) = open_new().await;
    let issued = issue(&gate).await;
    assert!(verify_issued(&gate, &issued).is_ok());
    store.set_broken(true);
    assert!(gate.flush(CLOCK).await.is_err());
    assert!(gate.flush(CLOCK).await.is_err());
    assert!(verify_issued(&gate, &issued).is_ok());
    store.set_broken(false);
    // The batch that was kept, then the counts since.
    assert_eq!(gate.flush(CLOCK).await.unwrap(), Flushed { rows: 1, more: true });
    assert_eq!(stored(&store, issued.key_id).await[Outcome::Allowed], 1);
    assert_eq!(gate.flush(CLOCK).await.unwrap(), Flushed { rows: 1, more: false });
    assert_eq!(gate.flush(CLOCK).await.unwrap(), Flushed { rows: 0, more: false });
    assert_eq!(stored(&store, issued.key_id).await, Counts::from([(Outcome::Allowed, 2)]));
    let details = store.find_key(issued.key_id).await.unwrap().unwrap();
    assert_eq!(details.key.last_used_at, Some(NOW.unix));
}

#[tokio::test]
async fn a_flush_whose_answer_was_lost_counts_once() {
    let (store, gate) = open_awkward().await;
    let issued = issue(&gate).await;
    assert!(verify_issued(&gate, &issued).is_ok());
    store.set_loses_answers(true);
    for _ in 0..2 {
        assert!(gate.flush(CLOCK).await.is_err());
        assert_eq!(stored(&store, issued.key_id).await[Outcome::Allowed], 1);
        assert_eq!(gate.usage().totals()[Outcome::Allowed], 1);
    }
    store.set_loses_answers(false);
    flush_all(&gate).await;
    assert_eq!(stored(&store, issued.key_id).await[Outcome::Allowed], 1);
    assert_eq!(gate.usage().totals(), stored(&store, issued.key_id).await);
}

#[tokio::test]
async fn a_flush_that_was_dropped_half_way_counts_once() {
    let (store, gate) = open_awkward().await;
    let issued = issue(&gate).await;
    assert!(verify_issued(&gate, &issued).is_ok());
    store.pause_next_answer(1);
    tokio::select! {
        biased;
        _ = gate.flush(CLOCK) => panic!("the store pauses"),
        () = std::future::ready(()) => {}
    }
    flush_all(&gate).await;
    assert_eq!(stored(&store, issued.key_id).await[Outcome::Allowed], 1);
}

/// The hour ends while a flush waits for the one before.
#[tokio::test]
async fn what_is_counted_while_a_flush_waits_for_another_is_of_its_own_hour() {
    let (store, gate) = open_awkward().await;
    let issued = issue(&gate).await;
    let unix = AtomicU64::new(10 * HOUR - 120_000);
    let now = || Now::new(UnixMillis(unix.load(Ordering::Relaxed)), NOW.steady);
    let request = || assert!(gate.verify(&Asked::of(issued.secret.expose()), now()).is_ok());
    request();
    store.pause_next_answer(1);
    let meanwhile = async {
        unix.store(10 * HOUR + 5, Ordering::Relaxed);
        request();
        request();
    };
    let (first, second, ()) = tokio::join!(gate.flush(&now), gate.flush(&now), meanwhile);
    assert!(first.is_ok() && second.is_ok());
    let always = Hours { from: UnixHour(0), to: UnixHour(u32::MAX) };
    let hours = store.usage(issued.key_id, always, Bucket::Hour, 10).await.unwrap();
    let allowed: Vec<_> =
        hours.iter().map(|(hour, counts)| (hour.0, counts[Outcome::Allowed])).collect();
    assert_eq!(allowed, [(9, 1), (10, 2)]);
}

/// Counts from before an edit are no longer where a pass over the index would find them.
#[tokio::test]
async fn what_was_counted_before_an_edit_is_not_lost_though_the_queue_was_full() {
    let (store, gate) = open_new().await;
    let issued = issue(&gate).await;
    let others = fill_the_queue(&gate);
    assert!(verify_issued(&gate, &issued).is_ok());
    let rename = |name: &str| KeyEdit { name: name.parse().ok(), ..KeyEdit::default() };
    edit(&gate, issued.key_id, rename("Another")).await;
    assert!(verify_issued(&gate, &issued).is_ok());
    edit(&gate, issued.key_id, rename("Yet another")).await;
    assert!(verify_issued(&gate, &issued).is_ok());
    flush_all(&gate).await;
    assert_eq!(stored(&store, issued.key_id).await[Outcome::Allowed], 3);
    drop(others);
}

/// Counts for so many keys, none of which is in the index, that the queue has room for no other.
fn fill_the_queue(gate: &Gate) -> Vec<Entry> {
    let tier = gate.tier(&"basic".parse().unwrap()).unwrap();
    let (id, name) = (KeyId::new(1_000).unwrap(), "Other".parse().unwrap());
    let key = Key::plain(id, name, tier.name().clone(), Digest::from_stored([0; 32]));
    let entry = || Entry::new(&key, Arc::clone(&tier));
    let entries = || (0..QUEUE_LEN).map(|_| entry());
    entries().inspect(|entry| gate.usage().count(entry, Outcome::Allowed, NOW.unix)).collect()
}

#[tokio::test]
async fn more_usage_than_one_batch_takes_several() {
    let (store, gate) = open_new().await;
    for _ in 0..=BATCH_ROWS_MAX {
        assert!(verify_issued(&gate, &issue(&gate).await).is_ok());
    }
    let flushed = gate.flush(CLOCK).await.unwrap();
    assert_eq!(flushed, Flushed { rows: BATCH_ROWS_MAX, more: true });
    assert_eq!(gate.flush(CLOCK).await.unwrap(), Flushed { rows: 1, more: false });
    let mut allowed = 0;
    for key in keys(&store).await {
        allowed += stored(&store, key.id).await[Outcome::Allowed];
    }
    assert_eq!(allowed, BATCH_ROWS_MAX as u64 + 1);
}
