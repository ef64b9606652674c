//! The table by itself, against a plain map.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::limit::Limits;
use crate::record::KeyId;
use crate::stored::Key;
use crate::tier::Tier;

/// Keys that begin with the same number differ in the last byte.
fn digest(place: u64, last: u8) -> Digest {
    let mut bytes = [last; 32];
    bytes[..8].copy_from_slice(&place.to_le_bytes());
    Digest::from_stored(bytes)
}

fn entry(digest: Digest, id: u64, tier: &Arc<Tier>) -> Entry {
    let (id, name) = (KeyId::new(id).unwrap(), "a".parse().unwrap());
    Entry::new(&Key::plain(id, name, tier.name().clone(), digest), Arc::clone(tier))
}

fn tier() -> Arc<Tier> {
    Arc::new(Tier::new("basic".parse().unwrap(), Limits::of(None)))
}

impl Slots {
    fn slots(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    /// Checks that a look finds each key: no gap lies between a key and its home, and keys are
    /// in order.
    fn check(&self) {
        let mut before = (0, 0);
        for at in (0..self.slots()).filter(|at| self.get(*at).is_some()) {
            let place = self.get(at).unwrap().digest().place();
            assert!(before.0 <= place, "in order");
            assert!(self.home(place) <= at, "no key is before its home");
            assert!((self.home(place)..at).all(|way| self.get(way).is_some()), "no gap at {at}");
            before = (place, at);
        }
        assert_eq!(self.iter().count(), self.len());
    }
}

/// Numbers that are spread, and some that crowd at either end.
fn any_place() -> impl Strategy<Value = u64> {
    prop_oneof![4 => any::<u64>(), 1 => 0..3_u64, 1 => (0..3_u64).prop_map(|n| u64::MAX - n)]
}

proptest! {
    #[test]
    fn it_agrees_with_a_plain_map(
        digests in prop::collection::vec((any_place(), 0..3_u8), 1..20),
        steps in prop::collection::vec((0..3_u8, any::<prop::sample::Index>()), 0..300),
    ) {
        let (mut slots, mut model, tier) = (Slots::default(), BTreeMap::new(), tier());
        for (id, (step, which)) in (1..).zip(steps) {
            let key = *which.get(&digests);
            let digest = digest(key.0, key.1);
            let found = slots.find_at(&digest);
            let there = found.and_then(|at| slots.get(at)).map(|entry| entry.id().get());
            prop_assert_eq!(there, model.get(&key).copied());
            match (step, found) {
                (0 | 1, None) => {
                    slots.insert(entry(digest, id, &tier));
                    model.insert(key, id);
                }
                (2, Some(at)) => {
                    let taken = slots.remove(at).map(|entry| entry.id().get());
                    prop_assert_eq!(taken, model.remove(&key));
                }
                _ => {}
            }
            slots.check();
        }
        prop_assert_eq!(slots.len(), model.len());
    }
}

/// As many as one part of a large index has, all of which are found.
#[test]
fn a_key_takes_at_most_a_slot_and_a_half() {
    let (mut slots, tier) = (Slots::default(), tier());
    let place = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for n in 1..=10_000_u64 {
        slots.insert(entry(digest(place(n), 0), n, &tier));
        let allowed = usize::try_from(n).unwrap() * 3 / 2 + 2 * CHUNK;
        assert!(slots.slots() <= allowed, "{n} keys in {} slots", slots.slots());
    }
    slots.check();
    for n in 1..=10_000 {
        let at = slots.find_at(&digest(place(n), 0)).unwrap();
        assert_eq!(slots.get(at).unwrap().id().get(), n);
        assert_eq!(slots.find_at(&digest(place(n), 1)), None);
    }
}
