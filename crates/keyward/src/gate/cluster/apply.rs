//! Applying what other nodes changed: the index is brought to the rows of a feed.

use std::collections::HashMap;

use crate::store::{Feed, Revisions};
use crate::stored::{Key, TierRow};
use crate::tier::TierName;
use crate::time::ReadClock;

use super::{Gate, Node};

impl Gate {
    /// Brings the index to the rows of a feed: first everything that ends something at once.
    /// Returns `false` if everything is to be read again, since a tier can be read that could not
    /// before.
    pub(super) async fn apply_feed(&self, node: &Node, feed: &Feed, clock: ReadClock<'_>) -> bool {
        let changes = &feed.changes;
        changes.keys.iter().for_each(|key| self.stop_if_revoked(key));
        for row in &changes.owners {
            self.index.set_owner_suspended(&row.owner, row.is_suspended());
            let revision = feed.revisions.of_owner(&row.owner);
            self.index.set_owner_terms(&row.owner, (&row.limits, revision), clock);
        }
        self.withhold(node, &feed.unreadable);
        self.apply_tiers(&changes.tiers, &feed.revisions, clock).await;
        let owners: HashMap<_, _> = changes.owners.iter().map(|row| (&row.owner, row)).collect();
        for key in &changes.keys {
            let owner = key.owner.as_ref().and_then(|name| owners.get(name).copied());
            let row = (owner, feed.revisions.of_key(key.id));
            self.note_applied(node, key, self.apply(key, row, feed.at, clock).is_ok());
        }
        changes.keys.iter().for_each(|key| node.know_key(key.id));
        changes.tiers.iter().for_each(|row| node.know_tier(row.id));
        let unread = node.unread();
        changes.tiers.iter().all(|row| !unread.tiers.contains(&row.name))
    }

    /// Puts tiers in force, and forgets the names of deleted ones. A tier that was deleted and made
    /// again is another row of that name, and goes on in the place of the first in memory: no key
    /// has that any more but revoked ones.
    pub(super) async fn apply_tiers(
        &self,
        rows: &[TierRow],
        revisions: &Revisions,
        clock: ReadClock<'_>,
    ) {
        let is_present = |name: &TierName| rows.iter().any(|row| !row.is_gone && row.name == *name);
        for row in rows {
            if !row.is_gone {
                self.put_in_memory(row, revisions.of_tier(row.id), clock).await;
            } else if !is_present(&row.name) {
                self.tiers().retain(|there| *there.name() != row.name);
            }
        }
    }

    /// Stops every secret of a key that is revoked.
    pub(super) fn stop_if_revoked(&self, key: &Key) {
        if key.is_revoked() {
            self.index.stop(&key.secret.digest);
            key.former.iter().for_each(|former| self.index.stop(&former.secret.digest));
        }
    }
}
