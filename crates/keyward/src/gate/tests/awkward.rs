//! A store that does what it is asked and then makes it hard to know.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;

use crate::count::Counts;
use crate::issue::NewRecord;
use crate::memory::MemoryStore;
use crate::record::KeyId;
use crate::store::{
    Audit, AuditEntry, ChangeId, KeyDetails, Store, StoreError, StoredSecret, TierRecord,
    TierWritten, UsageBatch,
};
use crate::time::UnixHour;

/// Applies every change, and then may answer late or with an error.
#[derive(Debug, Default)]
pub(super) struct AwkwardStore {
    kept: MemoryStore,
    loses_answers: AtomicBool,
    pauses: AtomicU32,
}

impl AwkwardStore {
    /// Answers changes with an error from now on, or truthfully again.
    pub(super) fn set_loses_answers(&self, loses: bool) {
        self.loses_answers.store(loses, Ordering::Relaxed);
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
impl Store for AwkwardStore {
    async fn tiers(&self) -> Result<Vec<TierRecord>, StoreError> {
        self.kept.tiers().await
    }

    async fn put_tier(&self, tier: TierRecord, audit: Audit) -> Result<TierWritten, StoreError> {
        self.answer(self.kept.put_tier(tier, audit).await).await
    }

    async fn secrets(&self, after: u64, max: u32) -> Result<Vec<StoredSecret>, StoreError> {
        self.kept.secrets(after, max).await
    }

    async fn insert_key(&self, new: NewRecord, audit: Audit) -> Result<KeyId, StoreError> {
        self.answer(self.kept.insert_key(new, audit).await).await
    }

    async fn revoke(
        &self,
        id: KeyId,
        audit: Audit,
    ) -> Result<Option<Vec<StoredSecret>>, StoreError> {
        self.answer(self.kept.revoke(id, audit).await).await
    }

    async fn find_key(&self, id: KeyId) -> Result<Option<KeyDetails>, StoreError> {
        self.kept.find_key(id).await
    }

    async fn list_keys(
        &self,
        before: Option<KeyId>,
        max: u32,
    ) -> Result<Vec<KeyDetails>, StoreError> {
        self.kept.list_keys(before, max).await
    }

    async fn add_usage(&self, batch: UsageBatch) -> Result<(), StoreError> {
        self.answer(self.kept.add_usage(batch).await).await
    }

    async fn usage(
        &self,
        id: KeyId,
        from: UnixHour,
        max: u32,
    ) -> Result<Vec<(UnixHour, Counts)>, StoreError> {
        self.kept.usage(id, from, max).await
    }

    async fn audit_entries(
        &self,
        after: ChangeId,
        max: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        self.kept.audit_entries(after, max).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.kept.close().await
    }
}
