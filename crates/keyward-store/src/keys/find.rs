//! Finding keys by their ids and digests, and reading them all.

use keyward::details::{KeyDetails, StoredKey};
use keyward::digest::Digest;
use keyward::transfer::{KeyCopy, SecretCopy};
use keyward::{KeyId, UnixMillis};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::former;
use crate::columns::{details_columns, keys_joined, stored_columns};
use crate::fault::Fault;
use crate::record::{details, digest, secret_created_at, stored};

/// A key with what its details do not show.
pub(super) struct Whole {
    pub(super) details: KeyDetails,
    pub(super) secret: SecretCopy,
}

impl Whole {
    fn read(row: &Row<'_>) -> Result<Self, Fault> {
        let details = details(row)?;
        let (digest, created_at) = (digest(row)?, secret_created_at(row)?);
        let secret = SecretCopy { digest, hint: details.hint.clone(), created_at };
        Ok(Self { details, secret })
    }
}

/// One key, whole; `None` if there is no such key.
pub(super) fn whole(connection: &Connection, id: KeyId) -> Result<Option<Whole>, Fault> {
    // Served by the primary keys.
    const FIND: &str = concat!(
        "SELECT ",
        details_columns!(),
        " FROM ",
        keys_joined!(),
        " LEFT JOIN key_uses ON key_uses.key_id = keys.id WHERE keys.id = ?1"
    );
    let mut find = connection.prepare_cached(FIND)?;
    find.query_row([id.get()], |row| Ok(Whole::read(row))).optional()?.transpose()
}

/// One key; `None` if there is no such key.
pub(crate) fn one(connection: &Connection, id: KeyId) -> Result<Option<KeyDetails>, Fault> {
    Ok(whole(connection, id)?.map(|key| key.details))
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
) -> Result<Vec<(Digest, Option<UnixMillis>, KeyDetails)>, Fault> {
    let mut found = Vec::new();
    for digest in digests {
        let Some((id, ends_at)) = holder(connection, digest)? else { continue };
        if let Some(key) = one(connection, id)? {
            found.push((*digest, ends_at, key));
        }
    }
    Ok(found)
}

/// Up to `max` keys with ids above `after`, lowest first.
pub(crate) fn load(
    connection: &Connection,
    after: Option<KeyId>,
    max: u32,
) -> Result<Vec<StoredKey>, Fault> {
    // Served by the primary keys; `max` bounds the rows.
    const LOAD: &str = concat!(
        "SELECT ",
        stored_columns!(),
        " FROM ",
        keys_joined!(),
        " WHERE ?1 < keys.id ORDER BY keys.id LIMIT ?2"
    );
    let mut load = connection.prepare_cached(LOAD)?;
    let after = after.map_or(0, KeyId::get);
    let mut keys: Vec<_> =
        load.query_and_then((after, max), stored)?.collect::<Result<_, Fault>>()?;
    former::join(connection, &mut keys)?;
    Ok(keys)
}

/// Up to `max` keys with ids above `after`, whole, lowest first.
pub(crate) fn export(
    connection: &Connection,
    after: Option<KeyId>,
    max: u32,
) -> Result<Vec<KeyCopy>, Fault> {
    // Served by the primary keys; `max` bounds the rows.
    const EXPORT: &str = concat!(
        "SELECT ",
        details_columns!(),
        " FROM ",
        keys_joined!(),
        " LEFT JOIN key_uses ON key_uses.key_id = keys.id \
         WHERE ?1 < keys.id ORDER BY keys.id LIMIT ?2"
    );
    let mut export = connection.prepare_cached(EXPORT)?;
    let after = after.map_or(0, KeyId::get);
    let copy = |row: &Row<'_>| copy(connection, Whole::read(row)?);
    export.query_and_then((after, max), copy)?.collect()
}

fn copy(connection: &Connection, key: Whole) -> Result<KeyCopy, Fault> {
    let Whole { details, secret } = key;
    let KeyDetails { record, grace_until, .. } = details;
    let former = match grace_until {
        None => Vec::new(),
        Some(_) => former::copies(connection, record.id)?,
    };
    Ok(KeyCopy {
        id: Some(record.id),
        name: record.name,
        tier: details.tier,
        tier_gone: details.tier_gone,
        owner: record.owner,
        scopes: record.scopes,
        networks: record.networks,
        limits: record.limits,
        metadata: details.metadata,
        state: record.state,
        revoked_reason: details.revoked_reason,
        expires_at: record.expires_at,
        created_at: details.created_at,
        last_used_at: details.last_used_at,
        secret,
        former,
    })
}
