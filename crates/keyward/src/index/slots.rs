//! Keys in the order of their digests, with gaps.

use std::mem;

use crate::digest::Digest;

use super::Entry;

/// A table of keys by open addressing: the slot to which a digest leads, its **home**, is in
/// proportion to the number that it begins with, and keys are in the order of these numbers, each
/// at its home or as near after it as the ones before it leave room. So a look goes to one slot and
/// on from there, and ends at the first gap or greater number (ordered hash tables: Amble and
/// Knuth, The Computer Journal 17, 1974).
///
/// A table grows by a quarter and is seven eighths full at most, so that a key takes 1.3 slots on
/// average. In one that doubles it would take 1.7.
#[derive(Default)]
pub(super) struct Slots {
    /// The slots one after the other, [`CHUNK`] in each but the last. All of a table that is not
    /// small are allocated in one size, so that growing tables leave no holes in memory that
    /// nothing fits into. As many slots as there are homes, and after these as many as it takes.
    chunks: Vec<Vec<Option<Entry>>>,
    homes: usize,
    len: usize,
}

/// Slots that are allocated together.
pub(super) const CHUNK: usize = 32;

impl Slots {
    fn with_homes(homes: usize) -> Self {
        let sizes = (0..homes).step_by(CHUNK).map(|from| CHUNK.min(homes - from));
        let chunks = sizes.map(|size| (0..size).map(|_| None).collect()).collect();
        Self { chunks, homes, len: 0 }
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Where the key is.
    #[inline]
    pub(super) fn find_at(&self, digest: &Digest) -> Option<usize> {
        let place = digest.place();
        let mut at = self.home(place);
        loop {
            let there = self.get(at)?;
            let there_place = there.digest().place();
            if there_place == place && there.digest() == digest {
                return Some(at);
            }
            if place < there_place {
                return None;
            }
            at += 1;
        }
    }

    /// The key in this slot.
    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<&Entry> {
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)?.as_ref()
    }

    /// The key in this slot.
    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Entry> {
        self.slot(at)?.as_mut()
    }

    /// Adds a key that is not there.
    pub(super) fn insert(&mut self, entry: Entry) {
        if self.homes.saturating_mul(7) / 8 <= self.len {
            self.resize(self.homes + (self.homes / 4).max(2));
        }
        self.put(entry);
    }

    /// Makes room for as many more keys: five sixths full then.
    pub(super) fn reserve(&mut self, more: usize) {
        let len = self.len + more;
        let homes = len + len / 5 + 1;
        if self.homes < homes {
            self.resize(homes);
        }
    }

    /// Takes the key in this slot out.
    pub(super) fn remove(&mut self, mut at: usize) -> Option<Entry> {
        let taken = self.slot(at)?.take()?;
        self.len -= 1;
        // Keys after it that are not at home come one slot nearer.
        while self.get(at + 1).is_some_and(|next| self.home(next.digest().place()) <= at) {
            let next = self.slot(at + 1).and_then(Option::take);
            if let Some(slot) = self.slot(at) {
                *slot = next;
            }
            at += 1;
        }
        Some(taken)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.chunks.iter().flatten().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.chunks.iter_mut().flatten().flatten()
    }

    #[inline]
    fn home(&self, place: u64) -> usize {
        let home = (u128::from(place) * self.homes as u128) >> 64;
        usize::try_from(home).unwrap_or_default()
    }

    fn slot(&mut self, at: usize) -> Option<&mut Option<Entry>> {
        self.chunks.get_mut(at / CHUNK)?.get_mut(at % CHUNK)
    }

    fn put(&mut self, entry: Entry) {
        let place = entry.digest().place();
        let mut at = self.home(place);
        while self.get(at).is_some_and(|there| there.digest().place() <= place) {
            at += 1;
        }
        // The keys from there on make room, up to the next gap.
        let mut entry = entry;
        loop {
            let rest =
                self.chunks.get_mut(at / CHUNK).and_then(|chunk| chunk.get_mut(at % CHUNK..));
            let rest = rest.unwrap_or_default();
            let gap = rest.iter().position(Option::is_none);
            let (moved, _) = rest.split_at_mut(gap.map_or(rest.len(), |gap| gap + 1));
            at += moved.len();
            if !moved.is_empty() {
                moved.rotate_right(1);
            }
            let Some(slot) = moved.first_mut() else {
                self.push(entry);
                break;
            };
            match slot.replace(entry) {
                Some(last) => entry = last,
                None => break,
            }
        }
        self.len += 1;
    }

    /// Adds a slot after all others.
    fn push(&mut self, entry: Entry) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(Some(entry)),
            Some(_) | None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(Some(entry));
                self.chunks.push(chunk);
            }
        }
    }

    fn resize(&mut self, homes: usize) {
        let homes = if homes <= CHUNK { homes } else { homes.next_multiple_of(CHUNK) };
        let before = mem::replace(self, Self::with_homes(homes));
        self.len = before.len;
        // They come in order, so that each comes after the one before it.
        let mut free = 0;
        for entry in before.chunks.into_iter().flatten().flatten() {
            let at = self.home(entry.digest().place()).max(free);
            match self.slot(at) {
                Some(slot) => *slot = Some(entry),
                None => self.push(entry),
            }
            free = at + 1;
        }
    }
}

#[cfg(test)]
mod tests;
