//! The map in memory from digest to key, which is all that a request asks.

mod census;
mod entry;
mod extras;
mod life;
mod loading;
mod owners;
mod shown;
mod slots;
mod table;

use std::fmt;
use std::sync::{Arc as StdArc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use triomphe::Arc;

use crate::digest::Digest;
use crate::lease::Lease;
use crate::limit::{Limits, Revision};
use crate::owner::OwnerState;
use crate::record::{KeyId, Owner};
use crate::tier::{Tier, TierName};
use crate::time::{ReadClock, UnixMillis};

pub use census::Census;
pub use entry::Entry;
pub use loading::Loading;

pub(crate) use shown::Shown;

use owners::Owners;
use table::{Former, Table};

/// Parts that the index is split into, so that a change locks, and a growing table moves, one
/// key in more than a thousand. Tables grow by a quarter, all at about the same number of keys;
/// with so many they are well filled at a million keys and at ten million.
const SHARDS: usize = 1_568;

/// The end of a grace that has ended for good: no reading of the clock is before it, even if the
/// clock is set.
pub(crate) const ENDED: UnixMillis = UnixMillis(0);

/// Aligned to a cache line, so that two threads in neighbouring shards do not slow each other.
#[repr(align(64))]
#[derive(Default)]
struct Shard {
    /// A blocking lock on purpose: it is held for one verdict or one change, neither of which
    /// waits, and never across `.await`. While a change holds it, no verdict about a key of this
    /// shard is under way, so what the key used and counted is moved exactly. A panic inside could
    /// only come from running out of memory, which aborts; so a poisoned lock guards a whole table
    /// and is taken all the same.
    table: RwLock<Table>,
    /// Held while several buckets of one key are checked and written, so that a request takes from
    /// all of them or from none. Keys of one shard share it: one in a thousand meets another.
    buckets: Mutex<()>,
}

impl Shard {
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every key that was ever issued, by the digest of its secret; revoked ones too, so that their
/// requests are counted.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use keyward::digest::Digest;
/// use keyward::index::{Entry, Index};
/// use keyward::key::{Prefix, Secret};
/// use keyward::limit::{Limit, Limits};
/// use keyward::record::KeyId;
/// use keyward::stored::Key;
/// use keyward::tier::Tier;
///
/// // One key of a tier that allows a request a minute.
/// let limit = Limit::new("requests", 1.try_into()?, Duration::from_secs(60), 1.try_into()?)?;
/// let tier = Arc::new(Tier::new("basic".parse()?, Limits::of(Some(limit))));
/// let secret = Secret::generate(&Prefix::default())?;
/// let (id, name) = (KeyId::new(1).unwrap(), "weather-bot".parse()?);
/// let key = Key::plain(id, name, "basic".parse()?, Digest::of_secret(&secret));
/// let index = Index::default();
/// index.insert(Entry::new(&key, tier));
///
/// assert_eq!(index.len(), 1);
/// let found = index.find(&Digest::of_secret(&secret));
/// assert_eq!(found.map(|found| found.id), Some(id));
/// let other = Secret::generate(&Prefix::default())?;
/// assert!(index.find(&Digest::of_secret(&other)).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Index {
    /// In the same place as the tables, which no verdict may look at without it.
    lease: Lease,
    shards: Box<[Shard]>,
    owners: Owners,
}

impl Default for Index {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        Self { lease: Lease::default(), shards, owners: Owners::default() }
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("len", &self.len()).finish()
    }
}

/// What a digest led to.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// The key.
    pub id: KeyId,
    /// When the grace of the secret ends, if it is a former one.
    pub ends_at: Option<UnixMillis>,
}

/// What a digest leads to, while a verdict about it is made: nothing changes it meanwhile.
pub(crate) struct Held<'a> {
    pub(crate) entry: &'a Entry,
    /// As in [`Found`].
    pub(crate) ends_at: Option<UnixMillis>,
    /// For taking from several buckets of the key.
    pub(crate) lock: &'a Mutex<()>,
}

impl Index {
    /// Until when a verdict may rely on the index. It never ends unless a calling program says
    /// otherwise.
    #[inline]
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Finds the key that has, or had, the secret with this digest, and holds it while `ask` says
    /// what it is about; `None` if there is no such key.
    ///
    /// From a former secret it is one step to the present one, however often the key was rotated:
    /// only while a rotation is under way do some secrets still lead to the one that it replaces,
    /// which leads on. It ends, since each rotation makes a secret that never was before.
    #[inline]
    pub(crate) fn look<T>(&self, digest: &Digest, ask: impl FnOnce(Option<&Held<'_>>) -> T) -> T {
        #[cfg(test)]
        LOOKS.set(LOOKS.get() + 1);
        let (mut digest, mut ends_at) = (*digest, None);
        loop {
            let shard = self.shard(&digest);
            let table = shard.read();
            let held = match table.find(&digest) {
                Some(entry) => Some(Held { entry, ends_at, lock: &shard.buckets }),
                None => match table.find_former(&digest) {
                    Some(former) => {
                        let soonest = |ends_at: UnixMillis| ends_at.min(former.ends_at);
                        ends_at = Some(ends_at.map_or(former.ends_at, soonest));
                        digest = former.next;
                        continue;
                    }
                    None => None,
                },
            };
            // In one place, so that what a verdict does becomes part of the look.
            return ask(held.as_ref());
        }
    }

    /// Finds the key that has, or had, the secret with this digest.
    #[must_use]
    pub fn find(&self, digest: &Digest) -> Option<Found> {
        self.look(digest, |held| {
            held.map(|held| Found { id: held.entry.id(), ends_at: held.ends_at })
        })
    }

    /// Adds a key, unless one with this digest is there already: that one is newer, such as a key
    /// that was revoked while it was still being issued. Returns whether it was added.
    pub fn insert(&self, entry: Entry) -> bool {
        self.shard(entry.digest()).write().add(entry)
    }

    /// Replaces the entry of a key, or adds it. Its limits go on where they were, and so do its
    /// counters; a key that was revoked stays revoked.
    ///
    /// Changes of one key must come one after the other.
    pub(crate) fn replace(&self, entry: Entry, clock: ReadClock<'_>) {
        let mut shard = self.shard(entry.digest()).write();
        match shard.find_mut(entry.digest()) {
            Some(there) => there.change(entry, clock),
            None => shard.current.insert(entry),
        }
    }

    /// Gives a key another secret: `entry` has the new one's digest, and the secret with the digest
    /// `before` works until `ends_at`. It keeps the same as [`Index::replace`].
    ///
    /// One step to all who look: both secrets' shards are locked.
    pub(crate) fn rotate(
        &self,
        mut entry: Entry,
        before: Digest,
        ends_at: UnixMillis,
        clock: ReadClock<'_>,
    ) {
        let digest = *entry.digest();
        let (to, from) = (Self::place(&digest), Self::place(&before));
        // The lower one first, as in every step that locks two.
        let mut low = self.at(to.min(from)).write();
        let mut high = (to != from).then(|| self.at(to.max(from)).write());
        let former = Former { digest: before, next: digest, ends_at };
        let there = match &mut high {
            Some(high) if to < from => high.leave(former),
            Some(_) | None => low.leave(former),
        };
        if let Some(there) = there {
            entry.take_over(there, clock);
        }
        match &mut high {
            Some(high) if from < to => high.put(entry),
            Some(_) | None => low.put(entry),
        }
    }

    /// Notes a secret that a key had before, the one that it has now, and until when the former
    /// works. Returns what passed for the key until now, whose counters no flush finds any more.
    ///
    /// Changes of one key must come one after the other, and each must note all secrets that the
    /// key had, so that none leads to another that was replaced.
    #[must_use]
    pub(crate) fn put_former(
        &self,
        digest: Digest,
        next: Digest,
        ends_at: UnixMillis,
    ) -> Option<Entry> {
        self.shard(&digest).write().leave(Former { digest, next, ends_at })
    }

    /// Moves all keys of a tier to another one, shard by shard: to limits with other names.
    /// Returns `None` past the last shard.
    pub(crate) fn move_keys(
        &self,
        shard: usize,
        (from, to): (&StdArc<Tier>, &StdArc<Tier>),
        clock: ReadClock<'_>,
    ) -> Option<()> {
        let mut table = self.shards.get(shard)?.write();
        for entry in table.current.iter_mut().filter(|entry| entry.is_in(from)) {
            entry.move_to(StdArc::clone(to), clock);
        }
        Some(())
    }

    /// Whether this is a key's present secret, as far as is known here.
    pub(crate) fn holds(&self, digest: &Digest) -> bool {
        self.shard(digest).read().find(digest).is_some()
    }

    /// Revokes a key if this is its present secret here.
    pub(crate) fn stop(&self, digest: &Digest) {
        // Under the lock, so that no entry that replaces it misses it.
        if let Some(entry) = self.shard(digest).read().find(digest) {
            entry.revoke();
        }
    }

    /// The owner of this name, for the entry of a key to share, in the state that the store has.
    #[must_use]
    pub fn owner(&self, name: &Owner, is_suspended: bool) -> Arc<OwnerState> {
        self.owners.share(name, is_suspended)
    }

    /// Withholds verdicts about the key with this secret, known or not.
    pub(crate) fn withhold(&self, id: KeyId, digest: Digest, tier: &StdArc<Tier>) {
        let mut table = self.shard(&digest).write();
        match table.find(&digest) {
            Some(entry) => entry.withhold(),
            None => drop(table.add(Entry::unreadable(id, digest, StdArc::clone(tier)))),
        }
    }

    /// Withholds verdicts about all keys of a tier.
    pub(crate) fn withhold_tier(&self, tier: &TierName) {
        for shard in &self.shards {
            let table = shard.read();
            let of_tier = table.current.iter().filter(|entry| entry.tier().name() == tier);
            of_tier.for_each(Entry::withhold);
        }
    }

    /// Forgets a key by its present secret, which is unknown from here on.
    pub(crate) fn forget(&self, digest: &Digest) -> Option<Entry> {
        let mut table = self.shard(digest).write();
        let at = table.current.find_at(digest)?;
        table.current.remove(at)
    }

    /// The owner of this name, if a key shares it, it has limits, or other code holds it.
    pub(crate) fn find_owner(&self, name: &Owner) -> Option<Arc<OwnerState>> {
        self.owners.find(name)
    }

    /// Puts limits in force for all keys of an owner together, on top of each key's own. The owner
    /// need not have a key yet: keys that get it later are held to them.
    ///
    /// Changes of one owner must come one after the other.
    pub fn set_owner_limits(&self, name: &Owner, limits: &Limits, clock: ReadClock<'_>) {
        self.set_owner_terms(name, (limits, Revision::default()), clock);
    }

    /// The same with the number of the change of these limits, on a cluster.
    pub(crate) fn set_owner_terms(
        &self,
        name: &Owner,
        terms: (&Limits, Revision),
        clock: ReadClock<'_>,
    ) {
        self.owners.set_limits(name, terms, clock);
    }

    /// Suspends or resumes an owner: the next request of each key whose entry shares it is judged
    /// by that, however many they are.
    pub(crate) fn set_owner_suspended(&self, name: &Owner, is_suspended: bool) {
        self.owners.set_suspended(name, is_suspended);
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().current.len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shows every entry of one part of the index; `None` past the last part.
    pub(crate) fn each_in_shard(&self, shard: usize, mut visit: impl FnMut(&Entry)) -> Option<()> {
        self.shards.get(shard)?.read().current.iter().for_each(&mut visit);
        Some(())
    }

    fn shard(&self, digest: &Digest) -> &Shard {
        self.at(Self::place(digest))
    }

    fn place(digest: &Digest) -> usize {
        // The table within goes by the number as a whole, so that this one is as good as any.
        usize::try_from(digest.place() >> 32).unwrap_or_default() % SHARDS
    }

    fn at(&self, place: usize) -> &Shard {
        self.shards.get(place).expect("positions are below SHARDS, and there are SHARDS shards")
    }
}

#[cfg(test)]
thread_local! {
    /// How often this thread looked at an index.
    pub(crate) static LOOKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests;
