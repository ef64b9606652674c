//! What stands beside the rows of keys: what they refer to, and what they are found by.

use keyward::details::KeyDetails;
use keyward::key::Prefix;
use keyward::record::Owner;
use keyward::tier::TierName;
use rusqlite::{Connection, Statement};

use crate::fault::Fault;
use crate::names;
use crate::{owners, tiers};

/// What a key counts for in the rows of its tier and its owner.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weight<'a> {
    tier: &'a TierName,
    owner: Option<&'a Owner>,
    is_revoked: bool,
}

impl<'a> Weight<'a> {
    pub(crate) fn of(key: &'a KeyDetails) -> Self {
        let is_revoked = key.record.state.is_revoked();
        Self { tier: &key.tier, owner: key.record.owner.as_ref(), is_revoked }
    }
}

/// Counts a key that was changed: in the rows of its tier and its owner, as they were and are.
pub(crate) fn recount(
    connection: &Connection,
    before: Weight<'_>,
    after: Weight<'_>,
) -> Result<(), Fault> {
    if before == after {
        return Ok(());
    }
    for (Weight { tier, owner, is_revoked }, by) in [(before, -1), (after, 1)] {
        // A key whose tier is gone is revoked.
        if !is_revoked {
            tiers::count(connection, tier, by)?;
        }
        if let Some(owner) = owner {
            owners::count(connection, owner, by, by * i64::from(is_revoked))?;
        }
    }
    Ok(())
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
