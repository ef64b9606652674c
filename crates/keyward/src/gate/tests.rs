//! Tests of the gate: a change holds at once, in memory and in the store, or not at all.

mod awkward;

use std::num::NonZeroU32;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use awkward::AwkwardStore;

use super::*;
use crate::audit::Audit;
use crate::count::Counts;
use crate::issue::{Issued, NewKey};
use crate::limit::Limit;
use crate::memory::MemoryStore;
use crate::query::{AuditFilter, AuditQuery, Bucket, Hours};
use crate::record::KeyId;
use crate::time::{SteadyNanos, UnixHour, UnixMillis};
use crate::usage::BATCH_ROWS_MAX;
use crate::verify::Denied;

const NOW: Now = Now { unix: UnixMillis(5_000), steady: SteadyNanos(7) };

async fn open(store: &Arc<impl Store + 'static>) -> Gate {
    Gate::open(Arc::clone(store) as Arc<dyn Store>, Prefix::default()).await.unwrap()
}

async fn open_new() -> (Arc<MemoryStore>, Gate) {
    let store = Arc::new(MemoryStore::default());
    let gate = open(&store).await;
    (store, gate)
}

async fn open_awkward() -> (Arc<AwkwardStore>, Gate) {
    let store = Arc::new(AwkwardStore::default());
    let gate = open(&store).await;
    (store, gate)
}

fn audit() -> Audit {
    Audit::program(NOW.unix)
}

fn new_key(tier: &str) -> NewKey {
    NewKey::plain("Reader".parse().unwrap(), tier.parse().unwrap(), None)
}

/// A tier whose keys may come `amount` times in a minute, all at once.
fn tier(name: &str, amount: u32) -> TierRecord {
    let amount = NonZeroU32::new(amount).unwrap();
    let limit = Limit::new("requests", amount, Duration::from_secs(60), amount).unwrap();
    TierRecord { name: name.parse().unwrap(), limits: vec![limit] }
}

async fn issue(gate: &Gate) -> Issued {
    gate.issue(new_key("basic"), audit()).await.unwrap()
}

fn verify_issued(gate: &Gate, issued: &Issued) -> Verdict {
    gate.verify(&Asked::of(issued.secret.expose()), NOW)
}

fn burst(gate: &Gate, issued: &Issued) -> u32 {
    verify_issued(gate, issued).unwrap().standing().unwrap().limit.burst().get()
}

async fn flush_all(gate: &Gate) {
    while gate.flush(NOW.unix).await.unwrap().more {}
}

async fn stored(store: &dyn Store, id: KeyId) -> Counts {
    let always = Hours { from: UnixHour(0), to: UnixHour(u32::MAX) };
    let hours = store.usage(id, always, Bucket::Hour, 10).await.unwrap();
    assert!(hours.len() <= 1, "all requests of these tests are in one hour");
    hours.first().map(|(_, counts)| *counts).unwrap_or_default()
}

async fn verbs(store: &dyn Store) -> Vec<String> {
    let (filter, max) = (AuditFilter::default(), NonZeroU32::new(1_000).unwrap());
    let query = AuditQuery { filter, after: None, descending: false, max };
    let page = store.audit_entries(query).await.unwrap();
    page.entries.into_iter().map(|entry| entry.verb).collect()
}

#[tokio::test]
async fn a_key_works_as_soon_as_it_is_issued() {
    let (store, gate) = open_new().await;
    let issued = issue(&gate).await;
    assert_eq!(verify_issued(&gate, &issued).unwrap().key_id(), issued.key_id);
    let details = store.find_key(issued.key_id).await.unwrap().unwrap();
    assert_eq!(details.hint, issued.hint);
    assert_eq!(verbs(&*store).await, ["issue"]);
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once() {
    let (store, gate) = open_new().await;
    let (issued, other) = (issue(&gate).await, issue(&gate).await);
    assert!(gate.revoke(issued.key_id, None, audit()).await.unwrap());
    assert_eq!(verify_issued(&gate, &issued).unwrap_err(), Denied::Revoked);
    assert!(verify_issued(&gate, &other).is_ok());
    assert!(gate.revoke(issued.key_id, None, audit()).await.unwrap(), "revoking twice is fine");
    assert_eq!(verbs(&*store).await, ["issue", "issue", "revoke"]);
}

#[tokio::test]
async fn revoking_what_is_not_there_says_so() {
    let (store, gate) = open_new().await;
    assert!(!gate.revoke(KeyId::new(1).unwrap(), None, audit()).await.unwrap());
    assert!(verbs(&*store).await.is_empty());
}

/// The issuing is answered by the store, and then overtaken before it reaches the index.
#[tokio::test]
async fn a_revocation_that_overtakes_the_issuing_wins() {
    let (store, gate) = open_awkward().await;
    store.pause_next_answer(1);
    let revoking = gate.revoke(KeyId::new(1).unwrap(), None, audit());
    let (issued, revoked) = tokio::join!(gate.issue(new_key("basic"), audit()), revoking);
    assert!(revoked.unwrap());
    assert_eq!(verify_issued(&gate, &issued.unwrap()).unwrap_err(), Denied::Revoked);
}

#[tokio::test]
async fn nobody_gets_in_after_a_revocation_was_answered() {
    let (_, gate) = open_new().await;
    gate.put_tier(tier("basic", 1_000_000_000), audit(), NOW.steady).await.unwrap();
    let issued = issue(&gate).await;
    let (answered, started) = (AtomicBool::new(false), Barrier::new(3));
    let hammer = || {
        started.wait();
        loop {
            let begun_after = answered.load(Ordering::SeqCst);
            let verdict = verify_issued(&gate, &issued);
            assert!(!begun_after || verdict.is_err());
            if begun_after {
                return;
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(hammer);
        scope.spawn(hammer);
        scope.spawn(|| {
            started.wait();
            let revoked = on_this_thread(gate.revoke(issued.key_id, None, audit()));
            answered.store(true, Ordering::SeqCst);
            assert!(revoked.unwrap());
        });
    });
}

/// Runs a future on a thread that has no runtime.
fn on_this_thread<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[tokio::test]
async fn an_unknown_tier_is_answered_with_those_there_are() {
    let (store, gate) = open_new().await;
    let Err(IssueError::UnknownTier { known }) = gate.issue(new_key("gold"), audit()).await else {
        panic!("there is no tier `gold`")
    };
    let known: Vec<_> = known.iter().map(TierName::as_str).collect();
    assert_eq!(known, ["basic", "pro", "enterprise"]);
    assert!(verbs(&*store).await.is_empty());
}

#[tokio::test]
async fn a_changed_tier_holds_at_once_for_all_of_its_keys() {
    let (_, gate) = open_new().await;
    let (first, second) = (issue(&gate).await, issue(&gate).await);
    assert_eq!((burst(&gate, &first), burst(&gate, &second)), (100, 100));
    assert!(!gate.put_tier(tier("basic", 7), audit(), NOW.steady).await.unwrap());
    assert_eq!((burst(&gate, &first), burst(&gate, &second)), (7, 7));
}

#[tokio::test]
async fn a_new_tier_can_be_given_to_keys() {
    let (store, gate) = open_new().await;
    assert!(gate.put_tier(tier("gold", 3), audit(), NOW.steady).await.unwrap());
    let issued = gate.issue(new_key("gold"), audit()).await.unwrap();
    assert_eq!(burst(&gate, &issued), 3);
    assert_eq!(burst(&open(&store).await, &issued), 3);
}

#[tokio::test]
async fn the_later_of_two_changes_of_a_tier_stays_in_force() {
    let (store, gate) = open_awkward().await;
    let issued = issue(&gate).await;
    store.pause_next_answer(5);
    let (earlier, later) = tokio::join!(
        gate.put_tier(tier("basic", 1), audit(), NOW.steady),
        gate.put_tier(tier("basic", 2), audit(), NOW.steady),
    );
    assert!(earlier.is_ok() && later.is_ok());
    assert_eq!(burst(&gate, &issued), 2);
    assert_eq!(burst(&open(&store).await, &issued), 2);
}

#[tokio::test]
async fn tiers_are_bounded() {
    let (_, gate) = open_new().await;
    let put = |tier| gate.put_tier(tier, audit(), NOW.steady);
    let mut twice = tier("basic", 1);
    twice.limits.extend(twice.limits.clone());
    assert!(matches!(put(twice).await, Err(PutTierError::TooManyLimits(_))));
    // A new store has three.
    for number in 3..TIERS_MAX {
        assert!(put(tier(&format!("t{number}"), 1)).await.unwrap());
    }
    assert!(matches!(put(tier("last", 1)).await, Err(PutTierError::TooManyTiers)));
    assert!(!put(tier("basic", 5)).await.unwrap());
}

#[tokio::test]
async fn a_broken_store_lets_nothing_change_in_memory() {
    let (store, gate) = open_new().await;
    let issued = issue(&gate).await;
    store.set_broken(true);
    assert!(matches!(gate.issue(new_key("basic"), audit()).await, Err(IssueError::Store(_))));
    assert!(gate.revoke(issued.key_id, None, audit()).await.is_err());
    for name in ["basic", "gold"] {
        let put = gate.put_tier(tier(name, 1), audit(), NOW.steady).await;
        assert!(matches!(put, Err(PutTierError::Store(_))));
    }
    assert_eq!(gate.index().len(), 1);
    assert_eq!(burst(&gate, &issued), 100);
    store.set_broken(false);
    assert!(matches!(
        gate.issue(new_key("gold"), audit()).await,
        Err(IssueError::UnknownTier { .. })
    ));
    assert_eq!(verbs(&*store).await, ["issue"]);
}

#[tokio::test]
async fn a_revocation_whose_answer_was_lost_can_be_repeated() {
    let (store, gate) = open_awkward().await;
    let issued = issue(&gate).await;
    store.set_loses_answers(true);
    assert!(gate.revoke(issued.key_id, None, audit()).await.is_err());
    store.set_loses_answers(false);
    assert!(gate.revoke(issued.key_id, None, audit()).await.unwrap());
    assert_eq!(verify_issued(&gate, &issued).unwrap_err(), Denied::Revoked);
}

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

#[tokio::test]
async fn a_gate_that_opens_again_knows_every_key_and_what_became_of_it() {
    let (store, gate) = open_new().await;
    let (kept, revoked) = (issue(&gate).await, issue(&gate).await);
    gate.revoke(revoked.key_id, None, audit()).await.unwrap();
    for _ in 0..OPEN_PAGE {
        issue(&gate).await;
    }
    let again = open(&store).await;
    assert_eq!(again.index().len(), OPEN_PAGE as usize + 2);
    assert!(verify_issued(&again, &kept).is_ok());
    assert_eq!(verify_issued(&again, &revoked).unwrap_err(), Denied::Revoked);
}

#[tokio::test]
async fn a_gate_that_cannot_read_all_of_its_keys_does_not_open() {
    let (store, gate) = open_awkward().await;
    issue(&gate).await;
    let open = || Gate::open(Arc::clone(&store) as Arc<dyn Store>, Prefix::default());
    store.set_hides_tiers(true);
    assert!(matches!(open().await, Err(OpenError::Store(StoreError::Inconsistent(_)))));
    store.set_hides_tiers(false);
    assert!(open().await.is_ok());
    store.close().await.unwrap();
    assert!(matches!(open().await, Err(OpenError::Store(StoreError::Unavailable(_)))));
}

/// Elsewhere, requests in parallel have passed a limit together.
#[tokio::test]
async fn two_hundred_parallel_requests_get_exactly_the_fifty_they_are_allowed() {
    let (store, gate) = open_new().await;
    gate.put_tier(tier("basic", 50), audit(), NOW.steady).await.unwrap();
    let issued = issue(&gate).await;
    let (allowed, together) = (AtomicU32::new(0), Barrier::new(200));
    thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                together.wait();
                if verify_issued(&gate, &issued).is_ok() {
                    allowed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(allowed.into_inner(), 50);
    flush_all(&gate).await;
    let counts = Counts { allowed: 50, limited: 150, ..Counts::default() };
    assert_eq!(stored(&*store, issued.key_id).await, counts);
}
