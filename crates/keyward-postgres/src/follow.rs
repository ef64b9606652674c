//! The differences since a change, for followers.

use std::collections::BTreeSet;
use std::sync::Arc;

use keyward::KeyId;
use keyward::audit::{ChangeId, Mark};
use keyward::record::Owner;
use keyward::store::Changes;
use tokio_postgres::Client;

use crate::audit::link;
use crate::columns::{bound, get, get_number, get_optional, parse};
use crate::find;
use crate::pg_error::PgError;
use crate::sql::{Value, query, query_one};
use crate::{owners, tiers};

/// The rows that up to `max` entries after this one name, as they are now. To be read as of one
/// instant.
pub(crate) async fn changes(
    client: &Client,
    ChangeId(after): ChangeId,
    max: u32,
) -> Result<Changes, PgError> {
    // Served by the primary key; `max` bounds the rows.
    const NAMED: &str =
        "SELECT id, key_id, tier, owner FROM audit WHERE $1 < id ORDER BY id LIMIT $2";
    let max = max.max(1);
    let newest = newest(client).await?.change;
    let values = [Value::Number(bound(after)), Value::Number(max.into())];
    let named = query(client, NAMED, &values).await?;
    let mut until = newest;
    let (mut ids, mut names, mut plans) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for row in &named {
        until = ChangeId(get_number(row, 0)?);
        ids.extend(get_optional(row, 1)?.and_then(KeyId::new));
        plans.extend(get::<Option<String>>(row, 2)?);
        if let Some(owner) = get::<Option<&str>>(row, 3)? {
            names.insert(parse::<Owner>("audit.owner", owner)?);
        }
    }
    if named.len() < max as usize {
        until = newest;
    }
    let mut changes = Changes { tiers: vec![], owners: vec![], keys: vec![], until, newest };
    if !ids.is_empty() {
        for owned in find::owned(client, ids).await? {
            let key = Arc::unwrap_or_clone(owned.key);
            names.extend(key.owner.clone());
            changes.keys.push(key);
        }
    }
    if !names.is_empty() {
        let names = names.iter().map(|owner| owner.as_str().to_owned()).collect();
        let rows = query(client, owners::NAMED, &[Value::Texts(names)]).await?;
        changes.owners = rows.iter().map(|row| owners::row(row, 0)).collect::<Result<_, _>>()?;
    }
    if !plans.is_empty() {
        let rows = query(client, tiers::ALL, &[]).await?;
        let rows = rows.iter().map(|row| tiers::row(row, 0)).collect::<Result<Vec<_>, _>>()?;
        changes.tiers.extend(rows.into_iter().filter(|row| plans.contains(row.name.as_str())));
    }
    Ok(changes)
}

/// The newest entry of the trail.
pub(crate) async fn newest(client: &Client) -> Result<Mark, PgError> {
    let row = query_one(client, "SELECT change_id, digest FROM cluster", &[]).await?;
    Ok(Mark { change: ChangeId(get_number(&row, 0)?), digest: link(get(&row, 1)?) })
}
