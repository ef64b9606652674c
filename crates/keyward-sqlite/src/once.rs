//! Requests that change something once: their names, kept in the transaction of the change.

use keyward::audit::Audit;
use keyward::once::{Earlier, Once, OnceName};
use keyward::rules::{OnceRow, OnceWrite};
use keyward::{KeyId, UnixMillis};
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::sql_error::SqlError;

/// Most names that are forgotten with each that is kept, so that none makes a change slow.
const FORGOTTEN_MAX: u32 = 8;

/// The request of this name and actor that was kept last, however old.
pub(crate) fn find(
    connection: &Connection,
    actor: &str,
    name: &OnceName,
) -> Result<Option<OnceRow>, SqlError> {
    // Served by the primary key.
    const FIND: &str = "SELECT request, key_id, at_ms FROM once WHERE actor = ?1 AND name = ?2";
    let mut find = connection.prepare_cached(FIND)?;
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let found: Option<([u8; 32], u64, u64)> =
        find.query_row((actor, name.as_str()), row).optional()?;
    let Some((request, key, at)) = found else { return Ok(None) };
    let key = KeyId::new(key).ok_or_else(|| SqlError::in_column("once.key_id", "not an id"))?;
    Ok(Some(OnceRow { once: Once { name: name.clone(), request }, key, at: UnixMillis(at) }))
}

/// The earlier request of the name and actor of this one, if there was one that changed something.
pub(crate) fn earlier(connection: &Connection, audit: &Audit) -> Result<Option<Earlier>, SqlError> {
    let Some(once) = &audit.once else { return Ok(None) };
    let row = find(connection, &audit.actor.as_text(), &once.name)?;
    Ok(row.and_then(|row| row.earlier(audit)))
}

/// Keeps the name of a request that changed a key, and forgets some that are too old.
pub(crate) fn keep(connection: &Connection, write: &OnceWrite) -> Result<(), SqlError> {
    // Served by the primary key; an existing row is too old to count.
    const KEEP: &str = "INSERT INTO once (actor, name, request, key_id, at_ms) \
                        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (actor, name) DO UPDATE \
                        SET request = excluded.request, key_id = excluded.key_id, \
                            at_ms = excluded.at_ms";
    // Served by `once_at`, and by the primary key.
    const FORGET: &str = "DELETE FROM once WHERE (actor, name) IN \
                          (SELECT actor, name FROM once INDEXED BY once_at \
                           WHERE at_ms <= ?1 ORDER BY at_ms LIMIT ?2)";
    let OnceWrite { actor, row: OnceRow { once, key, at }, forgotten_at } = write;
    let row = (actor, once.name.as_str(), once.request, key.get(), at.0);
    connection.prepare_cached(KEEP)?.execute(row)?;
    if let Some(until) = forgotten_at {
        connection.prepare_cached(FORGET)?.execute((until.0, FORGOTTEN_MAX))?;
    }
    Ok(())
}
