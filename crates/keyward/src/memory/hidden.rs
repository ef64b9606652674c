//! Rows of a database in memory that no program can read.

use std::collections::HashSet;

use crate::record::KeyId;
use crate::store::Unreadable;
use crate::stored::{Key, TierRow};
use crate::tier::TierName;

/// Rows that programs cannot read.
#[derive(Clone, Debug, Default)]
pub(super) struct Hidden {
    pub(super) keys: HashSet<KeyId>,
    pub(super) tiers: HashSet<TierName>,
}

impl Hidden {
    /// Whether a tier can be read. If not, it is named.
    pub(super) fn shows_tier(&self, row: &TierRow, unreadable: &mut Vec<Unreadable>) -> bool {
        let is_hidden = !row.is_gone && self.tiers.contains(&row.name);
        if is_hidden {
            unreadable.push(Unreadable::Tier(row.name.clone()));
        }
        !is_hidden
    }

    /// Whether a key can be read. If not, it is named.
    pub(super) fn shows_key(&self, key: &Key, unreadable: &mut Vec<Unreadable>) -> bool {
        let is_hidden = self.keys.contains(&key.id);
        if is_hidden {
            let former = key.former.iter().map(|former| former.secret.digest);
            let digests = former.chain([key.secret.digest]).collect();
            unreadable.push(Unreadable::Key { id: key.id, digests });
        }
        !is_hidden
    }
}
