//! One part of the index: the keys and former secrets whose digests lead there.

use hashbrown::HashTable;

use crate::digest::Digest;
use crate::time::UnixMillis;

use super::Entry;
use super::slots::Slots;

/// A secret that was replaced by a rotation.
pub(super) struct Former {
    pub(super) digest: Digest,
    /// The key's present secret; while a rotation is under way, perhaps the one before it.
    pub(super) next: Digest,
    /// The first instant at which it no longer works.
    pub(super) ends_at: UnixMillis,
}

/// One part of the index.
#[derive(Default)]
pub(super) struct Table {
    /// Keys, by the digest of the secret that is theirs now.
    pub(super) current: Slots,
    /// Secrets that keys had before. A request looks here only if it found nothing above, so
    /// rotations cost other callers nothing.
    pub(super) former: HashTable<Former>,
}

impl Table {
    #[inline]
    pub(super) fn find(&self, digest: &Digest) -> Option<&Entry> {
        self.current.get(self.current.find_at(digest)?)
    }

    pub(super) fn find_mut(&mut self, digest: &Digest) -> Option<&mut Entry> {
        self.current.get_mut(self.current.find_at(digest)?)
    }

    /// Adds a key, unless its secret is one that is known. Returns whether it was added.
    pub(super) fn add(&mut self, entry: Entry) -> bool {
        let digest = entry.digest();
        if self.find(digest).is_some() || self.find_former(digest).is_some() {
            return false;
        }
        self.current.insert(entry);
        true
    }

    /// Puts a key in the place of the one that has its secret, if there is one.
    pub(super) fn put(&mut self, entry: Entry) {
        match self.find_mut(entry.digest()) {
            Some(there) => *there = entry,
            None => self.current.insert(entry),
        }
    }

    pub(super) fn find_former(&self, digest: &Digest) -> Option<&Former> {
        // Where nothing was rotated, a text that is unknown costs no second look.
        if self.former.is_empty() {
            return None;
        }
        self.former.find(digest.place(), |former| former.digest == *digest)
    }

    /// Makes a secret a former one. Returns the key if it was the present one of that.
    pub(super) fn leave(&mut self, former: Former) -> Option<Entry> {
        let there = self.current.find_at(&former.digest).and_then(|at| self.current.remove(at));
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
