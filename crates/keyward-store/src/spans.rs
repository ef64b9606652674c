//! Spans of time as spans of ids: rows are added in the order of time, nearly always.

use keyward::UnixMillis;
use rusqlite::{Connection, OptionalExtension as _};

use crate::fault::Fault;

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

/// A span that holds the ids of all rows of these times, and maybe others. `table` is `key_hours`
/// or `audit_hours`. `None` if there are none.
pub(crate) fn ids(
    connection: &Connection,
    table: &str,
    from: Option<UnixMillis>,
    before: Option<UnixMillis>,
) -> Result<Option<Span>, Fault> {
    if from.is_none() && before.is_none() {
        return Ok(Some(Span { first: i64::MIN, last: i64::MAX }));
    }
    // Served by the primary key: one row for each hour in which there was something.
    let sql = format!(
        "SELECT min(first_id), max(last_id) FROM {table} WHERE hour BETWEEN ?1 AND ?2 \
         HAVING 0 < count(*)"
    );
    let hours = (from.map_or(0, |at| at.hour().0), before.map_or(u32::MAX, |at| at.hour().0));
    let mut ids = connection.prepare_cached(&sql)?;
    let span = ids.query_row(hours, |row| Ok(Span { first: row.get(0)?, last: row.get(1)? }));
    Ok(span.optional()?)
}
