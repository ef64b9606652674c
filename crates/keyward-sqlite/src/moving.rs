//! A database that moves elsewhere: its rows as they are, and the mark that it was moved.
//!
//! The mark is a table, and a migration with a number that no version has: a version that knows
//! nothing of moving rejects the file as one of a newer version.

mod tables;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use keyward::UnixMillis;
use keyward::rules::Progress;
use keyward::store::{Cell, Origin, Rows, StoreError};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row, Transaction, TransactionBehavior};

use crate::commit::progress;
use crate::connection;
use crate::lock::FileLock;
use crate::open_error::OpenError;
use crate::schema;
use crate::sql_error::SqlError;
use crate::start;
use tables::{ARTICLES, TABLES, Table};

/// Most rows of a page.
const PAGE_MAX: usize = 4_096;

/// A database that moves elsewhere. Nothing else has it open meanwhile.
#[derive(Debug)]
pub struct Moving {
    path: PathBuf,
    /// Closed before the lock is given back.
    connection: Connection,
    now: UnixMillis,
    left_for: Option<String>,
    page_max: usize,
    /// The table that the next page is of, and the key of the last row before it.
    at: (usize, Option<Vec<Value>>),
    _lock: FileLock,
}

impl Moving {
    /// Opens a database file that is there, as [`SqliteStore::open`](crate::SqliteStore::open)
    /// does: it is locked, compared with its ledger, and its schema is brought to the present. One
    /// that was marked as moved before is opened as well.
    ///
    /// # Errors
    ///
    /// Returns [`OpenError`], whose variants name the file and what to do.
    pub fn open(path: &Path, now: UnixMillis) -> Result<Self, OpenError> {
        connection::check_version(rusqlite::version_number())?;
        let path = connection::resolve(path)?;
        connection::check_directory(&path)?;
        if connection::is_absent(&path)? {
            let source = "there is no such file".into();
            return Err(OpenError::Other { path, source });
        }
        let lock = FileLock::acquire(&path, "keyward migrate", connection::prepare_file)?;
        start::begin(&path, None)?;
        let connection = connection::open_moving(&path, now)?;
        let failed = |error| OpenError::from_sqlite(&path, error);
        let left_for = schema::moved(&connection).map_err(failed)?;
        let at = (0, None);
        Ok(Self { path, connection, now, left_for, page_max: PAGE_MAX, at, _lock: lock })
    }

    /// The file, by the one name that all who open it use.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there are articles in the file, of another part of the program. Their table is
    /// moved as well, if there is one.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the file cannot be read.
    pub fn has_articles(&self) -> Result<bool, StoreError> {
        let found = schema::has_table(&self.connection, "news_migrations");
        found.map_err(|error| SqlError::from(error).into())
    }

    /// The rows after the last ones; none is the end of the table.
    fn page(&self, table: &Table) -> Result<Vec<Vec<Cell>>, SqlError> {
        let (_, after) = &self.at;
        let mut page =
            self.connection.prepare_cached(&table.page(after.is_none(), self.page_max))?;
        let after = rusqlite::params_from_iter(after.iter().flatten());
        let rows = page.query_and_then(after, |row| cells(row, table))?;
        rows.collect()
    }

    fn write(
        &self,
        write: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let written = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)
            .and_then(|transaction| {
                write(&transaction)?;
                transaction.commit()
            });
        written.map_err(|error| StoreError::from(SqlError::from(error)))
    }
}

/// The values of a row.
fn cells(row: &Row<'_>, table: &Table) -> Result<Vec<Cell>, SqlError> {
    let cell = |at| {
        Ok(match row.get_ref(at)? {
            ValueRef::Null => Cell::Absent,
            ValueRef::Integer(number) => Cell::Number(number),
            ValueRef::Text(text) => {
                let text =
                    str::from_utf8(text).map_err(|error| SqlError::in_column(table.name, error))?;
                let is_article = table.name == ARTICLES.name;
                let text =
                    if is_article { text.replace('\0', "\u{fffd}") } else { text.to_owned() };
                Cell::Text(text)
            }
            ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
            ValueRef::Real(_) => return Err(SqlError::in_column(table.name, "a fraction")),
        })
    };
    (0..table.columns.len()).map(cell).collect()
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Absent => Value::Null,
        Cell::Number(number) => Value::Integer(*number),
        Cell::Text(text) => Value::Text(text.clone()),
        Cell::Bytes(bytes) => Value::Blob(bytes.clone()),
    }
}

impl Origin for Moving {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn schema(&self) -> u32 {
        schema::known()
    }

    fn progress(&self) -> Result<Progress, StoreError> {
        Ok(progress(&self.connection)?)
    }

    fn left_for(&self) -> Option<&str> {
        self.left_for.as_deref()
    }

    fn next(&mut self) -> Result<Option<Rows>, StoreError> {
        let articles = self.has_articles()?.then_some(&ARTICLES);
        while let Some(table) = TABLES.iter().chain(articles).nth(self.at.0) {
            let rows = self.page(table)?;
            let columns: Vec<_> = table.columns.iter().map(|(name, _)| *name).collect();
            let Some(last) = rows.last() else {
                self.at = (self.at.0 + 1, None);
                continue;
            };
            let of_key = |name: &&str| {
                let at = columns.iter().position(|column| column == name)?;
                last.get(at).map(value)
            };
            self.at.1 = table.key.iter().map(of_key).collect();
            return Ok(Some(Rows { table: table.name, columns, rows }));
        }
        Ok(None)
    }

    fn leave(&mut self, place: &str) -> Result<(), StoreError> {
        let now = self.now;
        self.write(|connection| schema::set_moved(connection, place, now))?;
        self.left_for = Some(place.to_owned());
        Ok(())
    }

    fn stay(&mut self) -> Result<(), StoreError> {
        self.write(schema::forget_moved)?;
        self.left_for = None;
        Ok(())
    }
}
