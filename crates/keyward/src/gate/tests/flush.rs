//! Usage on its way to the store: nothing is lost and nothing counts twice.

use super::*;
use crate::usage::BATCH_ROWS_MAX;

#[tokio::test]
async fn a_flush_that_failed_is_repeated_and_counts_once() {
    let (store, gate) = open_new().await;
    let issued = issue(&gate).await;
    assert!(verify_issued(&gate, &issued).is_ok());
    store.set_broken(true);
    assert!(gate.flush(NOW.unix).await.is_err());
    assert!(gate.flush(NOW.unix).await.is_err());
    assert!(verify_issued(&gate, &issued).is_ok());
    store.set_broken(false);
    // The batch that was kept, then what was counted since.
    assert_eq!(gate.flush(NOW.unix).await.unwrap(), Flushed { rows: 1, more: true });
    assert_eq!(stored(&*store, issued.key_id).await.allowed, 1);
    assert_eq!(gate.flush(NOW.unix).await.unwrap(), Flushed { rows: 1, more: false });
    assert_eq!(gate.flush(NOW.unix).await.unwrap(), Flushed { rows: 0, more: false });
    assert_eq!(stored(&*store, issued.key_id).await, Counts { allowed: 2, ..Counts::default() });
    let details = store.find_key(issued.key_id).await.unwrap().unwrap();
    assert_eq!(details.last_used_at, Some(NOW.unix));
}

#[tokio::test]
async fn a_flush_whose_answer_was_lost_counts_once() {
    let (store, gate) = open_awkward().await;
    let issued = issue(&gate).await;
    assert!(verify_issued(&gate, &issued).is_ok());
    store.set_loses_answers(true);
    assert!(gate.flush(NOW.unix).await.is_err());
    assert_eq!(stored(&*store, issued.key_id).await.allowed, 1);
    store.set_loses_answers(false);
    flush_all(&gate).await;
    assert_eq!(stored(&*store, issued.key_id).await.allowed, 1);
}

#[tokio::test]
async fn a_flush_that_was_dropped_half_way_counts_once() {
    let (store, gate) = open_awkward().await;
    let issued = issue(&gate).await;
    assert!(verify_issued(&gate, &issued).is_ok());
    store.pause_next_answer(1);
    tokio::select! {
        biased;
        _ = gate.flush(NOW.unix) => panic!("the store pauses"),
        () = std::future::ready(()) => {}
    }
    flush_all(&gate).await;
    assert_eq!(stored(&*store, issued.key_id).await.allowed, 1);
}

#[tokio::test]
async fn more_usage_than_one_batch_takes_several() {
    let (store, gate) = open_new().await;
    for _ in 0..=BATCH_ROWS_MAX {
        assert!(verify_issued(&gate, &issue(&gate).await).is_ok());
    }
    let flushed = gate.flush(NOW.unix).await.unwrap();
    assert_eq!(flushed, Flushed { rows: BATCH_ROWS_MAX, more: true });
    assert_eq!(gate.flush(NOW.unix).await.unwrap(), Flushed { rows: 1, more: false });
    let mut allowed = 0;
    for key in store.load_keys(None, u32::MAX).await.unwrap() {
        allowed += stored(&*store, key.record.id).await.allowed;
    }
    assert_eq!(allowed, BATCH_ROWS_MAX as u64 + 1);
}
