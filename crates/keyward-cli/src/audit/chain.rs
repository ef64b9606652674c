//! Walks the trail to its end, and reports in words where it breaks first.
//!
//! `keyward::audit` alone knows the bytes that an entry's digest is taken over.

use keyward::audit::{self, AuditEntry, ChainDigest, ChainError, ChangeId};
use thiserror::Error;

use super::entry;

/// How far the chain has been walked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    walked: audit::Chain,
    last_id: Option<u64>,
    /// A digest that the operator noted down, and the entry that has it, once the walk has met it.
    expected: Option<(ChainDigest, Option<u64>)>,
    /// The entry that must be there, with this digest, and whether it was met.
    newest: Option<(u64, ChainDigest, bool)>,
}

/// Where the chain breaks. The trail before that location is as it was written.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum Break {
    /// The text there is no entry, so its former content is unknown.
    #[error("the text after entry {after} is no entry of an audit trail: {problem}")]
    Unreadable { after: u64, problem: String },
    /// The same on a line of a file.
    #[error("line {line} is no entry of an audit trail: {problem}")]
    UnreadableLine { line: u64, problem: String },
    /// The content of the entry has changed since it was written.
    #[error("entry {id} was edited: it does not have its own digest")]
    Edited { id: u64 },
    /// The entry is as it was written, and its predecessor is missing.
    #[error("something between entry {after} and entry {id} was removed, or replaced")]
    Removed { id: u64, after: u64 },
    /// The same at the beginning.
    #[error("something before entry {id}, the first one, was removed")]
    BeginningRemoved { id: u64 },
    /// The entry does not come after the one before it.
    #[error("entry {id} comes after entry {after}; it was moved")]
    Moved { id: u64, after: u64 },
    /// Entries are missing, and the one after them was chained to the one before them.
    #[error("entries between entry {after} and entry {id} are missing: they were cut off")]
    CutOff { id: u64, after: u64 },
    /// The newest entry that the server knows of is missing.
    #[error("entry {id} was cut off: it is the newest one that the server's ledger knows of")]
    EndMissing { id: u64 },
    /// The newest entry that the server knows of is another one.
    #[error("entry {id} is not the one that the server's ledger knows: the end was written anew")]
    NotTheNewest { id: u64 },
    /// No entry has the digest that was noted down.
    #[error(
        "no entry has the expected digest: entries at the end were removed, or the trail was \
         written anew"
    )]
    NotAsExpected,
}

impl Chain {
    /// The chain before its first entry.
    pub(super) fn new(expected: Option<ChainDigest>) -> Self {
        // The digest that is noted down of a trail without entries.
        let start = |digest| (digest == ChainDigest::START).then_some(0);
        let expected = expected.map(|digest| (digest, start(digest)));
        Self { walked: audit::Chain::default(), last_id: None, expected, newest: None }
    }

    /// The trail must have this entry, with this digest.
    pub(super) fn must_have(&mut self, id: u64, digest: ChainDigest) {
        self.newest = Some((id, digest, false));
    }

    /// Walks on by the text of one entry.
    pub(super) fn step_text(&mut self, text: &str) -> Result<(), Break> {
        let after = self.last_id.unwrap_or_default();
        let entry = entry::parse(text);
        self.step(&entry.map_err(|problem| Break::Unreadable { after, problem })?)
    }

    /// Walks on by one entry.
    pub(super) fn step(&mut self, entry: &AuditEntry) -> Result<(), Break> {
        self.walked.follow(entry).map_err(|error| self.explain(error, entry.id))?;
        let id = entry.id.0;
        if let Some((expected, met)) = &mut self.expected
            && *expected == entry.digest
        {
            *met = Some(id);
        }
        if let Some((newest, digest, met)) = &mut self.newest
            && *newest == id
        {
            if *digest != entry.digest {
                return Err(Break::NotTheNewest { id });
            }
            *met = true;
        }
        self.last_id = Some(id);
        Ok(())
    }

    fn explain(&self, error: ChainError, ChangeId(id): ChangeId) -> Break {
        match (error, self.last_id) {
            (ChainError::Unlinked(_), None) => Break::BeginningRemoved { id },
            (ChainError::Unlinked(_), Some(after)) => Break::Removed { id, after },
            (ChainError::OutOfOrder(_), Some(after)) => Break::Moved { id, after },
            (ChainError::Missing(_), None) => Break::BeginningRemoved { id },
            (ChainError::Missing(_), Some(after)) => Break::CutOff { id, after },
            (ChainError::Altered(_), _) | (ChainError::OutOfOrder(_), None) => Break::Edited { id },
        }
    }

    /// The end of the trail: whether the walk met the expected digest.
    pub(super) fn end(&self) -> Result<(), Break> {
        if let Some((id, _, false)) = self.newest {
            return Err(Break::EndMissing { id });
        }
        match self.expected {
            Some((_, None)) => Err(Break::NotAsExpected),
            Some((_, Some(_))) | None => Ok(()),
        }
    }

    /// The digest of the last entry.
    pub(super) fn head(&self) -> ChainDigest {
        self.walked.head()
    }

    /// How many entries were walked.
    pub(super) fn entries(&self) -> u64 {
        self.walked.entries()
    }

    /// The id of the last entry.
    pub(super) fn last_id(&self) -> Option<u64> {
        self.last_id
    }
}

#[cfg(test)]
pub(super) mod testing {
    use keyward::UnixMillis;

    use super::*;

    /// A trail of entries that are chained as they should be.
    pub(crate) fn trail(len: u64) -> Vec<AuditEntry> {
        let mut previous = ChainDigest::START;
        let entry = |id: u64| {
            let mut entry = AuditEntry {
                id: ChangeId(id),
                at: UnixMillis(1_795_512_600_000 + id),
                actor: "admin-key".to_owned(),
                address: Some("127.0.0.1".to_owned()),
                verb: "issue".to_owned(),
                key_id: Some(id),
                tier: None,
                owner: None,
                request_id: Some(format!("r{id}")),
                details: Some(format!(r#"{{"name":"n{id}"}}"#)),
                previous,
                digest: ChainDigest::START,
            };
            entry.digest = entry.seal();
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

    fn walk(trail: &[AuditEntry], expected: Option<ChainDigest>) -> Result<Chain, Break> {
        let mut chain = Chain::new(expected);
        trail.iter().try_for_each(|entry| chain.step(entry))?;
        chain.end().map(|()| chain)
    }

    /// An entry of this number that is chained to the one before it.
    fn after(before: &AuditEntry, id: u64) -> AuditEntry {
        let mut entry = AuditEntry { id: ChangeId(id), previous: before.digest, ..before.clone() };
        entry.digest = entry.seal();
        entry
    }

    #[test]
    fn the_end_must_be_the_one_that_the_server_knows() {
        let trail = trail(5);
        let walk = |trail: &[AuditEntry], id, digest| {
            let mut chain = Chain::new(None);
            chain.must_have(id, digest);
            trail.iter().try_for_each(|entry| chain.step(entry)).and_then(|()| chain.end())
        };
        assert_eq!(walk(&trail, 5, trail[4].digest), Ok(()));
        assert_eq!(walk(&trail, 4, trail[3].digest), Ok(()), "the trail has grown since");
        assert_eq!(walk(&trail[..3], 5, trail[4].digest), Err(Break::EndMissing { id: 5 }));
        let other = walk(&trail, 5, trail[3].digest);
        assert_eq!(other, Err(Break::NotTheNewest { id: 5 }));
    }

    #[test]
    fn an_untouched_trail_is_whole() {
        let trail = trail(5);
        let chain = walk(&trail, None).unwrap();
        assert_eq!((chain.entries(), chain.last_id()), (5, Some(5)));
        assert_eq!(chain.head(), trail[4].digest);
        assert_eq!(walk(&[], None).unwrap().entries(), 0);
    }

    #[test]
    fn what_was_done_to_a_trail_is_said() {
        let mut edited = trail(5);
        edited[2].actor.push('x');
        assert_eq!(walk(&edited, None).unwrap_err(), Break::Edited { id: 3 });
        let mut removed = trail(5);
        removed.remove(2);
        assert_eq!(walk(&removed, None).unwrap_err(), Break::Removed { id: 4, after: 2 });
        let beginning = trail(5).split_off(1);
        assert_eq!(walk(&beginning, None).unwrap_err(), Break::BeginningRemoved { id: 2 });
        // Edited with care: the digest was computed anew.
        let mut rewritten = trail(5);
        rewritten[2].actor = "another actor".to_owned();
        rewritten[2].digest = rewritten[2].seal();
        assert_eq!(walk(&rewritten, None).unwrap_err(), Break::Removed { id: 4, after: 3 });
        let cut = vec![trail(1).remove(0), after(&trail(1)[0], 4)];
        assert_eq!(walk(&cut, None).unwrap_err(), Break::CutOff { id: 4, after: 1 });
        let mut twice = trail(2);
        twice.push(twice[1].clone());
        assert_eq!(walk(&twice, None).unwrap_err(), Break::Moved { id: 2, after: 2 });
    }

    #[test]
    fn a_missing_end_shows_by_a_digest_that_was_noted_down() {
        let trail = trail(5);
        let noted = Some(trail[3].digest);
        assert!(walk(&trail, noted).is_ok(), "the trail has grown since");
        assert!(walk(&trail[..4], noted).is_ok());
        assert_eq!(walk(&trail[..3], noted).unwrap_err(), Break::NotAsExpected);
        assert!(walk(&trail, Some(ChainDigest::START)).is_ok());
    }
}
