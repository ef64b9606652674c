//! Keys: issuing, revoking, finding and listing them.

use keyward::issue::NewRecord;
use keyward::record::KeyState;
use keyward::store::{Audit, KeyDetails, StoredSecret};
use keyward::{KeyId, UnixMillis};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::json;

use crate::audit::{self, Change};
use crate::fault::Fault;
use crate::record::{RECORD_COLUMNS, record, scopes_text, state_word};
use crate::secrets;

/// Keeps a new key, its secret and the audit entry.
pub(crate) fn insert(
    connection: &Connection,
    new: &NewRecord,
    audit: &Audit,
) -> Result<KeyId, Fault> {
    const INSERT: &str = "INSERT INTO keys \
                          (name, tier, scopes, state, expires_at_ms, created_at_ms) \
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id";
    let key = &new.key;
    let row = params![
        key.name.as_str(),
        key.tier.as_str(),
        scopes_text(&key.scopes),
        state_word(KeyState::Active)?,
        key.expires_at.map(|at| at.0),
        audit.at.0,
    ];
    let id: u64 = connection.prepare_cached(INSERT)?.query_one(row, |row| row.get(0))?;
    let id = KeyId::new(id).ok_or_else(|| Fault::in_column("keys.id", "not an id"))?;
    secrets::insert(connection, id, new, audit.at)?;
    let details = json!({ "name": key.name.as_str(), "tier": key.tier.as_str() });
    let change = Change { verb: "issue", key_id: Some(id), tier: None, details: Some(details) };
    audit::record(connection, audit, &change)?;
    Ok(id)
}

/// Revokes a key and writes the audit entry, unless it was revoked before. Returns its secrets,
/// or `None` if there is no such key.
pub(crate) fn revoke(
    connection: &Connection,
    id: KeyId,
    audit: &Audit,
) -> Result<Option<Vec<StoredSecret>>, Fault> {
    // Both served by the primary key.
    const EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM keys WHERE id = ?1)";
    const REVOKE: &str = "UPDATE keys SET state = ?2, revoked_at_ms = ?3 \
                          WHERE id = ?1 AND state <> ?2";
    let exists: bool =
        connection.prepare_cached(EXISTS)?.query_row([id.get()], |row| row.get(0))?;
    if !exists {
        return Ok(None);
    }
    let state = state_word(KeyState::Revoked { at: audit.at })?;
    let revoked = connection.prepare_cached(REVOKE)?.execute((id.get(), state, audit.at.0))?;
    if revoked != 0 {
        let change = Change { verb: "revoke", key_id: Some(id), tier: None, details: None };
        audit::record(connection, audit, &change)?;
    }
    secrets::of_key(connection, id).map(Some)
}

/// One key; `None` if there is no such key.
pub(crate) fn find(connection: &Connection, id: KeyId) -> Result<Option<KeyDetails>, Fault> {
    // Served by the primary key, the hint by `secrets_key`. Of several secrets the newest counts.
    const FIND: &str = "SELECT id, name, tier, scopes, state, expires_at_ms, revoked_at_ms, \
                        created_at_ms, last_used_at_ms, \
                        (SELECT hint FROM secrets WHERE key_id = keys.id \
                         ORDER BY secrets.id DESC LIMIT 1) \
                        FROM keys WHERE id = ?1";
    let mut find = connection.prepare_cached(FIND)?;
    find.query_row([id.get()], |row| Ok(details(row))).optional()?.transpose()
}

/// Up to `max` keys with ids below `before`, highest first.
pub(crate) fn list(
    connection: &Connection,
    before: Option<KeyId>,
    max: u32,
) -> Result<Vec<KeyDetails>, Fault> {
    // Served by the primary key, the hint by `secrets_key`; `max` bounds the rows.
    const LIST: &str = "SELECT id, name, tier, scopes, state, expires_at_ms, revoked_at_ms, \
                        created_at_ms, last_used_at_ms, \
                        (SELECT hint FROM secrets WHERE key_id = keys.id \
                         ORDER BY secrets.id DESC LIMIT 1) \
                        FROM keys WHERE id <= ?1 ORDER BY id DESC LIMIT ?2";
    let highest = before.map_or(i64::MAX as u64, |id| id.get() - 1);
    let mut list = connection.prepare_cached(LIST)?;
    list.query_and_then((highest, max), details)?.collect()
}

fn details(row: &Row<'_>) -> Result<KeyDetails, Fault> {
    let (record, tier) = record(row)?;
    Ok(KeyDetails {
        record,
        tier,
        created_at: UnixMillis(row.get(RECORD_COLUMNS)?),
        last_used_at: row.get::<_, Option<u64>>(RECORD_COLUMNS + 1)?.map(UnixMillis),
        hint: row.get(RECORD_COLUMNS + 2)?,
    })
}
