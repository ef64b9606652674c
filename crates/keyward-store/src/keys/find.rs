//! Finding keys by their ids and digests, and reading them all.

use keyward::digest::Digest;
use keyward::stored::{Key, OwnedKey};
use keyward::{KeyId, UnixMillis};
use rusqlite::{Connection, OptionalExtension as _};

use super::former;
use crate::columns::key_columns;
use crate::fault::Fault;
use crate::{owners, record};

/// One key, whole; `None` if there is no such key.
pub(crate) fn key(connection: &Connection, id: KeyId) -> Result<Option<Key>, Fault> {
    // Served by the primary keys.
    const FIND: &str = concat!("SELECT ", key_columns!(), " WHERE keys.id = ?1");
    let mut find = connection.prepare_cached(FIND)?;
    let found = find.query_row([id.get()], |row| Ok(record::key(row))).optional()?;
    let Some(mut key) = found.transpose()? else { return Ok(None) };
    key.former = former::of_key(connection, id)?;
    Ok(Some(key))
}

/// One key with its owner; `None` if there is no such key.
pub(crate) fn owned(connection: &Connection, id: KeyId) -> Result<Option<OwnedKey>, Fault> {
    let Some(key) = key(connection, id)? else { return Ok(None) };
    let owner = match &key.owner {
        Some(owner) => owners::read(connection, owner)?,
        None => None,
    };
    Ok(Some(OwnedKey { key: key.into(), owner }))
}

/// The key that has a secret with this digest, or had it; the time is when the grace of that ends.
pub(crate) fn holder(
    connection: &Connection,
    digest: &Digest,
) -> Result<Option<(KeyId, Option<UnixMillis>)>, Fault> {
    // Served by `keys_digest`.
    const HOLDER: &str = "SELECT id FROM keys WHERE digest = ?1";
    let mut holder = connection.prepare_cached(HOLDER)?;
    let present: Option<u64> =
        holder.query_row([digest.as_bytes()], |row| row.get(0)).optional()?;
    let found = match present {
        Some(id) => Some((id, None)),
        None => former::holder(connection, digest)?.map(|(id, ends_at)| (id, Some(ends_at))),
    };
    let id = |id| KeyId::new(id).ok_or_else(|| Fault::in_column("keys.id", "not an id"));
    found.map(|(found, ends_at)| Ok((id(found)?, ends_at))).transpose()
}

/// The keys that have these digests, or had them.
pub(crate) fn by_digests(
    connection: &Connection,
    digests: &[Digest],
) -> Result<Vec<(Digest, Option<UnixMillis>, OwnedKey)>, Fault> {
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
) -> Result<Vec<Key>, Fault> {
    // Served by the primary keys; `max` bounds the rows.
    const PAGE: &str =
        concat!("SELECT ", key_columns!(), " WHERE ?1 < keys.id ORDER BY keys.id LIMIT ?2");
    let mut page = connection.prepare_cached(PAGE)?;
    let after = after.map_or(0, KeyId::get);
    let mut keys: Vec<_> =
        page.query_and_then((after, max), record::key)?.collect::<Result<_, Fault>>()?;
    former::join(connection, &mut keys)?;
    Ok(keys)
}
