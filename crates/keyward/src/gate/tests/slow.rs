//! Limits while the store takes its time: requests allowed meanwhile stay counted.

use std::sync::atomic::AtomicU64;

use super::*;

/// A clock that goes as the test says.
#[derive(Default)]
struct MovingClock(AtomicU64);

impl MovingClock {
    fn move_to(&self, secs: u64) {
        self.0.store(secs * 1_000_000_000, Ordering::Relaxed);
    }

    fn now(&self) -> Now {
        Now::new(NOW.unix, SteadyNanos(self.0.load(Ordering::Relaxed)))
    }
}

/// How many of up to 1 000 requests that come now are allowed.
fn allowed(gate: &Gate, secret: &Secret, now: Now) -> usize {
    (0..1_000).filter(|_| gate.verify(&Asked::of(secret.expose()), now).is_ok()).count()
}

/// Makes a change for which the store takes six seconds, at whose end a caller sends as many
/// requests as it may, and checks that the change allows it no more.
async fn check(change: impl AsyncFnOnce(&Gate, KeyId, ReadClock<'_>)) {
    let (store, gate) = open_awkward().await;
    let issued = issue(&gate).await;
    let clock = MovingClock::default();
    store.pause_next_answer(1);
    let meanwhile = async {
        clock.move_to(6);
        assert_eq!(allowed(&gate, &issued.secret, clock.now()), 100);
    };
    let read = || clock.now();
    tokio::join!(change(&gate, issued.key_id, &read), meanwhile);
    assert_eq!(allowed(&gate, &issued.secret, clock.now()), 0);
    clock.move_to(12);
    assert_eq!(allowed(&gate, &issued.secret, clock.now()), 10, "100 a minute");
}

#[tokio::test]
async fn an_edit_gives_back_nothing_of_what_was_used_while_the_store_worked() {
    check(async |gate, id, clock| {
        let own = Some(Some(tier("unused", 100).1));
        let change = KeyChange::Edit(Box::new(KeyEdit { limits: own, ..KeyEdit::default() }));
        gate.change(id, change, None, audit(), clock).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn nor_does_another_tier_that_allows_as_much() {
    check(async |gate, _, clock| {
        // A burst of 100 here, too, but another list of limits.
        let (amount, per) = (NonZeroU32::new(200).unwrap(), Duration::from_secs(120));
        let twin = Limit::new("twin", amount, per, NonZeroU32::new(100).unwrap()).unwrap();
        let (name, limits) = ("basic".parse().unwrap(), Limits::of(Some(twin)));
        gate.put_tier(name, limits, TierBefore::Any, audit(), clock).await.unwrap();
    })
    .await;
}

/// Requests that the former limits allowed must come before the reading.
#[tokio::test]
async fn a_tiers_limits_are_in_force_when_the_clock_is_read() {
    let (_, gate) = open_new().await;
    let issued = issue(&gate).await;
    let seen = AtomicU32::new(0);
    let clock = || {
        seen.store(burst(&gate, &issued), Ordering::Relaxed);
        NOW
    };
    let (name, limits) = tier("basic", 7);
    gate.put_tier(name, limits, TierBefore::Any, audit(), &clock).await.unwrap();
    assert_eq!(seen.into_inner(), 7);
}
