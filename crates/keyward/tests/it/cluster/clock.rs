//! The time of a cluster is the store's.

use std::time::Duration;

use keyward::change::{KeyChange, KeyEdit};
use keyward::gate::KeptUp;
use keyward::time::{Now, SteadyNanos, UnixMillis};
use keyward::{Asked, Gate};

use super::two::{AT, Two, open};

const HOUR: u64 = 3_600_000;

/// A verdict of a gate whose own wall clock is an hour late.
fn late_word(two: &Two, gate: &Gate, secret: &str) -> &'static str {
    let now = Now::new(UnixMillis(two.now().unix.0 - HOUR), two.now().steady);
    gate.verify(&Asked::of(secret), now).map_or_else(|denied| denied.as_str(), |_| "allowed")
}

#[tokio::test]
async fn keys_expire_by_the_time_of_the_store_whatever_the_clock_of_a_node_shows() {
    let two = Two::new().await;
    let issued = two.issue().await;
    let soon = UnixMillis(AT.0 + 2_000);
    let ends = KeyEdit { expires_at: Some(Some(soon)), ..KeyEdit::default() };
    two.change(issued.key_id, KeyChange::Edit(Box::new(ends))).await;
    let secret = issued.secret.expose();
    let [gate, _] = &two.gates;
    // The steady clock carries the store's time on between two renewals.
    two.pass(Duration::from_millis(1_999));
    assert_eq!(late_word(&two, gate, secret), "allowed");
    two.pass(Duration::from_millis(1));
    assert_eq!(late_word(&two, gate, secret), "expired");
    assert_eq!(gate.judge(Now::new(UnixMillis(0), two.now().steady)).unix, soon);
    assert!(!gate.judge(Now::new(UnixMillis(0), two.now().steady)).is_in_doubt());
}

#[tokio::test]
async fn a_node_says_by_how_much_its_own_clock_differs() {
    let two = Two::new().await;
    let [gate, other] = &two.gates;
    for (wall, ahead) in [(AT.0 + 31_000, 31_000), (AT.0 - 31_000, -31_000)] {
        gate.keep_up(&|| Now::new(UnixMillis(wall), SteadyNanos(0))).await.unwrap();
        assert_eq!(gate.standing().unwrap().wall_ahead_ms, ahead);
    }
    assert_eq!(other.standing().unwrap().wall_ahead_ms, 0);
}

#[tokio::test]
async fn usage_is_forgotten_by_the_time_of_the_store() {
    let two = Two::new().await;
    let issued = two.issue().await;
    let [gate, _] = &two.gates;
    two.word(gate, issued.secret.expose());
    gate.flush(&|| two.now()).await.unwrap();
    let counted = || two.cluster.counted(issued.key_id).requests();
    // A year ahead, and before it knows better.
    let ahead = || Now::new(UnixMillis(AT.0 + 365 * 24 * HOUR), two.now().steady);
    let third = open(&two.cluster, 2).await;
    assert!(third.tend_usage(&ahead, Some(1)).await.unwrap(), "there is more to do");
    assert_eq!(counted(), 1);
    while third.keep_up(&ahead).await.unwrap() != KeptUp::Current {}
    assert!(!third.tend_usage(&ahead, Some(1)).await.unwrap());
    assert_eq!(counted(), 1);
    two.pass(Duration::from_millis(2 * 24 * HOUR));
    while third.keep_up(&ahead).await.unwrap() != KeptUp::Current {}
    assert!(!third.tend_usage(&ahead, Some(1)).await.unwrap());
    assert_eq!(counted(), 0);
}

#[tokio::test]
async fn the_time_is_at_least_that_of_the_newest_change() {
    let two = Two::new().await;
    two.pass(Duration::from_millis(10 * HOUR));
    two.keep_up(&two.gates).await;
    two.issue().await;
    // A replica that took over has a clock that is late.
    two.cluster.set_time(AT);
    two.keep_up(&two.gates).await;
    for gate in &two.gates {
        assert_eq!(gate.judge(two.now()).unix, UnixMillis(AT.0 + 10 * HOUR));
    }
}
