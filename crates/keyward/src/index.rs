//! The map in memory from digest to key, which is all that a request asks.

mod entry;
mod life;

use std::fmt;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashTable;
use triomphe::Arc;

use crate::digest::Digest;
use crate::limit::Meter;
use crate::time::{ReadClock, UnixMillis};

pub use entry::Entry;

/// Parts that the index is split into, so that a change locks, and a growing table moves, one
/// key in a thousand. A power of two.
const SHARDS: usize = 1_024;

/// A secret that was replaced by a rotation.
struct Former {
    digest: Digest,
    /// The key's present secret; while a rotation is under way, perhaps the one before it.
    next: Digest,
    /// The first instant at which it no longer works.
    ends_at: UnixMillis,
}

/// The end of a grace that is over for good: no reading of the clock lies before it, wherever
/// somebody sets the clock.
pub(crate) const ENDED: UnixMillis = UnixMillis(0);

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
        // Where nothing was rotated, a text that is unknown costs no second look.
        if self.former.is_empty() {
            return None;
        }
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

    /// Notes a former secret. One that is known keeps the sooner end: grace only ever gets
    /// shorter, so the later one is out of date.
    fn put_former(&mut self, former: Former) {
        let place = former.digest.place();
        match self.former.find_mut(place, |there| there.digest == former.digest) {
            Some(there) => {
                let ends_at = there.ends_at.min(former.ends_at);
                *there = Former { ends_at, ..former };
            }
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

    /// Goes to the present secret. That is one step, however often the key was rotated: only while
    /// a rotation is under way do some secrets still lead to the one that it replaces, which leads
    /// on. It ends, since each rotation makes a secret that never was before.
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
    pub(crate) fn replace(&self, entry: Entry, clock: ReadClock<'_>) -> Option<Arc<Entry>> {
        let mut shard = self.shard(&entry.digest).write();
        let before = shard.remove(&entry.digest);
        if let Some(before) = &before {
            entry.life.inherit(&before.life);
            entry.take_over(before, clock);
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
        clock: ReadClock<'_>,
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
                entry.take_over(there, clock);
            }
            None => entry.meter.open(),
        }
        shard.put_former(Former { digest: before, next, ends_at });
        there
    }

    /// Notes a secret that a key had before, the one that it has now, and until when the former
    /// works. Returns what was there if it passed for the present one until now.
    ///
    /// Changes of one key must come one after the other, and each must note all secrets that the
    /// key had, so that none leads to another that was replaced.
    #[must_use]
    pub(crate) fn put_former(
        &self,
        digest: Digest,
        next: Digest,
        ends_at: UnixMillis,
    ) -> Option<Arc<Entry>> {
        let mut shard = self.shard(&digest).write();
        shard.put_former(Former { digest, next, ends_at });
        shard.remove(&digest)
    }

    /// Whether this is a key's present secret, as far as is known here.
    pub(crate) fn holds(&self, digest: &Digest) -> bool {
        self.shard(digest).read().find(digest).is_some()
    }

    /// Revokes a key if this is its present secret here.
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
