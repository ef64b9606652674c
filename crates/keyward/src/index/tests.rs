//! The index by itself.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::count::Outcome;
use crate::limit::Limits;
use crate::record::{KeyId, KeyState, Stage};
use crate::stored::Key;
use crate::tier::Tier;
use crate::time::{Now, SteadyNanos};

const CLOCK: ReadClock<'static> = &|| Now::new(UnixMillis(5), SteadyNanos(7));

fn tier() -> std::sync::Arc<Tier> {
    let limits = Limits::new(Vec::new()).unwrap();
    std::sync::Arc::new(Tier::new("basic".parse().unwrap(), limits))
}

fn key(seed: u8, id: u64) -> Key {
    let tier = "basic".parse().unwrap();
    Key::plain(KeyId::new(id).unwrap(), "a".parse().unwrap(), tier, digest(seed))
}

fn entry(seed: u8, id: u64) -> Entry {
    Entry::new(&key(seed, id), tier())
}

/// All in one shard and one group of its table, where collisions show.
fn digest(seed: u8) -> Digest {
    let mut bytes = [0; 32];
    bytes[31] = seed;
    Digest::from_stored(bytes)
}

#[test]
fn an_entry_stays_small() {
    // And a slot without one is as large.
    assert_eq!((size_of::<Entry>(), size_of::<Option<Entry>>()), (152, 152));
}

#[test]
fn a_suspended_owner_suspends_and_revives_nothing() {
    let index = Index::default();
    let owner: Owner = "org_1".parse().unwrap();
    let of = |state, expires_at| {
        let key = Key { state, expires_at, ..key(1, 7) };
        Entry::of_owner(&key, tier(), Some(index.owner(&owner, false)))
    };
    let keys = [
        of(KeyState::Active, None),
        of(KeyState::Active, Some(UnixMillis(3))),
        of(KeyState::Suspended, None),
        of(KeyState::Revoked { at: UnixMillis(1) }, None),
    ];
    let stages = || keys.each_ref().map(|key| key.stage(UnixMillis(5)));
    let before = [Stage::Active, Stage::Expired, Stage::Suspended, Stage::Revoked];
    assert_eq!(stages(), before);
    index.set_owner_suspended(&owner, true);
    assert_eq!(stages(), [Stage::Suspended, Stage::Suspended, Stage::Suspended, Stage::Revoked]);
    index.set_owner_suspended(&owner, false);
    assert_eq!(stages(), before);
}

#[test]
fn a_key_revoked_while_being_issued_stays_revoked() {
    let index = Index::default();
    let revoked = entry(1, 7);
    revoked.revoke();
    assert!(index.insert(revoked));
    assert!(!index.insert(entry(1, 7)));
    assert_eq!(stage(&index, 1), Some(Stage::Revoked));
}

fn stage(index: &Index, seed: u8) -> Option<Stage> {
    index.ask(&digest(seed), |entry| entry.stage(UnixMillis(0)))
}

impl Entry {
    /// The stage of the key's life, for any state of its owner.
    pub(crate) fn stage_by_itself(&self, now: UnixMillis) -> Stage {
        self.life.stage(now)
    }
}

impl Index {
    /// The result of `ask` for the key that has, or had, this secret.
    pub(crate) fn ask<T>(&self, digest: &Digest, ask: impl FnOnce(&Entry) -> T) -> Option<T> {
        self.look(digest, |held| held.map(|held| ask(held.entry)))
    }

    /// How many secrets lie between this one and the key; 0 for the key's present one.
    pub(crate) fn steps(&self, digest: &Digest) -> Option<u32> {
        let shard = self.shard(digest).read();
        if shard.find(digest).is_some() {
            return Some(0);
        }
        let next = shard.find_former(digest)?.next;
        drop(shard);
        self.steps(&next).map(|steps| steps + 1)
    }
}

/// Whether the key had the secret from which it was rotated.
fn rotated(index: &Index, from: u8, to: u8, ends_at: u64) -> bool {
    let held = index.holds(&digest(from));
    index.rotate(entry(to, 7), digest(from), UnixMillis(ends_at), CLOCK);
    held
}

#[test]
fn a_former_secret_leads_to_the_present_one_until_the_soonest_end_on_the_way() {
    let index = Index::default();
    assert!(index.insert(entry(1, 7)));
    assert!(rotated(&index, 1, 2, 50));
    assert!(rotated(&index, 2, 3, 40));
    let ends = |seed| index.find(&digest(seed)).map(|found| found.ends_at.map(|at| at.0));
    assert_eq!((ends(1), ends(2), ends(3)), (Some(Some(40)), Some(Some(40)), Some(None)));
    assert_eq!(ends(4), None);
    assert_eq!(index.steps(&digest(1)), Some(2), "the rotation is still under way");
    assert!(index.put_former(digest(1), digest(3), UnixMillis(50)).is_none());
    assert_eq!((ends(1), index.steps(&digest(1))), (Some(Some(50)), Some(1)));
    assert_eq!(index.len(), 1, "a key is one key, however many secrets it had");
}

#[test]
fn a_grace_only_gets_shorter() {
    let index = Index::default();
    assert!(index.insert(entry(1, 7)));
    assert!(rotated(&index, 1, 2, 50));
    for (told, kept) in [(60, 50), (40, 40), (45, 40)] {
        assert!(index.put_former(digest(1), digest(2), UnixMillis(told)).is_none());
        assert_eq!(index.find(&digest(1)).unwrap().ends_at, Some(UnixMillis(kept)));
    }
}

#[test]
fn what_turns_out_to_be_a_former_secret_is_no_key_any_more() {
    let index = Index::default();
    assert!(index.insert(entry(1, 7)) && index.insert(entry(2, 7)));
    index.ask(&digest(1), |entry| entry.counters().add(Outcome::Allowed, UnixMillis(5)));
    let passed = index.put_former(digest(1), digest(2), UnixMillis(50)).unwrap();
    assert_eq!((passed.id().get(), passed.counted(UnixMillis(5))[Outcome::Allowed]), (7, 1));
    assert_eq!(index.find(&digest(1)).unwrap().ends_at, Some(UnixMillis(50)));
    assert!(!index.insert(entry(1, 7)), "a late issuing does not bring it back");
    assert_eq!(index.len(), 1);
}

#[test]
fn a_key_stays_revoked_through_a_rotation() {
    let index = Index::default();
    assert!(index.insert(entry(1, 7)));
    index.stop(&digest(1));
    assert!(rotated(&index, 1, 2, 50));
    assert_eq!(stage(&index, 2), Some(Stage::Revoked));
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
                    // A revoked key stays revoked, with any entry that replaces it.
                    index.replace(entry(seed, id), CLOCK);
                    model.entry(seed).and_modify(|(there, _)| *there = id).or_insert((id, true));
                }
                _ => {
                    let seen = index.ask(&digest(seed), |entry| {
                        (entry.id().get(), entry.stage(UnixMillis(0)) == Stage::Active)
                    });
                    prop_assert_eq!(seen, model.get(&seed).copied());
                }
            }
        }
        prop_assert_eq!(index.len(), model.len());
    }
}
