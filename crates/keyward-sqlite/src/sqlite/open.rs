//! Opening a store: the locks, the check for losses, the schema, the ledger, the threads.

use std::path::Path;
use std::sync::Arc;

use keyward::UnixMillis;
use keyward::audit::ChangeId;
use keyward_ledger::{Restored, Standing};
use tokio::sync::Semaphore;

use super::{LONG_READS_MAX, READERS, SqliteStore, room};
use crate::commit::Known;
use crate::commits::Commits;
use crate::connection::Files;
use crate::lock::FileLock;
use crate::open_error::OpenError;
use crate::reserve::Reserve;
use crate::snapshot::Snapshots;
use crate::start::{self, Start};
use crate::worker::{Queue, Worker};
use crate::{connection, notes, reader, writer};

/// How to open a store; see [`SqliteStore::open_with`].
#[derive(Clone, Debug)]
pub struct OpenOptions<'a> {
    /// Who has the file open, in a few words such as the address that the program listens on: it
    /// is said to others who would open it, too.
    pub holder: &'a str,
    /// When this is.
    pub now: UnixMillis,
    /// The loss that an operator accepts: [`Loss::change`](crate::Loss::change) of the
    /// [`OpenError::Lost`] that was returned before. It holds for this very loss; if none is found,
    /// it does nothing, and another one is an error all the same.
    pub after_restore: Option<ChangeId>,
    /// Whether the ledger is looked at and kept. Without it, a database that lacks acknowledged
    /// changes goes unnoticed, and nothing ends revoked keys again: this is for measuring its cost,
    /// and for databases that are not needed later.
    pub ledger: bool,
}

impl SqliteStore {
    /// Opens a database file with a ledger, and accepts no loss: [`SqliteStore::open_with`].
    ///
    /// # Errors
    ///
    /// Returns [`OpenError`], whose variants name the file and what to do. Then nothing that was
    /// in the file is lost or altered.
    pub fn open(path: &Path, holder: &str, now: UnixMillis) -> Result<Self, OpenError> {
        let options = OpenOptions { holder, now, after_restore: None, ledger: true };
        Ok(Self::open_with(path, &options)?.0)
    }

    /// Opens the database file at `path`, or creates it, readable by its owner only. If a loss was
    /// accepted, also returns what became of it.
    ///
    /// A lock on the file and a lock file `<path>.lock` keep others out. Links are followed, so
    /// that two names of one file are one file. On Linux that holds for hard links, too; elsewhere,
    /// and on network file systems, a file with several names is rejected. The schema is brought up
    /// to date.
    ///
    /// Next to the file lies a ledger, `<path>.ledger`, which knows how far the database had come.
    /// A database that lacks acknowledged changes, because its write-ahead log was damaged or
    /// deleted or a backup replaced it, is not opened; nor is one whose ledger is missing. A
    /// database of a version that had no ledger gets one.
    ///
    /// This blocks for some milliseconds.
    ///
    /// # Errors
    ///
    /// Returns [`OpenError`], whose variants name the file and what to do. Then nothing that was in
    /// the file is lost or altered; with [`OpenError::Lost`], the database, its write-ahead log and
    /// the ledger are unchanged, byte for byte.
    pub fn open_with(
        path: &Path,
        options: &OpenOptions<'_>,
    ) -> Result<(Self, Option<Restored>), OpenError> {
        let now = options.now;
        connection::check_version(rusqlite::version_number())?;
        let path = connection::resolve(path)?;
        connection::check_directory(&path)?;
        // Declared before the connections, hence dropped after them. Held by all threads, so that
        // it is released when none has the file open any more.
        let (lock, start) = lock(&path, options)?;
        let reserve = Arc::new(Reserve::find(&path));
        let Files { writing, readings, watch } =
            room::try_with_room(&reserve, || Files::open(&path, READERS, now))?;
        reserve.take();
        let standing = Standing::default();
        let settled = start.map(|start| start.settle(&writing, now, standing.clone()));
        let (keeper, restored) = settled.transpose()?.unzip();
        if keeper.is_some() {
            notes::watch(&writing).map_err(|error| OpenError::from_sqlite(&path, error))?;
        }
        let failed = |error| OpenError::from_io(&path, error);

        let watch = Arc::new(watch);
        let commits = Arc::new(Commits::default());
        let (counted, held) = (Arc::clone(&commits), Arc::clone(&lock));
        let (watched, kept) = (Arc::clone(&watch), Arc::clone(&reserve));
        let known = Known::default();
        let knows = known.clone();
        let write = move |queue: &mut Queue| {
            writer::run(&writing, &watched, &knows, &kept, keeper, queue, &counted);
            writer::checkpoint(&writing);
            drop(writing);
            drop(held);
        };
        let writer = Worker::start("keyward-writer", [write]).map_err(failed)?;
        let reads = readings.into_iter().map(|reading| {
            let held = Arc::clone(&lock);
            move |queue: &mut Queue| {
                reader::run(&reading, queue);
                drop(reading);
                drop(held);
            }
        });
        let reader = Worker::start("keyward-reader", reads).map_err(failed)?;
        let long_reads = Arc::new(Semaphore::new(LONG_READS_MAX));
        let lock = Arc::downgrade(&lock);
        let snapshots = Snapshots::of(path, Arc::clone(&watch));
        let store = Self {
            reader,
            writer,
            known,
            long_reads,
            commits,
            watch,
            reserve,
            lock,
            standing,
            snapshots,
        };
        Ok((store, restored.flatten()))
    }
}

/// Locks the database, and looks at it and at its ledger before either is touched.
fn lock(
    path: &Path,
    options: &OpenOptions<'_>,
) -> Result<(Arc<FileLock>, Option<Start>), OpenError> {
    let OpenOptions { holder, now: _, after_restore, ledger } = *options;
    let mut start = None;
    let prepare = |path: &Path| {
        // Where a ledger knows of a database, a missing one is not replaced by a new one.
        if ledger && connection::is_absent(path)? {
            let begun = start::begin(path, after_restore)?;
            begun.clear()?;
            start = Some(begun);
        }
        connection::prepare_file(path)
    };
    let lock = FileLock::acquire(path, holder, prepare)?;
    // One that is there is looked at when it is locked: it may be another process's, by another
    // name.
    if ledger && start.is_none() {
        start = Some(start::begin(path, after_restore)?);
    }
    Ok((Arc::new(lock), start))
}
