//! Changes run to their end, and upkeep loses nothing.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use keyward_axum::keyward::Asked;
use keyward_axum::keyward::Gate;
use keyward_axum::keyward::key::Prefix;
use keyward_axum::keyward::memory::MemoryStore;
use keyward_axum::keyward::query::{Bucket, Hours};
use keyward_axum::keyward::store::Store as _;
use keyward_axum::keyward::time::UnixHour;
use keyward_axum::testing::FakeClock;
use keyward_axum::{Guard, GuardOptions, Upkeep, testing};

const ALL: Hours = Hours { from: UnixHour(0), to: UnixHour(u32::MAX) };

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_a_revocation() {
    let (guard, _clock) = testing::guard().await;
    let secret = testing::issue(&guard, "leaked").await;
    let id = guard.verify(&Asked::of(&secret)).unwrap().key_id();
    {
        let revoking = guard.revoke(id, None, guard.program());
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(revoking).poll(&mut context).is_pending());
    }
    // The task is queued before this one, which lets it run by yielding.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(guard.verify(&Asked::of(&secret)).is_err());
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
    assert_eq!(usage.iter().map(|(_, counts)| counts.allowed).sum::<u64>(), 7);
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
    assert_eq!(usage.iter().map(|(_, counts)| counts.allowed).sum::<u64>(), 2);
}
