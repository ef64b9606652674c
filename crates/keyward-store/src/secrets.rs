//! Secrets: the digests of a key, and all of them in order.

use keyward::digest::Digest;
use keyward::issue::NewRecord;
use keyward::store::StoredSecret;
use keyward::{KeyId, UnixMillis};
use rusqlite::{Connection, Row};

use crate::fault::Fault;
use crate::record::{RECORD_COLUMNS, record};

/// Keeps the secret of a key.
pub(crate) fn insert(
    connection: &Connection,
    id: KeyId,
    new: &NewRecord,
    at: UnixMillis,
) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO secrets (key_id, digest, hint, created_at_ms) \
                          VALUES (?1, ?2, ?3, ?4)";
    let row = (id.get(), new.digest.as_bytes(), &new.hint, at.0);
    connection.prepare_cached(INSERT)?.execute(row)?;
    Ok(())
}

/// Up to `max` secrets behind `after`, in the order of their positions.
pub(crate) fn page(
    connection: &Connection,
    after: u64,
    max: u32,
) -> Result<Vec<StoredSecret>, Fault> {
    // Served by the primary keys of both: secrets in order, and for each the key. CROSS keeps it
    // that way round. `max` bounds the rows. A position that fits no column has none behind it.
    const PAGE: &str = "SELECT keys.id, keys.name, keys.tier, keys.scopes, keys.state, \
                        keys.expires_at_ms, keys.revoked_at_ms, secrets.id, secrets.digest \
                        FROM secrets CROSS JOIN keys ON keys.id = secrets.key_id \
                        WHERE ?1 < secrets.id ORDER BY secrets.id LIMIT ?2";
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let mut page = connection.prepare_cached(PAGE)?;
    page.query_and_then((after, max), secret)?.collect()
}

/// All secrets of a key, which are few.
pub(crate) fn of_key(connection: &Connection, id: KeyId) -> Result<Vec<StoredSecret>, Fault> {
    // Served by `secrets_key`.
    const OF_KEY: &str = "SELECT keys.id, keys.name, keys.tier, keys.scopes, keys.state, \
                          keys.expires_at_ms, keys.revoked_at_ms, secrets.id, secrets.digest \
                          FROM keys CROSS JOIN secrets ON secrets.key_id = keys.id \
                          WHERE keys.id = ?1 ORDER BY secrets.id";
    let mut of_key = connection.prepare_cached(OF_KEY)?;
    of_key.query_and_then([id.get()], secret)?.collect()
}

fn secret(row: &Row<'_>) -> Result<StoredSecret, Fault> {
    let (record, tier) = record(row)?;
    let digest = Digest::from_stored(row.get(RECORD_COLUMNS + 1)?);
    Ok(StoredSecret { position: row.get(RECORD_COLUMNS)?, digest, record, tier })
}
