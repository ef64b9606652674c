//! The audit trail: what was changed, when and by whom.

use keyward::store::{Audit, AuditEntry, ChangeId};
use keyward::tier::TierName;
use keyward::{KeyId, UnixMillis};
use rusqlite::{Connection, Row, params};
use serde_json::Value;

use crate::fault::Fault;

/// What an audit entry says about a change.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) verb: &'static str,
    pub(crate) key_id: Option<KeyId>,
    pub(crate) tier: Option<&'a TierName>,
    /// More of it, for people who read the table.
    pub(crate) details: Option<Value>,
}

/// Writes an entry. It belongs into the savepoint of the change that it tells of.
pub(crate) fn record(
    connection: &Connection,
    audit: &Audit,
    change: &Change<'_>,
) -> Result<ChangeId, Fault> {
    const INSERT: &str = "INSERT INTO audit \
                          (at_ms, actor, verb, key_id, tier, request_id, details) \
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id";
    let mut insert = connection.prepare_cached(INSERT)?;
    let row = params![
        audit.at.0,
        audit.actor.as_str(),
        change.verb,
        change.key_id.map(KeyId::get),
        change.tier.map(TierName::as_str),
        audit.request_id,
        change.details.as_ref().map(Value::to_string),
    ];
    Ok(insert.query_one(row, |row| row.get(0).map(ChangeId))?)
}

/// Up to `max` entries behind `after`, oldest first.
pub(crate) fn list(
    connection: &Connection,
    after: ChangeId,
    max: u32,
) -> Result<Vec<AuditEntry>, Fault> {
    // Served by the primary key; `max` bounds the rows. A number that fits no column has none
    // behind it.
    const LIST: &str = "SELECT id, at_ms, actor, verb, key_id, tier, request_id \
                        FROM audit WHERE ?1 < id ORDER BY id LIMIT ?2";
    let after = i64::try_from(after.0).unwrap_or(i64::MAX);
    let mut list = connection.prepare_cached(LIST)?;
    list.query_and_then((after, max), entry)?.collect()
}

fn entry(row: &Row<'_>) -> Result<AuditEntry, Fault> {
    let key_id: Option<u64> = row.get(4)?;
    let key_id = key_id
        .map(|id| KeyId::new(id).ok_or_else(|| Fault::in_column("audit.key_id", "not an id")))
        .transpose()?;
    let tier = row.get_ref(5)?.as_str_or_null()?;
    let tier = tier
        .map(|tier| tier.parse().map_err(|error| Fault::in_column("audit.tier", error)))
        .transpose()?;
    Ok(AuditEntry {
        id: ChangeId(row.get(0)?),
        at: UnixMillis(row.get(1)?),
        actor: row.get(2)?,
        verb: row.get(3)?,
        key_id,
        tier,
        request_id: row.get(6)?,
    })
}
