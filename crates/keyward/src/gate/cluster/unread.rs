//! Rows that this program cannot read: nothing is decided about their keys, and all others are
//! judged.

use std::collections::HashSet;

use crate::record::KeyId;
use crate::store::Unreadable;
use crate::stored::Key;
use crate::tier::TierName;

use super::{Gate, Node};

/// The rows that could not be read when they were looked at last.
#[derive(Debug, Default)]
pub(super) struct Unread {
    pub(super) keys: HashSet<KeyId>,
    pub(super) tiers: HashSet<TierName>,
}

impl Gate {
    /// Withholds the verdicts about the keys of these rows.
    pub(super) fn withhold(&self, node: &Node, rows: &[Unreadable]) {
        for row in rows {
            match row {
                Unreadable::Key { id, digests } => {
                    let tier = self.gone_tier(&unreadable());
                    digests.iter().for_each(|digest| self.index.withhold(*id, *digest, &tier));
                    node.unread().keys.insert(*id);
                }
                Unreadable::Tier(name) => {
                    // Keys that come later cannot be read either, as long as the tier is not there.
                    self.tiers().retain(|tier| tier.name() != name);
                    self.index.withhold_tier(name);
                    node.unread().tiers.insert(name.clone());
                }
            }
        }
    }

    /// Notes whether a key was applied. If not, nothing is decided about it.
    pub(super) fn note_applied(&self, node: &Node, key: &Key, is_applied: bool) {
        if is_applied {
            node.unread().keys.remove(&key.id);
        } else {
            // A revoked key was stopped first, and stays so.
            self.withhold(node, &[unjudgeable(key)]);
        }
    }
}

/// A key that can be read, and not be judged.
pub(in crate::gate) fn unjudgeable(key: &Key) -> Unreadable {
    let former = key.former.iter().map(|former| former.secret.digest);
    Unreadable::Key { id: key.id, digests: former.chain([key.secret.digest]).collect() }
}

fn unreadable() -> TierName {
    "unreadable".parse().expect("the word is the name of a tier")
}
