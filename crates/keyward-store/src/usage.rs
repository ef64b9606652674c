//! Usage: counts per key and hour, each batch added once.

use keyward::KeyId;
use keyward::count::Counts;
use keyward::store::UsageBatch;
use keyward::time::UnixHour;
use rusqlite::{Connection, Row};

use crate::fault::Fault;

/// Most writers whose latest batch is remembered. There is one writer at a time, a new one with
/// each start of the program, and only the latest can have a batch under way.
const WRITERS_MAX: i64 = 1_000;

/// Adds a batch, unless it was added before.
pub(crate) fn add(connection: &Connection, mut batch: UsageBatch) -> Result<(), Fault> {
    // Served by the primary keys.
    const ADD: &str = "INSERT INTO usage (key_id, hour, allowed, limited, out_of_scope, \
                                          suspended, revoked, expired) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
                       ON CONFLICT (key_id, hour) DO UPDATE SET \
                       allowed = allowed + excluded.allowed, \
                       limited = limited + excluded.limited, \
                       out_of_scope = out_of_scope + excluded.out_of_scope, \
                       suspended = suspended + excluded.suspended, \
                       revoked = revoked + excluded.revoked, \
                       expired = expired + excluded.expired";
    const USED: &str = "UPDATE keys SET last_used_at_ms = ?2 \
                        WHERE id = ?1 AND ifnull(last_used_at_ms, -1) < ?2";
    if !is_new(connection, &batch)? {
        return Ok(());
    }
    // Neighbours share pages: in order, fewer of them are written.
    batch.rows.sort_unstable_by_key(|row| (row.key_id, row.hour));
    let mut add = connection.prepare_cached(ADD)?;
    let mut used = connection.prepare_cached(USED)?;
    for row in &batch.rows {
        let (id, hour, counts) = (row.key_id.get(), row.hour.0, row.counts);
        add.execute((
            id,
            hour,
            counts.allowed,
            counts.limited,
            counts.out_of_scope,
            counts.suspended,
            counts.revoked,
            counts.expired,
        ))?;
        if let Some(at) = row.last_used_at {
            used.execute((id, at.0))?;
        }
    }
    Ok(())
}

/// Usage of a key in up to `max` hours from `from` on, oldest first.
pub(crate) fn of_key(
    connection: &Connection,
    id: KeyId,
    from: UnixHour,
    max: u32,
) -> Result<Vec<(UnixHour, Counts)>, Fault> {
    // Served by the primary key; `max` bounds the rows.
    const OF_KEY: &str = "SELECT hour, allowed, limited, out_of_scope, suspended, revoked, expired \
                          FROM usage WHERE key_id = ?1 AND ?2 <= hour ORDER BY hour LIMIT ?3";
    let mut of_key = connection.prepare_cached(OF_KEY)?;
    of_key.query_and_then((id.get(), from.0, max), counts)?.collect()
}

/// Notes the number of a batch. Returns `false` if that batch was added before.
fn is_new(connection: &Connection, batch: &UsageBatch) -> Result<bool, Fault> {
    // Served by the index of the unique column, and by the primary key.
    const NOTE: &str = "INSERT INTO usage_batches (writer, number) VALUES (?1, ?2) \
                        ON CONFLICT (writer) DO UPDATE SET number = excluded.number \
                        WHERE number < excluded.number";
    const FORGET: &str = "DELETE FROM usage_batches WHERE id <= ?1";
    let noted = connection.prepare_cached(NOTE)?.execute((batch.writer, batch.number))?;
    let first_of_writer = batch.number == 1;
    if noted != 0 && first_of_writer {
        let oldest = connection.last_insert_rowid() - WRITERS_MAX;
        connection.prepare_cached(FORGET)?.execute([oldest])?;
    }
    Ok(noted != 0)
}

fn counts(row: &Row<'_>) -> Result<(UnixHour, Counts), Fault> {
    let counts = Counts {
        allowed: row.get(1)?,
        limited: row.get(2)?,
        out_of_scope: row.get(3)?,
        suspended: row.get(4)?,
        revoked: row.get(5)?,
        expired: row.get(6)?,
    };
    Ok((UnixHour(row.get(0)?), counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_writers_are_forgotten() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../migrations/0001_keys.sql")).unwrap();
        let batch = |writer: i64| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&writer.to_be_bytes());
            UsageBatch { writer: bytes, number: 1, rows: Vec::new() }
        };
        for writer in 0..=WRITERS_MAX {
            assert!(is_new(&connection, &batch(writer)).unwrap());
        }
        let known = "SELECT count(*) FROM usage_batches";
        let known: i64 = connection.query_row(known, [], |row| row.get(0)).unwrap();
        assert_eq!(known, WRITERS_MAX);
        assert!(!is_new(&connection, &batch(1)).unwrap());
    }
}
