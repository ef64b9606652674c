//! The differences since a change, for followers.

use std::collections::BTreeSet;

use keyward::KeyId;
use keyward::audit::ChangeId;
use keyward::record::Owner;
use keyward::store::Changes;
use rusqlite::{Connection, Row};

use crate::commit::progress;
use crate::keys::find;
use crate::sql_error::SqlError;
use crate::{owners, tiers};

/// The names in an entry of the trail: its number, and a key, a tier or an owner.
type Named = (u64, Option<u64>, Option<String>, Option<String>);

/// The rows that up to `max` entries after this one name, as they are now.
pub(crate) fn changes(
    connection: &Connection,
    ChangeId(after): ChangeId,
    max: u32,
) -> Result<Changes, SqlError> {
    // Served by the primary key; `max` bounds the rows.
    const NAMED: &str = "SELECT id, key_id, tier, owner FROM audit \
                         WHERE ?1 < id ORDER BY id LIMIT ?2";
    let newest = progress(connection)?.change;
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let mut named = connection.prepare_cached(NAMED)?;
    let named = named.query_map((after, max.max(1)), |row: &Row<'_>| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    let (mut read, mut until) = (0, newest);
    let (mut ids, mut names, mut plans) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for entry in named {
        let (id, key, tier, owner): Named = entry?;
        read += 1;
        until = ChangeId(id);
        ids.extend(key.and_then(KeyId::new));
        plans.extend(tier);
        if let Some(owner) = owner {
            let owner: Result<Owner, _> = owner.parse();
            names.insert(owner.map_err(|error| SqlError::in_column("audit.owner", error))?);
        }
    }
    if read < max.max(1) {
        until = newest;
    }
    let mut changes = Changes { tiers: vec![], owners: vec![], keys: vec![], until, newest };
    for id in ids {
        let Some(key) = find::key(connection, id)? else { continue };
        names.extend(key.owner.clone());
        changes.keys.push(key);
    }
    for name in names {
        changes.owners.extend(owners::read(connection, &name)?);
    }
    if !plans.is_empty() {
        let rows = tiers::page(connection, None, u32::MAX)?;
        changes.tiers.extend(rows.into_iter().filter(|row| plans.contains(row.name.as_str())));
    }
    Ok(changes)
}
