//! Keys out of the tutorial's own SQLite file, so that its callers can move without a change.
//!
//! The tutorial keeps a table `api_keys (id, key_hash, name, rate_limit_tier, is_active,
//! created_at, last_used_at)`, where `key_hash` is the SHA-256 of a secret in hex. The file is
//! opened for reading only and may be in use meanwhile, in WAL mode or not: between two pages
//! nothing in it is locked, so a key that changes during the reading is seen before or after.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use keyward::digest::Digest;
use keyward::transfer::COPY_ID_MAX;
use keyward::{KeyId, UnixMillis};
use keyward_api::time::parse_time;
use rusqlite::ffi::ErrorCode;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use thiserror::Error;

/// The table that is read.
const TABLE: &str = "api_keys";
/// The columns that it must have; others are left alone.
const COLUMNS: [&str; 7] =
    ["id", "key_hash", "name", "rate_limit_tier", "is_active", "created_at", "last_used_at"];
/// How long a page waits for the tutorial to end a write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

// Served by the table itself, which is ordered by `rowid`; the page size bounds the rows.
const PAGE: &str = "SELECT rowid, id, key_hash, name, rate_limit_tier, is_active, created_at, \
                    last_used_at FROM api_keys WHERE ?1 < rowid ORDER BY rowid LIMIT ?2";

/// The tutorial's file, read page by page.
#[derive(Debug)]
pub(crate) struct Tutorial {
    connection: Connection,
    path: PathBuf,
    /// The last row of the page before.
    last: i64,
}

/// One key as the tutorial keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TutorialKey {
    /// Its id.
    pub id: KeyId,
    /// SHA-256 of its secret.
    pub digest: Digest,
    /// The name by which people know it. It may be any text.
    pub name: String,
    /// The tier, which need not be one that Keyward has.
    pub tier: String,
    /// `false` means revoked in the tutorial.
    pub is_active: bool,
    /// When it was made.
    pub created_at: Option<UnixMillis>,
    /// When it was last used.
    pub last_used_at: Option<UnixMillis>,
}

/// A row that is no key. The rows after it can be read all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRow {
    /// The row's number, which is the key's id if that is a whole number.
    pub id: i64,
    /// The problem, without its values.
    pub reason: String,
}

/// Why the file cannot be read at all.
#[derive(Debug, Error)]
pub(crate) enum TutorialError {
    /// There is no such file, or this user may not read it.
    #[error("{path} cannot be read; check the path, and that this user may read the file")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The file is no SQLite database.
    #[error("{path} is not a SQLite database; name the file that the tutorial uses")]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is in WAL mode, or was left in the middle of a write, and its directory is
    /// read-only, so SQLite cannot read it there.
    #[error(
        "SQLite cannot read {path} where it is; copy it, and the files `-wal`, `-shm` and \
         `-journal` if they are next to it, to a directory that this user may write to"
    )]
    WalUnreadable {
        /// The file.
        path: PathBuf,
    },
    /// The database has no table `api_keys`.
    #[error("{path} has no table `api_keys`; name the file that the tutorial uses")]
    TableMissing {
        /// The file.
        path: PathBuf,
    },
    /// The table lacks a column.
    #[error("the table `api_keys` in {path} has no column `{column}`")]
    ColumnMissing {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// Anything else, such as a file that is damaged or locked for too long.
    #[error("{path} could not be read")]
    Other {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// The path in a URL of SQLite, as the tutorial writes it.
///
/// `sqlite:news.db`, `sqlite:///./news.db` and `sqlite+aiosqlite:///news.db` are relative,
/// `sqlite:/srv/news.db` and `sqlite:////srv/news.db` are not.
#[must_use]
pub fn sqlite_path(url: &str) -> Option<PathBuf> {
    let (scheme, path) = url.split_once(':')?;
    let dialect = scheme.split('+').next()?;
    let path = path.strip_prefix("///").unwrap_or(path);
    let path = path.split('?').next().filter(|path| !path.is_empty())?;
    (dialect == "sqlite" && !path.starts_with("//")).then(|| PathBuf::from(path))
}

impl Tutorial {
    /// Opens the file for reading, and looks whether the table is there.
    ///
    /// # Errors
    ///
    /// Returns [`TutorialError`], whose variants name the missing parts.
    pub(crate) fn open(path: &Path) -> Result<Self, TutorialError> {
        // SQLite reports most failures only as a file that could not be opened.
        std::fs::File::open(path).map_err(|error| TutorialError::Unreadable {
            path: path.to_owned(),
            source: error.into(),
        })?;
        let failed = |error| explain(path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        let columns = columns(&connection).map_err(failed)?;
        if columns.is_empty() {
            return Err(TutorialError::TableMissing { path: path.to_owned() });
        }
        let is_missing = |column: &&str| !columns.iter().any(|name| name == column);
        if let Some(column) = COLUMNS.into_iter().find(is_missing) {
            return Err(TutorialError::ColumnMissing { path: path.to_owned(), column });
        }
        Ok(Self { connection, path: path.to_owned(), last: i64::MIN })
    }

    /// How many rows there are now.
    ///
    /// # Errors
    ///
    /// Returns [`TutorialError::Other`] if the file cannot be read any more.
    pub(crate) fn count(&self) -> Result<u64, TutorialError> {
        let count =
            self.connection.query_row("SELECT count(*) FROM api_keys", [], |row| row.get(0));
        count.map_err(|error| explain(&self.path, error))
    }

    /// Reads the next rows in the order of their ids, at most `max` of them; none are left if the
    /// page is empty.
    ///
    /// # Errors
    ///
    /// Returns [`TutorialError`] if the file cannot be read any more. A row that is no key is no
    /// error of the page but a [`BadRow`] in it.
    pub(crate) fn next_page(
        &mut self,
        max: u32,
    ) -> Result<Vec<Result<TutorialKey, BadRow>>, TutorialError> {
        let page = read_page(&self.connection, self.last, max);
        let (last, rows) = page.map_err(|error| explain(&self.path, error))?;
        self.last = last.unwrap_or(self.last);
        Ok(rows)
    }
}

type Page = (Option<i64>, Vec<Result<TutorialKey, BadRow>>);

fn read_page(connection: &Connection, last: i64, max: u32) -> rusqlite::Result<Page> {
    let mut statement = connection.prepare_cached(PAGE)?;
    let mut found = statement.query((last, max))?;
    let (mut last, mut rows) = (None, Vec::new());
    while let Some(row) = found.next()? {
        let id = row.get(0)?;
        last = Some(id);
        rows.push(read_key(row).map_err(|reason| BadRow { id, reason }));
    }
    Ok((last, rows))
}

fn columns(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    statement.query_map([TABLE], |row| row.get(0))?.collect()
}

fn explain(path: &Path, error: rusqlite::Error) -> TutorialError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => TutorialError::NotADatabase { path },
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => TutorialError::WalUnreadable { path },
        _ => TutorialError::Other { path, source: error.into() },
    }
}

/// Reads a row of [`PAGE`]. The reasons leave values out: one may be a misplaced secret.
fn read_key(row: &Row<'_>) -> Result<TutorialKey, String> {
    let value = |at: usize| row.get_ref(at).map_err(|_| "the row cannot be read".to_owned());
    let id = value(1)?.as_i64().ok().and_then(|id| u64::try_from(id).ok());
    let id = id.filter(|id| *id <= COPY_ID_MAX).and_then(KeyId::new);
    let digest = text(value(2)?).and_then(Digest::from_hex);
    Ok(TutorialKey {
        id: id.ok_or_else(|| format!("`id` is not a whole number from 1 to {COPY_ID_MAX}"))?,
        digest: digest.ok_or("`key_hash` is not a SHA-256 in 64 hex digits")?,
        name: text(value(3)?).ok_or("`name` is not a text")?.to_owned(),
        tier: text(value(4)?).ok_or("`rate_limit_tier` is not a text")?.to_owned(),
        is_active: flag(value(5)?).ok_or("`is_active` is neither 0 nor 1")?,
        created_at: time(value(6)?).ok_or("`created_at` is not a time")?,
        last_used_at: time(value(7)?).ok_or("`last_used_at` is not a time")?,
    })
}

fn text(value: ValueRef<'_>) -> Option<&str> {
    value.as_str().ok()
}

fn flag(value: ValueRef<'_>) -> Option<bool> {
    match value.as_i64().ok()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// `Some(None)` is a time that is not there.
fn time(value: ValueRef<'_>) -> Option<Option<UnixMillis>> {
    match value {
        ValueRef::Null => Some(None),
        _ => parse_time(text(value)?).map(Some),
    }
}

#[cfg(test)]
mod tests;
