//! A store that makes each change and then hides its result.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;

use crate::audit::{Audit, ChangeId, Mark};
use crate::digest::Digest;
use crate::memory::MemoryStore;
use crate::once::Earlier;
use crate::record::KeyId;
use crate::rules::{Change, Committed};
use crate::store::{Changes, KeyStore, LeakReport, Page, Snapshot, StoreError, UsageBatch};
use crate::stored::OwnedKey;
use crate::time::UnixMillis;

/// Applies every change, and then may return late or with an error.
#[derive(Debug, Default)]
pub(super) struct AwkwardStore {
    kept: MemoryStore,
    loses_answers: AtomicBool,
    hides_tiers: AtomicBool,
    pauses: AtomicU32,
}

/// Reports work without faults.
impl Deref for AwkwardStore {
    type Target = MemoryStore;

    fn deref(&self) -> &MemoryStore {
        &self.kept
    }
}

impl AwkwardStore {
    /// Returns an error for changes from now on, or the truth again.
    pub(super) fn set_loses_answers(&self, loses: bool) {
        self.loses_answers.store(loses, Ordering::Relaxed);
    }

    /// Claims to have no tiers from now on, or returns them again.
    pub(super) fn set_hides_tiers(&self, hides: bool) {
        self.hides_tiers.store(hides, Ordering::Relaxed);
    }

    /// Lets other tasks run this often between the next change and its result.
    pub(super) fn pause_next_answer(&self, times: u32) {
        self.pauses.store(times, Ordering::Relaxed);
    }

    async fn answer<T>(&self, truth: Result<T, StoreError>) -> Result<T, StoreError> {
        for _ in 0..self.pauses.swap(0, Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        if self.loses_answers.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("the reply was lost".into()));
        }
        truth
    }
}

/// A snapshot without tiers.
#[derive(Debug)]
struct Tierless(Box<dyn Snapshot>);

#[async_trait]
impl Snapshot for Tierless {
    fn newest(&self) -> Mark {
        self.0.newest()
    }

    async fn next(&mut self, max: u32) -> Result<Option<Page>, StoreError> {
        loop {
            match self.0.next(max).await? {
                Some(Page::Tiers(_)) => {}
                other => return Ok(other),
            }
        }
    }
}

#[async_trait]
impl KeyStore for AwkwardStore {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let snapshot = self.kept.snapshot().await?;
        match self.hides_tiers.load(Ordering::Relaxed) {
            true => Ok(Box::new(Tierless(snapshot))),
            false => Ok(snapshot),
        }
    }

    async fn commit(&self, change: Change, audit: Audit) -> Result<Committed, StoreError> {
        self.answer(self.kept.commit(change, audit).await).await
    }

    async fn changes(&self, after: ChangeId, max: u32) -> Result<Changes, StoreError> {
        self.kept.changes(after, max).await
    }

    async fn find_key(&self, id: KeyId) -> Result<Option<OwnedKey>, StoreError> {
        self.kept.find_key(id).await
    }

    async fn find_digests(
        &self,
        digests: Vec<Digest>,
    ) -> Result<Vec<(Digest, Option<UnixMillis>, OwnedKey)>, StoreError> {
        self.kept.find_digests(digests).await
    }

    async fn earlier(&self, audit: Audit) -> Result<Option<Earlier>, StoreError> {
        self.kept.earlier(audit).await
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

    async fn note_clock_is_right(&self, told: bool) -> Result<bool, StoreError> {
        self.answer(self.kept.note_clock_is_right(told).await).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.kept.ping().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.kept.close().await
    }
}
