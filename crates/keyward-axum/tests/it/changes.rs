//! Changes run to their end, and upkeep loses nothing.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use keyward_axum::keyward::change::{KeyChange, KeyEdit};
use keyward_axum::keyward::count::Outcome;
use keyward_axum::keyward::gate::TierBefore;
use keyward_axum::keyward::issue::NewKey;
use keyward_axum::keyward::key::Prefix;
use keyward_axum::keyward::limit::Limits;
use keyward_axum::keyward::memory::MemoryStore;
use keyward_axum::keyward::query::{Bucket, Hours};
use keyward_axum::keyward::record::Owner;
use keyward_axum::keyward::store::Reports as _;
use keyward_axum::keyward::time::{EARLIEST, Now, SteadyNanos, UnixHour, UnixMillis};
use keyward_axum::keyward::{Asked, Gate};
use keyward_axum::testing::FakeClock;
use keyward_axum::{Clock, Guard, GuardOptions, Upkeep, testing};

const ALL: Hours = Hours { from: UnixHour(0), to: UnixHour(u32::MAX) };

/// Begins a change, drops its future, and lets the running tasks go on.
async fn hang_up<T>(change: impl Future<Output = T>) {
    {
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(change).poll(&mut context).is_pending());
    }
    // The task is queued before this one, which lets it run by yielding.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_stops_no_change() {
    let (guard, _clock) = testing::guard().await;
    let owner: Owner = "org_1".parse().unwrap();
    let new = NewKey::plain("leaked".parse().unwrap(), "basic".parse().unwrap(), None);
    let new = NewKey { owner: Some(owner.clone()), ..new };
    let issued = guard.issue(new.clone(), guard.program()).await.unwrap();
    let verify = || guard.verify(&Asked::of(issued.secret.expose()));
    let change = |change| guard.change(issued.key_id, change, None, guard.program());

    hang_up(guard.issue(new, guard.program())).await;
    assert_eq!(guard.gate().index().len(), 2);

    let edit = KeyEdit { name: Some("renamed".parse().unwrap()), ..KeyEdit::default() };
    hang_up(change(KeyChange::Edit(Box::new(edit)))).await;
    assert_eq!(verify().unwrap().name(), "renamed");
    hang_up(change(KeyChange::Suspend)).await;
    assert_eq!(verify().unwrap_err().as_str(), "suspended");
    hang_up(change(KeyChange::Resume)).await;
    assert!(verify().is_ok());

    let set_suspended =
        |suspended| guard.set_owner_suspended(owner.clone(), suspended, guard.program());
    hang_up(set_suspended(true)).await;
    assert_eq!(verify().unwrap_err().as_str(), "suspended");
    hang_up(set_suspended(false)).await;
    assert!(verify().is_ok());

    let elsewhere = Arc::new(MemoryStore::default());
    let gate = Gate::open(Arc::clone(&elsewhere) as _, Prefix::default()).await.unwrap();
    let other = Guard::new(gate, FakeClock::default(), GuardOptions::default());
    testing::issue(&other, "moved").await;
    let mut copies = elsewhere.export_keys(None, 1).await.unwrap();
    copies[0].id = None;
    hang_up(guard.import(copies, false, guard.program())).await;
    assert_eq!(guard.gate().index().len(), 3);

    for name in ["basic", "gold"] {
        let (name, none) = (name.parse().unwrap(), Limits::of(None));
        hang_up(guard.put_tier(name, none, TierBefore::Any, guard.program())).await;
    }
    assert!(verify().unwrap().standing().is_none());
    assert_eq!(guard.gate().tier_names().len(), 4);
    hang_up(guard.delete_tier("gold".parse().unwrap(), TierBefore::Any, guard.program())).await;
    assert_eq!(guard.gate().tier_names().len(), 3);

    hang_up(guard.rotate(issued.key_id, Duration::ZERO, None, guard.program())).await;
    assert_eq!(verify().unwrap_err().as_str(), "replaced");
    hang_up(guard.revoke(issued.key_id, None, guard.program())).await;
    assert_eq!(verify().unwrap_err().as_str(), "revoked");
}

/// A wall clock that was set, which shows at its next reading.
#[derive(Clone, Debug, Default)]
struct SetClock(Arc<AtomicU64>, Arc<AtomicU64>);

impl Clock for SetClock {
    fn now(&self) -> Now {
        Now::new(UnixMillis(self.0.load(Ordering::Relaxed)), SteadyNanos(0))
    }

    fn sync(&self) {
        self.0.store(self.1.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// The runtime's time is paused, and jumps to the next timer whenever all tasks wait.
#[tokio::test(start_paused = true)]
async fn upkeep_follows_the_wall_clock_and_so_does_expiry() {
    let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await.unwrap();
    let clock = SetClock::default();
    let guard = Guard::new(gate, clock.clone(), GuardOptions::default());
    let end = EARLIEST.0 + 1_000;
    let expires_at = Some(UnixMillis(end));
    let new = NewKey::plain("a".parse().unwrap(), "basic".parse().unwrap(), expires_at);
    let issued = guard.issue(new, guard.program()).await.unwrap();
    let verify = || guard.verify(&Asked::of(issued.secret.expose()));
    clock.1.store(end, Ordering::Relaxed);
    assert!(verify().is_ok());
    let upkeep = Upkeep::start(guard.clone(), Duration::from_secs(3_600));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(verify().unwrap_err().as_str(), "expired");
    for (unix, works) in [(end - 1, true), (end, false)] {
        clock.1.store(unix, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(1_001)).await;
        assert_eq!(verify().is_ok(), works, "a second later, with no flush for an hour");
    }
    upkeep.stop().await.unwrap();
}

#[tokio::test]
async fn an_orderly_stop_flushes_what_was_counted() {
    let store = Arc::new(MemoryStore::default());
    let gate = Gate::open(Arc::clone(&store) as _, Prefix::default()).await.unwrap();
    let guard = Guard::new(gate, FakeClock::default(), GuardOptions::default());
    let secret = testing::issue(&guard, "weather-bot").await;
    let upkeep = Upkeep::start(guard.clone(), Duration::from_secs(3_600));
    let mut id = None;
    for _ in 0..7 {
        id = Some(guard.verify(&Asked::of(&secret)).unwrap().key_id());
    }
    upkeep.stop().await.unwrap();
    let usage = store.usage(id.unwrap(), ALL, Bucket::Hour, 10).await.unwrap();
    assert_eq!(usage.iter().map(|(_, counts)| counts[Outcome::Allowed]).sum::<u64>(), 7);
}

#[tokio::test]
async fn a_store_that_breaks_down_delays_usage_and_loses_none() {
    let store = Arc::new(MemoryStore::default());
    let gate = Gate::open(Arc::clone(&store) as _, Prefix::default()).await.unwrap();
    let guard = Guard::new(gate, FakeClock::default(), GuardOptions::default());
    let secret = testing::issue(&guard, "weather-bot").await;
    let id = guard.verify(&Asked::of(&secret)).unwrap().key_id();
    store.set_broken(true);
    assert!(guard.flush().await.is_err());
    assert!(guard.verify(&Asked::of(&secret)).is_ok());
    store.set_broken(false);
    guard.flush().await.unwrap();
    let usage = store.usage(id, ALL, Bucket::Hour, 10).await.unwrap();
    assert_eq!(usage.iter().map(|(_, counts)| counts[Outcome::Allowed]).sum::<u64>(), 2);
}
