//! The map in memory from digest to key, which is all that a request asks.

mod life;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc as StdArc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashTable;
use triomphe::Arc;

use crate::count::{Counters, Counts};
use crate::digest::Digest;
use crate::limit::{Limits, Meter, Standing, TakeError};
use crate::network::Networks;
use crate::record::{KeyId, KeyName, Owner, Record, Scopes, Stage};
use crate::tier::Tier;
use crate::time::{SteadyNanos, UnixMillis};

use life::Life;

/// Parts that the index is split into, so that a change locks, and a growing table moves, one
/// key in a thousand. A power of two.
const SHARDS: usize = 1_024;

/// One key in memory: 168 bytes, names of over 24 bytes and restrictions aside.
pub struct Entry {
    digest: Digest,
    id: KeyId,
    life: Life,
    meter: Meter,
    tier: StdArc<Tier>,
    name: KeyName,
    /// `None` for a key without any, as most are.
    extras: Option<Box<Extras>>,
    counters: Counters,
}

/// What only some keys have.
#[derive(PartialEq)]
struct Extras {
    owner: Option<Owner>,
    scopes: Scopes,
    networks: Networks,
    /// In place of the tier's.
    limits: Option<Limits>,
}

impl Extras {
    fn of(record: Record) -> Option<Box<Self>> {
        let Record { owner, scopes, networks, limits, .. } = record;
        if owner.is_none() && scopes.is_empty() && networks.is_empty() && limits.is_none() {
            return None;
        }
        Some(Box::new(Self { owner, scopes, networks, limits }))
    }
}

impl Entry {
    /// An entry for a key whose current secret has this digest, with a full bucket and nothing
    /// counted.
    #[must_use]
    pub fn new(digest: Digest, record: Record, tier: StdArc<Tier>) -> Self {
        Self {
            digest,
            id: record.id,
            life: Life::of(&record),
            meter: Meter::default(),
            tier,
            name: record.name.clone(),
            extras: Extras::of(record),
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

    /// The tier of the key, whose limits hold unless it has its own.
    #[must_use]
    pub fn tier(&self) -> &Tier {
        &self.tier
    }

    /// To whom the key belongs.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.extras.as_ref()?.owner.as_ref().map(Owner::as_str)
    }

    /// When the key expires.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixMillis> {
        self.life.expires_at()
    }

    /// Whether the key may do what `asked` names.
    #[must_use]
    pub fn grants(&self, asked: &str) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.scopes.grants(asked))
    }

    /// The key's scopes, in the order in which they were given.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.extras.iter().flat_map(|extras| extras.scopes.iter()).map(|scope| scope.as_str())
    }

    /// What was counted in the hour of `at` and no flush has taken yet.
    #[must_use]
    pub fn counted(&self, at: UnixMillis) -> Counts {
        self.counters.in_hour(at.hour())
    }

    pub(crate) fn stage(&self, now: UnixMillis) -> Stage {
        self.life.stage(now)
    }

    /// Whether the key may be used from this address.
    pub(crate) fn allows(&self, address: Option<IpAddr>) -> bool {
        self.extras.as_ref().is_none_or(|extras| extras.networks.allow(address))
    }

    /// Takes one request from the key's limit.
    pub(crate) fn take(&self, now: SteadyNanos) -> Result<Option<Standing>, TakeError> {
        match self.own_limits() {
            Some(limits) => limits.take(&self.meter, now),
            None => self.tier.limits().take(&self.meter, now),
        }
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    fn own_limits(&self) -> Option<&Limits> {
        self.extras.as_ref()?.limits.as_ref()
    }

    /// Takes the meter of the entry whose place this one takes.
    fn take_over(&self, before: &Self, now: SteadyNanos) {
        let same_tier = StdArc::ptr_eq(&self.tier, &before.tier);
        match (self.own_limits(), before.own_limits()) {
            (None, None) if same_tier => self.meter.take_over(&before.meter, None),
            (Some(own), Some(others)) if own == others => {
                self.meter.take_over(&before.meter, None);
            }
            (Some(own), _) => self.meter.take_over(&before.meter, Some((own, now))),
            (None, _) => {
                self.meter.take_over(&before.meter, Some((&self.tier.limits(), now)));
            }
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("id", &self.id).field("name", &self.name).finish()
    }
}

/// A secret that was replaced by a rotation.
struct Former {
    digest: Digest,
    /// The secret that replaced it, which may have been replaced in turn.
    next: Digest,
    /// The first instant at which it no longer works.
    ends_at: UnixMillis,
}

/// One part of the index.
#[derive(Default)]
struct Table {
    /// Keys, by the digest of the secret that is theirs now.
    current: HashTable<Arc<Entry>>,
    /// Secrets that keys had before. A request looks here only if it found nothing above, so
    /// rotations cost other callers nothing.
    former: HashTable<Former>,
}

impl Table {
    fn find(&self, digest: &Digest) -> Option<&Arc<Entry>> {
        self.current.find(digest.place(), |entry| entry.digest == *digest)
    }

    fn find_former(&self, digest: &Digest) -> Option<&Former> {
        self.former.find(digest.place(), |former| former.digest == *digest)
    }

    fn insert(&mut self, entry: Arc<Entry>) {
        let place = entry.digest.place();
        self.current.insert_unique(place, entry, |entry| entry.digest.place());
    }

    /// Takes a key out; it is put back with another digest, or as another entry.
    fn remove(&mut self, digest: &Digest) -> Option<Arc<Entry>> {
        let found = self.current.find_entry(digest.place(), |entry| entry.digest == *digest);
        found.ok().map(|found| found.remove().0)
    }

    fn put_former(&mut self, former: Former) {
        let place = former.digest.place();
        match self.former.find_mut(place, |there| there.digest == former.digest) {
            Some(there) => *there = former,
            None => {
                self.former.insert_unique(place, former, |former| former.digest.place());
            }
        }
    }
}

/// Aligned to a cache line, so that two threads in neighbouring shards do not slow each other.
#[repr(align(64))]
#[derive(Default)]
struct Shard {
    /// A blocking lock on purpose: it is held for one look-up or one change, never across
    /// another step and never across `.await`. A panic inside could only come from running out
    /// of memory, which aborts; so a poisoned lock guards a whole table and is taken all the same.
    table: RwLock<Table>,
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

/// What a digest led to.
#[derive(Debug)]
pub struct Found {
    /// The key.
    pub entry: Arc<Entry>,
    /// When the grace of the secret ends, if it is a former one.
    pub ends_at: Option<UnixMillis>,
}

impl Index {
    /// Finds the key that has, or had, the secret with this digest.
    #[must_use]
    #[inline]
    pub fn find(&self, digest: &Digest) -> Option<Found> {
        let shard = self.shard(digest).read();
        match shard.find(digest) {
            Some(entry) => Some(Found { entry: Arc::clone(entry), ends_at: None }),
            None => {
                let Former { next, ends_at, .. } = *shard.find_former(digest)?;
                drop(shard);
                self.follow(next, ends_at)
            }
        }
    }

    /// Goes from secret to secret until the current one. It ends, since each rotation makes a
    /// secret that never was before.
    fn follow(&self, mut next: Digest, mut ends_at: UnixMillis) -> Option<Found> {
        loop {
            let shard = self.shard(&next).read();
            if let Some(entry) = shard.find(&next) {
                return Some(Found { entry: Arc::clone(entry), ends_at: Some(ends_at) });
            }
            let former = shard.find_former(&next)?;
            ends_at = ends_at.min(former.ends_at);
            next = former.next;
        }
    }

    /// Adds a key, unless one with this digest is there already: what is there is newer, such as
    /// a key that was revoked while it was still being issued. Returns whether it was added.
    pub fn insert(&self, entry: Entry) -> bool {
        let mut shard = self.shard(&entry.digest).write();
        if shard.find(&entry.digest).is_some() || shard.find_former(&entry.digest).is_some() {
            return false;
        }
        shard.insert(Arc::new(entry));
        true
    }

    /// Puts a key in the place of what it was before, or adds it. Its limit goes on where it was;
    /// a key that was revoked stays revoked. Returns what was there, whose counters may still
    /// hold something.
    ///
    /// Changes of one key must come one after the other.
    #[must_use]
    pub(crate) fn replace(&self, entry: Entry, now: SteadyNanos) -> Option<Arc<Entry>> {
        let mut shard = self.shard(&entry.digest).write();
        let before = shard.remove(&entry.digest);
        if let Some(before) = &before {
            entry.life.inherit(&before.life);
            entry.take_over(before, now);
        }
        shard.insert(Arc::new(entry));
        before
    }

    /// Gives a key another secret: `entry` has the new one's digest, and the secret with the
    /// digest `before` works until `ends_at`. Returns what was there.
    ///
    /// No request finds neither: the new entry is there before the old one goes, and as long as
    /// its meter is closed nobody knows its secret.
    #[must_use]
    pub(crate) fn rotate(
        &self,
        mut entry: Entry,
        before: Digest,
        ends_at: UnixMillis,
        now: SteadyNanos,
    ) -> Option<Arc<Entry>> {
        entry.meter = Meter::closed();
        let entry = Arc::new(entry);
        let next = entry.digest;
        self.shard(&next).write().insert(Arc::clone(&entry));
        let mut shard = self.shard(&before).write();
        let there = shard.remove(&before);
        match &there {
            Some(there) => {
                entry.life.inherit(&there.life);
                entry.take_over(there, now);
            }
            None => entry.meter.open(),
        }
        shard.put_former(Former { digest: before, next, ends_at });
        there
    }

    /// Notes a secret that a key had before, and until when it works.
    pub(crate) fn put_former(&self, digest: Digest, next: Digest, ends_at: UnixMillis) {
        self.shard(&digest).write().put_former(Former { digest, next, ends_at });
    }

    /// Revokes a key if it is here.
    pub(crate) fn stop(&self, digest: &Digest) {
        // Under the lock, so that nothing that takes the entry's place misses it.
        if let Some(entry) = self.shard(digest).read().find(digest) {
            entry.life.revoke();
        }
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
        for entry in self.shards.get(shard)?.read().current.iter() {
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
mod tests;
