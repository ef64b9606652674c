//! Requests after the wall clock was set.

use std::time::Duration;

use keyward_axum::keyward::change::KeyChange;
use keyward_axum::keyward::issue::{Issued, NewKey};
use keyward_axum::keyward::time::UnixMillis;
use keyward_axum::testing::FakeClock;
use keyward_axum::{Guard, Upkeep};

use super::{fresh, send};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// 2000-01-01T00:00:00Z.
const LONG_AGO: UnixMillis = UnixMillis(946_684_800_000);
/// 2036-01-01T00:00:00Z.
const IN_2036: UnixMillis = UnixMillis(2_082_758_400_000);

/// Keys whose secrets end half an hour from now: one expires, and one was rotated.
async fn ending(guard: &Guard) -> [Issued; 2] {
    let half_an_hour = guard.now().unix.later_by(30 * MINUTE);
    let new =
        |expires_at| NewKey::plain("a".parse().unwrap(), "enterprise".parse().unwrap(), expires_at);
    let expires = guard.issue(new(Some(half_an_hour)), guard.program()).await.unwrap();
    let rotated = guard.issue(new(None), guard.program()).await.unwrap();
    guard.rotate(rotated.key_id, 30 * MINUTE, None, guard.program()).await.unwrap();
    [expires, rotated]
}

/// A key without an end.
async fn lasting(guard: &Guard) -> Issued {
    let new = NewKey::plain("b".parse().unwrap(), "enterprise".parse().unwrap(), None);
    guard.issue(new, guard.program()).await.unwrap()
}

/// Sets the clock as upkeep finds it.
fn set(guard: &Guard, clock: &FakeClock, unix: UnixMillis) {
    clock.set(unix);
    guard.follow();
}

#[tokio::test]
async fn what_is_over_does_not_work_again_when_the_clock_is_set_back() {
    let (app, guard, clock) = fresh().await;
    let (ending, lasting) = (ending(&guard).await, lasting(&guard).await);
    let status = async |issued: &Issued| {
        let answer = send(&app, "/", &[("x-api-key", issued.secret.expose())]).await;
        let retry_after = answer.headers().get("retry-after").cloned();
        assert_eq!(retry_after.is_some(), answer.status() == 503);
        answer.status().as_u16()
    };
    for issued in &ending {
        assert_eq!(status(issued).await, 200);
    }
    clock.advance(HOUR);
    guard.follow();
    let right = guard.now().unix;
    let two_hours_ago = UnixMillis(right.0 - 7_200_000);
    for wrong in [LONG_AGO, two_hours_ago] {
        set(&guard, &clock, right);
        for issued in &ending {
            assert_eq!(status(issued).await, 401);
        }
        set(&guard, &clock, wrong);
        for issued in &ending {
            assert_eq!(status(issued).await, 503);
        }
        assert_eq!(status(&lasting).await, 200);
        assert_eq!((guard.now().unix, guard.now().latest()), (wrong, right));
    }
}

#[tokio::test]
async fn what_is_not_over_works_again_when_the_clock_was_ahead_and_is_called_right() {
    let (app, guard, clock) = fresh().await;
    let (ending, lasting) = (ending(&guard).await, lasting(&guard).await);
    let right = guard.now().unix;
    let statuses = async || {
        let mut statuses = Vec::new();
        for issued in ending.iter().chain([&lasting]) {
            let answer = send(&app, "/", &[("x-api-key", issued.secret.expose())]).await;
            statuses.push(answer.status().as_u16());
        }
        statuses
    };
    set(&guard, &clock, IN_2036);
    assert_eq!(statuses().await, [401, 401, 200]);
    set(&guard, &clock, right);
    assert_eq!(statuses().await, [503, 503, 200]);
    assert!(guard.accept_clock(guard.program()).await.unwrap());
    assert_eq!(statuses().await, [200, 200, 200]);
}

#[tokio::test]
async fn a_leaked_key_is_ended_whatever_the_clock_says() {
    let (app, guard, clock) = fresh().await;
    let lasting = lasting(&guard).await;
    set(&guard, &clock, LONG_AGO);
    let revoke = KeyChange::Revoke { reason: None };
    guard.change(lasting.key_id, revoke, None, guard.program()).await.unwrap();
    let answer = send(&app, "/", &[("x-api-key", lasting.secret.expose())]).await;
    assert_eq!(answer.status(), 401);
}

/// The runtime's time is paused, and jumps to the next timer whenever all tasks wait.
#[tokio::test(start_paused = true)]
async fn upkeep_keeps_the_latest_reading_of_a_server_that_does_nothing() {
    let (_, guard, clock) = fresh().await;
    let upkeep = Upkeep::start(guard.clone(), Duration::from_secs(1));
    let kept = async || guard.gate().store().latest_reading().await.unwrap();
    for _ in 0..3 {
        clock.advance(11 * Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(1_001)).await;
        assert_eq!(kept().await, Some(guard.now().unix));
    }
    clock.set(LONG_AGO);
    tokio::time::sleep(Duration::from_millis(1_001)).await;
    assert!(guard.now().is_in_doubt());
    clock.advance(Duration::from_secs(1));
    upkeep.stop().await.unwrap();
    assert_eq!(kept().await, Some(guard.now().latest()));
}
