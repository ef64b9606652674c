//! What stands beside the rows of keys: what they refer to, and what they are found by.

use keyward::key::Prefix;
use keyward::record::Owner;
use keyward::tier::TierName;
use rusqlite::{Connection, Statement};

use crate::fault::Fault;
use crate::names;

/// Whether there is such a tier.
pub(crate) fn is_tier(connection: &Connection, tier: &TierName) -> Result<bool, Fault> {
    // Served by the index of the unique name.
    const IS_TIER: &str = "SELECT EXISTS (SELECT 1 FROM tiers WHERE name = ?1)";
    let mut is_tier = connection.prepare_cached(IS_TIER)?;
    Ok(is_tier.query_row([tier.as_str()], |row| row.get(0))?)
}

/// Whether there is an owner and it is suspended.
pub(crate) fn is_suspended(connection: &Connection, owner: Option<&Owner>) -> Result<bool, Fault> {
    // Served by the primary key.
    const IS_SUSPENDED: &str = "SELECT EXISTS (SELECT 1 FROM owners WHERE id = ?1)";
    let Some(owner) = owner else { return Ok(false) };
    let mut is_suspended = connection.prepare_cached(IS_SUSPENDED)?;
    Ok(is_suspended.query_row([owner.as_str()], |row| row.get(0))?)
}

/// Notes what a secret begins with, as far as its hint tells.
pub(crate) fn add_prefix(connection: &Connection, hint: &str) -> Result<(), Fault> {
    // Served by the primary key.
    const ADD: &str = "INSERT INTO prefixes (prefix) VALUES (?1) ON CONFLICT DO NOTHING";
    if let Some(prefix) = Prefix::of_hint(hint) {
        connection.prepare_cached(ADD)?.execute([prefix.as_str()])?;
    }
    Ok(())
}

/// What secrets begin with, in order.
pub(crate) fn prefixes(connection: &Connection) -> Result<Vec<String>, Fault> {
    // Served by the primary key.
    const PREFIXES: &str = "SELECT prefix FROM prefixes ORDER BY prefix LIMIT 1000";
    let mut prefixes = connection.prepare_cached(PREFIXES)?;
    prefixes.query_and_then([], |row| Ok(row.get(0)?))?.collect()
}

/// The statement of [`add_name`].
pub(crate) const ADD_NAME: &str = "INSERT INTO key_names (rowid, name) VALUES (?1, ?2)";

/// Makes a key's name one that is found by its parts, with the statement [`ADD_NAME`].
pub(crate) fn add_name(add: &mut Statement<'_>, id: u64, name: &str) -> Result<(), Fault> {
    add.execute((id, names::indexed(&names::fold(name))))?;
    Ok(())
}
