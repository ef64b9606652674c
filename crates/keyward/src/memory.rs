//! A store in memory, for tests and examples: it keeps the contract of [`KeyStore`], except that
//! nothing survives.

mod changes;
mod imports;
mod lists;
mod tables;
mod told;
mod usage;

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::audit::Audit;
use crate::change::{Changed, KeyChange};
use crate::count::Counts;
use crate::details::{KeyDetails, StoredKey, Versions};
use crate::digest::Digest;
use crate::issue::NewRecord;
use crate::once::Earlier;
use crate::query::{
    AuditPage, AuditQuery, Bucket, Hours, KeyCount, KeyFilter, KeyPage, KeyQuery, OwnerDetails,
    TopBy, UsageTop,
};
use crate::record::{KeyId, Owner};
use crate::store::{
    Inserted, KeyStore, LeakReport, Reports, StoreError, TierDeleted, TierRecord, UsageBatch,
};
use crate::tier::TierName;
use crate::time::{UnixHour, UnixMillis};
use crate::transfer::{ImportedKey, KeyCopy};

use tables::Tables;

/// Keys that are forgotten when the store is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    /// Guards everything together, so that a change and its audit entry are one. Held for one
    /// operation, never while waiting; a panic inside is a bug of a test.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tables: Tables,
    broken: bool,
}

/// What is kept, locked.
struct Open<'a>(MutexGuard<'a, State>);

impl std::ops::Deref for Open<'_> {
    type Target = Tables;

    fn deref(&self) -> &Tables {
        &self.0.tables
    }
}

impl std::ops::DerefMut for Open<'_> {
    fn deref_mut(&mut self) -> &mut Tables {
        &mut self.0.tables
    }
}

impl MemoryStore {
    /// Makes every call fail from now on, or work again: for testing what happens then.
    pub fn set_broken(&self, broken: bool) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).broken = broken;
    }

    fn open(&self) -> Result<Open<'_>, StoreError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.broken {
            return Err(StoreError::Unavailable("the store was told to be broken".into()));
        }
        Ok(Open(state))
    }
}

#[async_trait]
impl KeyStore for MemoryStore {
    async fn tiers(&self) -> Result<Vec<TierRecord>, StoreError> {
        Ok(self.open()?.tiers.clone())
    }

    async fn put_tier(&self, tier: TierRecord, audit: Audit) -> Result<bool, StoreError> {
        Ok(self.open()?.put_tier(tier, &audit))
    }

    async fn delete_tier(&self, name: TierName, audit: Audit) -> Result<TierDeleted, StoreError> {
        Ok(self.open()?.delete_tier(&name, &audit))
    }

    async fn load_keys(
        &self,
        after: Option<KeyId>,
        max: u32,
    ) -> Result<Vec<StoredKey>, StoreError> {
        let tables = self.open()?;
        let keys = tables.behind(after).take(max as usize);
        Ok(keys.map(|(id, row)| tables.stored(*id, row)).collect())
    }

    async fn earlier(&self, audit: Audit) -> Result<Option<Earlier>, StoreError> {
        Ok(self.open()?.earlier(&audit))
    }

    async fn insert_key(&self, new: NewRecord, audit: Audit) -> Result<Inserted, StoreError> {
        self.open()?.insert(new, &audit)
    }

    async fn change_key(
        &self,
        id: KeyId,
        change: KeyChange,
        expected: Option<Versions>,
        audit: Audit,
    ) -> Result<Changed, StoreError> {
        self.open()?.change(id, change, expected, &audit)
    }

    async fn set_owner_suspended(
        &self,
        owner: Owner,
        suspended: bool,
        audit: Audit,
    ) -> Result<OwnerDetails, StoreError> {
        Ok(self.open()?.set_owner_suspended(&owner, suspended, &audit))
    }

    async fn import_keys(
        &self,
        keys: Vec<KeyCopy>,
        dry_run: bool,
        audit: Audit,
    ) -> Result<Vec<ImportedKey>, StoreError> {
        let mut tables = self.open()?;
        if dry_run {
            return Ok(tables.clone().import(keys, &audit));
        }
        Ok(tables.import(keys, &audit))
    }

    async fn find_key(&self, id: KeyId) -> Result<Option<KeyDetails>, StoreError> {
        let tables = self.open()?;
        Ok(tables.keys.get(&id).map(|row| tables.details(id, row)))
    }

    async fn find_digests(
        &self,
        digests: Vec<Digest>,
    ) -> Result<Vec<(Digest, Option<UnixMillis>, KeyDetails)>, StoreError> {
        let tables = self.open()?;
        Ok(digests.into_iter().filter_map(|digest| tables.find_digest(digest)).collect())
    }

    async fn keep_leaks(&self, reports: Vec<LeakReport>) -> Result<(), StoreError> {
        let mut tables = self.open()?;
        for report in reports {
            tables.leaks.entry(*report.digest.as_bytes()).or_insert(report);
        }
        Ok(())
    }

    async fn kept_leaks(&self, max: u32) -> Result<Vec<LeakReport>, StoreError> {
        Ok(self.open()?.leaks.values().take(max as usize).cloned().collect())
    }

    async fn forget_leaks(&self, digests: Vec<Digest>) -> Result<(), StoreError> {
        let mut tables = self.open()?;
        digests.iter().for_each(|digest| drop(tables.leaks.remove(digest.as_bytes())));
        Ok(())
    }

    async fn add_usage(&self, batch: UsageBatch) -> Result<(), StoreError> {
        self.open()?.add_usage(batch);
        Ok(())
    }

    async fn latest_reading(&self) -> Result<Option<UnixMillis>, StoreError> {
        Ok(self.open()?.latest_reading)
    }

    async fn accept_clock(&self, audit: Audit) -> Result<(), StoreError> {
        self.open()?.accept_clock(&audit);
        Ok(())
    }

    async fn note_clock_is_right(&self, told: bool) -> Result<bool, StoreError> {
        Ok(std::mem::replace(&mut self.open()?.told_clock_is_right, told))
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.set_broken(true);
        Ok(())
    }
}

#[async_trait]
impl Reports for MemoryStore {
    async fn tier_uses(&self) -> Result<Vec<(TierName, u64)>, StoreError> {
        let tables = self.open()?;
        let names = tables.tiers.iter().map(|tier| tier.name.clone());
        Ok(names.map(|name| (name.clone(), tables.uses_of(&name))).collect())
    }

    async fn export_keys(
        &self,
        after: Option<KeyId>,
        max: u32,
    ) -> Result<Vec<KeyCopy>, StoreError> {
        let tables = self.open()?;
        Ok(tables.behind(after).take(max as usize).map(|(_, row)| row.carried()).collect())
    }

    async fn list_keys(&self, query: KeyQuery) -> Result<KeyPage, StoreError> {
        Ok(self.open()?.list(&query))
    }

    async fn count_keys(&self, filter: KeyFilter, now: UnixMillis) -> Result<KeyCount, StoreError> {
        Ok(KeyCount::exact(self.open()?.fitting(&filter, now).count() as u64))
    }

    async fn find_owner(&self, owner: Owner) -> Result<Option<OwnerDetails>, StoreError> {
        let details = self.open()?.owner(&owner);
        Ok(Some(details).filter(|owner| owner.suspended_at.is_some() || 0 < owner.keys))
    }

    async fn suspended_owners(
        &self,
        after: Option<Owner>,
        max: u32,
    ) -> Result<Vec<Owner>, StoreError> {
        let tables = self.open()?;
        let suspended = tables.owners.iter().filter(|(_, row)| row.suspended_at.is_some());
        let behind = suspended
            .map(|(owner, _)| owner)
            .filter(|owner| after.as_ref().is_none_or(|after| after < owner));
        Ok(behind.take(max as usize).cloned().collect())
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
