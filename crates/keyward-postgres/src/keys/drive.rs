//! The ways to the keys that fit a filter, each along one index.

use keyward::columns::fold;
use keyward::query::KeyFilter;
use keyward::record::Stage;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Row};

use super::filter::{Sieve, starting, time};
use crate::columns::get;
use crate::pg_error::PgError;
use crate::sql::{Value, Values, query};
use crate::walk::{Place, Walk};

/// Some of the keys, by one condition of a filter.
#[derive(Clone, Debug)]
pub(super) enum Drive {
    /// Along an index.
    Walk(Walk),
    /// The keys whose names have a part.
    Named(String),
    /// The keys of suspended owners, and keys that are suspended themselves.
    Suspended,
}

impl Drive {
    /// The ids of its keys, if these are at most `max`. Looks at no more than that.
    async fn ids_up_to(&self, client: &Client, max: u32) -> Result<Option<Vec<i64>>, PgError> {
        // Served by `owners_suspended` and `keys_owner`.
        const THEIRS: &str = "SELECT k.id FROM owners o JOIN keys k ON k.owner = o.id \
            WHERE o.suspended_at_ms IS NOT NULL AND k.owner IS NOT NULL LIMIT $1";
        let walked = async |walk: &Walk| {
            let mut values = Values::default();
            let sql = walk.sql("", &mut values, max.saturating_add(1));
            query(client, &sql, &values.0).await
        };
        let limit = Value::Number(i64::from(max) + 1);
        let rows = match self {
            Self::Walk(walk) => walked(walk).await?,
            Self::Named(part) => match named(client, part, limit).await? {
                Some(rows) => rows,
                None => return Ok(None),
            },
            Self::Suspended => {
                let mut rows = walked(&suspended_themselves()).await?;
                rows.extend(query(client, THEIRS, &[limit]).await?);
                rows
            }
        };
        if max as usize <= rows.len().saturating_sub(1) {
            return Ok(None);
        }
        let ids = rows.iter().map(|row| get(row, 0)).collect::<Result<Vec<i64>, _>>();
        let mut ids = ids?;
        // A key that is suspended with its owner may be so itself.
        ids.sort_unstable();
        ids.dedup();
        Ok(Some(ids))
    }

    /// The walk in the order of ids, if it is one.
    pub(super) fn by_id(&self) -> Option<&Walk> {
        let Self::Walk(walk) = self else { return None };
        let is_of_one_value = match (&walk.low, &walk.high) {
            (Some(low), Some(high)) => low.value == high.value,
            (Some(_) | None, _) => false,
        };
        Some(walk).filter(|_| is_of_one_value)
    }
}

/// The keys whose names have a part; `None` if that takes too long. The index has a list of keys
/// for each three characters, and goes through all of it before the first row comes: neither a
/// limit nor a span of ids ends that sooner.
async fn named(client: &Client, part: &str, limit: Value) -> Result<Option<Vec<Row>>, PgError> {
    // Served by `keys_parts`.
    const NAMED: &str = "SELECT k.id FROM keys k WHERE k.name_folded LIKE $1 LIMIT $2";
    client.batch_execute(BOUNDED).await?;
    let found = query(client, NAMED, &[Value::Text(like(part)), limit]).await;
    let found = match found {
        Ok(rows) => Some(rows),
        Err(PgError::Rejected(rejected)) if rejected.code == SqlState::QUERY_CANCELED => None,
        Err(error) => return Err(error),
    };
    // The bound ends with it.
    client.batch_execute("ROLLBACK TO bounded").await?;
    Ok(found)
}

/// In a transaction: what follows may take 20 ms, and may use the index over parts, which has no
/// other way than a bitmap.
const BOUNDED: &str =
    "SAVEPOINT bounded; SET LOCAL enable_bitmapscan = on; SET LOCAL statement_timeout = 20";

/// A part of a name as a pattern.
fn like(part: &str) -> String {
    let part = fold(part);
    let escaped = part.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

/// The ids of the keys of the first drive that has few.
pub(super) async fn few<'a>(
    client: &Client,
    drives: impl IntoIterator<Item = &'a Drive>,
    max: u32,
) -> Result<Option<Vec<i64>>, PgError> {
    for drive in drives {
        let ids = drive.ids_up_to(client, max).await?;
        if ids.is_some() {
            return Ok(ids);
        }
    }
    Ok(None)
}

fn suspended_themselves() -> Walk {
    of_state("suspended")
}

fn of_state(state: &str) -> Walk {
    let walk = Walk { of: Some("k.state <> 'active'"), ..Walk::along("k.state") };
    walk.of_value(Value::Text(state.to_owned()))
}

/// Every drive that a filter offers; the ones that are likely to have few keys come first. That by
/// a part of a name comes last, since it takes longest to ask for it.
pub(super) fn drives(sieve: &Sieve) -> Vec<Drive> {
    let KeyFilter { owner, name_part, hint_start, expires_before, idle_since, .. } = &sieve.filter;
    let owner = owner.as_ref().map(|owner| {
        let walk = Walk { of: Some("k.owner IS NOT NULL"), ..Walk::along("k.owner") };
        walk.of_value(Value::Text(owner.as_str().to_owned()))
    });
    let hint = hint_start.as_ref().map(|start| {
        let (from, to) = starting(start);
        let (from, to) = (Value::Text(from), Value::Text(to));
        Walk::along("k.hint").between(Place::before(from), Place::before(to))
    });
    let soon = expires_before.map(|before| {
        let (now, before) = (Place::after(time(sieve.now)), Place::before(time(before)));
        Walk::along("k.expires_order").between(now, before)
    });
    let idle = idle_since.map(|since| {
        let never = Place::before(Value::Number(i64::MIN));
        uses().between(never, Place::before(time(since)))
    });
    let tier = sieve.tier.map(|tier| Walk::along("k.tier_id").of_value(Value::Number(tier)));
    let state = sieve.filter.state.and_then(|stage| in_stage(sieve, stage));
    let named = name_part.clone().map(Drive::Named);
    let walk = |walk: Option<Walk>| walk.map(Drive::Walk);
    let all = [walk(owner), walk(hint), walk(soon), state, walk(idle), walk(tier), named];
    all.into_iter().flatten().collect()
}

/// The keys in a stage, and perhaps some more. `None` if nearly all are: then the order's own index
/// is as good a way.
fn in_stage(sieve: &Sieve, stage: Stage) -> Option<Drive> {
    match stage {
        Stage::Active => None,
        Stage::Revoked => Some(Drive::Walk(of_state("revoked"))),
        Stage::Suspended if sieve.is_any_suspended => Some(Drive::Suspended),
        Stage::Suspended => Some(Drive::Walk(suspended_themselves())),
        Stage::Expired => {
            let walk = Walk { of: Some("k.state = 'active'"), ..Walk::along("k.expires_order") };
            let from = Place::before(Value::Number(i64::MIN));
            Some(Drive::Walk(walk.between(from, Place::after(time(sieve.now)))))
        }
    }
}

/// All keys, by their last use.
pub(super) fn uses() -> Walk {
    Walk {
        from: "key_uses u JOIN keys k ON k.id = u.key_id",
        column: Some("u.last_used_at_ms"),
        id: "u.key_id",
        ..Walk::along("")
    }
}
