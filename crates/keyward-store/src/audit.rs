//! The audit trail: what was changed, when and by whom, each entry chained to the one before.

use keyward::audit::{Audit, AuditEntry, ChainDigest, ChangeId, Verb};
use keyward::record::Owner;
use keyward::tier::TierName;
use keyward::{KeyId, UnixMillis};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::Value;

use crate::fault::Fault;

/// What an audit entry says about a change.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) verb: Verb,
    pub(crate) subject: Subject<'a>,
    /// `{"before": …, "after": …}`, with what changed only.
    pub(crate) details: Option<Value>,
}

/// What was changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    Key(KeyId),
    Tier(&'a TierName),
    Owner(&'a Owner),
}

/// Writes an entry. It belongs into the savepoint of the change that it tells of.
pub(crate) fn record(
    connection: &Connection,
    audit: &Audit,
    change: Change<'_>,
) -> Result<(), Fault> {
    // The first is served by the primary key, the second has a row for each table that counts up.
    const HEAD: &str = "SELECT digest FROM audit ORDER BY id DESC LIMIT 1";
    const NUMBER: &str = "SELECT seq FROM sqlite_sequence WHERE name = 'audit'";
    let head = connection.prepare_cached(HEAD)?.query_row([], |row| row.get(0)).optional()?;
    // Not the highest id that there is: a number is not given again when its row is gone.
    let last: Option<u64> =
        connection.prepare_cached(NUMBER)?.query_row([], |row| row.get(0)).optional()?;
    let (key_id, tier, owner) = match change.subject {
        Subject::Key(id) => (Some(id), None, None),
        Subject::Tier(name) => (None, Some(name.clone()), None),
        Subject::Owner(owner) => (None, None, Some(owner.clone())),
    };
    let mut entry = AuditEntry {
        id: ChangeId(last.unwrap_or_default() + 1),
        at: audit.at,
        actor: audit.actor.as_text().into_owned(),
        address: audit.address.map(|address| address.to_string()),
        verb: change.verb.as_str().to_owned(),
        key_id,
        tier,
        owner,
        request_id: audit.request_id.clone(),
        details: change.details.as_ref().map(Value::to_string),
        previous: head.map_or(ChainDigest::START, ChainDigest),
        digest: ChainDigest::START,
    };
    entry.digest = entry.seal();
    append(connection, &entry)
}

/// Writes an entry that is sealed.
pub(crate) fn append(connection: &Connection, entry: &AuditEntry) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO audit (id, at_ms, actor, address, verb, key_id, tier, \
                                             owner, request_id, details, previous, digest) \
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    // Served by the primary key.
    const HOUR: &str = "INSERT INTO audit_hours (hour, first_id, last_id) VALUES (?1, ?2, ?2) \
                        ON CONFLICT (hour) DO UPDATE SET last_id = excluded.last_id";
    let row = params![
        entry.id.0,
        entry.at.0,
        entry.actor,
        entry.address,
        entry.verb,
        entry.key_id.map(KeyId::get),
        entry.tier.as_ref().map(TierName::as_str),
        entry.owner.as_ref().map(Owner::as_str),
        entry.request_id,
        entry.details,
        entry.previous.0,
        entry.digest.0,
    ];
    connection.prepare_cached(INSERT)?.execute(row)?;
    connection.prepare_cached(HOUR)?.execute((entry.at.hour().0, entry.id.0))?;
    Ok(())
}

/// The columns of an entry, in the order in which [`entry`] reads them.
pub(crate) const COLUMNS: &str = "id, at_ms, actor, address, verb, key_id, tier, owner, \
                                  request_id, details, previous, digest";

/// Reads [`COLUMNS`].
pub(crate) fn entry(row: &Row<'_>) -> Result<AuditEntry, Fault> {
    let key_id: Option<u64> = row.get(5)?;
    let key_id = key_id
        .map(|id| KeyId::new(id).ok_or_else(|| Fault::in_column("audit.key_id", "not an id")))
        .transpose()?;
    let tier = row.get_ref(6)?.as_str_or_null()?;
    let tier = tier
        .map(|tier| tier.parse().map_err(|error| Fault::in_column("audit.tier", error)))
        .transpose()?;
    let owner = row.get_ref(7)?.as_str_or_null()?;
    let owner = owner
        .map(|owner| owner.parse().map_err(|error| Fault::in_column("audit.owner", error)))
        .transpose()?;
    Ok(AuditEntry {
        id: ChangeId(row.get(0)?),
        at: UnixMillis(row.get(1)?),
        actor: row.get(2)?,
        address: row.get(3)?,
        verb: row.get(4)?,
        key_id,
        tier,
        owner,
        request_id: row.get(8)?,
        details: row.get(9)?,
        previous: ChainDigest(row.get(10)?),
        digest: ChainDigest(row.get(11)?),
    })
}
