//! Many keys at once, as when a program starts.

use std::fmt;
use std::iter;

use super::slots::CHUNK;
use super::{Entry, Index, SHARDS};

/// Keys that are added together.
///
/// Added one by one, each key goes to another place in memory than the one before it, and a table
/// that grows moves its keys again and again. Here, keys stay in the order in which they come until
/// all are there; then each table of the index is made in its final size, and its keys are moved
/// into it while it is in the processor's caches.
///
/// Memory is not taken twice: a table that was filled has given back what its keys took before.
pub struct Loading<'a> {
    index: &'a Index,
    /// For each part of the index, its keys so far, in pieces that never move.
    parts: Vec<Vec<Vec<Entry>>>,
}

impl fmt::Debug for Loading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len: usize = self.parts.iter().flatten().map(Vec::len).sum();
        f.debug_struct("Loading").field("len", &len).finish()
    }
}

impl Index {
    /// Begins to add many keys together. No request finds them before [`Loading::finish`].
    #[must_use]
    pub fn loading(&self) -> Loading<'_> {
        Loading { index: self, parts: iter::repeat_with(Vec::new).take(SHARDS).collect() }
    }
}

impl Loading<'_> {
    /// Adds a key to the keys that the index gets.
    pub fn add(&mut self, entry: Entry) {
        let part = self.part(Index::place(entry.digest()));
        match part.last_mut() {
            Some(piece) if piece.len() < piece.capacity() => piece.push(entry),
            Some(_) | None => {
                // The first pieces are small, since most indexes are; the others are as large as
                // the pieces of tables, which then replace them.
                let mut piece = Vec::with_capacity(CHUNK.min(2 << part.len().min(8)));
                piece.push(entry);
                part.push(piece);
            }
        }
    }

    fn part(&mut self, place: usize) -> &mut Vec<Vec<Entry>> {
        self.parts.get_mut(place).expect("places are below SHARDS, and there are SHARDS parts")
    }

    /// Adds all of them to the index, each as [`Index::insert`] does.
    pub fn finish(self) {
        for (shard, part) in self.index.shards.iter().zip(self.parts) {
            if part.is_empty() {
                continue;
            }
            let mut table = shard.write();
            table.current.reserve(part.iter().map(Vec::len).sum());
            for entry in part.into_iter().flatten() {
                table.add(entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::limit::Limits;
    use crate::record::KeyId;
    use crate::stored::Key;
    use crate::tier::Tier;
    use crate::time::UnixMillis;

    const KEYS: u64 = 5_000;

    /// Every second one leads to the same part of the index, the others to all of them.
    fn digest(id: u64) -> Digest {
        let spread = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = if id.is_multiple_of(2) { spread & 0xffff_ffff } else { spread };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&place.to_le_bytes());
        Digest::from_stored(bytes)
    }

    fn entry(id: u64, digest: Digest, tier: &std::sync::Arc<Tier>) -> Entry {
        let (id, name) = (KeyId::new(id).unwrap(), "a".parse().unwrap());
        let key = Key::plain(id, name, tier.name().clone(), digest);
        Entry::new(&key, std::sync::Arc::clone(tier))
    }

    fn found(index: &Index, digest: &Digest) -> Option<u64> {
        index.find(digest).map(|found| found.id.get())
    }

    fn tier() -> std::sync::Arc<Tier> {
        std::sync::Arc::new(Tier::new("basic".parse().unwrap(), Limits::of(None)))
    }

    #[test]
    fn all_keys_are_found_once_they_are_loaded() {
        let (index, tier) = (Index::default(), tier());
        let mut loading = index.loading();
        (1..=KEYS).for_each(|id| loading.add(entry(id, digest(id), &tier)));
        assert!(index.is_empty());
        loading.finish();
        assert_eq!(index.len() as u64, KEYS);
        assert!((1..=KEYS).all(|id| found(&index, &digest(id)) == Some(id)));
        assert_eq!(found(&index, &digest(KEYS + 1)), None);
        assert!(index.insert(entry(KEYS + 1, digest(KEYS + 1), &tier)), "tables still grow");
        assert!((1..=KEYS + 1).all(|id| found(&index, &digest(id)) == Some(id)));
    }

    #[test]
    fn what_the_index_knows_is_newer_than_what_is_loaded() {
        let (index, tier) = (Index::default(), tier());
        let mut loading = index.loading();
        (1..=3).for_each(|id| loading.add(entry(id, digest(id), &tier)));
        assert!(index.insert(entry(9, digest(1), &tier)));
        assert!(index.put_former(digest(2), digest(3), UnixMillis(1)).is_none());
        loading.finish();
        let ids = [1, 2, 3].map(|id| found(&index, &digest(id)));
        assert_eq!((ids, index.len()), ([Some(9), Some(3), Some(3)], 2));
    }
}
