//! Writing the effects of a change.

use keyward::rules::{Progress, Writes};
use rusqlite::{Connection, params};

use super::keys::Keys;
use super::written::Written;
use crate::sql_error::SqlError;
use crate::{audit, clock, once, owners, spans, tiers};

/// Makes a table count on after `last`, unless it is further.
pub(crate) fn count_on(connection: &Connection, table: &str, last: u64) -> rusqlite::Result<()> {
    const RAISE: &str = "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1";
    const BEGIN: &str = "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)";
    if connection.execute(RAISE, params![table, last])? == 0 {
        connection.execute(BEGIN, params![table, last])?;
    }
    Ok(())
}

/// Writes all of it, and the rows by which lists and time spans find it, in a database with the
/// progress `before`.
pub(super) fn write(
    connection: &Connection,
    writes: &Writes,
    before: Progress,
    written: &mut Written,
) -> Result<(), SqlError> {
    let Some(entry) = writes.entries.first() else { return Ok(()) };
    let hour = entry.at.hour();
    for tier in &writes.tiers {
        tiers::put(connection, tier)?;
    }
    for owner in &writes.owners {
        owners::put(connection, owner)?;
    }
    if !writes.keys.is_empty() {
        let mut keys = Keys::open(connection, written, before.key)?;
        for write in &writes.keys {
            keys.write(write)?;
        }
        keys.finish(hour, writes.progress.key)?;
    } else if let Some(key) = writes.progress.key.filter(|key| before.key < Some(*key)) {
        count_on(connection, "keys", key.get())?;
    }
    if let Some(write) = &writes.once {
        once::keep(connection, write)?;
    }
    if let Some(reading) = writes.reading {
        clock::set(connection, reading)?;
    }
    audit::append_all(connection, &writes.entries)?;
    if written.hour_of_entries.replace(hour) != Some(hour) {
        spans::AUDIT.go_on(connection, hour.0, entry.id.0)?;
    }
    Ok(())
}
