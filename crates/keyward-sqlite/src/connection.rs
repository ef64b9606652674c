//! Opening a database file: where it is, whether it may be touched, and how SQLite is to treat it.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyward::UnixMillis;
use keyward_ledger::place::{owner_only, sibling};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::open_error::OpenError;
use crate::probe;
use crate::schema;
use crate::watch::Watch;

/// The first version without the fault that can corrupt a database in WAL mode when one
/// connection writes while another one checkpoints (<https://sqlite.org/wal.html#walresetbug>).
const VERSION_MIN: i32 = 3_051_003;
/// How long a statement waits for a lock that another connection to the same file holds: others
/// may keep tables of their own in it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// More than the distinct statements of this crate, so that each is prepared once.
const STATEMENTS_MAX: usize = 128;

/// Rejects versions of SQLite that can corrupt a database.
pub(crate) fn check_version(number: i32) -> Result<(), OpenError> {
    if VERSION_MIN <= number {
        return Ok(());
    }
    let (major, minor, patch) = (number / 1_000_000, number / 1_000 % 1_000, number % 1_000);
    Err(OpenError::SqliteTooOld { found: format!("{major}.{minor}.{patch}") })
}

/// The one name of a file that may have many, so that all who open it meet at the same lock.
///
/// The file itself need not exist. Nothing is opened: see [`FileLock`](crate::lock::FileLock).
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, OpenError> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        resolved => return resolved.map_err(|error| OpenError::from_io(path, error)),
    }
    let directory = path.parent().filter(|directory| *directory != "").unwrap_or(Path::new("."));
    let directory = match fs::canonicalize(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(OpenError::DirectoryMissing { directory: directory.to_owned() });
        }
        resolved => resolved.map_err(|error| OpenError::from_io(path, error))?,
    };
    // A link to a file that is yet to be created. Links in a circle are no `NotFound` above.
    if let Ok(target) = fs::read_link(path) {
        return resolve(&directory.join(target));
    }
    let name = path.file_name().ok_or_else(|| {
        OpenError::from_io(path, io::Error::new(ErrorKind::InvalidInput, "not the name of a file"))
    })?;
    Ok(directory.join(name))
}

/// Rejects a directory that is marked as read-only, even for a user who may write to it anyway: the
/// mark is the operator's intent.
pub(crate) fn check_directory(path: &Path) -> Result<(), OpenError> {
    let directory = path.parent().unwrap_or(path);
    let marked = fs::metadata(directory).map_err(|error| OpenError::from_io(directory, error))?;
    if marked.permissions().readonly() {
        return Err(OpenError::ReadOnly { path: directory.to_owned() });
    }
    Ok(())
}

/// Whether there is no file, or an empty one.
pub(crate) fn is_absent(path: &Path) -> Result<bool, OpenError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        found => Ok(found.map_err(|error| OpenError::from_io(path, error))?.len() == 0),
    }
}

/// Creates the file if there is none, readable by its owner only, and returns it; rejects one that
/// cannot or should not be opened. The lock file is locked.
pub(crate) fn prepare_file(path: &Path) -> Result<Option<File>, OpenError> {
    let failed = |error| OpenError::from_io(path, error);
    let existing = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        existing => Some(existing.map_err(failed)?),
    };
    let empty = existing.as_ref().is_none_or(|file| file.len() == 0);
    let wal = sibling(path, "-wal");
    if empty && fs::metadata(&wal).is_ok_and(|wal| 0 < wal.len()) {
        return Err(OpenError::OrphanedWal { wal });
    }
    match existing {
        Some(file) if file.is_dir() => Err(OpenError::NotADatabase { path: path.to_owned() }),
        Some(file) if file.permissions().readonly() => {
            Err(OpenError::ReadOnly { path: path.to_owned() })
        }
        Some(_) => Ok(None),
        None => owner_only().create_new(true).open(path).map(Some).map_err(failed),
    }
}

/// The open files of a database.
pub(crate) struct Files {
    pub(crate) writing: Connection,
    pub(crate) readings: Vec<Connection>,
    pub(crate) watch: Watch,
}

impl Files {
    /// Opens the connection that writes, and so many that read.
    pub(crate) fn open(path: &Path, readers: usize, now: UnixMillis) -> Result<Self, OpenError> {
        let writing = open_writer(path, now)?;
        let readings = (0..readers).map(|_| open_reader(path));
        let readings = readings.collect::<Result<_, _>>()?;
        let watch = Watch::start(path, &writing);
        let watch = watch.map_err(|error| OpenError::from_sql_error(path, error))?;
        Ok(Self { writing, readings, watch })
    }
}

/// Opens the connection that writes, and brings the schema up to date.
fn open_writer(path: &Path, now: UnixMillis) -> Result<Connection, OpenError> {
    probe::check_ours(path)?;
    open_ours(path, now)
}

/// The same of a database that may have been moved.
pub(crate) fn open_moving(path: &Path, now: UnixMillis) -> Result<Connection, OpenError> {
    probe::check_known(path).map(drop)?;
    open_ours(path, now)
}

fn open_ours(path: &Path, now: UnixMillis) -> Result<Connection, OpenError> {
    let failed = |error| OpenError::from_sqlite(path, error);
    let mut connection = connect(path).map_err(failed)?;
    // SQLite falls back to reading where it may not write.
    if connection.is_readonly("main").map_err(failed)? {
        return Err(OpenError::ReadOnly { path: path.to_owned() });
    }
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        let source = format!("the file system does not support WAL, only {mode}").into();
        return Err(OpenError::Other { path: path.to_owned(), source });
    }
    connection.execute_batch(WRITER_PRAGMAS).map_err(failed)?;
    schema::migrate(&mut connection, now)
        .map_err(|error| OpenError::from_sql_error(path, error))?;
    schema::mark(&connection).map_err(failed)?;
    Ok(connection)
}

/// Opens a connection that reads. The file is one that [`open_writer`] accepted.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let open = || {
        let connection = connect(path)?;
        connection.execute_batch(READER_PRAGMAS)?;
        // SQLite opens the write-ahead log at the first read, by its path: from then on it reads
        // the opened file, even if that is moved.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(connection)
    };
    open().map_err(|error| OpenError::from_sqlite(path, error))
}

// synchronous, fullfsync: a commit returns when it would survive power loss; without the latter,
// macOS leaves it in the disk's cache. temp_store: savepoints keep the rows that they may have to
// restore, and these must not go to /tmp. cache_size: 128 MiB hold the indexes of the digests and
// hints of a million keys, which grow at random positions. wal_autocheckpoint: these are random, so
// a checkpoint writes about two pages for each new key; at 128 MB a page is written once for
// several of them. There is no mmap_size on purpose: a disk that fails would kill the process, not
// a statement.
const WRITER_PRAGMAS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;
    PRAGMA foreign_keys = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -131072;
    PRAGMA wal_autocheckpoint = 32768;
";

// temp_store: rows being sorted must not go to /tmp. cache_size: 16 MiB, since lists read from all
// over the file; there are several readers.
const READER_PRAGMAS: &str = "
    PRAGMA query_only = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -16384;
";

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // Each connection stays with one thread, so it needs no lock of its own.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Otherwise each run of a statement with a bound `LIMIT` compiles it anew, in case another
    // value asks for another plan (<https://sqlite.org/queryplanner-ng.html#qpstab>).
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_that_can_corrupt_a_wal_is_refused() {
        let refused = check_version(3_051_002).unwrap_err().to_string();
        assert!(refused.starts_with("SQLite 3.51.2 can corrupt a database"), "{refused}");
        check_version(3_051_003).unwrap();
        check_version(rusqlite::version_number()).unwrap();
    }
}
