//! Tiers, and how many keys have them.

use keyward::store::TierRecord;
use keyward::stored::{TierId, TierRow};
use keyward::tier::TierName;
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::fault::Fault;
use crate::limits;

/// All tiers, in the order in which they were made.
pub(crate) fn list(connection: &Connection) -> Result<Vec<TierRecord>, Fault> {
    // Served by the primary key. A gate bounds the number of tiers.
    const LIST: &str = "SELECT name, limits FROM tiers WHERE is_gone = 0 ORDER BY id";
    let mut list = connection.prepare_cached(LIST)?;
    list.query_and_then([], tier)?.collect()
}

/// The tier of a name, if there is one that is not gone.
pub(crate) fn find(connection: &Connection, name: &TierName) -> Result<Option<TierRow>, Fault> {
    // Served by `tiers_name`.
    const FIND: &str = "SELECT id, limits, keys FROM tiers WHERE name = ?1 AND is_gone = 0";
    let read = |row: &Row<'_>| -> Result<TierRow, Fault> {
        Ok(TierRow {
            id: TierId::new(row.get(0)?).ok_or_else(|| Fault::in_column("tiers.id", "0"))?,
            name: name.clone(),
            limits: limits::parse("tiers.limits", row.get_ref(1)?.as_str()?)?,
            keys: row.get(2)?,
            is_gone: false,
        })
    };
    let mut find = connection.prepare_cached(FIND)?;
    find.query_row([name.as_str()], |row| Ok(read(row))).optional()?.transpose()
}

/// How many tiers there are that are not gone.
pub(crate) fn count(connection: &Connection) -> Result<u64, Fault> {
    // Served by `tiers_name`, which has as many rows.
    const COUNT: &str = "SELECT count(*) FROM tiers INDEXED BY tiers_name WHERE is_gone = 0";
    Ok(connection.prepare_cached(COUNT)?.query_row([], |row| row.get(0))?)
}

/// Writes the row of a tier, whose name never changes. What many changes write, the number of its
/// keys, is in no index.
pub(crate) fn put(connection: &Connection, tier: &TierRow) -> Result<(), Fault> {
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

/// How many keys that are not revoked each tier has, those without any included.
pub(crate) fn uses(connection: &Connection) -> Result<Vec<(TierName, u64)>, Fault> {
    // Served by the primary key.
    const USES: &str = "SELECT name, keys FROM tiers WHERE is_gone = 0 ORDER BY id";
    let mut uses = connection.prepare_cached(USES)?;
    uses.query_and_then([], |row| Ok((name(row)?, row.get(1)?)))?.collect()
}

fn tier(row: &Row<'_>) -> Result<TierRecord, Fault> {
    let limits = limits::parse("tiers.limits", row.get_ref(1)?.as_str()?)?;
    Ok(TierRecord { name: name(row)?, limits: limits.list().to_vec() })
}

fn name(row: &Row<'_>) -> Result<TierName, Fault> {
    row.get_ref(0)?.as_str()?.parse().map_err(|error| Fault::in_column("tiers.name", error))
}
