//! When limits were changed.

use crate::limit::Revision;
use crate::rules::{KeyWrite, Writes};

use super::rows::Rows;

impl Rows {
    /// Notes whose limits this changes. To be called before it is written.
    pub(super) fn note_revisions(&mut self, writes: &Writes) {
        let revision = Revision(writes.progress.change.0);
        for tier in &writes.tiers {
            let before = self.tiers.get(&tier.id);
            let before = before.map(|before| (&before.limits, before.is_gone));
            if before != Some((&tier.limits, tier.is_gone)) {
                self.revisions.tiers.insert(tier.id, revision);
            }
        }
        for row in &writes.owners {
            if self.owners.get(&row.owner).is_none_or(|before| before.limits != row.limits) {
                self.revisions.owners.insert(row.owner.clone(), revision);
            }
        }
        for write in &writes.keys {
            if let KeyWrite::Put { before, after } = write
                && (&before.limits, before.tier_id) != (&after.limits, after.tier_id)
            {
                self.revisions.keys.insert(after.id, revision);
            }
        }
    }
}
