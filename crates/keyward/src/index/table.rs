//! One part of the index: the keys and former secrets whose digests lead there.

use hashbrown::HashTable;

use crate::digest::Digest;
use crate::time::UnixMillis;

use super::Entry;

/// A secret that was replaced by a rotation.
pub(super) struct Former {
    pub(super) digest: Digest,
    /// The key's present secret; while a rotation is under way, perhaps the one before it.
    pub(super) next: Digest,
    /// The first instant at which it no longer works.
    pub(super) ends_at: UnixMillis,
}

/// Where a key is in its part of the index. The place is the beginning of its digest: of those
/// entries that it is not, a request touches none, and a table that grows touches none at all.
pub(super) struct Slot {
    pub(super) place: u64,
    pub(super) entry: Entry,
}

/// One part of the index.
#[derive(Default)]
pub(super) struct Table {
    /// Keys, by the digest of the secret that is theirs now.
    pub(super) current: HashTable<Slot>,
    /// Secrets that keys had before. A request looks here only if it found nothing above, so
    /// rotations cost other callers nothing.
    pub(super) former: HashTable<Former>,
}

impl Table {
    #[inline]
    pub(super) fn find(&self, digest: &Digest) -> Option<&Entry> {
        let (place, rest) = digest.parts();
        let is_it = |slot: &Slot| slot.place == place && slot.entry.is_of(&rest);
        self.current.find(place, is_it).map(|slot| &slot.entry)
    }

    #[inline]
    pub(super) fn find_at(&self, digest: &Digest) -> Option<usize> {
        let (place, rest) = digest.parts();
        let is_it = |slot: &Slot| slot.place == place && slot.entry.is_of(&rest);
        self.current.find_bucket_index(place, is_it)
    }

    pub(super) fn find_former(&self, digest: &Digest) -> Option<&Former> {
        // Where nothing was rotated, a text that is unknown costs no second look.
        if self.former.is_empty() {
            return None;
        }
        self.former.find(digest.place(), |former| former.digest == *digest)
    }

    pub(super) fn insert(&mut self, digest: &Digest, entry: Entry) {
        let slot = Slot { place: digest.place(), entry };
        self.current.insert_unique(slot.place, slot, |slot| slot.place);
    }

    /// Takes a key out; it is put back with another digest, or as another entry.
    pub(super) fn remove(&mut self, digest: &Digest) -> Option<Entry> {
        let (place, rest) = digest.parts();
        let is_it = |slot: &Slot| slot.place == place && slot.entry.is_of(&rest);
        let found = self.current.find_entry(place, is_it);
        found.ok().map(|found| found.remove().0.entry)
    }

    /// Makes a secret a former one. Returns the key if it was the present one of that.
    pub(super) fn leave(&mut self, former: Former) -> Option<Entry> {
        let there = self.remove(&former.digest);
        self.put_former(former);
        there
    }

    /// Notes a former secret. One that is known keeps the sooner end: grace only ever gets
    /// shorter, so the later one is out of date.
    pub(super) fn put_former(&mut self, former: Former) {
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
