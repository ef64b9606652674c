//! The rows as of one instant.

use std::sync::Arc;

use async_trait::async_trait;

use crate::audit::Mark;
use crate::store::{Page, Revisions, Snapshot, StoreError, Unreadable};
use crate::stored::{Key, OwnerRow, TierRow};

use super::hidden::Hidden;
use super::rows::Rows;

/// Rows that no change reaches any more.
#[derive(Debug)]
pub(super) struct MemorySnapshot {
    newest: Mark,
    tiers: std::vec::IntoIter<TierRow>,
    owners: std::vec::IntoIter<OwnerRow>,
    /// Shared with the store until a key is changed there.
    keys: std::vec::IntoIter<Arc<Key>>,
    unreadable: Vec<Unreadable>,
    /// Of all rows, with each page.
    revisions: Revisions,
}

impl MemorySnapshot {
    pub(super) fn of(rows: &Rows) -> Self {
        let tiers: Vec<_> = rows.tiers.values().cloned().collect();
        let owners: Vec<_> = rows.owners.values().cloned().collect();
        let keys: Vec<_> = rows.keys_after(None).collect();
        Self {
            newest: rows.progress.mark(),
            tiers: tiers.into_iter(),
            owners: owners.into_iter(),
            keys: keys.into_iter(),
            unreadable: Vec::new(),
            revisions: rows.revisions.clone(),
        }
    }

    /// The same, without rows that cannot be read.
    pub(super) fn without(rows: &Rows, hidden: &Hidden) -> Self {
        let mut all = Self::of(rows);
        let mut unreadable = Vec::new();
        let mut tiers: Vec<_> = all.tiers.collect();
        tiers.retain(|row| hidden.shows_tier(row, &mut unreadable));
        let mut keys: Vec<_> = all.keys.collect();
        keys.retain(|key| hidden.shows_key(key, &mut unreadable));
        (all.tiers, all.keys) = (tiers.into_iter(), keys.into_iter());
        Self { unreadable, ..all }
    }
}

#[async_trait]
impl Snapshot for MemorySnapshot {
    fn newest(&self) -> Mark {
        self.newest
    }

    async fn next(&mut self, max: u32) -> Result<Option<Page>, StoreError> {
        let max = max.max(1) as usize;
        if self.tiers.len() != 0 {
            return Ok(Some(Page::Tiers(self.tiers.by_ref().take(max).collect())));
        }
        if self.owners.len() != 0 {
            return Ok(Some(Page::Owners(self.owners.by_ref().take(max).collect())));
        }
        if self.keys.len() != 0 {
            let keys = self.keys.by_ref().take(max);
            return Ok(Some(Page::Keys(keys.map(Arc::unwrap_or_clone).collect())));
        }
        Ok(None)
    }

    fn unreadable(&mut self) -> Vec<Unreadable> {
        std::mem::take(&mut self.unreadable)
    }

    fn revisions(&mut self) -> Revisions {
        self.revisions.clone()
    }
}
