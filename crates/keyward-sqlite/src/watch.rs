//! Whether the files that were opened are still the ones that a restart would open.
//!
//! SQLite goes on writing to a file that was deleted, moved or replaced, and to a log that was cut
//! short. Such writes are gone with the process, so no change may be acknowledged.
//!
//! Files are looked at by their paths: to open and close one would drop SQLite's locks (POSIX).

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use keyward_ledger::place::{FileId, Look, sibling};
use rusqlite::Connection;
use thiserror::Error;

use crate::sql_error::SqlError;

/// A frame of the log is a page with this before it, and the log begins with a header
/// (<https://sqlite.org/fileformat2.html#walformat>).
const FRAME_HEADER_LEN: u64 = 24;
const LOG_HEADER_LEN: u64 = 32;

/// Why nothing can be changed: the files on the disk are not the opened ones. Requests go on being
/// judged, and changes can be made again as soon as the files are back at their paths.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FileLost {
    /// There is nothing where the file was, or something that is not a file of ours.
    #[error(
        "{path} is not the file that was opened: it was moved, deleted or replaced; \
         put it back, or restart the server"
    )]
    Moved {
        /// Where the file was.
        path: PathBuf,
    },
    /// The write-ahead log is shorter than the bytes written to it.
    #[error(
        "{path} has {len} of {written} bytes that were written to it; \
         put the rest back, or restart the server, which says what is missing"
    )]
    Cut {
        /// The write-ahead log.
        path: PathBuf,
        /// How many bytes it has.
        len: u64,
        /// How many bytes of it count.
        written: u64,
    },
    /// The system does not show the file.
    #[error("{path} cannot be looked at ({kind}); nothing is changed until it can")]
    Hidden {
        /// The file.
        path: PathBuf,
        /// The system's error.
        kind: ErrorKind,
    },
}

/// Why a look failed.
#[derive(Debug)]
pub(crate) enum Found {
    /// Something is not as it must be.
    Lost(FileLost),
    /// SQLite does not say how much of the log counts.
    Sqlite(rusqlite::Error),
}

impl From<Found> for SqlError {
    fn from(found: Found) -> Self {
        match found {
            Found::Lost(lost) => Self::Logged(lost.into()),
            Found::Sqlite(error) => Self::Sqlite(error),
        }
    }
}

impl From<FileLost> for Found {
    fn from(lost: FileLost) -> Self {
        Self::Lost(lost)
    }
}

impl From<rusqlite::Error> for Found {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// How many bytes of the log count, as of some moment. Others may write to the file, too, which
/// adds to them; only a checkpoint that ends by truncating the log takes them all away.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written(u64);

/// The files as they were when they were opened.
#[derive(Debug)]
pub(crate) struct Watch {
    database: Seen,
    log: Seen,
    /// What SQLite keeps of the log in shared memory: with another file of that name, another
    /// process would write to the database without knowing of this one.
    index: Seen,
    frame_len: u64,
    /// What [`Watch::look`] found last. Relaxed, for nothing else depends on it.
    noted: AtomicU64,
    /// The result of the last look; changes of it are logged.
    lost: Mutex<Option<FileLost>>,
}

#[derive(Debug)]
struct Seen {
    path: PathBuf,
    id: FileId,
}

impl Watch {
    /// Notes which files a connection in WAL mode has open.
    ///
    /// # Errors
    ///
    /// Returns [`SqlError`] if they cannot be looked at.
    pub(crate) fn start(database: &Path, connection: &Connection) -> Result<Self, SqlError> {
        let page_len: u64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        let watch = Self {
            database: Seen::note(database.to_owned())?,
            log: Seen::note(sibling(database, "-wal"))?,
            index: Seen::note(sibling(database, "-shm"))?,
            frame_len: FRAME_HEADER_LEN + page_len,
            noted: AtomicU64::new(0),
            lost: Mutex::default(),
        };
        watch.look(connection)?;
        Ok(watch)
    }

    /// Looks at everything. No transaction of this connection may be under way.
    ///
    /// # Errors
    ///
    /// Returns [`Found`] if something is not as it must be.
    pub(crate) fn look(&self, connection: &Connection) -> Result<Written, Found> {
        let written = self.written(connection)?;
        self.noted.store(written.0, Ordering::Relaxed);
        self.check(written)?;
        Ok(written)
    }

    /// Checks that all files are at their paths and the log has at least the bytes `written` to it.
    ///
    /// # Errors
    ///
    /// Returns [`FileLost`] if something is not as it must be, and logs it if that is new.
    pub(crate) fn check(&self, written: Written) -> Result<(), FileLost> {
        let found = self.find(written);
        self.report(found.as_ref().err());
        found
    }

    /// Checks that all files are at their paths, as far as that is known without a connection: the
    /// number of bytes written was noted at the last look. Logs nothing.
    ///
    /// # Errors
    ///
    /// Returns [`FileLost`] if something is not as it must be.
    pub(crate) fn peek(&self) -> Result<(), FileLost> {
        self.find(Written(self.noted.load(Ordering::Relaxed)))
    }

    fn find(&self, written: Written) -> Result<(), FileLost> {
        self.database.len()?;
        self.index.len()?;
        let len = self.log.len()?;
        if len < written.0 {
            let path = self.log.path.clone();
            return Err(FileLost::Cut { path, len, written: written.0 });
        }
        Ok(())
    }

    /// How much of the log counts, by the index in shared memory: `NOOP` touches no file.
    fn written(&self, connection: &Connection) -> rusqlite::Result<Written> {
        const FRAMES: &str = "PRAGMA wal_checkpoint(NOOP)";
        let frames: i64 = connection.prepare_cached(FRAMES)?.query_row([], |row| row.get("log"))?;
        Ok(Written(match u64::try_from(frames) {
            // SQLite says -1 if there is no log.
            Ok(0) | Err(_) => 0,
            Ok(frames) => LOG_HEADER_LEN + frames * self.frame_len,
        }))
    }

    fn report(&self, found: Option<&FileLost>) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        match (found, lost.is_some()) {
            (Some(error), false) => {
                tracing::error!(%error, "No change is made: the database is not in its place");
            }
            (None, true) => tracing::info!("The database is in its place again: changes are made"),
            (Some(_), true) | (None, false) => {}
        }
        *lost = found.cloned();
    }
}

impl Seen {
    fn note(path: PathBuf) -> io::Result<Self> {
        let id = Look::at(&path)?.id;
        Ok(Self { path, id })
    }

    /// The length of the file, if it is the one that was seen.
    fn len(&self) -> Result<u64, FileLost> {
        // A link to the file is not the file: its log would be looked for elsewhere.
        let path = || self.path.clone();
        match Look::at(&self.path) {
            Ok(file) if file.id == self.id => Ok(file.len),
            Ok(_) => Err(FileLost::Moved { path: path() }),
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => {
                    Err(FileLost::Moved { path: path() })
                }
                kind => Err(FileLost::Hidden { path: path(), kind }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    fn opened(directory: &Path) -> (PathBuf, Connection, Watch) {
        let path = directory.join("a.db");
        let connection = Connection::open(&path).unwrap();
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        connection.execute_batch("CREATE TABLE numbers (number INTEGER)").unwrap();
        let watch = Watch::start(&path, &connection).unwrap();
        (path, connection, watch)
    }

    fn lost(watch: &Watch, connection: &Connection) -> FileLost {
        match watch.look(connection).unwrap_err() {
            Found::Lost(lost) => lost,
            Found::Sqlite(error) => panic!("{error}"),
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_moved_away_and_back_is_lost_and_found() {
        let directory = tempfile::tempdir().unwrap();
        let (path, connection, watch) = opened(directory.path());
        let aside = directory.path().join("aside");
        for file in [path.clone(), sibling(&path, "-wal"), sibling(&path, "-shm")] {
            let written = watch.look(&connection).unwrap();
            fs::rename(&file, &aside).unwrap();
            assert_eq!(lost(&watch, &connection), FileLost::Moved { path: file.clone() });
            // Neither a copy nor a link is the opened file.
            fs::copy(&aside, &file).unwrap();
            assert_eq!(watch.check(written), Err(FileLost::Moved { path: file.clone() }));
            fs::remove_file(&file).unwrap();
            std::os::unix::fs::symlink(&aside, &file).unwrap();
            assert_eq!(watch.check(written), Err(FileLost::Moved { path: file.clone() }));
            fs::rename(&aside, &file).unwrap();
        }
        watch.look(&connection).unwrap();
    }

    #[test]
    fn a_log_that_is_cut_is_lost_and_one_that_sqlite_truncates_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let (path, connection, watch) = opened(directory.path());
        let written = watch.look(&connection).unwrap();
        let log = sibling(&path, "-wal");
        let len = fs::metadata(&log).unwrap().len();
        assert_eq!(len, written.0);
        // Another connection writes, as the articles do: the log grows.
        let other = Connection::open(&path).unwrap();
        other.execute_batch("INSERT INTO numbers VALUES (1)").unwrap();
        watch.check(written).unwrap();
        let written = watch.look(&connection).unwrap();
        assert!(len < written.0);

        File::options().write(true).open(&log).unwrap().set_len(len).unwrap();
        let cut = FileLost::Cut { path: log, len, written: written.0 };
        assert_eq!(lost(&watch, &connection), cut);
        assert_eq!(watch.check(written), Err(cut));

        let directory = tempfile::tempdir().unwrap();
        let (path, connection, watch) = opened(directory.path());
        let other = Connection::open(&path).unwrap();
        other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        assert_eq!(fs::metadata(sibling(&path, "-wal")).unwrap().len(), 0);
        assert_eq!(watch.look(&connection).unwrap().0, 0);
    }
}
