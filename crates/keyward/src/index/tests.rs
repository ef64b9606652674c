//! The index by itself.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::limit::Limits;
use crate::record::{KeyId, Record, Stage};
use crate::tier::Tier;

const STEADY: SteadyNanos = SteadyNanos(7);

fn tier() -> std::sync::Arc<Tier> {
    let limits = Limits::new(Vec::new()).unwrap();
    std::sync::Arc::new(Tier::new("basic".parse().unwrap(), limits))
}

fn entry(seed: u8, id: u64) -> Entry {
    let record = Record::plain(KeyId::new(id).unwrap(), "a".parse().unwrap());
    Entry::new(digest(seed), record, tier())
}

/// All in one shard and one group of its table, where collisions show.
fn digest(seed: u8) -> Digest {
    let mut bytes = [0; 32];
    bytes[31] = seed;
    Digest::from_stored(bytes)
}

#[test]
fn an_entry_stays_small() {
    assert_eq!(size_of::<Entry>() + size_of::<usize>(), 168);
}

#[test]
fn a_key_revoked_while_being_issued_stays_revoked() {
    let index = Index::default();
    let revoked = entry(1, 7);
    revoked.life.revoke();
    assert!(index.insert(revoked));
    assert!(!index.insert(entry(1, 7)));
    let found = index.find(&digest(1)).unwrap();
    assert_eq!(found.entry.stage(UnixMillis(0)), Stage::Revoked);
}

proptest! {
    #[test]
    fn it_agrees_with_a_plain_map(steps in prop::collection::vec((0_u8..4, 0_u8..40), 0..200)) {
        let index = Index::default();
        let mut model: HashMap<u8, (u64, bool)> = HashMap::new();
        for (id, (step, seed)) in (1..).zip(steps) {
            match step {
                0 => {
                    let added = index.insert(entry(seed, id));
                    prop_assert_eq!(added, !model.contains_key(&seed));
                    model.entry(seed).or_insert((id, true));
                }
                1 => {
                    index.stop(&digest(seed));
                    model.entry(seed).and_modify(|(_, active)| *active = false);
                }
                2 => {
                    // What was revoked stays so, whatever takes its place.
                    let before = index.replace(entry(seed, id), STEADY);
                    prop_assert_eq!(before.is_some(), model.contains_key(&seed));
                    model.entry(seed).and_modify(|(there, _)| *there = id).or_insert((id, true));
                }
                _ => {
                    let seen = index.find(&digest(seed)).map(|Found { entry, .. }| {
                        (entry.id().get(), entry.stage(UnixMillis(0)) == Stage::Active)
                    });
                    prop_assert_eq!(seen, model.get(&seed).copied());
                }
            }
        }
        prop_assert_eq!(index.len(), model.len());
    }
}
