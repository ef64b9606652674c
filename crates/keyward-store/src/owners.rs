//! Owners: suspending them with all that they have.

use keyward::UnixMillis;
use keyward::audit::{Audit, Verb};
use keyward::details::StoredKey;
use keyward::query::OwnerDetails;
use keyward::record::Owner;
use rusqlite::{Connection, OptionalExtension as _};
use serde_json::json;

use crate::audit::{self, Change, Subject};
use crate::columns::stored_columns;
use crate::fault::Fault;
use crate::keys::former;
use crate::record::stored;

/// Suspends or resumes an owner, and writes one audit entry, unless it is so already. Returns its
/// keys that are not revoked.
pub(crate) fn set_suspended(
    connection: &Connection,
    owner: &Owner,
    suspended: bool,
    audit: &Audit,
) -> Result<Vec<StoredKey>, Fault> {
    // Served by the primary key, and by `keys_owner`.
    const SUSPEND: &str = "INSERT INTO owners (id, suspended_at_ms) VALUES (?1, ?2) \
                           ON CONFLICT DO NOTHING";
    const RESUME: &str = "DELETE FROM owners WHERE id = ?1";
    const KEYS: &str = "UPDATE keys SET owner_suspended = ?2, version = version + 1 \
                        WHERE owner = ?1 AND owner_suspended <> ?2";
    let name = owner.as_str();
    let changed = if suspended {
        connection.prepare_cached(SUSPEND)?.execute((name, audit.at.0))?
    } else {
        connection.prepare_cached(RESUME)?.execute([name])?
    };
    if changed == 0 {
        return keys(connection, owner);
    }
    connection.prepare_cached(KEYS)?.execute((name, suspended))?;
    let keys = keys(connection, owner)?;
    let state = |suspended| json!({ "state": if suspended { "suspended" } else { "active" } });
    let mut details = json!({ "before": state(!suspended), "after": state(suspended) });
    if let Some(details) = details.as_object_mut() {
        details.insert("keys".to_owned(), json!(keys.len()));
    }
    let verb = if suspended { Verb::SuspendOwner } else { Verb::ResumeOwner };
    let change = Change { verb, subject: Subject::Owner(owner), details: details.to_string() };
    audit::record(connection, audit, change)?;
    Ok(keys)
}

/// The keys of an owner that are not revoked.
fn keys(connection: &Connection, owner: &Owner) -> Result<Vec<StoredKey>, Fault> {
    // Served by `keys_owner`, which ends in the id.
    const KEYS: &str = concat!(
        "SELECT ",
        stored_columns!(),
        " FROM keys INDEXED BY keys_owner WHERE owner = ?1 ORDER BY id"
    );
    let mut keys = connection.prepare_cached(KEYS)?;
    let mut keys: Vec<StoredKey> =
        keys.query_and_then([owner.as_str()], stored)?.collect::<Result<_, Fault>>()?;
    keys.retain(|key| !key.record.state.is_revoked());
    for key in &mut keys {
        key.former = former::of_key(connection, key.record.id)?;
    }
    Ok(keys)
}

/// One owner; `None` if it has no key and is not suspended.
pub(crate) fn find(connection: &Connection, owner: &Owner) -> Result<Option<OwnerDetails>, Fault> {
    // Served by the primary key, and by `keys_owner`.
    const SUSPENDED: &str = "SELECT suspended_at_ms FROM owners WHERE id = ?1";
    const KEYS: &str = "SELECT count(*) FROM keys INDEXED BY keys_owner WHERE owner = ?1";
    let name = [owner.as_str()];
    let suspended_at =
        connection.prepare_cached(SUSPENDED)?.query_row(name, |row| row.get(0)).optional()?;
    let keys = connection.prepare_cached(KEYS)?.query_row(name, |row| row.get(0))?;
    let found = suspended_at.is_some() || keys != 0;
    Ok(found.then(|| OwnerDetails { suspended_at: suspended_at.map(UnixMillis), keys }))
}

/// Owners that are suspended, in order.
pub(crate) fn suspended(
    connection: &Connection,
    after: Option<&Owner>,
    max: u32,
) -> Result<Vec<Owner>, Fault> {
    // Served by the primary key; `max` bounds the rows.
    const SUSPENDED: &str = "SELECT id FROM owners WHERE ?1 < id ORDER BY id LIMIT ?2";
    let mut suspended = connection.prepare_cached(SUSPENDED)?;
    // No owner is empty, so all come behind that.
    let after = after.map_or("", Owner::as_str);
    let owners = suspended.query_and_then((after, max), |row| {
        let owner = row.get_ref(0)?.as_str()?;
        owner.parse().map_err(|error| Fault::in_column("owners.id", error))
    })?;
    owners.collect()
}
