//! Counting keys that fit, as far as that takes no longer than a page of them.

use keyward::UnixMillis;
use keyward::query::{KeyCount, KeyFilter};
use keyward::record::Stage;
use tokio_postgres::Client;

use super::drive::{self, Drive, drives};
use super::filter::Sieve;
use crate::columns::{get, get_number};
use crate::pg_error::PgError;
use crate::spans;
use crate::sql::{Value, Values, query_one};
use crate::walk::Walk;

/// The most that is looked at, by kind.
struct Bounds {
    /// Entries of an index that says it all. A look takes some 150 ns.
    entries: u32,
    /// Keys that lie all over the table. A look takes some 5 µs.
    apart: u32,
    /// Keys that lie one after the other. A look takes some 2 µs.
    in_line: u32,
}

/// Each is some 25 ms.
const BOUNDS: Bounds = Bounds { entries: 150_000, apart: 5_000, in_line: 12_000 };

/// How many keys fit, or at least do. To be read as of one instant.
pub(crate) async fn count(
    client: &Client,
    filter: &KeyFilter,
    now: UnixMillis,
) -> Result<KeyCount, PgError> {
    if *filter == KeyFilter::default() {
        let row = query_one(client, "SELECT keys FROM cluster", &[]).await?;
        return Ok(KeyCount::exact(get_number(&row, 0)?));
    }
    let Some(sieve) = Sieve::of(client, filter, now).await? else { return Ok(KeyCount::exact(0)) };
    let drives = drives(&sieve);
    if let Some(walk) = covering(&sieve, &drives) {
        return entries(client, walk, BOUNDS.entries).await;
    }
    if sieve.filter.state == Some(Stage::Suspended)
        && let Some(count) = suspended(client, &sieve).await?
    {
        return Ok(count);
    }
    let KeyFilter { created_from, created_before, .. } = filter;
    let span = spans::KEYS.ids(client, *created_from, *created_before).await?;
    let Some(span) = span else { return Ok(KeyCount::exact(0)) };
    if u64::from(BOUNDS.apart) < span.width()
        && let Some(ids) = drive::few(client, &drives, BOUNDS.apart).await?
    {
        let mut values = Values::default();
        let listed = values.add(Value::Numbers(ids));
        let fits = sieve.fits(&mut values);
        // Served by the primary keys.
        let sql = format!("SELECT count(*) FROM keys k WHERE k.id = ANY({listed}) AND {fits}");
        let row = query_one(client, &sql, &values.0).await?;
        return Ok(KeyCount::exact(get_number(&row, 0)?));
    }
    let mut values = Values::default();
    let fits = format!(", {} AS fits", sieve.fits(&mut values));
    let looks = span.bound(Walk::by_id()).sql(&fits, &mut values, BOUNDS.in_line + 1);
    let sql = format!("SELECT count(*) FILTER (WHERE fits), count(*) FROM ({looks}) AS looks");
    let row = query_one(client, &sql, &values.0).await?;
    let (at_least, looks) = (get_number(&row, 0)?, get_number(&row, 1)?);
    Ok(KeyCount { at_least, is_exact: looks <= BOUNDS.in_line.into() })
}

/// The index that has exactly the keys that fit in one piece, so that its entries need no more than
/// to be counted.
fn covering(sieve: &Sieve, drives: &[Drive]) -> Option<Walk> {
    let KeyFilter { state, name_part, idle_since, created_from, created_before, .. } =
        &sieve.filter;
    let is_of_more = name_part.is_some()
        || idle_since.is_some()
        || created_from.is_some()
        || created_before.is_some()
        || sieve.is_any_suspended;
    if is_of_more {
        return None;
    }
    match (state, drives) {
        (Some(Stage::Active), []) => {
            let walk = Walk { of: Some("k.state = 'active'"), ..Walk::along("k.expires_order") };
            let now = super::filter::time(sieve.now);
            Some(Walk { low: Some(crate::walk::Place::after(now)), ..walk })
        }
        (Some(Stage::Active), _) => None,
        (Some(Stage::Expired | Stage::Suspended | Stage::Revoked) | None, [Drive::Walk(walk)]) => {
            Some(walk.clone())
        }
        (Some(Stage::Expired | Stage::Suspended | Stage::Revoked) | None, _) => None,
    }
}

/// Counts the entries of an index along a walk.
async fn entries(client: &Client, walk: Walk, max: u32) -> Result<KeyCount, PgError> {
    let mut values = Values::default();
    let entries = walk.sql("", &mut values, max.saturating_add(1));
    let sql = format!("SELECT count(*) FROM ({entries}) AS entries");
    let count: i64 = get(&query_one(client, &sql, &values.0).await?, 0)?;
    let count = count.cast_unsigned();
    Ok(KeyCount { at_least: count.min(max.into()), is_exact: count <= max.into() })
}

/// Counts the keys that are suspended, if nothing else is asked: the keys of suspended owners, from
/// the owners' rows, and keys that are suspended themselves and have another owner or none.
async fn suspended(client: &Client, sieve: &Sieve) -> Result<Option<KeyCount>, PgError> {
    // Served by `owners_suspended`; `$1` bounds the rows.
    const THEIRS: &str = "SELECT coalesce(sum(keys - revoked_keys), 0)::bigint, count(*) FROM \
        (SELECT keys, revoked_keys FROM owners WHERE suspended_at_ms IS NOT NULL LIMIT $1) AS o";
    let only_state =
        KeyFilter { state: Some(Stage::Suspended), ..KeyFilter::default() } == sieve.filter;
    if !only_state {
        return Ok(None);
    }
    // Served by `keys_state`.
    let own = format!(
        "SELECT count(*) FILTER (WHERE NOT {}), count(*) FROM \
         (SELECT owner FROM keys WHERE state = 'suspended' AND state <> 'active' LIMIT $1) AS k",
        super::filter::OWNER_SUSPENDED
    );
    let max = u64::from(BOUNDS.apart);
    let mut count = KeyCount::exact(0);
    for sql in [THEIRS, &own] {
        let limit = Value::Number(i64::from(BOUNDS.apart) + 1);
        let row = query_one(client, sql, &[limit]).await?;
        count.at_least += get_number(&row, 0)?;
        count.is_exact &= get_number(&row, 1)? <= max;
    }
    Ok(Some(count))
}
