//! Verdicts while memory may decide nothing.

use super::*;
use crate::index::LOOKS;

/// A key in a memory that may decide nothing.
fn lapsed(change: impl FnOnce(&mut Key)) -> OneKey {
    let key = OneKey::changed(change);
    key.index.lease().end();
    key
}

#[test]
fn without_a_lease_nothing_is_decided_about_any_key() {
    let states: [fn(&mut Key); 4] = [|_| {}, suspended, revoked, expired];
    for state in states {
        let key = lapsed(state);
        for purpose in [Purpose::Request, Purpose::Repeat, Purpose::Introspection] {
            for text in [TEXT, "kw_another-ones", "not a key"] {
                let asked = Asked { purpose, ..Asked::of(text) };
                let denied = verify(&key.index, &key.usage, &asked, NOW).unwrap_err();
                assert_eq!(denied, Denied::Uncertain);
            }
        }
    }
}

#[test]
fn without_a_lease_nothing_is_counted_and_nothing_is_taken() {
    let key = lapsed(|_| {});
    for _ in 0..3 {
        assert_eq!(key.denied(READ, NOW), "uncertain");
    }
    assert_eq!((Denied::Uncertain.key(), Denied::Uncertain.outcome()), (None, None));
    assert_eq!((key.usage.unknown(), key.counted()), (0, Counts::default()));
    // Both requests of the limit are still there.
    key.index.lease().grant(SteadyNanos::NEVER);
    assert_eq!(key.verify(READ, NOW).unwrap().standing().unwrap().remaining, 1);
}

#[test]
fn a_verdict_is_made_until_the_lease_ends_and_after_it_is_renewed() {
    let key = OneKey::new();
    let at = |steady| Now::new(NOW.unix, SteadyNanos(steady));
    key.index.lease().grant(SteadyNanos(10));
    assert!(key.verify(READ, at(9)).is_ok());
    assert_eq!(key.denied(READ, at(10)), "uncertain");
    assert_eq!(key.denied(READ, at(u64::MAX)), "uncertain");
    key.index.lease().grant(SteadyNanos(11));
    assert!(key.verify(READ, at(10)).is_ok());
}

/// Otherwise, between a look at the index and one at the lease, a revocation could be applied and
/// the next lease be granted.
#[test]
fn the_lease_is_looked_at_before_the_index() {
    let key = lapsed(|_| {});
    let looks = LOOKS.get();
    assert_eq!(key.denied(READ, NOW), "uncertain");
    assert_eq!(LOOKS.get(), looks);
    key.index.lease().grant(SteadyNanos::NEVER);
    assert!(key.verify(READ, NOW).is_ok());
    assert_eq!(LOOKS.get(), looks + 1);
}
