//! Walking the chain of digests, and naming the first place where it breaks.

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::entry::Entry;

/// What the first entry has as the digest of the one before it.
const GENESIS: [u8; 32] = [0; 32];

/// How far the chain has been walked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    head: [u8; 32],
    entries: u64,
    last_id: Option<u64>,
    /// A digest that somebody noted down, and the entry that has it once that was met.
    expected: Option<([u8; 32], Option<u64>)>,
}

/// Where the chain breaks. The trail before that place is as it was written.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum Break {
    /// The entry does not say any more what it said when it was written.
    #[error("entry {id} was edited: it does not have its own digest")]
    Edited { id: u64 },
    /// The entry is as it was written, and the one that was before it is not there.
    #[error("something between entry {after} and entry {id} was removed, or replaced")]
    Removed { id: u64, after: u64 },
    /// The same at the beginning.
    #[error("something before entry {id}, the first one, was removed")]
    BeginningRemoved { id: u64 },
    /// The entry does not come after the one before it.
    #[error("entry {id} comes after entry {after}; somebody moved it")]
    Moved { id: u64, after: u64 },
    /// No entry has the digest that was noted down.
    #[error(
        "no entry has the expected digest: entries at the end were removed, or the trail was \
         written anew"
    )]
    NotAsExpected,
}

impl Chain {
    /// The chain before its first entry.
    pub(super) fn new(expected: Option<[u8; 32]>) -> Self {
        // Of a trail without entries people note this down.
        let expected = expected.map(|digest| (digest, (digest == GENESIS).then_some(0)));
        Self { head: GENESIS, entries: 0, last_id: None, expected }
    }

    /// Walks on by one entry.
    pub(super) fn step(&mut self, entry: &Entry) -> Result<(), Break> {
        let id = entry.id;
        if digest_of(entry) != entry.digest {
            return Err(Break::Edited { id });
        }
        if entry.previous != self.head {
            return Err(self
                .last_id
                .map_or(Break::BeginningRemoved { id }, |after| Break::Removed { id, after }));
        }
        if let Some(after) = self.last_id.filter(|after| id <= *after) {
            return Err(Break::Moved { id, after });
        }
        if let Some((expected, met)) = &mut self.expected
            && *expected == entry.digest
        {
            *met = Some(id);
        }
        self.head = entry.digest;
        self.last_id = Some(id);
        self.entries += 1;
        Ok(())
    }

    /// The end of the trail: whether what was expected was met.
    pub(super) fn end(&self) -> Result<(), Break> {
        match self.expected {
            Some((_, None)) => Err(Break::NotAsExpected),
            Some((_, Some(_))) | None => Ok(()),
        }
    }

    /// The digest of the last entry.
    pub(super) fn head(&self) -> &[u8; 32] {
        &self.head
    }

    /// How many entries were walked.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// The id of the last entry.
    pub(super) fn last_id(&self) -> Option<u64> {
        self.last_id
    }
}

/// The digest that an entry must have: SHA-256 over that of the one before it and every field,
/// each behind its length, so that no field can pass for a part of another.
pub(super) fn digest_of(entry: &Entry) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut add = |field: Option<&[u8]>| {
        let len = field.map_or(u64::MAX, |field| field.len() as u64);
        hash.update(len.to_be_bytes());
        hash.update(field.unwrap_or_default());
    };
    let text = |text: &Option<String>| text.clone().map(String::into_bytes);
    let key_id = entry.key_id.map(u64::to_be_bytes);
    add(Some(&entry.previous));
    add(Some(&entry.id.to_be_bytes()));
    add(Some(&entry.at_ms.to_be_bytes()));
    add(Some(entry.actor.as_bytes()));
    add(text(&entry.address).as_deref());
    add(Some(entry.verb.as_bytes()));
    add(key_id.as_ref().map(<[u8; 8]>::as_slice));
    for field in [&entry.tier, &entry.owner, &entry.request_id, &entry.details] {
        add(text(field).as_deref());
    }
    hash.finalize().into()
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A trail of entries that are chained as they should be.
    pub(crate) fn trail(len: u64) -> Vec<Entry> {
        let mut previous = GENESIS;
        let entry = |id: u64| {
            let mut entry = Entry {
                id,
                at_ms: 1_795_512_600_000 + id,
                actor: "admin-key".to_owned(),
                address: Some("127.0.0.1".to_owned()),
                verb: "issue".to_owned(),
                key_id: Some(id),
                tier: None,
                owner: None,
                request_id: Some(format!("r{id}")),
                details: Some(format!(r#"{{"name":"n{id}"}}"#)),
                previous,
                digest: [0; 32],
            };
            entry.digest = digest_of(&entry);
            previous = entry.digest;
            entry
        };
        (1..=len).map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::trail;
    use super::*;

    fn walk(trail: &[Entry], expected: Option<[u8; 32]>) -> Result<Chain, Break> {
        let mut chain = Chain::new(expected);
        trail.iter().try_for_each(|entry| chain.step(entry))?;
        chain.end().map(|()| chain)
    }

    #[test]
    fn an_untouched_trail_is_whole() {
        let trail = trail(5);
        let chain = walk(&trail, None).unwrap();
        assert_eq!((chain.entries(), chain.last_id()), (5, Some(5)));
        assert_eq!(*chain.head(), trail[4].digest);
        assert_eq!(walk(&[], None).unwrap().entries(), 0);
    }

    #[test]
    fn an_edit_of_any_field_is_named() {
        let edits: [fn(&mut Entry); 11] = [
            |entry| entry.id += 1,
            |entry| entry.at_ms += 1,
            |entry| entry.actor.push('x'),
            |entry| entry.address = None,
            |entry| entry.verb = "edit".to_owned(),
            |entry| entry.key_id = None,
            |entry| entry.tier = Some(String::new()),
            |entry| entry.owner = Some("x".to_owned()),
            |entry| entry.request_id = None,
            |entry| entry.details = Some("{}".to_owned()),
            |entry| entry.previous = [1; 32],
        ];
        for edit in edits {
            let mut trail = trail(5);
            edit(&mut trail[2]);
            let id = trail[2].id;
            assert_eq!(walk(&trail, None).unwrap_err(), Break::Edited { id });
        }
    }

    #[test]
    fn a_removed_or_rewritten_entry_shows_at_the_next_one() {
        let mut removed = trail(5);
        removed.remove(2);
        assert_eq!(walk(&removed, None).unwrap_err(), Break::Removed { id: 4, after: 2 });
        let beginning = trail(5).split_off(1);
        assert_eq!(walk(&beginning, None).unwrap_err(), Break::BeginningRemoved { id: 2 });
        // Edited with care: the digest was made anew.
        let mut rewritten = trail(5);
        rewritten[2].actor = "somebody else".to_owned();
        rewritten[2].digest = digest_of(&rewritten[2]);
        assert_eq!(walk(&rewritten, None).unwrap_err(), Break::Removed { id: 4, after: 3 });
    }

    #[test]
    fn a_missing_end_shows_by_a_digest_that_was_noted_down() {
        let trail = trail(5);
        let noted = Some(trail[3].digest);
        assert!(walk(&trail, noted).is_ok(), "the trail has grown since");
        assert!(walk(&trail[..4], noted).is_ok());
        assert_eq!(walk(&trail[..3], noted).unwrap_err(), Break::NotAsExpected);
        assert!(walk(&trail, Some(GENESIS)).is_ok());
    }

    #[test]
    fn a_field_does_not_pass_for_a_part_of_another() {
        let one = &mut trail(1)[0];
        (one.tier, one.owner) = (Some("ab".to_owned()), Some("c".to_owned()));
        let mut other = one.clone();
        (other.tier, other.owner) = (Some("a".to_owned()), Some("bc".to_owned()));
        assert_ne!(digest_of(one), digest_of(&other));
        (other.tier, other.owner) = (None, Some("abc".to_owned()));
        assert_ne!(digest_of(one), digest_of(&other));
    }
}
