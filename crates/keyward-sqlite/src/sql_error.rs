//! Why a statement or a row was no good, before it becomes a [`StoreError`].

use std::error::Error;
use std::fmt;
use std::io;

use keyward::audit::Mark;
use keyward::rules;
use keyward::store::StoreError;
use rusqlite::ffi::{self, ErrorCode};
use rusqlite::types::FromSqlError;

/// The errors between SQL and the domain.
///
/// It exists in addition to [`StoreError`] so that `?` works on SQLite's errors.
#[derive(Debug)]
pub(crate) enum SqlError {
    /// SQLite failed.
    Sqlite(rusqlite::Error),
    /// A file could not be written, or something else than SQLite failed.
    Failed(Box<dyn Error + Send + Sync>),
    /// Something failed, and is in the log already.
    Logged(Box<dyn Error + Send + Sync>),
    /// The trail lacks this entry.
    WentBack(Mark),
    /// A value is none that this program could have written.
    Inconsistent(String),
}

impl SqlError {
    /// The error of a `column` with an impossible value.
    pub(crate) fn in_column(column: &str, reason: impl fmt::Display) -> Self {
        Self::Inconsistent(format!("{column}: {reason}"))
    }

    /// Says in which row it was found, so that the operator need not search.
    pub(crate) fn in_row(self, row: impl fmt::Display) -> Self {
        match self {
            Self::Inconsistent(reason) => Self::Inconsistent(format!("{row}: {reason}")),
            Self::Sqlite(_) | Self::Failed(_) | Self::Logged(_) | Self::WentBack(_) => self,
        }
    }
}

impl From<rusqlite::Error> for SqlError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<io::Error> for SqlError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<FromSqlError> for SqlError {
    fn from(error: FromSqlError) -> Self {
        Self::Inconsistent(error.to_string())
    }
}

impl From<rules::DecideError> for SqlError {
    fn from(error: rules::DecideError) -> Self {
        match StoreError::from(error) {
            StoreError::WentBack(lost) => Self::WentBack(lost),
            StoreError::Unavailable(source) => Self::Failed(source),
            StoreError::Logged(source) => Self::Logged(source),
            StoreError::Inconsistent(reason) | StoreError::Unsupported(reason) => {
                Self::Inconsistent(reason)
            }
        }
    }
}

impl From<SqlError> for StoreError {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Inconsistent(reason) => Self::Inconsistent(reason),
            SqlError::Failed(source) => Self::Unavailable(source),
            SqlError::Logged(source) => Self::Logged(source),
            SqlError::WentBack(lost) => Self::WentBack(lost),
            SqlError::Sqlite(error) if is_inconsistent(&error) => {
                Self::Inconsistent(error.to_string())
            }
            SqlError::Sqlite(error) => Self::Unavailable(Box::new(error)),
        }
    }
}

/// Whether trying again would be in vain, since the error is in the content of the file.
///
/// SQLite's message for these names tables and columns, never a value.
fn is_inconsistent(error: &rusqlite::Error) -> bool {
    use rusqlite::Error;

    let damaged = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation)
    );
    damaged
        || matches!(
            error,
            Error::FromSqlConversionFailure(..)
                | Error::ToSqlConversionFailure(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::InvalidColumnType(..)
                | Error::Utf8Error(..)
                | Error::QueryReturnedNoRows
                | Error::SqlInputError { .. }
        )
}

/// Whether SQLite failed for want of room. It has one code for a full disk, and others for a quota
/// that is used up and for an index of the log that cannot grow.
pub(crate) fn lacks_room(error: &rusqlite::Error) -> bool {
    let rusqlite::Error::SqliteFailure(error, _) = error else { return false };
    error.code == ErrorCode::DiskFull
        || [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMSIZE].contains(&error.extended_code)
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn damage_is_told_from_trouble() {
        let check = |code, inconsistent| {
            let sql = SqlError::Sqlite(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
            let error = StoreError::from(sql);
            assert_eq!(matches!(error, StoreError::Inconsistent(_)), inconsistent, "{error:?}");
        };
        check(ffi::SQLITE_CORRUPT, true);
        check(ffi::SQLITE_NOTADB, true);
        check(ffi::SQLITE_CONSTRAINT, true);
        check(ffi::SQLITE_FULL, false);
        check(ffi::SQLITE_BUSY, false);
        check(ffi::SQLITE_IOERR, false);
    }
}
