//! Spans of time as spans of ids: rows are added in the order of time, nearly always.

use keyward::UnixMillis;
use rusqlite::{Connection, OptionalExtension as _};

use crate::sql_error::SqlError;

/// Ids from the first to the last, both included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl Span {
    /// How many ids there are in it.
    pub(crate) fn width(self) -> u64 {
        if self.last < self.first { 0 } else { self.last.abs_diff(self.first).saturating_add(1) }
    }
}

/// The statements of a table that has, for each hour in which rows were added to another table,
/// the first of their ids and one that is not below the last.
///
/// One hour at a time may be open: its last id is the highest number that there is, so it need not
/// be written again for each row. Adding rows of another hour closes it.
pub(crate) struct Hours {
    ids: &'static str,
    is_open: &'static str,
    close: &'static str,
    open: &'static str,
    widen: &'static str,
}

macro_rules! hours {
    ($hours:literal, $rows:literal) => {
        Hours {
            // Served by the primary key: one row for each hour in which there was something.
            ids: concat!(
                "SELECT min(first_id), min(max(last_id), (SELECT ifnull(max(id), 0) FROM ",
                $rows,
                ")) FROM ",
                $hours,
                " WHERE hour BETWEEN ?1 AND ?2 HAVING 0 < count(*)"
            ),
            // Served by the primary key.
            is_open: concat!(
                "SELECT EXISTS (SELECT 1 FROM ",
                $hours,
                " WHERE hour = ?1 AND first_id <= ?2 AND last_id = 9223372036854775807)"
            ),
            // Served by the index of the hour that is open.
            close: concat!(
                "UPDATE ",
                $hours,
                " SET last_id = (SELECT ifnull(max(id), 0) FROM ",
                $rows,
                ") WHERE last_id = 9223372036854775807"
            ),
            // Served by the primary key.
            open: concat!(
                "INSERT INTO ",
                $hours,
                " (hour, first_id, last_id) VALUES (?1, ?2, 9223372036854775807) \
                 ON CONFLICT (hour) DO UPDATE SET first_id = min(first_id, excluded.first_id), \
                                                  last_id = excluded.last_id"
            ),
            // Served by the primary key.
            widen: concat!(
                "INSERT INTO ",
                $hours,
                " (hour, first_id, last_id) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (hour) DO UPDATE SET first_id = min(first_id, excluded.first_id), \
                                                  last_id = max(last_id, excluded.last_id)"
            ),
        }
    };
}

/// The hours in which keys were issued, as they say themselves.
pub(crate) const KEYS: Hours = hours!("key_hours", "keys");
/// The hours in which entries of the trail were written.
pub(crate) const AUDIT: Hours = hours!("audit_hours", "audit");

impl Hours {
    /// A span that holds the ids of all rows of these times, and maybe others. `None` if there are
    /// none.
    pub(crate) fn ids(
        &self,
        connection: &Connection,
        from: Option<UnixMillis>,
        before: Option<UnixMillis>,
    ) -> Result<Option<Span>, SqlError> {
        if from.is_none() && before.is_none() {
            return Ok(Some(Span { first: i64::MIN, last: i64::MAX }));
        }
        let hours = (from.map_or(0, |at| at.hour().0), before.map_or(u32::MAX, |at| at.hour().0));
        let mut ids = connection.prepare_cached(self.ids)?;
        let span = ids.query_row(hours, |row| Ok(Span { first: row.get(0)?, last: row.get(1)? }));
        Ok(span.optional()?)
    }

    /// Notes that rows were added in an hour that is the present one, with ids from `first` on.
    pub(crate) fn go_on(
        &self,
        connection: &Connection,
        hour: u32,
        first: u64,
    ) -> rusqlite::Result<()> {
        let mut is_open = connection.prepare_cached(self.is_open)?;
        if is_open.query_row((hour, first), |row| row.get(0))? {
            return Ok(());
        }
        self.close(connection)?;
        connection.prepare_cached(self.open)?.execute((hour, first))?;
        Ok(())
    }

    /// Notes that rows with ids from `first` to `last` were added to any hour. The one that was
    /// open is to be closed before.
    pub(crate) fn widen(
        &self,
        connection: &Connection,
        hour: u32,
        (first, last): (u64, u64),
    ) -> rusqlite::Result<()> {
        connection.prepare_cached(self.widen)?.execute((hour, first, last))?;
        Ok(())
    }

    /// Closes the hour that is open.
    pub(crate) fn close(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.prepare_cached(self.close)?.execute([])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
