//! Which connection gives way, and when.

use std::collections::BTreeMap;
use std::task::{Context, Poll};

use tokio::time::advance;

use super::*;

const ATTACKER: &str = "192.0.2.1";
const OTHER: &str = "192.0.2.2";

fn slots(most: u32) -> ConnectionSlots {
    ConnectionSlots::new(NonZeroU32::new(most).unwrap())
}

fn state(slots: &ConnectionSlots, from: &str) -> ConnectionSlot {
    slots.try_take(from.parse().unwrap()).unwrap()
}

fn leaves(slot: &ConnectionSlot) -> bool {
    slot.is_leaving(Waker::noop())
}

#[tokio::test(start_paused = true)]
async fn the_longest_idle_gives_way_and_then_the_longest_without_a_head() {
    let slots = slots(5);
    let second = Duration::from_secs(1);
    let mut held: BTreeMap<&str, ConnectionSlot> = BTreeMap::new();
    for name in ["early head", "late head", "late idle", "early idle", "busy"] {
        advance(second).await;
        held.insert(name, state(&slots, ATTACKER));
    }
    for name in ["early idle", "late idle"] {
        advance(second).await;
        assert!(held[name].enter(Phase::Idle(Instant::now())));
    }
    assert!(held["busy"].enter(Phase::Busy));
    let mut others = Vec::new();
    for expected in ["early idle", "late idle", "early head", "late head"] {
        assert!(slots.try_take(OTHER.parse().unwrap()).is_none());
        slots.make_room();
        // One is enough, however often it is asked for.
        slots.make_room();
        let leaving: Vec<_> = held.iter().filter(|(_, slot)| leaves(slot)).collect();
        assert_eq!(leaving.iter().map(|(name, _)| **name).collect::<Vec<_>>(), [expected]);
        held.remove(expected);
        others.push(state(&slots, OTHER));
        assert!(others.iter().all(|other| other.enter(Phase::Busy)));
    }
    slots.make_room();
    assert!(!leaves(&held["busy"]), "a request under way is never cut");
}

#[tokio::test(start_paused = true)]
async fn the_address_that_holds_most_gives_way() {
    let slots = slots(6);
    let idle = |from| {
        let slot = state(&slots, from);
        slot.enter(Phase::Idle(Instant::now()));
        slot
    };
    let patient = idle(OTHER);
    let other_head = state(&slots, OTHER);
    advance(Duration::from_secs(10)).await;
    // Three addresses of one network of IPv6 are one holder, and hold no idle connection.
    let heads =
        ["2001:db8::1", "2001:db8::1:0:0:2", "2001:db8::f:f:f:f"].map(|from| state(&slots, from));
    let far = state(&slots, "2001:db8:0:1::1");
    slots.make_room();
    assert_eq!(heads.each_ref().map(leaves), [true, false, false]);
    assert!(!leaves(&patient) && !leaves(&other_head) && !leaves(&far));
    // An address of IPv4 is the same in the form of IPv6.
    assert_eq!(
        Holder::of("::ffff:192.0.2.1".parse().unwrap()),
        Holder::of(ATTACKER.parse().unwrap())
    );
}

#[tokio::test(start_paused = true)]
async fn the_holder_with_most_connections_is_found_anew_for_each_of_several() {
    let slots = slots(8);
    let first: Vec<_> = (0..5).map(|_| state(&slots, ATTACKER)).collect();
    advance(Duration::from_secs(1)).await;
    let second: Vec<_> = (0..3).map(|_| state(&slots, OTHER)).collect();
    let victims = slots.0.lock().victims(4);
    let ids: Vec<_> = victims.iter().map(|(rank, _)| rank.id).collect();
    // Five against three: two of the first, and of equals the connections that have been idle
    // longest.
    assert_eq!(ids, [0, 1, 2, 5]);
    drop((first, second));
    assert_eq!(slots.0.lock().count, 0);
    assert!(slots.0.lock().holders.is_empty());
}

/// The state of a wait for a slot.
fn poll<F: Future>(waiting: &mut std::pin::Pin<Box<F>>) -> Poll<F::Output> {
    waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn a_waiting_connection_gets_the_slot_of_the_one_that_leaves() {
    let slots = slots(1);
    let first = state(&slots, ATTACKER);
    let mut waiting = Box::pin(slots.take(OTHER.parse().unwrap()));
    assert!(poll(&mut waiting).is_pending());
    assert!(leaves(&first));
    assert!(!first.enter(Phase::Idle(Instant::now())), "a connection that has to leave leaves");
    drop(first);
    assert!(poll(&mut waiting).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_arrives_meanwhile_keeps_its_slot() {
    let slots = slots(2);
    let (first, second) = (state(&slots, ATTACKER), state(&slots, ATTACKER));
    let mut waiting = Box::pin(slots.take(OTHER.parse().unwrap()));
    assert!(poll(&mut waiting).is_pending());
    assert!(leaves(&first) && !leaves(&second));
    assert!(first.enter(Phase::Busy));
    assert!(poll(&mut waiting).is_pending());
    assert!(!leaves(&first) && leaves(&second), "another one leaves instead");
    drop(second);
    assert!(poll(&mut waiting).is_ready());
}

#[tokio::test(start_paused = true)]
async fn while_all_are_busy_the_first_idle_one_gives_way() {
    let slots = slots(2);
    let (first, second) = (state(&slots, ATTACKER), state(&slots, ATTACKER));
    assert!(first.enter(Phase::Busy) && second.enter(Phase::Busy));
    let mut waiting = Box::pin(slots.take(ATTACKER.parse().unwrap()));
    assert!(poll(&mut waiting).is_pending());
    assert!(!leaves(&first) && !leaves(&second));
    assert!(second.enter(Phase::Idle(Instant::now())));
    assert!(poll(&mut waiting).is_pending());
    assert!(!leaves(&first) && leaves(&second));
    drop(second);
    assert!(poll(&mut waiting).is_ready());
}
