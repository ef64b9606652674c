//! Tiers, and how many keys have them.

use keyward::audit::{Audit, Verb};
use keyward::store::{TierDeleted, TierRecord};
use keyward::tier::TierName;
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde_json::{Value, json};

use crate::audit::{self, Change, Subject};
use crate::fault::Fault;
use crate::limits;

/// All tiers, in the order in which they were made.
pub(crate) fn list(connection: &Connection) -> Result<Vec<TierRecord>, Fault> {
    // Served by the primary key. A gate bounds the number of tiers.
    const LIST: &str = "SELECT name, limits FROM tiers WHERE is_gone = 0 ORDER BY id";
    let mut list = connection.prepare_cached(LIST)?;
    list.query_and_then([], tier)?.collect()
}

/// Writes a tier, new or not, and its audit entry, unless it is so already. Returns whether it is
/// new.
pub(crate) fn put(
    connection: &Connection,
    tier: &TierRecord,
    audit: &Audit,
) -> Result<bool, Fault> {
    // Served by `tiers_name`. A tier that is there keeps its place.
    const PUT: &str = "INSERT INTO tiers (name, limits, keys, is_gone) VALUES (?1, ?2, 0, 0) \
                       ON CONFLICT (name) WHERE is_gone = 0 DO UPDATE SET limits = excluded.limits";
    let before = find(connection, &tier.name)?;
    let limits = limits::to_json(&tier.limits);
    let text = limits.to_string();
    if before.as_ref() == Some(&text) {
        return Ok(false);
    }
    connection.prepare_cached(PUT)?.execute((tier.name.as_str(), text))?;
    let details = json!({ "before": before.as_deref().map(told), "after": limits });
    record(connection, Verb::PutTier, &tier.name, &details, audit)?;
    Ok(before.is_none())
}

/// Deletes a tier that no key has but those that are revoked, which go on referring to it: it is
/// one row, however many they are.
pub(crate) fn delete(
    connection: &Connection,
    name: &TierName,
    audit: &Audit,
) -> Result<TierDeleted, Fault> {
    // Both served by `tiers_name`.
    const USES: &str = "SELECT keys FROM tiers WHERE name = ?1 AND is_gone = 0";
    const DELETE: &str = "UPDATE tiers SET is_gone = 1 WHERE name = ?1 AND is_gone = 0";
    let Some(before) = find(connection, name)? else { return Ok(TierDeleted::Unknown) };
    let uses = connection.prepare_cached(USES)?.query_row([name.as_str()], |row| row.get(0))?;
    if uses != 0 {
        return Ok(TierDeleted::Used(uses));
    }
    connection.prepare_cached(DELETE)?.execute([name.as_str()])?;
    let details = json!({ "before": told(&before), "after": null });
    record(connection, Verb::DeleteTier, name, &details, audit)?;
    Ok(TierDeleted::Done)
}

/// How many keys that are not revoked each tier has, those without any included.
pub(crate) fn uses(connection: &Connection) -> Result<Vec<(TierName, u64)>, Fault> {
    // Served by the primary key.
    const USES: &str = "SELECT name, keys FROM tiers WHERE is_gone = 0 ORDER BY id";
    let mut uses = connection.prepare_cached(USES)?;
    uses.query_and_then([], |row| Ok((name(row)?, row.get(1)?)))?.collect()
}

/// The number by which keys refer to a tier; `None` if there is no such tier.
pub(crate) fn number(connection: &Connection, name: &TierName) -> Result<Option<i64>, Fault> {
    // Served by `tiers_name`.
    const NUMBER: &str = "SELECT id FROM tiers WHERE name = ?1 AND is_gone = 0";
    let mut number = connection.prepare_cached(NUMBER)?;
    Ok(number.query_row([name.as_str()], |row| row.get(0)).optional()?)
}

/// Counts keys that are not revoked and have a tier now and had not before, or the other way round.
pub(crate) fn count(connection: &Connection, name: &TierName, keys: i64) -> Result<(), Fault> {
    // Served by `tiers_name`.
    const COUNT: &str = "UPDATE tiers SET keys = max(0, keys + ?2) WHERE name = ?1 AND is_gone = 0";
    connection.prepare_cached(COUNT)?.execute((name.as_str(), keys))?;
    Ok(())
}

fn find(connection: &Connection, name: &TierName) -> Result<Option<String>, Fault> {
    // Served by `tiers_name`.
    const FIND: &str = "SELECT limits FROM tiers WHERE name = ?1 AND is_gone = 0";
    let mut find = connection.prepare_cached(FIND)?;
    Ok(find.query_row([name.as_str()], |row| row.get(0)).optional()?)
}

/// What the trail tells of limits that were there: as they stand, for they may be damaged, and
/// writing the tier anew is the way to mend it.
fn told(limits: &str) -> Value {
    serde_json::from_str(limits).unwrap_or_else(|_| Value::from(limits))
}

fn record(
    connection: &Connection,
    verb: Verb,
    name: &TierName,
    details: &Value,
    audit: &Audit,
) -> Result<(), Fault> {
    let change = Change { verb, subject: Subject::Tier(name), details: details.to_string() };
    audit::record(connection, audit, change)
}

fn tier(row: &Row<'_>) -> Result<TierRecord, Fault> {
    let limits = limits::parse(row.get_ref(1)?.as_str()?);
    let limits = limits.map_err(|error| Fault::in_column("tiers.limits", error))?;
    Ok(TierRecord { name: name(row)?, limits })
}

fn name(row: &Row<'_>) -> Result<TierName, Fault> {
    row.get_ref(0)?.as_str()?.parse().map_err(|error| Fault::in_column("tiers.name", error))
}
