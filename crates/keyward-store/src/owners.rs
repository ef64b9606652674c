//! Owners: suspending them with all that they have.

use keyward::UnixMillis;
use keyward::audit::{Audit, Verb};
use keyward::query::OwnerDetails;
use keyward::record::Owner;
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde_json::json;

use crate::audit::{self, Change, Subject};
use crate::fault::Fault;

/// An owner that was never suspended and never had a key.
const NONE: OwnerDetails =
    OwnerDetails { suspended_at: None, keys: 0, revoked_keys: 0, version: 0 };

/// Suspends or resumes an owner, and writes one audit entry, unless it is so already. Returns it as
/// it is now. Its keys are left alone: their owner's row says whether they are suspended with it.
pub(crate) fn set_suspended(
    connection: &Connection,
    owner: &Owner,
    suspended: bool,
    audit: &Audit,
) -> Result<OwnerDetails, Fault> {
    // Served by the primary key.
    const SET: &str = "INSERT INTO owners (id, version, suspended_at_ms, limits, keys, \
                                           revoked_keys) \
                       VALUES (?1, ?2, ?3, '[]', 0, 0) ON CONFLICT (id) DO UPDATE \
                       SET version = excluded.version, suspended_at_ms = excluded.suspended_at_ms";
    let mut details = read(connection, owner)?;
    if details.suspended_at.is_some() == suspended {
        return Ok(details);
    }
    details.suspended_at = suspended.then_some(audit.at);
    details.version += 1;
    let at = details.suspended_at.map(|at| at.0);
    connection.prepare_cached(SET)?.execute((owner.as_str(), details.version, at))?;
    let state = |suspended| json!({ "state": if suspended { "suspended" } else { "active" } });
    let told = json!({
        "before": state(!suspended),
        "after": state(suspended),
        "keys": details.keys.saturating_sub(details.revoked_keys),
    });
    let verb = if suspended { Verb::SuspendOwner } else { Verb::ResumeOwner };
    let change = Change { verb, subject: Subject::Owner(owner), details: told.to_string() };
    audit::record(connection, audit, change)?;
    Ok(details)
}

/// Counts keys that an owner has now and had not before, or the other way round, and how many of
/// them are revoked. An owner that gets its first key gets a row with it.
pub(crate) fn count(
    connection: &Connection,
    owner: &Owner,
    keys: i64,
    revoked: i64,
) -> Result<(), Fault> {
    // Served by the primary key.
    const COUNT: &str = "INSERT INTO owners (id, version, limits, keys, revoked_keys) \
                         VALUES (?1, 0, '[]', ?2, ?3) ON CONFLICT (id) DO UPDATE \
                         SET keys = max(0, keys + excluded.keys), \
                             revoked_keys = max(0, revoked_keys + excluded.revoked_keys)";
    connection.prepare_cached(COUNT)?.execute((owner.as_str(), keys, revoked))?;
    Ok(())
}

/// One owner, whether there is anything to be told of it or not.
pub(crate) fn read(connection: &Connection, owner: &Owner) -> Result<OwnerDetails, Fault> {
    // Served by the primary key.
    const READ: &str = "SELECT suspended_at_ms, keys, revoked_keys, version FROM owners \
                        WHERE id = ?1";
    let details = |row: &Row<'_>| {
        Ok(OwnerDetails {
            suspended_at: row.get::<_, Option<u64>>(0)?.map(UnixMillis),
            keys: row.get(1)?,
            revoked_keys: row.get(2)?,
            version: row.get(3)?,
        })
    };
    let mut read = connection.prepare_cached(READ)?;
    Ok(read.query_row([owner.as_str()], details).optional()?.unwrap_or(NONE))
}

/// One owner; `None` if it has no key and is not suspended.
pub(crate) fn find(connection: &Connection, owner: &Owner) -> Result<Option<OwnerDetails>, Fault> {
    let details = read(connection, owner)?;
    Ok(Some(details).filter(|owner| owner.suspended_at.is_some() || 0 < owner.keys))
}

/// Whether any owner is suspended.
pub(crate) fn is_any_suspended(connection: &Connection) -> Result<bool, Fault> {
    // Served by `owners_suspended`.
    const ANY: &str = "SELECT EXISTS (SELECT 1 FROM owners INDEXED BY owners_suspended \
                       WHERE suspended_at_ms IS NOT NULL)";
    Ok(connection.prepare_cached(ANY)?.query_row([], |row| row.get(0))?)
}

/// Owners that are suspended, in order.
pub(crate) fn suspended(
    connection: &Connection,
    after: Option<&Owner>,
    max: u32,
) -> Result<Vec<Owner>, Fault> {
    // Served by `owners_suspended`; `max` bounds the rows.
    const SUSPENDED: &str = "SELECT id FROM owners INDEXED BY owners_suspended \
                             WHERE suspended_at_ms IS NOT NULL AND ?1 < id ORDER BY id LIMIT ?2";
    let mut suspended = connection.prepare_cached(SUSPENDED)?;
    // No owner is empty, so all come behind that.
    let after = after.map_or("", Owner::as_str);
    let owners = suspended.query_and_then((after, max), |row| {
        let owner = row.get_ref(0)?.as_str()?;
        owner.parse().map_err(|error| Fault::in_column("owners.id", error))
    })?;
    owners.collect()
}
