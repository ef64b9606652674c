//! Secrets that were replaced.

use keyward::digest::Digest;
use keyward::stored::{FormerSecret, Key, StoredSecret};
use keyward::{KeyId, UnixMillis};
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::sql_error::SqlError;

/// Adds a secret after the former ones of a key.
pub(crate) fn add(
    connection: &Connection,
    id: KeyId,
    former: &FormerSecret,
) -> Result<(), SqlError> {
    // Both served by the primary key.
    const ADD: &str = "INSERT INTO former_secrets \
                       (key_id, number, digest, hint, created_at_ms, ends_at_ms) \
                       SELECT ?1, ifnull(max(number), 0) + 1, ?2, ?3, ?4, ?5 \
                       FROM former_secrets WHERE key_id = ?1";
    let FormerSecret { secret: StoredSecret { digest, hint, created_at }, ends_at } = former;
    let row = (id.get(), digest.as_bytes(), hint, created_at.0, ends_at.0);
    connection.prepare_cached(ADD)?.execute(row)?;
    Ok(())
}

/// Writes when a former secret ends.
pub(crate) fn end(connection: &Connection, former: &FormerSecret) -> Result<(), SqlError> {
    // Served by the index of the unique digest.
    const END: &str = "UPDATE former_secrets SET ends_at_ms = ?2 WHERE digest = ?1";
    let row = (former.secret.digest.as_bytes(), former.ends_at.0);
    connection.prepare_cached(END)?.execute(row)?;
    Ok(())
}

/// Gives keys, which are in the order of their ids, the secrets that they had before.
pub(crate) fn join(connection: &Connection, keys: &mut [Key]) -> Result<(), SqlError> {
    // Served by the primary key; both sides are in the order of ids.
    const JOIN: &str = "SELECT digest, hint, created_at_ms, ends_at_ms, key_id \
                        FROM former_secrets \
                        WHERE key_id BETWEEN ?1 AND ?2 ORDER BY key_id, number";
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(()) };
    let ids = (first.id.get(), last.id.get());
    let mut join = connection.prepare_cached(JOIN)?;
    let mut keys = keys.iter_mut().peekable();
    let with_key = |row: &Row<'_>| -> Result<(u64, FormerSecret), SqlError> {
        Ok((row.get(4)?, former(row)?))
    };
    for row in join.query_and_then(ids, with_key)? {
        let (id, former) = row?;
        while keys.next_if(|key| key.id.get() < id).is_some() {}
        if let Some(key) = keys.peek_mut().filter(|key| key.id.get() == id) {
            key.former.push(former);
        }
    }
    Ok(())
}

/// The key that had a secret with this digest, and when the grace of that ends.
pub(crate) fn holder(
    connection: &Connection,
    digest: &Digest,
) -> Result<Option<(u64, UnixMillis)>, SqlError> {
    // Served by the index of the unique digest.
    const HOLDER: &str = "SELECT key_id, ends_at_ms FROM former_secrets WHERE digest = ?1";
    let mut holder = connection.prepare_cached(HOLDER)?;
    let found = |row: &Row<'_>| Ok((row.get(0)?, UnixMillis(row.get(1)?)));
    Ok(holder.query_row([digest.as_bytes()], found).optional()?)
}

/// Reads a former secret from the first columns.
fn former(row: &Row<'_>) -> Result<FormerSecret, SqlError> {
    let digest = Digest::from_stored(row.get(0)?);
    let created_at = UnixMillis(row.get(2)?);
    let secret = StoredSecret { digest, hint: row.get(1)?, created_at };
    Ok(FormerSecret { secret, ends_at: UnixMillis(row.get(3)?) })
}
