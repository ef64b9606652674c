//! The writes of a change, in one transaction or not at all.

use std::sync::Arc;

use crate::audit::AuditEntry;
use crate::stored::{FormerSecret, Key, OwnerRow, TierRow};
use crate::time::UnixMillis;

use super::lookup::{OnceRow, Progress};

/// Rows and entries to write, in the order of the fields: a key refers to a tier.
#[derive(Clone, Debug)]
pub struct Writes {
    /// Tiers, new or not, as they are now.
    pub tiers: Vec<TierRow>,
    /// Owners, new or not, as they are now.
    pub owners: Vec<OwnerRow>,
    /// Keys.
    pub keys: Vec<KeyWrite>,
    /// The name of the request, to be kept.
    pub once: Option<OnceWrite>,
    /// The latest reading of the wall clock, which replaces an earlier one.
    pub reading: Option<UnixMillis>,
    /// Entries of the audit trail, oldest first, sealed.
    pub entries: Vec<AuditEntry>,
    /// How far the store has come when all this is written.
    pub progress: Progress,
}

impl Writes {
    /// Nothing, in a store that has come so far.
    #[must_use]
    pub fn none(progress: Progress) -> Self {
        Self {
            tiers: Vec::new(),
            owners: Vec::new(),
            keys: Vec::new(),
            once: None,
            reading: None,
            entries: Vec::new(),
            progress,
        }
    }

    /// Whether there is nothing to write. Every write has an entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A key to write.
#[derive(Clone, Debug)]
pub enum KeyWrite {
    /// A key that was not there, with all of its former secrets.
    Add(Arc<Key>),
    /// A key that was there.
    Put {
        /// As it was.
        before: Arc<Key>,
        /// As it is now. Its former secrets begin with the earlier ones, in the same order.
        after: Arc<Key>,
    },
}

impl KeyWrite {
    /// The key as it is now.
    #[must_use]
    pub fn key(&self) -> &Arc<Key> {
        match self {
            Self::Add(key) | Self::Put { after: key, .. } => key,
        }
    }

    /// Former secrets that were there and end at another time now.
    pub fn ended(&self) -> impl Iterator<Item = &FormerSecret> {
        let (before, after) = self.former();
        let ends = before.iter().zip(after).filter(|(before, after)| before != after);
        ends.map(|(_, after)| after)
    }

    /// Former secrets that were not there, each with its number among those of the key, counted
    /// from 1.
    pub fn replaced(&self) -> impl Iterator<Item = (usize, &FormerSecret)> {
        let (before, after) = self.former();
        (1..).zip(after).skip(before.len())
    }

    fn former(&self) -> (&[FormerSecret], &[FormerSecret]) {
        match self {
            Self::Add(key) => (&[], &key.former),
            Self::Put { before, after } => (&before.former, &after.former),
        }
    }
}

/// The name of a request that changed something once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnceWrite {
    /// [`Actor::as_text`](crate::audit::Actor::as_text) of who sent it.
    pub actor: String,
    /// The row to keep, which replaces the one of that name and actor.
    pub row: OnceRow,
    /// Names that were kept at this time or before may be forgotten, a few with each change.
    pub forgotten_at: Option<UnixMillis>,
}
