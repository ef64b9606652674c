//! Requests that change something once: their names, kept in the transaction of the change.

use keyward::KeyId;
use keyward::audit::Audit;
use keyward::once::{Earlier, forgotten_at};
use rusqlite::{Connection, OptionalExtension as _};

use crate::fault::Fault;

/// Most names that are forgotten with each that is kept, so that none makes a change slow.
const FORGOTTEN_MAX: u32 = 8;

/// The earlier request of this name, if there was one that changed something.
pub(crate) fn earlier(connection: &Connection, audit: &Audit) -> Result<Option<Earlier>, Fault> {
    // Served by the primary key.
    const EARLIER: &str = "SELECT request, key_id FROM once \
                           WHERE actor = ?1 AND name = ?2 AND ?3 < at_ms";
    let Some(once) = &audit.once else { return Ok(None) };
    let after = forgotten_at(audit.at).map_or(-1, |at| i64::try_from(at.0).unwrap_or(i64::MAX));
    let mut earlier = connection.prepare_cached(EARLIER)?;
    let row = (audit.actor.as_text(), once.name.as_str(), after);
    let found: Option<([u8; 32], u64)> =
        earlier.query_row(row, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((request, key_id)) = found else { return Ok(None) };
    let id = KeyId::new(key_id).ok_or_else(|| Fault::in_column("once.key_id", "not an id"))?;
    Ok(Some(Earlier::of(&request, id, once)))
}

/// Keeps the name of a request that changed a key, and forgets some that are too old.
pub(crate) fn keep(connection: &Connection, audit: &Audit, id: KeyId) -> Result<(), Fault> {
    // Served by the primary key; what is there is too old to count.
    const KEEP: &str = "INSERT INTO once (actor, name, request, key_id, at_ms) \
                        VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (actor, name) DO UPDATE \
                        SET request = excluded.request, key_id = excluded.key_id, \
                            at_ms = excluded.at_ms";
    // Served by `once_at`, and by the primary key.
    const FORGET: &str = "DELETE FROM once WHERE (actor, name) IN \
                          (SELECT actor, name FROM once INDEXED BY once_at \
                           WHERE at_ms <= ?1 ORDER BY at_ms LIMIT ?2)";
    let Some(once) = &audit.once else { return Ok(()) };
    let actor = audit.actor.as_text();
    let row = (actor, once.name.as_str(), once.request, id.get(), audit.at.0);
    connection.prepare_cached(KEEP)?.execute(row)?;
    if let Some(until) = forgotten_at(audit.at) {
        connection.prepare_cached(FORGET)?.execute((until.0, FORGOTTEN_MAX))?;
    }
    Ok(())
}
