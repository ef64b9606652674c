//! Writing the effects of a change.

use keyward::rules::{Progress, Writes};
use rusqlite::Connection;

use super::keys::Keys;
use super::written::Written;
use crate::sql_error::SqlError;
use crate::{audit, clock, once, owners, spans, tiers};

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
