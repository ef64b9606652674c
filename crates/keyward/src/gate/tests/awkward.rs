//! A store that does what it is asked and then makes it hard to know.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;

use crate::audit::Audit;
use crate::change::{Changed, KeyChange};
use crate::count::Counts;
use crate::details::{KeyDetails, StoredKey, Versions};
use crate::digest::Digest;
use crate::issue::NewRecord;
use crate::memory::MemoryStore;
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

/// Applies every change, and then may answer late or with an error.
#[derive(Debug, Default)]
pub(super) struct AwkwardStore {
    kept: MemoryStore,
    loses_answers: AtomicBool,
    hides_tiers: AtomicBool,
    pauses: AtomicU32,
}

impl AwkwardStore {
    /// Answers changes with an error from now on, or truthfully again.
    pub(super) fn set_loses_answers(&self, loses: bool) {
        self.loses_answers.store(loses, Ordering::Relaxed);
    }

    /// Claims to have no tiers from now on, or tells them again.
    pub(super) fn set_hides_tiers(&self, hides: bool) {
        self.hides_tiers.store(hides, Ordering::Relaxed);
    }

    /// Lets other tasks run this often between the next change and its answer.
    pub(super) fn pause_next_answer(&self, times: u32) {
        self.pauses.store(times, Ordering::Relaxed);
    }

    async fn answer<T>(&self, truth: Result<T, StoreError>) -> Result<T, StoreError> {
        for _ in 0..self.pauses.swap(0, Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        if self.loses_answers.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("the answer was lost".into()));
        }
        truth
    }
}

#[async_trait]
impl KeyStore for AwkwardStore {
    async fn tiers(&self) -> Result<Vec<TierRecord>, StoreError> {
        if self.hides_tiers.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        self.kept.tiers().await
    }

    async fn put_tier(&self, tier: TierRecord, audit: Audit) -> Result<bool, StoreError> {
        self.answer(self.kept.put_tier(tier, audit).await).await
    }

    async fn delete_tier(&self, name: TierName, audit: Audit) -> Result<TierDeleted, StoreError> {
        self.answer(self.kept.delete_tier(name, audit).await).await
    }

    async fn load_keys(
        &self,
        after: Option<KeyId>,
        max: u32,
    ) -> Result<Vec<StoredKey>, StoreError> {
        self.kept.load_keys(after, max).await
    }

    async fn earlier(&self, audit: Audit) -> Result<Option<Earlier>, StoreError> {
        self.kept.earlier(audit).await
    }

    async fn insert_key(&self, new: NewRecord, audit: Audit) -> Result<Inserted, StoreError> {
        self.answer(self.kept.insert_key(new, audit).await).await
    }

    async fn change_key(
        &self,
        id: KeyId,
        change: KeyChange,
        expected: Option<Versions>,
        audit: Audit,
    ) -> Result<Changed, StoreError> {
        self.answer(self.kept.change_key(id, change, expected, audit).await).await
    }

    async fn set_owner_suspended(
        &self,
        owner: Owner,
        suspended: bool,
        audit: Audit,
    ) -> Result<OwnerDetails, StoreError> {
        self.answer(self.kept.set_owner_suspended(owner, suspended, audit).await).await
    }

    async fn import_keys(
        &self,
        keys: Vec<KeyCopy>,
        dry_run: bool,
        audit: Audit,
    ) -> Result<Vec<ImportedKey>, StoreError> {
        self.answer(self.kept.import_keys(keys, dry_run, audit).await).await
    }

    async fn find_key(&self, id: KeyId) -> Result<Option<KeyDetails>, StoreError> {
        self.kept.find_key(id).await
    }

    async fn find_digests(
        &self,
        digests: Vec<Digest>,
    ) -> Result<Vec<(Digest, Option<UnixMillis>, KeyDetails)>, StoreError> {
        self.kept.find_digests(digests).await
    }

    async fn keep_leaks(&self, reports: Vec<LeakReport>) -> Result<(), StoreError> {
        self.kept.keep_leaks(reports).await
    }

    async fn kept_leaks(&self, max: u32) -> Result<Vec<LeakReport>, StoreError> {
        self.kept.kept_leaks(max).await
    }

    async fn forget_leaks(&self, digests: Vec<Digest>) -> Result<(), StoreError> {
        self.kept.forget_leaks(digests).await
    }

    async fn add_usage(&self, batch: UsageBatch) -> Result<(), StoreError> {
        self.answer(self.kept.add_usage(batch).await).await
    }

    async fn latest_reading(&self) -> Result<Option<UnixMillis>, StoreError> {
        self.kept.latest_reading().await
    }

    async fn accept_clock(&self, audit: Audit) -> Result<(), StoreError> {
        self.answer(self.kept.accept_clock(audit).await).await
    }

    async fn note_clock_is_right(&self, told: bool) -> Result<bool, StoreError> {
        self.answer(self.kept.note_clock_is_right(told).await).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.kept.close().await
    }
}

#[async_trait]
impl Reports for AwkwardStore {
    async fn tier_uses(&self) -> Result<Vec<(TierName, u64)>, StoreError> {
        self.kept.tier_uses().await
    }

    async fn export_keys(
        &self,
        after: Option<KeyId>,
        max: u32,
    ) -> Result<Vec<KeyCopy>, StoreError> {
        self.kept.export_keys(after, max).await
    }

    async fn list_keys(&self, query: KeyQuery) -> Result<KeyPage, StoreError> {
        self.kept.list_keys(query).await
    }

    async fn count_keys(&self, filter: KeyFilter, now: UnixMillis) -> Result<KeyCount, StoreError> {
        self.kept.count_keys(filter, now).await
    }

    async fn find_owner(&self, owner: Owner) -> Result<Option<OwnerDetails>, StoreError> {
        self.kept.find_owner(owner).await
    }

    async fn suspended_owners(
        &self,
        after: Option<Owner>,
        max: u32,
    ) -> Result<Vec<Owner>, StoreError> {
        self.kept.suspended_owners(after, max).await
    }

    async fn prefixes(&self) -> Result<Vec<String>, StoreError> {
        self.kept.prefixes().await
    }

    async fn usage(
        &self,
        id: KeyId,
        hours: Hours,
        bucket: Bucket,
        max: u32,
    ) -> Result<Vec<(UnixHour, Counts)>, StoreError> {
        self.kept.usage(id, hours, bucket, max).await
    }

    async fn usage_top(&self, hours: Hours, by: TopBy, max: u32) -> Result<UsageTop, StoreError> {
        self.kept.usage_top(hours, by, max).await
    }

    async fn audit_entries(&self, query: AuditQuery) -> Result<AuditPage, StoreError> {
        self.kept.audit_entries(query).await
    }
}
