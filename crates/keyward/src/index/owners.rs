//! The owners of keys, each once: what its keys share is found here.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;
use triomphe::Arc;

use crate::limit::{Limits, Revision};
use crate::owner::OwnerState;
use crate::record::Owner;
use crate::time::ReadClock;

/// Parts, so that changes of keys of different owners seldom wait for each other.
const SHARDS: usize = 64;
/// Owners of one part before any is looked at whether it is still needed.
const SWEEP_MIN: usize = 16;

/// Every owner whose state is shared by keys, and every owner with limits. A request that is only
/// verified needs nothing here: its key leads to its owner.
pub(super) struct Owners {
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
}

/// One part of the owners. Locked for one look-up, or one pass over it.
struct Shard {
    owners: HashTable<Arc<OwnerState>>,
    /// As many owners as there may be before unneeded ones are removed. It is twice as many as the
    /// last pass left, so that a pass costs each new owner a constant.
    sweep_at: usize,
}

impl Default for Owners {
    fn default() -> Self {
        let shard = || Mutex::new(Shard { owners: HashTable::new(), sweep_at: SWEEP_MIN });
        Self { hasher: RandomState::new(), shards: (0..SHARDS).map(|_| shard()).collect() }
    }
}

impl Owners {
    /// The owner of this name, for a key to share, in the state that the store has. It is made if
    /// no key has it yet.
    pub(super) fn share(&self, name: &Owner, is_suspended: bool) -> Arc<OwnerState> {
        let owner = self.find_or_make(name);
        owner.set_suspended(is_suspended);
        owner
    }

    /// Puts limits in force for all keys of an owner together. One that has limits is kept, also
    /// while no key shares it: its use is not forgotten when the last key changes hands.
    pub(super) fn set_limits(
        &self,
        name: &Owner,
        (limits, revision): (&Limits, Revision),
        clock: ReadClock<'_>,
    ) {
        self.find_or_make(name).set_limits(limits, revision, clock);
    }

    /// The owner of this name, if there is one.
    pub(super) fn find(&self, name: &Owner) -> Option<Arc<OwnerState>> {
        let hash = self.hasher.hash_one(name);
        self.shard(hash).owners.find(hash, |owner| owner.name() == name).cloned()
    }

    fn find_or_make(&self, name: &Owner) -> Arc<OwnerState> {
        let hash = self.hasher.hash_one(name);
        let mut shard = self.shard(hash);
        if let Some(owner) = shard.owners.find(hash, |owner| owner.name() == name) {
            return Arc::clone(owner);
        }
        if shard.sweep_at <= shard.owners.len() {
            shard.owners.retain(|owner| is_needed(owner));
            shard.sweep_at = SWEEP_MIN.max(2 * shard.owners.len());
        }
        let owner = Arc::new(OwnerState::new(name.clone(), false));
        let hash_of = |owner: &Arc<OwnerState>| self.hasher.hash_one(owner.name());
        shard.owners.insert_unique(hash, Arc::clone(&owner), hash_of);
        owner
    }

    /// Suspends or resumes an owner, with all keys that share it: one atomic store. One that is not
    /// here has no key here, and comes with its first one.
    pub(super) fn set_suspended(&self, name: &Owner, is_suspended: bool) {
        let hash = self.hasher.hash_one(name);
        let shard = self.shard(hash);
        if let Some(owner) = shard.owners.find(hash, |owner| owner.name() == name) {
            owner.set_suspended(is_suspended);
        }
    }

    /// How many there are, those included that the next pass removes.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let lens = self.shards.iter().map(|shard| lock(shard).owners.len());
        lens.sum()
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        let at = usize::try_from(hash >> 32).unwrap_or_default() % SHARDS;
        lock(self.shards.get(at).expect("a remainder of SHARDS is below it"))
    }
}

/// A panic while this is held could only come from running out of memory, which aborts.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a key shares the owner, or it has limits. Called under the lock of its part, without
/// which no key begins to share it: code that has one from elsewhere has it from a key.
fn is_needed(owner: &Arc<OwnerState>) -> bool {
    !owner.is_unique() || owner.buckets().are_set()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;
    use crate::limit::Limit;
    use crate::time::{Now, SteadyNanos, UnixMillis};

    fn name(number: usize) -> Owner {
        format!("org_{number}").parse().unwrap()
    }

    #[test]
    fn keys_of_one_owner_share_it() {
        let owners = Owners::default();
        let (one, two) = (owners.share(&name(1), false), owners.share(&name(1), false));
        let other = owners.share(&name(2), false);
        assert!(Arc::ptr_eq(&one, &two));
        owners.set_suspended(&name(1), true);
        assert_eq!((two.is_suspended(), other.is_suspended()), (true, false));
        assert!(owners.share(&name(1), true).is_suspended());
        owners.share(&name(1), false);
        assert!(!one.is_suspended(), "what the store says holds for all");
    }

    #[test]
    fn owners_that_no_key_has_any_more_are_forgotten() {
        let owners = Owners::default();
        let kept: Vec<_> = (0..100).map(|number| owners.share(&name(number), false)).collect();
        for number in 100..100_000 {
            owners.share(&name(number), false);
        }
        assert!(owners.len() <= SHARDS * (SWEEP_MIN + 2) + 2 * kept.len(), "{}", owners.len());
        for (number, owner) in kept.iter().enumerate() {
            assert!(Arc::ptr_eq(owner, &owners.share(&name(number), false)), "{number}");
        }
    }

    #[test]
    fn an_owner_with_limits_is_kept_though_no_key_has_it() {
        let clock = || Now::new(UnixMillis(0), SteadyNanos(0));
        let owners = Owners::default();
        let one = NonZeroU32::MIN;
        let limit = Limit::new("a", one, Duration::from_secs(60), one).unwrap();
        let limits = Limits::of(Some(limit));
        owners.set_limits(&name(1), (&limits, Revision(0)), &clock);
        owners.set_limits(&name(2), (&limits, Revision(0)), &clock);
        owners.set_limits(&name(2), (&Limits::of(None), Revision(0)), &clock);
        for number in 3..100_000 {
            owners.share(&name(number), false);
        }
        assert!(owners.share(&name(1), false).buckets().are_set());
        assert!(!owners.share(&name(2), false).buckets().are_set());
    }
}
