//! A store in memory, for tests and examples: it keeps the contract of [`KeyStore`], except that
//! nothing survives.

mod cluster;
mod followed;
mod hidden;
mod lists;
mod revisions;
mod rows;
mod snapshot;
mod usage;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::audit::{Audit, ChangeId};
use crate::count::Counts;
use crate::digest::Digest;
use crate::once::Earlier;
use crate::query::{
    AuditPage, AuditQuery, Bucket, Hours, KeyCount, KeyFilter, KeyPage, KeyQuery, TopBy, UsageTop,
};
use crate::record::{KeyId, Owner};
use crate::rules::{Change, Committed};
use crate::store::{Changes, KeyStore, LeakReport, Reports, Snapshot, StoreError, UsageBatch};
use crate::stored::{OwnedKey, OwnerRow, TierRow, Unkept};
use crate::time::{UnixHour, UnixMillis};

pub use cluster::{ClusterNode, Leg, Letter, MemoryCluster, Wire};

use rows::Rows;
use snapshot::MemorySnapshot;

/// Keys that are forgotten when the store is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use keyward::Gate;
/// use keyward::key::Prefix;
/// use keyward::memory::MemoryStore;
///
/// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
/// assert!(gate.index().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    /// Guards everything together, so that a change is one transaction. Held for one operation,
    /// never while waiting; a panic inside is a bug of a test.
    contents: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    rows: Rows,
    broken: bool,
}

/// The rows, locked.
struct Open<'a>(MutexGuard<'a, Contents>);

impl std::ops::Deref for Open<'_> {
    type Target = Rows;

    fn deref(&self) -> &Rows {
        &self.0.rows
    }
}

impl std::ops::DerefMut for Open<'_> {
    fn deref_mut(&mut self) -> &mut Rows {
        &mut self.0.rows
    }
}

impl MemoryStore {
    /// Makes every call fail from now on, or work again: for testing that case.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward::memory::MemoryStore;
    /// use keyward::store::KeyStore as _;
    ///
    /// let store = MemoryStore::default();
    /// store.set_broken(true);
    /// assert!(store.ping().await.is_err());
    /// store.set_broken(false);
    /// assert!(store.ping().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_broken(&self, broken: bool) {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner).broken = broken;
    }

    fn open(&self) -> Result<Open<'_>, StoreError> {
        let contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        if contents.broken {
            return Err(StoreError::Unavailable("the store was set to be broken".into()));
        }
        Ok(Open(contents))
    }
}

#[async_trait]
impl KeyStore for MemoryStore {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        Ok(Box::new(MemorySnapshot::of(&*self.open()?)))
    }

    async fn commit(&self, change: Change, audit: Audit) -> Result<Committed, StoreError> {
        Ok(self.open()?.commit(change, &audit)?)
    }

    async fn changes(&self, after: ChangeId, max: u32) -> Result<Changes, StoreError> {
        Ok(self.open()?.changes(after, max))
    }

    async fn find_key(&self, id: KeyId) -> Result<Option<OwnedKey>, StoreError> {
        let rows = self.open()?;
        Ok(rows.key(id).map(|key| rows.owned(key)))
    }

    async fn find_digests(
        &self,
        digests: Vec<Digest>,
    ) -> Result<Vec<(Digest, Option<UnixMillis>, OwnedKey)>, StoreError> {
        let rows = self.open()?;
        Ok(digests.into_iter().filter_map(|digest| rows.find_digest(digest)).collect())
    }

    async fn earlier(&self, audit: Audit) -> Result<Option<Earlier>, StoreError> {
        Ok(self.open()?.earlier(&audit))
    }

    async fn keep_leaks(&self, reports: Vec<LeakReport>) -> Result<(), StoreError> {
        let mut rows = self.open()?;
        for report in reports {
            rows.leaks.entry(*report.digest.as_bytes()).or_insert(report);
        }
        Ok(())
    }

    async fn kept_leaks(&self, max: u32) -> Result<Vec<LeakReport>, StoreError> {
        Ok(self.open()?.leaks.values().take(max as usize).cloned().collect())
    }

    async fn forget_leaks(&self, digests: Vec<Digest>) -> Result<(), StoreError> {
        let mut rows = self.open()?;
        digests.iter().for_each(|digest| drop(rows.leaks.remove(digest.as_bytes())));
        Ok(())
    }

    async fn add_usage(&self, batch: UsageBatch) -> Result<(), StoreError> {
        self.open()?.add_usage(batch);
        Ok(())
    }

    async fn tend_usage(&self, _: UnixHour, from: UnixHour) -> Result<bool, StoreError> {
        self.open()?.forget_usage(from);
        Ok(false)
    }

    async fn latest_reading(&self) -> Result<Option<UnixMillis>, StoreError> {
        Ok(self.open()?.reading)
    }

    async fn note_clock_is_right(&self, told: bool) -> Result<bool, StoreError> {
        Ok(std::mem::replace(&mut self.open()?.told_clock_is_right, told))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.open().map(drop)
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.set_broken(true);
        Ok(())
    }
}

#[async_trait]
impl Reports for MemoryStore {
    async fn tiers(&self) -> Result<Vec<TierRow>, StoreError> {
        Ok(self.open()?.present_tiers().cloned().collect())
    }

    async fn export_keys(&self, after: Option<KeyId>, max: u32) -> Result<Vec<Unkept>, StoreError> {
        Ok(self
            .open()?
            .keys_after(after)
            .take(max as usize)
            .map(|key| Arc::unwrap_or_clone(key).carried())
            .collect())
    }

    async fn list_keys(&self, query: KeyQuery) -> Result<KeyPage, StoreError> {
        Ok(self.open()?.list(&query))
    }

    async fn count_keys(&self, filter: KeyFilter, now: UnixMillis) -> Result<KeyCount, StoreError> {
        Ok(KeyCount::exact(self.open()?.fitting(&filter, now).count() as u64))
    }

    async fn find_owner(&self, owner: Owner) -> Result<Option<OwnerRow>, StoreError> {
        Ok(self.open()?.find_owner(&owner).cloned())
    }

    async fn limited_owners(&self, owners: Vec<Owner>) -> Result<Vec<OwnerRow>, StoreError> {
        let rows = self.open()?;
        let limited = owners.iter().filter_map(|owner| rows.limited_owner(owner));
        Ok(limited.cloned().collect())
    }

    async fn limited_owners_without_keys(
        &self,
        after: Option<Owner>,
        max: u32,
    ) -> Result<Vec<OwnerRow>, StoreError> {
        let rows = self.open()?;
        Ok(rows.limited_without_keys(after.as_ref()).take(max as usize).cloned().collect())
    }

    async fn suspended_owners(
        &self,
        after: Option<Owner>,
        max: u32,
    ) -> Result<Vec<Owner>, StoreError> {
        Ok(self.open()?.suspended_owners(after.as_ref()).take(max as usize).collect())
    }

    async fn prefixes(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.open()?.prefixes())
    }

    async fn usage(
        &self,
        id: KeyId,
        hours: Hours,
        bucket: Bucket,
        max: u32,
    ) -> Result<Vec<(UnixHour, Counts)>, StoreError> {
        Ok(self.open()?.usage_of(id, hours, bucket, max))
    }

    async fn usage_top(&self, hours: Hours, by: TopBy, max: u32) -> Result<UsageTop, StoreError> {
        Ok(self.open()?.usage_top(hours, by, max))
    }

    async fn audit_entries(&self, query: AuditQuery) -> Result<AuditPage, StoreError> {
        Ok(self.open()?.audit_page(&query))
    }
}
