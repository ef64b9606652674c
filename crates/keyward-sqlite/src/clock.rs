//! The latest reading of the wall clock, and what people said about it.

use keyward::UnixMillis;
use rusqlite::Connection;

use crate::sql_error::SqlError;

// All are served by the primary key of a table that has one row.
const LATEST: &str = "SELECT latest_ms FROM clock WHERE id = 1";

/// The latest reading that was kept.
pub(crate) fn latest(connection: &Connection) -> Result<Option<UnixMillis>, SqlError> {
    let latest: Option<u64> = connection.prepare_cached(LATEST)?.query_row([], |row| row.get(0))?;
    Ok(latest.map(UnixMillis))
}

/// Keeps a reading, unless there is a later one.
pub(crate) fn keep(connection: &Connection, reading: UnixMillis) -> Result<(), SqlError> {
    const KEEP: &str = "UPDATE clock SET latest_ms = ?1 \
                        WHERE id = 1 AND ifnull(latest_ms < ?1, 1)";
    connection.prepare_cached(KEEP)?.execute([reading.0])?;
    Ok(())
}

/// Keeps a reading in place of the one kept before.
pub(crate) fn set(connection: &Connection, reading: UnixMillis) -> Result<(), SqlError> {
    const SET: &str = "UPDATE clock SET latest_ms = ?1 WHERE id = 1";
    connection.prepare_cached(SET)?.execute([reading.0])?;
    Ok(())
}

/// Notes whether the operator stated at this start that the clock is right; returns the note of the
/// start before.
pub(crate) fn note_told(connection: &Connection, told: bool) -> Result<bool, SqlError> {
    const TOLD: &str = "SELECT told_right FROM clock WHERE id = 1";
    const NOTE: &str = "UPDATE clock SET told_right = ?1 WHERE id = 1";
    let before = connection.prepare_cached(TOLD)?.query_row([], |row| row.get(0))?;
    if before != told {
        connection.prepare_cached(NOTE)?.execute([told])?;
    }
    Ok(before)
}
