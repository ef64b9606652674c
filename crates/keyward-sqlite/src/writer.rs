//! The thread that writes: many changes, one commit.
//!
//! The price of a change is waiting for the disk, and waiting once does for all changes that came
//! in the meantime. None returns before the commit that they share, and before the ledger has a
//! note of it.

use std::sync::Arc;

use keyward::store::StoreError;
use rusqlite::Connection;

use crate::commit::Known;
use crate::commits::Commits;
use crate::keeper::{Keeper, Taken};
use crate::keys::late;
use crate::reserve::Reserve;
use crate::watch::{FileLost, Found, Watch, Written};
use crate::worker::{Job, Queue, Reply, Size};

/// Most changes that share a commit, so that the first of them returns soon.
const BATCH_JOBS_MAX: usize = 256;

/// Does jobs in batches until there are no more, or until a transaction can neither be committed
/// nor rolled back.
pub(crate) fn run(
    connection: &Connection,
    watch: &Watch,
    known: &Known,
    reserve: &Reserve,
    mut keeper: Option<Keeper>,
    queue: &mut Queue,
    commits: &Commits,
) {
    let mut large = None;
    while let Some(first) = large.take().or_else(|| queue.next()) {
        let mut batch = Batch::new(connection, watch, known);
        batch.begin();
        batch.attempt_first(first);
        while batch.replies.len() < BATCH_JOBS_MAX
            && let Some(job) = queue.waiting()
        {
            match job.size {
                Size::Small => batch.attempt_later(job),
                Size::Large => {
                    large = Some(job);
                    break;
                }
            }
        }
        let kept = batch.finish(reserve, keeper.as_mut(), commits);
        // The reserve is for changes that end keys.
        if kept.is_ok()
            && !reserve.is_given_up()
            && late::are_many_waiting(connection).unwrap_or(false)
        {
            let batch = Batch::new(connection, watch, known);
            batch.list_keys(reserve, keeper.as_mut(), commits);
        }
        if !connection.is_autocommit() {
            return;
        }
        if reserve.is_given_up() {
            make_room(connection);
        }
    }
}

/// Moves writes from the log into the database, as far as that needs no waiting: other connections
/// may be open. The rest in the log is just as safe there.
pub(crate) fn checkpoint(connection: &Connection) {
    if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)") {
        tracing::warn!(%error, "The write-ahead log stays next to the database for the next start");
    }
}

/// Moves the log into the database, so that the next change begins it anew instead of making it
/// longer: on a full disk, the little room lasts far longer.
fn make_room(connection: &Connection) {
    if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)") {
        tracing::debug!(%error, "The log is not moved into the database");
    }
}

/// Jobs that share a transaction.
struct Batch<'a> {
    connection: &'a Connection,
    watch: &'a Watch,
    known: &'a Known,
    /// How much of the log counted when the batch began.
    written: Option<Written>,
    replies: Vec<Reply>,
    /// Why the transaction cannot be committed; every job of the batch gets the same.
    error: Option<BatchError>,
}

/// Why a transaction cannot be committed, for several callers.
enum BatchError {
    Sqlite(Arc<rusqlite::Error>),
    Lost(FileLost),
}

impl<'a> Batch<'a> {
    /// A batch without jobs. If the files are not at their paths it has failed already, for reads
    /// from them would be as doubtful as writes.
    fn new(connection: &'a Connection, watch: &'a Watch, known: &'a Known) -> Self {
        let mut batch =
            Self { connection, watch, known, written: None, replies: Vec::new(), error: None };
        batch.look();
        batch
    }

    /// Looks where the files are, and how much of the log counts.
    fn look(&mut self) {
        if self.error.is_some() {
            return;
        }
        match self.watch.look(self.connection) {
            Ok(written) => self.written = Some(written),
            Err(Found::Lost(lost)) => self.error = Some(BatchError::Lost(lost)),
            Err(Found::Sqlite(error)) => self.error = Some(BatchError::Sqlite(Arc::new(error))),
        }
    }

    /// Looks once more where the files are, while the transaction keeps others from writing.
    fn check(&mut self) {
        if self.error.is_none()
            && let Some(written) = self.written
            && let Err(lost) = self.watch.check(written)
        {
            self.error = Some(BatchError::Lost(lost));
        }
    }

    fn begin(&mut self) {
        // Immediate: to begin as a reader and find later that another one writes is an error
        // that no waiting could mend.
        self.execute("BEGIN IMMEDIATE");
        self.known.forget();
    }

    /// Runs the first job of the batch, of any size. Nothing before it would have to stay, so the
    /// transaction will do as its savepoint.
    fn attempt_first(&mut self, job: Job) {
        let reply = job.run(self.kept().map(|()| self.connection));
        if !reply.succeeded {
            // Nothing to undo if SQLite did already, as it does where a statement finds no room.
            if !self.connection.is_autocommit() {
                self.execute("ROLLBACK");
            }
            self.begin();
        } else if self.connection.is_autocommit() {
            // SQLite rolled the transaction back, and the batch learns of it by this, which fails.
            self.execute("ROLLBACK");
        }
        self.replies.push(reply);
    }

    /// Runs a small job in a savepoint of its own: if it fails, its changes are undone, and those
    /// of the others stay.
    fn attempt_later(&mut self, job: Job) {
        self.execute("SAVEPOINT job");
        let reply = job.run(self.kept().map(|()| self.connection));
        if !reply.succeeded {
            self.execute("ROLLBACK TO job");
        }
        // If the failure was such that SQLite rolled the whole transaction back, there is no
        // savepoint any more, and this is where the batch learns of it.
        self.execute("RELEASE job");
        self.replies.push(reply);
    }

    /// Writes the rows that lists need of new keys, in a batch without jobs. A failure is undone,
    /// and they wait for the end of the next batch.
    fn list_keys(mut self, reserve: &Reserve, keeper: Option<&mut Keeper>, commits: &Commits) {
        self.begin();
        let listed = self.kept().and_then(|()| Ok(late::list_all(self.connection)?));
        let kept = match listed {
            Ok(()) => self.finish(reserve, keeper, commits),
            Err(error) => {
                self.execute("ROLLBACK");
                Err(error)
            }
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "The rows that lists need of new keys are not written yet");
        }
    }

    /// Commits, notes and counts that, and replies to every job with what this returns.
    ///
    /// A write into a file that is no longer at its path is not acknowledged, even if the file was
    /// taken away at this very moment.
    fn finish(
        mut self,
        reserve: &Reserve,
        keeper: Option<&mut Keeper>,
        commits: &Commits,
    ) -> Result<(), StoreError> {
        self.check();
        let taken = keeper.as_deref().and_then(|keeper| self.take(keeper));
        self.execute("COMMIT");
        if self.error.is_none() {
            if let Some((keeper, taken)) = keeper.zip(taken) {
                // The room for noting a change is part of the reserve.
                keeper.keep(self.connection, taken, || reserve.give_up());
            }
            // A caller that gets its reply below sees its own commit.
            commits.count(self.replies.len());
        }
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "No more is written: the database cannot even roll back");
        }
        self.look();
        for reply in std::mem::take(&mut self.replies) {
            reply.send(self.kept());
        }
        self.kept()
    }

    /// The notes of the batch for the ledger, unless it has failed; if these cannot be read, it
    /// fails.
    fn take(&mut self, keeper: &Keeper) -> Option<Taken> {
        self.kept().ok()?;
        let taken = keeper.take(self.connection);
        taken.map_err(|error| self.error = Some(BatchError::Sqlite(Arc::new(error)))).ok()
    }

    /// Runs a statement, unless the batch has failed already; if it fails, so does the batch.
    fn execute(&mut self, sql: &str) {
        if self.error.is_some() {
            return;
        }
        let executed = self.connection.prepare_cached(sql).and_then(|mut sql| sql.execute([]));
        self.error = executed.err().map(|error| BatchError::Sqlite(Arc::new(error)));
    }

    fn kept(&self) -> Result<(), StoreError> {
        match &self.error {
            None => Ok(()),
            Some(BatchError::Sqlite(error)) => {
                Err(StoreError::Unavailable(Box::new(Arc::clone(error))))
            }
            Some(BatchError::Lost(lost)) => Err(StoreError::Logged(Box::new(lost.clone()))),
        }
    }
}
