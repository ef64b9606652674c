//! The store itself: a lock, a thread that writes and threads that read.

mod open;

use std::path::Path;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use keyward::audit::{Audit, ChainDigest, ChangeId};
use keyward::count::Counts;
use keyward::digest::Digest;
use keyward::once::Earlier;
use keyward::query::{
    AuditPage, AuditQuery, Bucket, Hours, KeyCount, KeyFilter, KeyOrder, KeyPage, KeyQuery, TopBy,
    UsageTop,
};
use keyward::record::Owner;
use keyward::rules::{Change, Committed};
use keyward::store::{
    Backup, Changes, KeyStore, LeakReport, Reports, Snapshot, StoreError, UsageBatch,
};
use keyward::stored::{Key, OwnedKey, OwnerRow, TierRow, Unkept};
use keyward::time::UnixHour;
use keyward::{KeyId, UnixMillis};
use keyward_ledger::Standing;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use open::OpenOptions;

use crate::commit::Known;
use crate::commits::{CommitSizes, Commits};
use crate::keys::{count, find, late, list, terms};
use crate::lock::{FileHold, FileLock};
use crate::reserve::Reserve;
use crate::snapshot::Snapshots;
use crate::sql_error::SqlError;
use crate::usage::Sums;
use crate::watch::{FileLost, Watch};
use crate::worker::{Size, Worker};
use crate::{backup, clock, follow, leaks, once, owners, tiers, trail, usage};

/// How many threads read. Each has a cache of its own.
const READERS: usize = 4;
/// Most of them that are taken by long reads, a copy or the usage of all keys, so that there is
/// always one for short reads.
const LONG_READS_MAX: usize = 2;

/// Keys that survive in a SQLite file.
///
/// One store has a file to itself, for as long as it is open. Changes that are under way at the
/// same time share a commit, so that many callers together get far more done than one after the
/// other. Calls wait without blocking: SQLite runs in five threads that the store owns.
///
/// Dropping a store does what [`KeyStore::close`] does and blocks until it is done, which is a
/// matter of milliseconds. Close it first where that matters.
///
/// ```
/// use keyward::UnixMillis;
/// use keyward::store::{KeyStore, Reports};
/// use keyward_sqlite::{OpenError, SqliteStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("keyward.db");
/// let store = SqliteStore::open(&path, "127.0.0.1:8080", UnixMillis(1_767_225_600_000))?;
/// assert_eq!(store.tiers().await?.len(), 3);
///
/// let second = SqliteStore::open(&path, "127.0.0.1:8081", UnixMillis(1_767_225_600_000));
/// assert!(matches!(second, Err(OpenError::Locked { .. })));
/// store.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    /// Declared before the writer, hence dropped before it: the last to close the file tidies up,
    /// and only the writer may write.
    reader: Worker,
    writer: Worker,
    known: Known,
    /// Has a permit for each that may read for long.
    long_reads: Arc<Semaphore>,
    commits: Arc<Commits>,
    watch: Arc<Watch>,
    reserve: Arc<Reserve>,
    /// Held by the threads alone, so that it ends with them.
    lock: Weak<FileLock>,
    standing: Standing,
    snapshots: Snapshots,
}

impl SqliteStore {
    /// The hold that keeps the file to this process. `None` if the store was closed.
    #[must_use]
    pub fn hold(&self) -> Option<FileHold> {
        Some(FileHold::new(self.lock.upgrade()?))
    }

    /// Whether the database and its log are at their paths, as every change checks as well. For
    /// other code that writes to the same file; waits for nothing.
    ///
    /// # Errors
    ///
    /// Returns [`FileLost`] if a write now would not survive a restart. If another program has
    /// truncated the log in a checkpoint, that may be reported until the next change or flush.
    pub fn check_files(&self) -> Result<(), FileLost> {
        self.watch.peek()
    }

    /// Transactions committed since the store was opened. Changes that were under way at the same
    /// time share one.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.all()
    }

    /// How many changes shared each of these transactions.
    #[must_use]
    pub fn commit_sizes(&self) -> CommitSizes {
        self.commits.sizes()
    }
}

impl SqliteStore {
    /// Reads, and sees the store as it is at one instant.
    async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, SqlError> + Send + 'static,
    {
        let snapshot = |connection: &Connection| {
            // Ends when it is dropped; there is nothing to keep.
            let _transaction = connection.unchecked_transaction()?;
            read(connection)
        };
        self.reader.call(snapshot).await
    }

    /// Sees to it that nothing waits to be written that lists need of the keys there are. There is
    /// room for that on any disk.
    async fn list_all(&self) -> Result<(), StoreError> {
        if self.reader.call(late::is_any_waiting).await? {
            self.end(Size::Large, late::list_all).await?;
        }
        Ok(())
    }

    /// Waits for its turn to read for long, which lasts until the permit is dropped.
    async fn long_read(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let permit = Arc::clone(&self.long_reads).acquire_owned().await;
        permit.map_err(|closed| StoreError::Unavailable(closed.into()))
    }
}

#[async_trait]
impl KeyStore for SqliteStore {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let closed = || StoreError::Unavailable("the store is closed".into());
        let lock = self.lock.upgrade().ok_or_else(closed)?;
        Ok(Box::new(self.snapshots.open(lock).await?))
    }

    async fn commit(&self, change: Change, audit: Audit) -> Result<Committed, StoreError> {
        self.make(change, audit).await
    }

    async fn changes(&self, after: ChangeId, max: u32) -> Result<Changes, StoreError> {
        self.read(move |connection| follow::changes(connection, after, max)).await
    }

    async fn find_key(&self, id: KeyId) -> Result<Option<OwnedKey>, StoreError> {
        self.read(move |connection| find::owned(connection, id)).await
    }

    async fn earlier(&self, audit: Audit) -> Result<Option<Earlier>, StoreError> {
        self.read(move |connection| once::earlier(connection, &audit)).await
    }

    async fn find_digests(
        &self,
        digests: Vec<Digest>,
    ) -> Result<Vec<(Digest, Option<UnixMillis>, OwnedKey)>, StoreError> {
        self.read(move |connection| find::by_digests(connection, &digests)).await
    }

    async fn keep_leaks(&self, reports: Vec<LeakReport>) -> Result<(), StoreError> {
        // Reports that name no key, too: whether they are rejected must not be visible.
        self.end(Size::of(reports.len()), move |connection| leaks::keep(connection, &reports)).await
    }

    async fn kept_leaks(&self, max: u32) -> Result<Vec<LeakReport>, StoreError> {
        self.read(move |connection| leaks::kept(connection, max)).await
    }

    async fn forget_leaks(&self, digests: Vec<Digest>) -> Result<(), StoreError> {
        self.end(Size::of(digests.len()), move |connection| leaks::forget(connection, &digests))
            .await
    }

    async fn add_usage(&self, batch: UsageBatch) -> Result<(), StoreError> {
        let size = Size::of(batch.rows.len());
        self.change(size, move |connection| usage::add(connection, batch)).await
    }

    async fn tend_usage(&self, _: UnixHour, from: UnixHour) -> Result<bool, StoreError> {
        // Looked for first: a write that does nothing would take a turn of others.
        if !self.read(move |connection| usage::is_any_before(connection, from)).await? {
            return Ok(false);
        }
        // Room for that is made by it.
        self.end(Size::Large, move |connection| usage::forget(connection, from)).await
    }

    async fn latest_reading(&self) -> Result<Option<UnixMillis>, StoreError> {
        self.read(clock::latest).await
    }

    async fn note_clock_is_right(&self, told: bool) -> Result<bool, StoreError> {
        self.writer.call(move |connection| clock::note_told(connection, told)).await
    }

    fn newest_change(&self) -> Option<(ChangeId, ChainDigest)> {
        self.standing.newest()
    }

    fn trouble(&self) -> Option<String> {
        if !self.writer.is_running() {
            return Some("there is no thread that writes".to_owned());
        }
        let lost = self.check_files().err().map(|lost| lost.to_string());
        lost.or_else(|| self.standing.trouble())
    }

    async fn mend(&self) -> Result<(), StoreError> {
        // The writer checks where the files are, and notes the records that the ledger lacks, with
        // any job.
        self.writer.call(|_| Ok(())).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        const PING: &str = "SELECT count(*) FROM sqlite_schema";
        self.read(|connection| Ok(connection.query_row(PING, [], |_| Ok(()))?)).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.reader.stop().await;
        self.snapshots.close().await;
        self.writer.stop().await;
        Ok(())
    }
}

#[async_trait]
impl Reports for SqliteStore {
    async fn tiers(&self) -> Result<Vec<TierRow>, StoreError> {
        self.read(tiers::list).await
    }

    async fn export_keys(&self, after: Option<KeyId>, max: u32) -> Result<Vec<Unkept>, StoreError> {
        let page = move |connection: &Connection| find::page(connection, after, max);
        Ok(self.read(page).await?.into_iter().map(Key::carried).collect())
    }

    async fn list_keys(&self, query: KeyQuery) -> Result<KeyPage, StoreError> {
        if late::is_asked_for(&query.filter, query.order) {
            self.list_all().await?;
        }
        self.read(move |connection| list::page(connection, &query)).await
    }

    async fn count_keys(&self, filter: KeyFilter, now: UnixMillis) -> Result<KeyCount, StoreError> {
        if late::is_asked_for(&filter, KeyOrder::Created) {
            self.list_all().await?;
        }
        self.read(move |connection| count::count(connection, &filter, now)).await
    }

    async fn find_owner(&self, owner: Owner) -> Result<Option<OwnerRow>, StoreError> {
        self.read(move |connection| owners::read(connection, &owner)).await
    }

    async fn limited_owners(&self, owners: Vec<Owner>) -> Result<Vec<OwnerRow>, StoreError> {
        self.read(move |connection| owners::limited(connection, &owners)).await
    }

    async fn limited_owners_without_keys(
        &self,
        after: Option<Owner>,
        max: u32,
    ) -> Result<Vec<OwnerRow>, StoreError> {
        self.read(move |connection| owners::limited_without_keys(connection, after.as_ref(), max))
            .await
    }

    async fn suspended_owners(
        &self,
        after: Option<Owner>,
        max: u32,
    ) -> Result<Vec<Owner>, StoreError> {
        self.read(move |connection| owners::suspended(connection, after.as_ref(), max)).await
    }

    async fn prefixes(&self) -> Result<Vec<String>, StoreError> {
        self.read(terms::prefixes).await
    }

    async fn usage(
        &self,
        id: KeyId,
        hours: Hours,
        bucket: Bucket,
        max: u32,
    ) -> Result<Vec<(UnixHour, Counts)>, StoreError> {
        self.read(move |connection| usage::of_key(connection, id, hours, bucket, max)).await
    }

    async fn usage_top(&self, hours: Hours, by: TopBy, max: u32) -> Result<UsageTop, StoreError> {
        let _permit = self.long_read().await?;
        let mut sums = Sums::new(hours);
        while !sums.are_done() {
            sums = self.read(move |connection| sums.add_some(connection)).await?;
        }
        self.read(move |connection| sums.top(connection, by, max)).await
    }

    async fn audit_entries(&self, query: AuditQuery) -> Result<AuditPage, StoreError> {
        self.read(move |connection| trail::page(connection, &query)).await
    }
}

#[async_trait]
impl Backup for SqliteStore {
    async fn back_up(&self, path: &Path) -> Result<(), StoreError> {
        let path = path.to_owned();
        let permit = self.long_read().await?;
        let copy = move |connection: &Connection| {
            // Held as long as the thread is, even if no caller waits for the copy any more.
            let _permit = permit;
            backup::write(connection, &path)
        };
        self.reader.call(copy).await
    }
}

mod room;
#[cfg(test)]
mod tests;
