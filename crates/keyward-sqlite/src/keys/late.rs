//! The rows that lists need of new keys, written for many at once: they lie all over the file, so
//! that one key at a time would write a page for each part of it.
//!
//! Up to an id that the database holds, every key has all of it. Those above wait: as many as a
//! batch lets through, which are written before a list is read that needs it.

use keyward::query::{KeyFilter, KeyOrder};
use rusqlite::{Connection, OptionalExtension as _};

use super::terms;
use crate::sql_error::SqlError;

/// With so many keys waiting, they are written. That takes some ten milliseconds.
const WAITING_MAX: u64 = 512;

/// Whether a list needs the rows that may wait.
pub(crate) fn is_asked_for(filter: &KeyFilter, order: KeyOrder) -> bool {
    filter.name_part.is_some() || filter.idle_since.is_some() || order == KeyOrder::LastUsed
}

/// The highest id of the keys of which nothing waits.
pub(crate) fn last_listed(connection: &Connection) -> rusqlite::Result<u64> {
    const LAST: &str = "SELECT last_id FROM listed_keys";
    connection.prepare_cached(LAST)?.query_row([], |row| row.get(0))
}

/// Whether there are keys of which something waits.
pub(crate) fn is_any_waiting(connection: &Connection) -> Result<bool, SqlError> {
    // Served by the primary keys.
    const WAITING: &str =
        "SELECT EXISTS (SELECT 1 FROM keys WHERE id > (SELECT last_id FROM listed_keys))";
    Ok(connection.prepare_cached(WAITING)?.query_row([], |row| row.get(0))?)
}

/// Whether there may be so many that they are to be written.
pub(crate) fn are_many_waiting(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(last_listed(connection)?.saturating_add(WAITING_MAX) <= last_given(connection)?)
}

/// Writes all that waits.
pub(crate) fn list_all(connection: &Connection) -> Result<(), SqlError> {
    // All served by the primary keys.
    const WAITING: &str = "SELECT id, name FROM keys WHERE ?1 < id ORDER BY id";
    const UNUSED: &str = "INSERT INTO key_uses (key_id, last_used_at_ms) VALUES (?1, -1) \
                          ON CONFLICT (key_id) DO NOTHING";
    const LISTED: &str = "UPDATE listed_keys SET last_id = ?1";
    let last = last_listed(connection)?;
    let mut waiting = connection.prepare_cached(WAITING)?;
    let mut unused = connection.prepare_cached(UNUSED)?;
    let mut name = connection.prepare_cached(terms::ADD_NAME)?;
    let mut rows = waiting.query([last])?;
    let mut listed = last_given(connection)?;
    while let Some(row) = rows.next()? {
        let id: u64 = row.get(0)?;
        unused.execute([id])?;
        terms::add_name(&mut name, id, row.get_ref(1)?.as_str()?)?;
        listed = listed.max(id);
    }
    if last < listed {
        connection.prepare_cached(LISTED)?.execute([listed])?;
    }
    Ok(())
}

/// The highest id that was given.
fn last_given(connection: &Connection) -> rusqlite::Result<u64> {
    // There is a row for each table that counts up.
    const LAST: &str = "SELECT seq FROM sqlite_sequence WHERE name = 'keys'";
    let last = connection.prepare_cached(LAST)?.query_row([], |row| row.get(0)).optional()?;
    Ok(last.unwrap_or_default())
}

#[cfg(test)]
mod tests;
