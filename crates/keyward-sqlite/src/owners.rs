//! The rows of owners.

use keyward::UnixMillis;
use keyward::details::OwnerVersion;
use keyward::record::Owner;
use keyward::stored::OwnerRow;
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::limits;
use crate::sql_error::SqlError;

/// The row of an owner, if it has one.
pub(crate) fn read(connection: &Connection, owner: &Owner) -> Result<Option<OwnerRow>, SqlError> {
    // Served by the primary key.
    const READ: &str = "SELECT id, version, suspended_at_ms, limits, keys, revoked_keys \
                        FROM owners WHERE id = ?1";
    let mut read = connection.prepare_cached(READ)?;
    read.query_row([owner.as_str()], |found| Ok(row(found))).optional()?.transpose()
}

/// Up to `max` owners after this one, in order.
pub(crate) fn page(
    connection: &Connection,
    after: Option<&Owner>,
    max: u32,
) -> Result<Vec<OwnerRow>, SqlError> {
    // Served by the primary key; `max` bounds the rows.
    const PAGE: &str = "SELECT id, version, suspended_at_ms, limits, keys, revoked_keys \
                        FROM owners WHERE ?1 < id ORDER BY id LIMIT ?2";
    // No owner is empty, so all come after that.
    let after = after.map_or("", Owner::as_str);
    connection.prepare_cached(PAGE)?.query_and_then((after, max), row)?.collect()
}

fn row(row: &Row<'_>) -> Result<OwnerRow, SqlError> {
    let owner: Result<Owner, _> = row.get_ref(0)?.as_str()?.parse();
    let owner = owner.map_err(|error| SqlError::in_column("owners.id", error))?;
    let limits = limits::parse("owners.limits", row.get_ref(3)?.as_str()?);
    Ok(OwnerRow {
        limits: limits
            .map_err(|error| error.in_row(format_args!("the owner `{}`", owner.as_str())))?,
        owner,
        version: OwnerVersion(row.get(1)?),
        suspended_at: row.get::<_, Option<u64>>(2)?.map(UnixMillis),
        keys: row.get(4)?,
        revoked_keys: row.get(5)?,
    })
}

/// Writes the row of an owner.
pub(crate) fn put(connection: &Connection, row: &OwnerRow) -> Result<(), SqlError> {
    // Served by the primary key.
    const PUT: &str = "INSERT INTO owners (id, version, suspended_at_ms, limits, keys, \
                                           revoked_keys) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO UPDATE \
                       SET version = excluded.version, suspended_at_ms = excluded.suspended_at_ms, \
                           limits = excluded.limits, keys = excluded.keys, \
                           revoked_keys = excluded.revoked_keys";
    let suspended_at = row.suspended_at.map(|at| at.0);
    let limits = limits::text(&row.limits)?;
    let owner = row.owner.as_str();
    let row = (owner, row.version.0, suspended_at, limits, row.keys, row.revoked_keys);
    connection.prepare_cached(PUT)?.execute(row)?;
    Ok(())
}

/// Those of these owners that have limits.
pub(crate) fn limited(
    connection: &Connection,
    owners: &[Owner],
) -> Result<Vec<OwnerRow>, SqlError> {
    let rows = owners.iter().filter_map(|owner| read(connection, owner).transpose());
    rows.filter(|row| row.as_ref().map_or(true, OwnerRow::is_limited)).collect()
}

/// Up to `max` owners after this one that have limits and no key, in order.
pub(crate) fn limited_without_keys(
    connection: &Connection,
    after: Option<&Owner>,
    max: u32,
) -> Result<Vec<OwnerRow>, SqlError> {
    // Served by `owners_limited`; `max` bounds the rows.
    const LIMITED: &str = "SELECT id, version, suspended_at_ms, limits, keys, revoked_keys \
                           FROM owners INDEXED BY owners_limited \
                           WHERE limits <> '[]' AND keys = 0 AND ?1 < id ORDER BY id LIMIT ?2";
    // No owner is empty, so all come after that.
    let after = after.map_or("", Owner::as_str);
    connection.prepare_cached(LIMITED)?.query_and_then((after, max), row)?.collect()
}

/// Whether any owner is suspended.
pub(crate) fn is_any_suspended(connection: &Connection) -> Result<bool, SqlError> {
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
) -> Result<Vec<Owner>, SqlError> {
    // Served by `owners_suspended`; `max` bounds the rows.
    const SUSPENDED: &str = "SELECT id FROM owners INDEXED BY owners_suspended \
                             WHERE suspended_at_ms IS NOT NULL AND ?1 < id ORDER BY id LIMIT ?2";
    let mut suspended = connection.prepare_cached(SUSPENDED)?;
    // No owner is empty, so all come after that.
    let after = after.map_or("", Owner::as_str);
    let owners = suspended.query_and_then((after, max), |row| {
        let owner = row.get_ref(0)?.as_str()?;
        owner.parse().map_err(|error| SqlError::in_column("owners.id", error))
    })?;
    owners.collect()
}
