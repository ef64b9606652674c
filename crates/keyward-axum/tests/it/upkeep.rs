//! Upkeep goes on, or says that it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keyward_axum::keyward::Gate;
use keyward_axum::keyward::key::Prefix;
use keyward_axum::keyward::memory::MemoryStore;
use keyward_axum::keyward::time::Now;
use keyward_axum::testing::FakeClock;
use keyward_axum::{Clock, Guard, GuardOptions, Upkeep};

/// Shorter than the time between two calls of `sync`, each of which has a reading too.
const FLUSH_EVERY: Duration = Duration::from_millis(400);

/// The failures of a clock, which simulate mistakes in the code.
#[derive(Clone, Debug, Default)]
struct BadClock {
    right: FakeClock,
    /// How many readings panic from now on.
    bad_readings: Arc<AtomicU32>,
    /// How many calls of `sync` panic from now on.
    bad_syncs: Arc<AtomicU32>,
}

impl BadClock {
    fn fail(left: &AtomicU32) {
        let fails =
            left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        assert!(fails.is_err(), "this panic is part of the test");
    }
}

impl Clock for BadClock {
    fn now(&self) -> Now {
        Self::fail(&self.bad_readings);
        self.right.now()
    }

    fn sync(&self) {
        Self::fail(&self.bad_syncs);
    }
}

/// Upkeep in the middle between two turns.
async fn upkeep(clock: &BadClock) -> Upkeep {
    let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await.unwrap();
    let guard = Guard::new(gate, clock.clone(), GuardOptions::default());
    let upkeep = Upkeep::start(guard, FLUSH_EVERY);
    tokio::time::sleep(FLUSH_EVERY / 2).await;
    upkeep
}

/// Lets the next turn pass. Time is paused, and jumps when no task has work to do.
async fn pass_turn() {
    tokio::time::sleep(FLUSH_EVERY).await;
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_panics_is_told_and_the_next_one_follows() {
    let clock = BadClock::default();
    let upkeep = upkeep(&clock).await;
    let pulse = upkeep.pulse();
    assert!(pulse.is_well());
    clock.bad_readings.store(1, Ordering::Relaxed);
    pass_turn().await;
    assert!(!pulse.is_well());
    pass_turn().await;
    assert!(pulse.is_well());
    upkeep.stop().await.unwrap();
    assert!(!pulse.is_well(), "it has ended");
}

#[tokio::test(start_paused = true)]
async fn upkeep_that_ends_says_so() {
    let clock = BadClock::default();
    clock.bad_syncs.store(1, Ordering::Relaxed);
    let upkeep = upkeep(&clock).await;
    assert!(!upkeep.pulse().is_well());
    // The counts still go to the store.
    upkeep.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_last_flush_that_panics_is_an_error() {
    let clock = BadClock::default();
    let upkeep = upkeep(&clock).await;
    clock.bad_readings.store(1, Ordering::Relaxed);
    upkeep.stop().await.unwrap_err();
}
