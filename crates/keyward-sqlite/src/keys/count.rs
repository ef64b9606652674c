//! Counting keys that fit, as far as that takes no longer than a page of them.

use keyward::UnixMillis;
use keyward::query::{KeyCount, KeyFilter, KeyOrder};
use keyward::record::Stage;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::drive::{self, LISTED, drives};
use super::filter::{Conditions, OWNER_WORKS, SUSPENDED_ITSELF, Sieve, is_void, list, number};
use super::list::uses;
use crate::sql_error::SqlError;
use crate::{owners, spans};

/// The most that is looked at.
struct Bounds {
    /// Entries of an index that says it all. A look takes some 60 ns.
    entries: u32,
    /// Keys that lie all over the file. A look takes up to 5 µs.
    apart: u32,
    /// Keys that lie one after the other. A look takes less than 1 µs, with its name.
    in_line: u32,
}

/// Each is some 25 ms.
const BOUNDS: Bounds = Bounds { entries: 500_000, apart: 5_000, in_line: 50_000 };

/// How many keys fit, or at least do.
pub(crate) fn count(
    connection: &Connection,
    filter: &KeyFilter,
    now: UnixMillis,
) -> Result<KeyCount, SqlError> {
    count_within(connection, filter, now, &BOUNDS)
}

fn count_within(
    connection: &Connection,
    filter: &KeyFilter,
    now: UnixMillis,
    bounds: &Bounds,
) -> Result<KeyCount, SqlError> {
    // Counted by the pages of the smallest index: a million take some 10 ms.
    const ALL: &str = "SELECT count(*) FROM keys";
    if *filter == KeyFilter::default() {
        let all = connection.prepare_cached(ALL)?.query_row([], |row| row.get(0))?;
        return Ok(KeyCount::exact(all));
    }
    if is_void(connection, filter)? {
        return Ok(KeyCount::exact(0));
    }
    let sieve = Sieve::new(filter, now);
    if let Some(index) = covering(filter)
        && let Some(count) = count_covered(connection, filter, &sieve, index, bounds)?
    {
        return Ok(count);
    }
    let KeyFilter { created_from, created_before, .. } = filter;
    let span = spans::KEYS.ids(connection, *created_from, *created_before)?;
    let Some(span) = span else { return Ok(KeyCount::exact(0)) };
    let conditions = sieve.conditions.sql();
    let uses = uses(KeyOrder::Created, &sieve, "keys.id");
    let mut values: Vec<_> = sieve.conditions.values().collect();
    if u64::from(bounds.apart) < span.width() {
        let drives = drives(connection, filter, now)?;
        if let Some(ids) = drive::few(connection, &drives, bounds.apart)? {
            // Served by the primary keys.
            let sql = format!("SELECT {conditions}, keys.name FROM {LISTED} {uses}");
            values.push(list(&ids));
            return tally(connection, &sql, values, &sieve, bounds.apart);
        }
    }
    // Served by the primary keys.
    let sql = format!(
        "SELECT {conditions}, keys.name FROM keys NOT INDEXED {uses} \
         WHERE keys.id BETWEEN ? AND ? ORDER BY keys.id LIMIT ?"
    );
    let max = number(u64::from(bounds.in_line) + 1);
    values.extend([Value::Integer(span.first), Value::Integer(span.last), max]);
    tally(connection, &sql, values, &sieve, bounds.in_line)
}

/// The index that has exactly the keys that fit in one piece, so that its entries need no more than
/// to be counted.
fn covering(filter: &KeyFilter) -> Option<&'static str> {
    let KeyFilter {
        state,
        tier,
        owner,
        name_part,
        hint_start,
        expires_before,
        idle_since,
        created_from,
        created_before,
    } = filter;
    if name_part.is_some() || idle_since.or(*created_from).or(*created_before).is_some() {
        return None;
    }
    let texts = [tier.is_some(), owner.is_some(), hint_start.is_some()];
    let no_texts = !texts.contains(&true);
    match state {
        Some(Stage::Active | Stage::Expired) => no_texts.then_some("keys_active"),
        Some(Stage::Suspended | Stage::Revoked) => {
            (no_texts && expires_before.is_none()).then_some("keys_state")
        }
        None => match (texts, expires_before) {
            ([true, false, false], None) => Some("keys_tier"),
            ([false, true, false], None) => Some("keys_owner"),
            ([false, false, true], None) => Some("keys_hint"),
            ([false, false, false], Some(_)) => Some("keys_expires"),
            _ => None,
        },
    }
}

/// Counts the keys that fit along an index that has them, and takes into account that those of
/// suspended owners are suspended. `None` if these owners have too many keys to look at.
fn count_covered(
    connection: &Connection,
    filter: &KeyFilter,
    sieve: &Sieve,
    index: &str,
    bounds: &Bounds,
) -> Result<Option<KeyCount>, SqlError> {
    let own = own_conditions(filter, sieve);
    let depends_on_owner = match filter.state {
        None | Some(Stage::Revoked) => false,
        Some(Stage::Active | Stage::Suspended | Stage::Expired) => {
            owners::is_any_suspended(connection)?
        }
    };
    if !depends_on_owner {
        return count_entries(connection, index, &own, bounds.entries).map(Some);
    }
    match filter.state {
        Some(Stage::Suspended) => count_suspended(connection, bounds.apart).map(Some),
        None | Some(Stage::Active | Stage::Expired | Stage::Revoked) => {
            let theirs = of_suspended_owners(connection, &own, bounds.apart)?;
            let Some(theirs) = theirs else { return Ok(None) };
            let KeyCount { at_least, is_exact } =
                count_entries(connection, index, &own, bounds.entries)?;
            Ok(Some(KeyCount { at_least: at_least.saturating_sub(theirs), is_exact }))
        }
    }
}

/// Counts entries of an index, by its name.
fn count_entries(
    connection: &Connection,
    index: &str,
    own: &Conditions,
    max: u32,
) -> Result<KeyCount, SqlError> {
    let sql = entries_sql(index, own);
    let values = own.values().chain([number(u64::from(max) + 1)]);
    let mut count = connection.prepare_cached(&sql)?;
    let count: u32 = count.query_row(params_from_iter(values), |row| row.get(0))?;
    Ok(KeyCount { at_least: count.min(max).into(), is_exact: count <= max })
}

fn entries_sql(index: &str, own: &Conditions) -> String {
    let conditions = own.sql();
    // Said for SQLite to see that the index has them all.
    let all = if index == "keys_expires" { drive::EXPIRES } else { "1" };
    format!(
        "SELECT count(*) FROM (SELECT 1 FROM keys INDEXED BY {index} \
         WHERE {all} AND {conditions} LIMIT ?)"
    )
}

/// The conditions of a filter on a key itself, as an index has them.
fn own_conditions(filter: &KeyFilter, sieve: &Sieve) -> Conditions {
    match filter.state {
        Some(Stage::Suspended) => Conditions::one(SUSPENDED_ITSELF),
        Some(Stage::Active | Stage::Expired | Stage::Revoked) | None => {
            sieve.conditions.but_of_owner()
        }
    }
}

/// How many keys of suspended owners meet these conditions; `None` if the owners have more than
/// `max` keys.
fn of_suspended_owners(
    connection: &Connection,
    own: &Conditions,
    max: u32,
) -> Result<Option<u64>, SqlError> {
    // Served by `owners_suspended`, `keys_owner` and the primary key.
    let sql = format!(
        "SELECT ifnull(sum({}), 0), count(*) FROM \
         (SELECT keys.state, keys.expires_order FROM owners INDEXED BY owners_suspended \
          CROSS JOIN keys INDEXED BY keys_owner ON keys.owner = owners.id \
          WHERE owners.suspended_at_ms IS NOT NULL LIMIT ?) AS keys",
        own.sql(),
    );
    let values = own.values().chain([number(u64::from(max) + 1)]);
    let mut count = connection.prepare_cached(&sql)?;
    let counted = count.query_row(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)));
    let (fitting, looks): (u64, u32) = counted?;
    Ok((looks <= max).then_some(fitting))
}

/// Counts the keys that are suspended: the keys of suspended owners, from the owners' rows, and
/// keys that are suspended themselves and have another owner or none.
fn count_suspended(connection: &Connection, max: u32) -> Result<KeyCount, SqlError> {
    // Served by `owners_suspended` and the primary key; `?1` bounds the rows.
    const THEIRS: &str = "SELECT ifnull(sum(keys - revoked_keys), 0), count(*) FROM \
        (SELECT keys, revoked_keys FROM owners INDEXED BY owners_suspended \
         WHERE suspended_at_ms IS NOT NULL LIMIT ?1)";
    // Served by `keys_state` and `owners_suspended`.
    let own = format!(
        "SELECT ifnull(sum({OWNER_WORKS}), 0), count(*) FROM \
         (SELECT keys.owner FROM keys INDEXED BY keys_state WHERE {SUSPENDED_ITSELF} LIMIT ?1) \
         AS keys"
    );
    let (mut at_least, mut is_exact) = (0, true);
    for sql in [THEIRS, &own] {
        let mut count = connection.prepare_cached(sql)?;
        let max = u64::from(max);
        let counted = count.query_row([max + 1], |row| Ok((row.get(0)?, row.get(1)?)));
        let (keys, looks): (u64, u64) = counted?;
        at_least += keys;
        is_exact &= looks <= max;
    }
    Ok(KeyCount { at_least, is_exact })
}

/// Counts rows of whether columns say that a key fits, and its name.
fn tally(
    connection: &Connection,
    sql: &str,
    values: Vec<Value>,
    sieve: &Sieve,
    max: u32,
) -> Result<KeyCount, SqlError> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let (mut looks, mut at_least) = (0, 0);
    while let Some(row) = rows.next()? {
        if looks == max {
            return Ok(KeyCount { at_least, is_exact: false });
        }
        looks += 1;
        // A comparison with an absent value, such as an owner, is NULL.
        let fits = row.get::<_, Option<bool>>(0)? == Some(true);
        at_least += u64::from(fits && sieve.takes_name(row.get_ref(1)?.as_str()?));
    }
    Ok(KeyCount::exact(at_least))
}

#[cfg(test)]
mod tests;
