//! Tests of the gate: a change holds at once, in memory and in the store, or not at all.

mod awkward;
mod clock;
mod edits;
mod flush;
mod moving;
mod owners;
mod races;
mod rotation;
mod slow;
mod suspension;
mod tiers;

use std::num::NonZeroU32;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use awkward::AwkwardStore;

use super::*;
use crate::audit::Audit;
use crate::change::{KeyChange, KeyEdit};
use crate::count::{Counts, Outcome};
use crate::details::OwnerVersion;
use crate::index::{ENDED, Entry};
use crate::issue::{Issued, NewKey};
use crate::key::Secret;
use crate::limit::{Limit, Limits};
use crate::memory::MemoryStore;
use crate::query::{AuditFilter, AuditQuery, Bucket, Hours};
use crate::record::{KeyId, Owner, Scope, Stage};
use crate::rules::{ChangeRejection, Imported};
use crate::store::Reports as _;
use crate::stored::{FormerSecret, Key, OwnedKey, Unkept};
use crate::tier::TierName;
use crate::time::{ReadClock, SteadyNanos, UnixHour, UnixMillis};
use crate::verify::Caller;

const NOW: Now = Now::new(UnixMillis(5_000), SteadyNanos(7));
/// A clock that does not move.
const CLOCK: ReadClock<'static> = &|| NOW;

async fn open(store: &Arc<impl KeyStore + 'static>) -> Gate {
    Gate::open(Arc::clone(store) as Arc<dyn KeyStore>, Prefix::default()).await.unwrap()
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
fn tier(name: &str, amount: u32) -> (TierName, Limits) {
    let amount = NonZeroU32::new(amount).unwrap();
    let limit = Limit::new("requests", amount, Duration::from_secs(60), amount).unwrap();
    (name.parse().unwrap(), Limits::of(Some(limit)))
}

/// Writes a tier, in any state before.
async fn put(gate: &Gate, (name, limits): (TierName, Limits)) -> Result<bool, PutTierError> {
    gate.put_tier(name, limits, TierBefore::Any, audit(), CLOCK).await
}

/// The verdict on a request with this secret at `unix`, by the calendar.
fn verdict_at(gate: &Gate, secret: &Secret, unix: u64) -> Result<Caller, &'static str> {
    let now = Now::new(UnixMillis(unix), NOW.steady);
    in_words(gate.verify(&Asked::of(secret.expose()), now))
}

/// The reason for a denial in one word.
fn in_words(verdict: Verdict) -> Result<Caller, &'static str> {
    verdict.map_err(|denied| denied.as_str())
}

/// Makes a change that must succeed.
async fn change(gate: &Gate, id: KeyId, change: KeyChange) -> OwnedKey {
    gate.change(id, change, None, audit(), CLOCK).await.unwrap()
}

async fn edit(gate: &Gate, id: KeyId, edit: KeyEdit) -> OwnedKey {
    change(gate, id, KeyChange::Edit(Box::new(edit))).await
}

async fn details(gate: &Gate, id: KeyId) -> OwnedKey {
    gate.store().find_key(id).await.unwrap().unwrap()
}

/// Keys as they come to another store.
/// All keys of a store.
async fn keys(store: &MemoryStore) -> Vec<Key> {
    let mut snapshot = store.snapshot().await.unwrap();
    let mut all = Vec::new();
    while let Some(page) = snapshot.next(10).await.unwrap() {
        match page {
            Page::Keys(keys) => all.extend(keys),
            Page::Tiers(_) | Page::Owners(_) => {}
        }
    }
    all
}

/// Checks that memory and the store agree on a key.
#[track_caller]
fn check_agreement(gate: &Gate, id: KeyId) {
    let stored = on_this_thread(gate.store().find_key(id)).unwrap().unwrap();
    let (index, key) = (gate.index(), &stored.key);
    let found = index.find(&key.secret.digest).unwrap();
    assert_eq!((found.id, found.ends_at), (id, None), "its present secret is no former one");
    let held = |entry: &Entry| (entry.shown(), entry.stage(NOW.unix));
    let (shown, stage) = index.ask(&key.secret.digest, held).unwrap();
    assert_eq!(stage, stored.stage(NOW.unix));
    if stage != Stage::Revoked {
        assert_eq!((&shown.name, &shown.tier), (&key.name, &key.tier));
        assert_eq!((&shown.owner, shown.expires_at), (&key.owner, key.expires_at));
        assert!(shown.scopes().eq(key.scopes.iter().map(Scope::as_str)));
    }
    for former in &stored.key.former {
        let digest = former.secret.digest;
        let found = gate.index().find(&digest).unwrap();
        let ended = former.ends_at <= NOW.unix;
        let ends_at = if ended { ENDED } else { former.ends_at };
        assert_eq!((found.id, found.ends_at), (id, Some(ends_at)));
        assert_eq!(gate.index().steps(&digest), Some(1));
    }
}

async fn issue(gate: &Gate) -> Issued {
    gate.issue(new_key("basic"), audit()).await.unwrap()
}

fn verify_issued(gate: &Gate, issued: &Issued) -> Result<Caller, &'static str> {
    in_words(gate.verify(&Asked::of(issued.secret.expose()), NOW))
}

/// How long a key whose limit is reached has to wait.
fn wait(gate: &Gate, issued: &Issued) -> Duration {
    gate.verify(&Asked::of(issued.secret.expose()), NOW).unwrap_err().retry_after().unwrap()
}

fn burst(gate: &Gate, issued: &Issued) -> u32 {
    verify_issued(gate, issued).unwrap().standing().unwrap().limit.burst().get()
}

async fn flush_all(gate: &Gate) {
    while gate.flush(CLOCK).await.unwrap().more {}
}

async fn stored(store: &MemoryStore, id: KeyId) -> Counts {
    let always = Hours { from: UnixHour(0), to: UnixHour(u32::MAX) };
    let hours = store.usage(id, always, Bucket::Hour, 10).await.unwrap();
    assert!(hours.len() <= 1, "all requests of these tests are in one hour");
    hours.first().map(|(_, counts)| *counts).unwrap_or_default()
}

async fn verbs(store: &MemoryStore) -> Vec<String> {
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
    assert_eq!(details.key.secret.hint, issued.hint);
    assert_eq!(verbs(&store).await, ["issue"]);
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once() {
    let (store, gate) = open_new().await;
    let (issued, other) = (issue(&gate).await, issue(&gate).await);
    assert!(gate.revoke(issued.key_id, None, audit()).await.unwrap());
    assert_eq!(verify_issued(&gate, &issued).unwrap_err(), "revoked");
    assert!(verify_issued(&gate, &other).is_ok());
    assert!(gate.revoke(issued.key_id, None, audit()).await.unwrap(), "revoking twice is fine");
    assert_eq!(verbs(&store).await, ["issue", "issue", "revoke"]);
}

#[tokio::test]
async fn revoking_what_is_not_there_says_so() {
    let (store, gate) = open_new().await;
    assert!(!gate.revoke(KeyId::new(1).unwrap(), None, audit()).await.unwrap());
    assert!(verbs(&store).await.is_empty());
}

/// The store acknowledges the issuing, which is then overtaken before it reaches the index.
#[tokio::test]
async fn a_revocation_that_overtakes_the_issuing_wins() {
    let (store, gate) = open_awkward().await;
    store.pause_next_answer(1);
    let revoking = gate.revoke(KeyId::new(1).unwrap(), None, audit());
    let (issued, revoked) = tokio::join!(gate.issue(new_key("basic"), audit()), revoking);
    assert!(revoked.unwrap());
    assert_eq!(verify_issued(&gate, &issued.unwrap()).unwrap_err(), "revoked");
}

#[tokio::test]
async fn nobody_gets_in_after_a_revocation_was_answered() {
    let (_, gate) = open_new().await;
    put(&gate, tier("basic", 1_000_000_000)).await.unwrap();
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
async fn a_broken_store_lets_nothing_change_in_memory() {
    let (store, gate) = open_new().await;
    let issued = issue(&gate).await;
    store.set_broken(true);
    assert!(matches!(gate.issue(new_key("basic"), audit()).await, Err(IssueError::Store(_))));
    assert!(gate.revoke(issued.key_id, None, audit()).await.is_err());
    for name in ["basic", "gold"] {
        let put = put(&gate, tier(name, 1)).await;
        assert!(matches!(put, Err(PutTierError::Store(_))));
    }
    assert_eq!(gate.index().len(), 1);
    assert_eq!(burst(&gate, &issued), 100);
    store.set_broken(false);
    assert!(matches!(
        gate.issue(new_key("gold"), audit()).await,
        Err(IssueError::UnknownTier { .. })
    ));
    assert_eq!(verbs(&store).await, ["issue"]);
}

#[tokio::test]
async fn a_revocation_whose_answer_was_lost_can_be_repeated() {
    let (store, gate) = open_awkward().await;
    let issued = issue(&gate).await;
    store.set_loses_answers(true);
    assert!(gate.revoke(issued.key_id, None, audit()).await.is_err());
    store.set_loses_answers(false);
    assert!(gate.revoke(issued.key_id, None, audit()).await.unwrap());
    assert_eq!(verify_issued(&gate, &issued).unwrap_err(), "revoked");
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
    assert_eq!(verify_issued(&again, &revoked).unwrap_err(), "revoked");
}

#[tokio::test]
async fn a_gate_that_cannot_read_all_of_its_keys_does_not_open() {
    let (store, gate) = open_awkward().await;
    issue(&gate).await;
    let open = || Gate::open(Arc::clone(&store) as Arc<dyn KeyStore>, Prefix::default());
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
    put(&gate, tier("basic", 50)).await.unwrap();
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
    let counts = Counts::from([(Outcome::Allowed, 50), (Outcome::Limited, 150)]);
    assert_eq!(stored(&store, issued.key_id).await, counts);
}
