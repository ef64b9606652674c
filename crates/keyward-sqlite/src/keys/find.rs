//! Finding keys by their ids and digests, and reading them all.

use keyward::digest::Digest;
use keyward::stored::{Key, OwnedKey, OwnerRow, TierId};
use keyward::{KeyId, UnixMillis};
use rusqlite::{Connection, OptionalExtension as _};

use super::former;
use crate::record::key_columns;
use crate::sql_error::SqlError;
use crate::{owners, record, tiers};

/// One key, whole; `None` if there is no such key.
pub(crate) fn key(connection: &Connection, id: KeyId) -> Result<Option<Key>, SqlError> {
    // Served by the primary key.
    const FIND: &str = concat!("SELECT ", key_columns!(), " FROM keys WHERE id = ?1");
    let mut find = connection.prepare_cached(FIND)?;
    let mut rows = find.query([id.get()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let tier = match row.get::<_, Option<u64>>(4)?.and_then(TierId::new) {
        Some(tier) => tiers::name(connection, tier)?,
        None => None,
    };
    let mut key = [record::key(row, |_| tier)?];
    drop(rows);
    complete(connection, &mut key)?;
    let [key] = key;
    Ok(Some(key))
}

/// One key with its owner; `None` if there is no such key.
pub(crate) fn owned(connection: &Connection, id: KeyId) -> Result<Option<OwnedKey>, SqlError> {
    let Some(key) = key(connection, id)? else { return Ok(None) };
    let owner = owner_of(connection, &key)?;
    Ok(Some(OwnedKey { key: key.into(), owner }))
}

/// The row of a key's owner. An owner without one is an error: it is unknown whether it is
/// suspended.
pub(crate) fn owner_of(connection: &Connection, key: &Key) -> Result<Option<OwnerRow>, SqlError> {
    let Some(owner) = &key.owner else { return Ok(None) };
    match owners::read(connection, owner)? {
        Some(row) => Ok(Some(row)),
        None => Err(SqlError::in_column("keys.owner", "an owner that has no row in owners")),
    }
}

/// The key that has a secret with this digest, or had it; the time is when the grace of that ends.
pub(crate) fn holder(
    connection: &Connection,
    digest: &Digest,
) -> Result<Option<(KeyId, Option<UnixMillis>)>, SqlError> {
    // Served by `keys_digest`.
    const HOLDER: &str = "SELECT id FROM keys WHERE digest = ?1";
    let mut holder = connection.prepare_cached(HOLDER)?;
    let present: Option<u64> =
        holder.query_row([digest.as_bytes()], |row| row.get(0)).optional()?;
    let found = match present {
        Some(id) => Some((id, None)),
        None => former::holder(connection, digest)?.map(|(id, ends_at)| (id, Some(ends_at))),
    };
    let id = |id| KeyId::new(id).ok_or_else(|| SqlError::in_column("keys.id", "not an id"));
    found.map(|(found, ends_at)| Ok((id(found)?, ends_at))).transpose()
}

/// The keys that have these digests, or had them.
pub(crate) fn by_digests(
    connection: &Connection,
    digests: &[Digest],
) -> Result<Vec<(Digest, Option<UnixMillis>, OwnedKey)>, SqlError> {
    let mut found = Vec::new();
    for digest in digests {
        let Some((id, ends_at)) = holder(connection, digest)? else { continue };
        if let Some(key) = owned(connection, id)? {
            found.push((*digest, ends_at, key));
        }
    }
    Ok(found)
}

/// Up to `max` keys with ids above `after`, whole, lowest first.
pub(crate) fn page(
    connection: &Connection,
    after: Option<KeyId>,
    max: u32,
) -> Result<Vec<Key>, SqlError> {
    // Served by the primary key; `max` bounds the rows.
    const PAGE: &str =
        concat!("SELECT ", key_columns!(), " FROM keys WHERE ?1 < id ORDER BY id LIMIT ?2");
    // There are few of them, of which each key would be joined with one.
    let tiers = tiers::names(connection)?;
    let mut page = connection.prepare_cached(PAGE)?;
    let mut rows = page.query((after.map_or(0, KeyId::get), max))?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        keys.push(record::key(row, |tier| tiers.get(&tier).cloned())?);
    }
    drop(rows);
    complete(connection, &mut keys)?;
    Ok(keys)
}

/// Gives keys, which are in the order of their ids, what other tables have of them.
fn complete(connection: &Connection, keys: &mut [Key]) -> Result<(), SqlError> {
    used(connection, keys)?;
    former::join(connection, keys)
}

/// Says of keys when they were last used. One without a row was never used.
fn used(connection: &Connection, keys: &mut [Key]) -> Result<(), SqlError> {
    // Served by the primary key; both sides are in the order of ids.
    const USED: &str = "SELECT key_id, last_used_at_ms FROM key_uses \
                        WHERE key_id BETWEEN ?1 AND ?2 AND 0 <= last_used_at_ms ORDER BY key_id";
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(()) };
    let ids = (first.id.get(), last.id.get());
    let mut used = connection.prepare_cached(USED)?;
    let mut rows = used.query(ids)?;
    let mut keys = keys.iter_mut().peekable();
    while let Some(row) = rows.next()? {
        let (id, at): (u64, u64) = (row.get(0)?, row.get(1)?);
        while keys.next_if(|key| key.id.get() < id).is_some() {}
        if let Some(key) = keys.next_if(|key| key.id.get() == id) {
            key.last_used_at = Some(UnixMillis(at));
        }
    }
    Ok(())
}
