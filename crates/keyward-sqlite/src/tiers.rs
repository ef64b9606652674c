//! Tiers, and how many keys have them.

use std::collections::HashMap;

use keyward::stored::{TierId, TierRow};
use keyward::tier::TierName;
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::limits;
use crate::sql_error::SqlError;

/// All tiers that are not gone, in the order in which they were made.
pub(crate) fn list(connection: &Connection) -> Result<Vec<TierRow>, SqlError> {
    // Served by the primary key. The rules bound the number of tiers.
    const LIST: &str =
        "SELECT id, limits, keys, is_gone, name FROM tiers WHERE is_gone = 0 ORDER BY id";
    connection.prepare_cached(LIST)?.query_and_then([], tier)?.collect()
}

/// Up to `max` tiers with ids above `after`, deleted ones included.
pub(crate) fn page(
    connection: &Connection,
    after: Option<TierId>,
    max: u32,
) -> Result<Vec<TierRow>, SqlError> {
    // Served by the primary key; `max` bounds the rows.
    const PAGE: &str = "SELECT id, limits, keys, is_gone, name FROM tiers \
                        WHERE ?1 < id ORDER BY id LIMIT ?2";
    let after = after.map_or(0, TierId::get);
    connection.prepare_cached(PAGE)?.query_and_then((after, max), tier)?.collect()
}

/// The names of all tiers by their numbers, each with whether it is gone.
pub(crate) fn names(
    connection: &Connection,
) -> Result<HashMap<TierId, (TierName, bool)>, SqlError> {
    const NAMES: &str = "SELECT id, name, is_gone FROM tiers";
    let mut names = connection.prepare_cached(NAMES)?;
    names.query_and_then([], named)?.collect()
}

/// The name of a tier, and whether it is gone.
pub(crate) fn name(
    connection: &Connection,
    id: TierId,
) -> Result<Option<(TierName, bool)>, SqlError> {
    // Served by the primary key.
    const NAME: &str = "SELECT id, name, is_gone FROM tiers WHERE id = ?1";
    let mut name = connection.prepare_cached(NAME)?;
    let found = name.query_row([id.get()], |row| Ok(named(row))).optional()?.transpose()?;
    Ok(found.map(|(_, name)| name))
}

fn named(row: &Row<'_>) -> Result<(TierId, (TierName, bool)), SqlError> {
    let id = TierId::new(row.get(0)?).ok_or_else(|| SqlError::in_column("tiers.id", "0"))?;
    let name = row.get_ref(1)?.as_str()?.parse();
    Ok((id, (name.map_err(|error| SqlError::in_column("tiers.name", error))?, row.get(2)?)))
}

/// The tier of a name, if there is one that is not gone.
pub(crate) fn find(connection: &Connection, name: &TierName) -> Result<Option<TierRow>, SqlError> {
    // Served by `tiers_name`.
    const FIND: &str = "SELECT id, limits, keys, is_gone, name FROM tiers \
                        WHERE name = ?1 AND is_gone = 0";
    let mut find = connection.prepare_cached(FIND)?;
    find.query_row([name.as_str()], |row| Ok(tier(row))).optional()?.transpose()
}

/// How many tiers there are that are not gone.
pub(crate) fn count(connection: &Connection) -> Result<u64, SqlError> {
    // Served by `tiers_name`, which has as many rows.
    const COUNT: &str = "SELECT count(*) FROM tiers INDEXED BY tiers_name WHERE is_gone = 0";
    Ok(connection.prepare_cached(COUNT)?.query_row([], |row| row.get(0))?)
}

/// Writes the row of a tier, whose name never changes. What many changes write, the number of its
/// keys, is in no index.
pub(crate) fn put(connection: &Connection, tier: &TierRow) -> Result<(), SqlError> {
    // Both served by the primary key.
    const PUT: &str = "INSERT INTO tiers (id, name, limits, keys, is_gone) \
                       VALUES (?1, ?2, ?3, ?4, 0) ON CONFLICT (id) DO UPDATE \
                       SET limits = excluded.limits, keys = excluded.keys";
    const GONE: &str = "UPDATE tiers SET is_gone = 1 WHERE id = ?1";
    let row = (tier.id.get(), tier.name.as_str(), limits::text(&tier.limits)?, tier.keys);
    connection.prepare_cached(PUT)?.execute(row)?;
    if tier.is_gone {
        connection.prepare_cached(GONE)?.execute([tier.id.get()])?;
    }
    Ok(())
}

fn tier(row: &Row<'_>) -> Result<TierRow, SqlError> {
    let name: Result<TierName, _> = row.get_ref(4)?.as_str()?.parse();
    let name = name.map_err(|error| SqlError::in_column("tiers.name", error))?;
    let limits = limits::parse("tiers.limits", row.get_ref(1)?.as_str()?);
    Ok(TierRow {
        id: TierId::new(row.get(0)?).ok_or_else(|| SqlError::in_column("tiers.id", "0"))?,
        limits: limits
            .map_err(|error| error.in_row(format_args!("the tier `{}`", name.as_str())))?,
        name,
        keys: row.get(2)?,
        is_gone: row.get(3)?,
    })
}
