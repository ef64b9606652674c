//! Two guards over one store, each with its upkeep.

use std::sync::Arc;
use std::time::Duration;

use keyward_axum::keyward::key::Prefix;
use keyward_axum::keyward::memory::MemoryCluster;
use keyward_axum::keyward::{Gate, KeyId};
use keyward_axum::testing::{self, until, verdict};
use keyward_axum::{Guard, GuardOptions, SystemClock, Upkeep};

const LEASE: Duration = Duration::from_secs(2);

async fn node(cluster: &MemoryCluster, number: usize) -> (Guard, Upkeep) {
    let gate = Gate::open(Arc::new(cluster.node(number)), Prefix::default()).await.unwrap();
    let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    let upkeep = Upkeep::start(guard.clone(), Duration::from_secs(1));
    (guard, upkeep)
}

#[tokio::test]
async fn a_key_that_is_revoked_at_one_guard_is_dead_at_the_other() {
    let cluster = MemoryCluster::new(LEASE);
    let ((first, one), (second, other)) = (node(&cluster, 1).await, node(&cluster, 2).await);
    until(&first, "wrong", "unknown").await;
    let secret = testing::issue(&first, "weather-bot").await;
    until(&second, &secret, "allowed").await;
    first.revoke(KeyId::new(1).unwrap(), None, first.program()).await.unwrap();
    assert_eq!(verdict(&second, &secret), "revoked");
    one.stop().await.unwrap();
    assert_eq!(verdict(&first, &secret), "uncertain", "it has left");
    // No change waits for it.
    testing::issue(&second, "another-bot").await;
    other.stop().await.unwrap();
}

/// No hint ever comes from this store, and the next renewal is seconds away.
#[tokio::test]
async fn an_own_change_is_followed_at_once() {
    let cluster = MemoryCluster::new(Duration::from_secs(20));
    let (guard, upkeep) = node(&cluster, 1).await;
    until(&guard, "wrong", "unknown").await;
    for name in ["a", "b", "c"] {
        let begun = guard.clock().now().steady.0;
        testing::issue(&guard, name).await;
        let owner = "acme".parse().unwrap();
        guard.set_owner_suspended(owner, true, guard.program()).await.unwrap();
        let took = Duration::from_nanos(guard.clock().now().steady.0 - begun);
        assert!(took < Duration::from_millis(1_500), "{took:?}");
    }
    upkeep.stop().await.unwrap();
}

#[tokio::test]
async fn a_guard_that_is_dropped_renews_no_lease() {
    let cluster = MemoryCluster::new(LEASE);
    let (guard, upkeep) = node(&cluster, 1).await;
    until(&guard, "wrong", "unknown").await;
    drop(upkeep);
    until(&guard, "wrong", "uncertain").await;
}
