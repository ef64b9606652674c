//! Why a store did not open, in words that say what to do about it.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use keyward::store::StoreError;
use keyward_ledger::Loss;
use rusqlite::ffi::ErrorCode;
use thiserror::Error;

use crate::sql_error::{SqlError, lacks_room};

/// Why a store did not open. Nothing that was in the file before is lost or altered.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another store has the file open, in this process or in another one.
    #[error("{path} is in use by {holder}; stop that program first, or choose another file")]
    Locked {
        /// The database file.
        path: PathBuf,
        /// Who has it open: the process id, and what that process said about itself.
        holder: String,
    },
    /// The file has several names (hard links), and where it lies only a name can be locked.
    #[error(
        "{path} has more than one name, and on this file system another program that uses the \
         other one would not be noticed; delete the other names"
    )]
    SeveralNames {
        /// The database file.
        path: PathBuf,
    },
    /// What should be the lock file is a link, has several names, or is no file at all.
    #[error("{path} is a link or no file, and would be overwritten; delete it")]
    LockIsNoFile {
        /// The lock file.
        path: PathBuf,
    },
    /// The file or its directory cannot be written to, or is marked as read-only.
    #[error("{path} is read-only; make it and its directory writable for this user")]
    ReadOnly {
        /// The file or directory that cannot be written to.
        path: PathBuf,
    },
    /// The disk has no room for what opening has to write.
    #[error("the disk is full; make room for {path}")]
    DiskFull {
        /// The database file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The file is something else than a SQLite database.
    #[error("{path} is not a database; check the path, or restore a backup")]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// Another program made this SQLite database. Nothing was written to it.
    #[error(
        "{path} is a database of another program, and nothing was written to it; \
         name another file with --database, \
         and take the keys of this one with `keyward import --from sqlite:{path}`"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is a SQLite database and is damaged.
    #[error("{path} is damaged; restore a backup")]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// What SQLite found.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Changes wait in a write-ahead log whose database is missing or empty. SQLite would delete
    /// them.
    #[error(
        "{wal} holds changes to a database that is not next to it; \
         put the database back, or move the file away to begin anew"
    )]
    OrphanedWal {
        /// The write-ahead log.
        wal: PathBuf,
    },
    /// A newer version of this program changed the schema.
    #[error(
        "{path} has schema {found} and this program knows none above {known}; \
         use the newer version that wrote it"
    )]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// The number of the last migration that was applied to the file.
        found: u32,
        /// The number of the last migration that this program knows.
        known: u32,
    },
    /// Everything in the file was moved to another database.
    #[error(
        "{path} was moved to {place}, and takes no more changes; serve from there with \
         --database, and keep this file as a copy of that day"
    )]
    Moved {
        /// The database file.
        path: PathBuf,
        /// Where it was moved to.
        place: String,
    },
    /// The database lacks acknowledged changes, or its ledger is missing.
    #[error("{}", .loss.describe(.path, .ledger))]
    Lost {
        /// The database file.
        path: PathBuf,
        /// Its ledger.
        ledger: PathBuf,
        /// The loss.
        loss: Loss,
    },
    /// A record of the ledger is broken, and whole ones come after it.
    #[error(
        "{ledger} is broken at byte {at}; put a good copy there, or move it away: the next start \
         then says how to go on without it"
    )]
    LedgerBroken {
        /// The ledger.
        ledger: PathBuf,
        /// Where the broken record begins, in bytes.
        at: u64,
    },
    /// The directory that the file should lie in does not exist.
    #[error("there is no directory {directory}; create it")]
    DirectoryMissing {
        /// The directory.
        directory: PathBuf,
    },
    /// The SQLite that this program was built with can corrupt a database.
    #[error(
        "SQLite {found} can corrupt a database in WAL mode; \
         build the program with 3.51.3 or later"
    )]
    SqliteTooOld {
        /// Its version.
        found: String,
    },
    /// Anything else.
    #[error("{path} could not be opened")]
    Other {
        /// The database file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Whether there is no room left.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

impl OpenError {
    /// Gives a failure of the operating system the name that people know it by.
    pub(crate) fn from_io(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) {
            return Self::ReadOnly { path };
        }
        if is_full(&error) {
            return Self::DiskFull { path, source: error.into() };
        }
        Self::Other { path, source: error.into() }
    }

    /// Gives a failure of a migration the name that people know it by.
    pub(crate) fn from_sql_error(path: &Path, error: SqlError) -> Self {
        match error {
            SqlError::Sqlite(error) => Self::from_sqlite(path, error),
            SqlError::Failed(source) | SqlError::Logged(source) => {
                Self::Other { path: path.to_owned(), source }
            }
            lost @ SqlError::WentBack(_) => {
                let source = Box::new(StoreError::from(lost));
                Self::Other { path: path.to_owned(), source }
            }
            SqlError::Inconsistent(reason) => {
                Self::Corrupt { path: path.to_owned(), source: reason.into() }
            }
        }
    }

    /// Gives a failure of SQLite the name that people know it by.
    pub(crate) fn from_sqlite(path: &Path, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        let code = error.sqlite_error_code();
        if matches!(code, Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied)) {
            return Self::ReadOnly { path };
        }
        if lacks_room(&error) {
            return Self::DiskFull { path, source: error.into() };
        }
        if code == Some(ErrorCode::NotADatabase) {
            return Self::NotADatabase { path };
        }
        if code == Some(ErrorCode::DatabaseCorrupt) {
            return Self::Corrupt { path, source: error.into() };
        }
        Self::Other { path, source: error.into() }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn failures_of_the_system_get_their_names() {
        let named = |kind: ErrorKind| OpenError::from_io(Path::new("a.db"), kind.into());
        assert!(matches!(named(ErrorKind::PermissionDenied), OpenError::ReadOnly { .. }));
        assert!(matches!(named(ErrorKind::ReadOnlyFilesystem), OpenError::ReadOnly { .. }));
        assert!(matches!(named(ErrorKind::StorageFull), OpenError::DiskFull { .. }));
        assert!(matches!(named(ErrorKind::Interrupted), OpenError::Other { .. }));
    }

    #[test]
    fn failures_of_sqlite_get_their_names() {
        let named = |code| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            OpenError::from_sqlite(Path::new("a.db"), error)
        };
        assert!(matches!(named(ffi::SQLITE_READONLY), OpenError::ReadOnly { .. }));
        assert!(matches!(named(ffi::SQLITE_FULL), OpenError::DiskFull { .. }));
        assert!(matches!(named(ffi::SQLITE_NOTADB), OpenError::NotADatabase { .. }));
        assert!(matches!(named(ffi::SQLITE_CORRUPT), OpenError::Corrupt { .. }));
        assert!(matches!(named(ffi::SQLITE_BUSY), OpenError::Other { .. }));
    }
}
