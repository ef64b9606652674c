//! Looking up what deciding has to know.

use keyward::KeyId;
use keyward::audit::{ChainDigest, ChangeId};
use keyward::rules::{Facts, Lookup, Progress};
use keyward::stored::TierId;
use rusqlite::{Connection, OptionalExtension as _};

use super::keys;
use crate::keys::find;
use crate::sql_error::SqlError;
use crate::{audit, clock, once, owners, tiers};

/// How far the database has come.
pub(crate) fn progress(connection: &Connection) -> Result<Progress, SqlError> {
    // The first is served by the primary key, and so is the last; the second has a row for each
    // table that counts up. Its numbers are not the highest that there are: none is given again
    // when its row is gone.
    const DIGEST: &str = "SELECT digest FROM audit ORDER BY id DESC LIMIT 1";
    const LAST: &str = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
    const TIER: &str = "SELECT ifnull(max(id), 0) FROM tiers";
    let digest = connection.prepare_cached(DIGEST)?.query_row([], |row| row.get(0)).optional()?;
    let mut last = connection.prepare_cached(LAST)?;
    let mut last = |table: &str| -> Result<u64, SqlError> {
        Ok(last.query_row([table], |row| row.get(0)).optional()?.unwrap_or_default())
    };
    let (change, key) = (last("audit")?, last("keys")?);
    let tier = connection.prepare_cached(TIER)?.query_row([], |row| row.get(0))?;
    let key = match key {
        0 => None,
        key => Some(KeyId::new(key).ok_or_else(|| SqlError::in_column("keys.id", "not an id"))?),
    };
    Ok(Progress {
        change: ChangeId(change),
        digest: digest.map_or(ChainDigest::START, ChainDigest),
        key,
        tier: TierId::new(tier),
    })
}

/// Looks something up.
pub(super) fn look(
    connection: &Connection,
    lookup: Lookup,
    facts: &mut Facts,
) -> Result<(), SqlError> {
    match lookup {
        Lookup::Key(id) => {
            let key = find::key(connection, id)?;
            if let Some(row) =
                key.as_ref().map(|key| find::owner_of(connection, key)).transpose()?
            {
                row.into_iter().for_each(|row| facts.learn_owner(row.owner.clone(), Some(row)));
            }
            facts.learn_key(id, key);
        }
        Lookup::Id(id) => facts.learn_id(id, keys::is_there(connection, id)?),
        Lookup::Digest(digest) => {
            let holder = find::holder(connection, &digest)?;
            facts.learn_holder(&digest, holder.map(|(id, _)| id));
        }
        Lookup::Tier(name) => {
            let tier = tiers::find(connection, &name)?;
            facts.learn_tier(name, tier);
        }
        Lookup::TierCount => facts.learn_tier_count(tiers::count(connection)?),
        Lookup::Owner(owner) => {
            let row = owners::read(connection, &owner)?;
            facts.learn_owner(owner, row);
        }
        Lookup::Once { actor, name } => {
            let row = once::find(connection, &actor, &name)?;
            facts.learn_once(actor, name, row);
        }
        Lookup::Reading => facts.learn_reading(clock::latest(connection)?),
        Lookup::Entry(change) => facts.learn_entry(change, audit::digest_of(connection, change)?),
    }
    Ok(())
}
