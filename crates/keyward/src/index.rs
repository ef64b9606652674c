//! The map in memory from digest to key, which is all that a request asks.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashTable;

use crate::count::Counters;
use crate::digest::Digest;
use crate::limit::Meter;
use crate::record::{KeyId, KeyName, KeyState, Record, Scopes};
use crate::tier::Tier;
use crate::time::UnixMillis;

/// Parts that the index is split into, so that a change locks, and a growing table moves, one
/// key in a thousand. A power of two.
const SHARDS: usize = 1_024;

/// One key in memory: 168 bytes, names of over 24 bytes and scopes aside.
pub struct Entry {
    digest: Digest,
    id: KeyId,
    life: Life,
    meter: Meter,
    tier: Arc<Tier>,
    name: KeyName,
    /// `None` for no scopes, as most keys have.
    scopes: Option<Box<Scopes>>,
    counters: Counters,
}

impl Entry {
    /// An entry for one secret of a key, with a full bucket and nothing counted.
    #[must_use]
    pub fn new(digest: Digest, record: Record, tier: Arc<Tier>) -> Self {
        let Record { id, name, scopes, state, expires_at } = record;
        Self {
            digest,
            id,
            life: Life::new(state, expires_at),
            meter: Meter::default(),
            tier,
            name,
            scopes: (!scopes.is_empty()).then(|| Box::new(scopes)),
            counters: Counters::default(),
        }
    }

    /// The key's identity.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What people call the key.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The tier that sets the key's limits.
    #[must_use]
    pub fn tier(&self) -> &Tier {
        &self.tier
    }

    /// Whether the key may do what `asked` names.
    #[must_use]
    pub fn grants(&self, asked: &str) -> bool {
        self.scopes.as_ref().is_some_and(|scopes| scopes.grants(asked))
    }

    /// The key's scopes, in the order in which they were given.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().flat_map(|scopes| scopes.iter()).map(|scope| scope.as_str())
    }

    pub(crate) fn stage(&self, now: UnixMillis) -> Stage {
        self.life.stage(now)
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("id", &self.id).field("name", &self.name).finish()
    }
}

/// Where in its life a key is at some instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Usable,
    Suspended,
    Revoked,
    Expired,
}

/// State and expiry in one word, so that a request reads both at once and a revocation is one
/// store: 0 is revoked; else the low 63 bits are the expiry in milliseconds (all ones is never)
/// and the top bit says suspended.
///
/// Written with `Release` and read with `Acquire`: whoever learned of a revocation, through an
/// answer that was sent after it, sees it.
#[derive(Debug)]
struct Life(AtomicU64);

const REVOKED: u64 = 0;
const SUSPENDED: u64 = 1 << 63;
const NEVER: u64 = SUSPENDED - 1;

impl Life {
    fn new(state: KeyState, expires_at: Option<UnixMillis>) -> Self {
        // An expiry at 0 becomes 1, which is as long ago and is not the word for revoked.
        let expires = expires_at.map_or(NEVER, |at| at.0.clamp(1, NEVER));
        Self(AtomicU64::new(match state {
            KeyState::Active => expires,
            KeyState::Suspended => expires | SUSPENDED,
            KeyState::Revoked { .. } => REVOKED,
        }))
    }

    fn revoke(&self) {
        self.0.store(REVOKED, Ordering::Release);
    }

    fn stage(&self, now: UnixMillis) -> Stage {
        let word = self.0.load(Ordering::Acquire);
        let expires = word & NEVER;
        if word == REVOKED {
            Stage::Revoked
        } else if word & SUSPENDED != 0 {
            Stage::Suspended
        } else if expires != NEVER && expires <= now.0 {
            Stage::Expired
        } else {
            Stage::Usable
        }
    }
}

/// Aligned to a cache line, so that two threads in neighbouring shards do not slow each other.
#[repr(align(64))]
#[derive(Default)]
struct Shard {
    /// A blocking lock on purpose: it is held for one look-up or one insertion, never across
    /// another step and never across `.await`. A panic inside could only come from running out
    /// of memory, which aborts; so a poisoned lock guards a whole table and is taken all the same.
    table: RwLock<HashTable<Arc<Entry>>>,
}

impl Shard {
    fn read(&self) -> RwLockReadGuard<'_, HashTable<Arc<Entry>>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashTable<Arc<Entry>>> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every key that was ever issued, by the digest of its secret; revoked ones too, so that their
/// requests are counted.
pub struct Index {
    shards: Box<[Shard]>,
}

impl Default for Index {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect() }
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("len", &self.len()).finish()
    }
}

impl Index {
    /// Finds the key whose secret has this digest.
    #[must_use]
    pub fn find(&self, digest: &Digest) -> Option<Arc<Entry>> {
        let shard = self.shard(digest).read();
        shard.find(digest.place(), |entry| entry.digest == *digest).cloned()
    }

    /// Adds a key, unless one with this digest is there already: what is there is newer, such as
    /// a key that was revoked while it was still being issued. Returns whether it was added.
    pub fn insert(&self, entry: Entry) -> bool {
        let mut shard = self.shard(&entry.digest).write();
        let place = entry.digest.place();
        if shard.find(place, |other| other.digest == entry.digest).is_some() {
            return false;
        }
        shard.insert_unique(place, Arc::new(entry), |entry| entry.digest.place());
        true
    }

    /// Revokes a key: every request that looks it up from now on is refused.
    ///
    /// A key that is not here yet is added as revoked, so that the issuing that is still under way
    /// cannot bring it to life.
    pub fn revoke(&self, entry: Entry) {
        entry.life.revoke();
        let digest = entry.digest;
        if !self.insert(entry) {
            self.stop(&digest);
        }
    }

    /// Revokes a key if it is here.
    pub(crate) fn stop(&self, digest: &Digest) {
        if let Some(entry) = self.find(digest) {
            entry.life.revoke();
        }
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shows every entry of one part of the index; `None` past the last part.
    pub(crate) fn each_in_shard(&self, shard: usize, mut visit: impl FnMut(&Entry)) -> Option<()> {
        for entry in self.shards.get(shard)?.read().iter() {
            visit(entry);
        }
        Some(())
    }

    fn shard(&self, digest: &Digest) -> &Shard {
        // The table within uses the upper and lower bits; these are the ones in the middle.
        let at = usize::try_from(digest.place() >> 32).unwrap_or_default() % SHARDS;
        self.shards.get(at).expect("a remainder of SHARDS is below it, and there are SHARDS shards")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::limit::Limits;

    fn entry(seed: u8, id: u64) -> Entry {
        let record = Record {
            id: KeyId::new(id).unwrap(),
            name: "a".parse().unwrap(),
            scopes: Scopes::default(),
            state: KeyState::Active,
            expires_at: None,
        };
        let limits = Limits::new(Vec::new()).unwrap();
        let tier = Arc::new(Tier::new("basic".parse().unwrap(), limits));
        Entry::new(digest(seed), record, tier)
    }

    /// All in one shard and one group of its table, where collisions show.
    fn digest(seed: u8) -> Digest {
        let mut bytes = [0; 32];
        bytes[31] = seed;
        Digest::from_stored(bytes)
    }

    #[test]
    fn an_entry_stays_small() {
        assert_eq!(size_of::<Entry>() + 2 * size_of::<usize>(), 168);
    }

    #[test]
    fn expiry_is_the_first_instant_that_fails() {
        let life = Life::new(KeyState::Active, Some(UnixMillis(1_000)));
        assert_eq!(life.stage(UnixMillis(999)), Stage::Usable);
        assert_eq!(life.stage(UnixMillis(1_000)), Stage::Expired);
        let never = Life::new(KeyState::Active, None);
        assert_eq!(never.stage(UnixMillis(u64::MAX)), Stage::Usable);
        let long_ago = Life::new(KeyState::Active, Some(UnixMillis(0)));
        assert_eq!(long_ago.stage(UnixMillis(1)), Stage::Expired);
    }

    #[test]
    fn revoked_outweighs_all_and_suspended_outweighs_expired() {
        let suspended = Life::new(KeyState::Suspended, Some(UnixMillis(5)));
        assert_eq!(suspended.stage(UnixMillis(9)), Stage::Suspended);
        suspended.revoke();
        assert_eq!(suspended.stage(UnixMillis(1)), Stage::Revoked);
    }

    #[test]
    fn a_key_revoked_while_being_issued_stays_revoked() {
        let index = Index::default();
        index.revoke(entry(1, 7));
        assert!(!index.insert(entry(1, 7)));
        let found = index.find(&digest(1)).unwrap();
        assert_eq!(found.stage(UnixMillis(0)), Stage::Revoked);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_map(steps in prop::collection::vec((0_u8..3, 0_u8..40), 0..200)) {
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
                        index.revoke(entry(seed, id));
                        model.entry(seed).or_insert((id, false)).1 = false;
                    }
                    _ => {
                        let found = index.find(&digest(seed));
                        let seen = found
                            .map(|e| (e.id().get(), e.stage(UnixMillis(0)) == Stage::Usable));
                        prop_assert_eq!(seen, model.get(&seed).copied());
                    }
                }
            }
            prop_assert_eq!(index.len(), model.len());
        }
    }
}
