//! A snapshot: a read transaction on a connection and a thread of its own, which end with it.
//!
//! In WAL mode a reader holds up no writer, only the checkpoint: pages that it may still read stay
//! in the log. So the transaction ends with the last row.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use keyward::KeyId;
use keyward::audit::Mark;
use keyward::record::Owner;
use keyward::store::{Page, Snapshot, StoreError};
use keyward::stored::TierId;
use rusqlite::Connection;

use crate::commit::progress;
use crate::connection::open_reader;
use crate::keys::find;
use crate::lock::FileLock;
use crate::sql_error::SqlError;
use crate::watch::{FileLost, Watch};
use crate::worker::{Queue, Worker};
use crate::{owners, tiers};

/// The snapshots of a store that are open.
#[derive(Debug)]
pub(crate) struct Snapshots {
    path: PathBuf,
    watch: Arc<Watch>,
    /// Locked to add one, and to take all.
    open: Mutex<Vec<Weak<Worker>>>,
}

impl Snapshots {
    /// Of a database that is open.
    pub(crate) fn of(path: PathBuf, watch: Arc<Watch>) -> Self {
        Self { path, watch, open: Mutex::default() }
    }

    /// Opens one. The lock on the file is held as long as its connection is open.
    pub(crate) async fn open(&self, lock: Arc<FileLock>) -> Result<SqliteSnapshot, StoreError> {
        let (path, watch) = (self.path.clone(), Arc::clone(&self.watch));
        let run = move |queue: &mut Queue| {
            // The file there must be the one that the store has open, before and after it is
            // opened.
            let checked = || check(&watch);
            let opened = checked().and_then(|()| {
                let connection = open_reader(&path);
                connection.map_err(|error| StoreError::Unavailable(error.into()))
            });
            let opened = opened.and_then(|connection| checked().map(|()| connection));
            serve(opened, queue);
            drop(lock);
        };
        let worker = Worker::start("keyward-snapshot", [run]);
        let worker = worker.map_err(|error| StoreError::Unavailable(error.into()))?;
        let worker = Arc::new(worker);
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.retain(|worker| worker.strong_count() != 0);
            open.push(Arc::downgrade(&worker));
        }
        let begin = |connection: &Connection| {
            // Ends when the connection is closed; there is nothing to keep.
            connection.execute_batch("BEGIN")?;
            // The transaction is as of its first read.
            Ok(progress(connection)?.mark())
        };
        let newest = worker.call(begin).await?;
        Ok(SqliteSnapshot { newest, worker: Some(worker), at: Cursor::Tiers(None) })
    }

    /// Ends all of them. Reading on returns the error that the store is closed.
    pub(crate) async fn close(&self) {
        let open = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *open)
        };
        for worker in open.iter().filter_map(Weak::upgrade) {
            worker.stop().await;
        }
    }
}

/// Whether the files are the ones that the store has open. A log that is shorter than it was is no
/// matter here: another program may have moved it into the database, as the next change will see.
fn check(watch: &Watch) -> Result<(), StoreError> {
    match watch.peek() {
        Ok(()) | Err(FileLost::Cut { .. }) => Ok(()),
        Err(lost @ (FileLost::Moved { .. } | FileLost::Hidden { .. })) => {
            Err(StoreError::Logged(lost.into()))
        }
    }
}

/// Runs each job with the connection, or returns to each the reason why there is none.
fn serve(opened: Result<Connection, StoreError>, queue: &mut Queue) {
    match opened {
        Ok(connection) => {
            while let Some(job) = queue.next() {
                job.run(Ok(&connection)).send(Ok(()));
            }
        }
        Err(error) => {
            let mut error = Some(error);
            while let Some(job) = queue.next() {
                let error = error.take().unwrap_or_else(|| {
                    StoreError::Unavailable("there is no connection to the database".into())
                });
                job.run(Err(error)).send(Ok(()));
            }
        }
    }
}

/// Rows of the database as of one instant.
pub(crate) struct SqliteSnapshot {
    newest: Mark,
    /// Gone when all is read, or something failed, and the transaction with it.
    worker: Option<Arc<Worker>>,
    at: Cursor,
}

impl fmt::Debug for SqliteSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteSnapshot")
            .field("newest", &self.newest)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// The row after which the next page begins.
#[derive(Clone, Debug)]
enum Cursor {
    Tiers(Option<TierId>),
    Owners(Option<Owner>),
    Keys(Option<KeyId>),
    End,
}

impl SqliteSnapshot {
    /// The page that begins here; `None` if there is no more of this kind.
    async fn page(&self, max: u32) -> Result<Option<Page>, StoreError> {
        let gone = || StoreError::Unavailable("nothing is left of the snapshot".into());
        let worker = self.worker.as_ref().ok_or_else(gone)?;
        let at = self.at.clone();
        let read = move |connection: &Connection| -> Result<Option<Page>, SqlError> {
            Ok(match at {
                Cursor::Tiers(after) => {
                    let rows = tiers::page(connection, after, max)?;
                    (!rows.is_empty()).then_some(Page::Tiers(rows))
                }
                Cursor::Owners(after) => {
                    let rows = owners::page(connection, after.as_ref(), max)?;
                    (!rows.is_empty()).then_some(Page::Owners(rows))
                }
                Cursor::Keys(after) => {
                    let rows = find::page(connection, after, max)?;
                    (!rows.is_empty()).then_some(Page::Keys(rows))
                }
                Cursor::End => None,
            })
        };
        worker.call(read).await
    }

    async fn advance(&mut self, max: u32) -> Result<Option<Page>, StoreError> {
        loop {
            let page = self.page(max).await?;
            self.at = match &page {
                Some(Page::Tiers(rows)) => Cursor::Tiers(rows.last().map(|row| row.id)),
                Some(Page::Owners(rows)) => {
                    Cursor::Owners(rows.last().map(|row| row.owner.clone()))
                }
                Some(Page::Keys(rows)) => Cursor::Keys(rows.last().map(|row| row.id)),
                None => match self.at {
                    Cursor::Tiers(_) => Cursor::Owners(None),
                    Cursor::Owners(_) => Cursor::Keys(None),
                    Cursor::Keys(_) | Cursor::End => Cursor::End,
                },
            };
            if page.is_some() || matches!(self.at, Cursor::End) {
                return Ok(page);
            }
        }
    }
}

#[async_trait]
impl Snapshot for SqliteSnapshot {
    fn newest(&self) -> Mark {
        self.newest
    }

    async fn next(&mut self, max: u32) -> Result<Option<Page>, StoreError> {
        if self.worker.is_none() && matches!(self.at, Cursor::End) {
            return Ok(None);
        }
        let page = self.advance(max.max(1)).await;
        if !matches!(page, Ok(Some(_))) {
            self.worker = None;
        }
        page
    }
}
