//! Listing keys, a page at a time.
//!
//! A page is read in one of two ways. If one condition of the filter leaves few keys, they are all
//! looked at and put in order. Otherwise the page is read along an index that has the order asked
//! for, and keys that do not match are passed over; as that could go on for long, a page ends after
//! a number of looks, and says where the next one begins.

use keyward::KeyId;
use keyward::query::{KeyCursor, KeyFilter, KeyOrder, KeyPage, KeyQuery};
use keyward::record::Stage;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};

use super::drive::{self, Drive, LISTED, NAMES, drives};
use super::filter::{Conditions, Sieve, is_void, list, number, text};
use super::find;
use crate::spans::{self, Span};
use crate::sql_error::SqlError;

/// Most keys that are all looked at and put in order. A look takes some 5 µs where the key lies
/// elsewhere than its entry in the index, so this is some 10 ms.
const GATHER_MAX: u32 = 2_000;
/// The most that looking at keys may cost one page, in looks at keys that lie one after the other
/// in the file: such a look takes less than 1 µs.
const COST_MAX: u32 = 20_000;
/// The cost of a look where keys lie one after the other.
const IN_LINE: u32 = 1;
/// The cost of a look where the key lies elsewhere than its entry in the index; as above.
const APART: u32 = 10;

/// One page of a list of keys.
pub(crate) fn page(connection: &Connection, query: &KeyQuery) -> Result<KeyPage, SqlError> {
    let mut page = KeyPage { keys: Vec::new(), next: None };
    let KeyFilter { created_from, created_before, .. } = query.filter;
    let span = spans::KEYS.ids(connection, created_from, created_before)?;
    let Some(span) = span.filter(|_| 0 < query.max) else { return Ok(page) };
    if is_void(connection, &query.filter)? {
        return Ok(page);
    }
    let walk = choose(connection, query, span)?;
    let cursors = walk.cursors(connection, query)?;
    for cursor in &cursors.found {
        let id =
            KeyId::new(cursor.id).ok_or_else(|| SqlError::in_column("keys.id", "not an id"))?;
        page.keys.extend(find::owned(connection, id)?);
    }
    page.next = cursors.next;
    Ok(page)
}

/// Keys by their cursors.
struct CursorPage {
    found: Vec<KeyCursor>,
    next: Option<KeyCursor>,
}

/// Keys in the order asked for, each with its id, the value of the order, whether columns say that
/// it fits, and its name.
#[derive(Debug)]
struct Walk {
    /// To be read one after the other.
    legs: Vec<Leg>,
    sieve: Sieve,
}

/// A statement and its values.
#[derive(Debug)]
struct Leg {
    sql: String,
    values: Vec<Value>,
    /// The cost of a look.
    cost: u32,
}

impl Walk {
    /// Takes matching keys until the page is full, or there were too many looks.
    fn cursors(&self, connection: &Connection, query: &KeyQuery) -> Result<CursorPage, SqlError> {
        let mut cursors = CursorPage { found: Vec::new(), next: None };
        let mut spent = 0;
        for Leg { sql, values, cost } in &self.legs {
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                // A comparison with an absent value, such as an owner, is NULL.
                let fits: Option<bool> = row.get(2)?;
                if fits == Some(true) && self.sieve.takes_name(row.get_ref(3)?.as_str()?) {
                    if cursors.found.len() == query.max as usize {
                        cursors.next = cursors.found.last().cloned();
                        return Ok(cursors);
                    }
                    cursors.found.push(cursor(row, query.order)?);
                }
                spent += cost;
                if COST_MAX <= spent {
                    cursors.next = Some(cursor(row, query.order)?);
                    return Ok(cursors);
                }
            }
        }
        Ok(cursors)
    }
}

fn choose(connection: &Connection, query: &KeyQuery, span: Span) -> Result<Walk, SqlError> {
    if span.width() <= u64::from(GATHER_MAX)
        && let Some(ids) = drive::span(span).ids_up_to(connection, GATHER_MAX)?
    {
        return Ok(gather(query, &ids));
    }
    let drives = drives(connection, &query.filter, query.now)?;
    // The index over parts of names has the order of ids: along it few are found as soon as many,
    // and to ask it twice would take twice as long.
    let is_probed = |drive: &&Drive| query.order != KeyOrder::Created || drive.from != NAMES;
    let probed: Vec<_> = drives.iter().filter(is_probed).cloned().collect();
    if let Some(ids) = drive::few(connection, &probed, GATHER_MAX)? {
        return Ok(gather(query, &ids));
    }
    let by_id = drives.into_iter().find(|drive| drive.is_by_id);
    Ok(match (query.order, by_id) {
        (KeyOrder::Created, Some(drive)) => along_ids(query, drive, span),
        (KeyOrder::Created, None) => along_ids(query, all(), span),
        (KeyOrder::Name | KeyOrder::LastUsed | KeyOrder::Expires, _) => along_order(query),
    })
}

/// Every key, by the primary key.
fn all() -> Drive {
    let from = "keys NOT INDEXED";
    Drive { from, id: "keys.id", condition: "1", values: Vec::new(), is_by_id: true }
}

/// Looks at all of these keys and puts them in order. Served by the primary keys.
fn gather(query: &KeyQuery, ids: &[i64]) -> Walk {
    let sieve = Sieve::new(&query.filter, query.now);
    let mut values: Vec<_> = sieve.conditions.values().chain([list(ids)]).collect();
    let value = order_column(query.order);
    let after = after(query, "keys.id", &mut values);
    let uses = uses(query.order, &sieve, "keys.id");
    let sql = format!(
        "SELECT keys.id, {value}, {}, keys.name FROM {LISTED} {uses} WHERE {after} ORDER BY {}",
        sieve.conditions.sql(),
        order(query, "keys.id"),
    );
    Walk { legs: vec![Leg { sql, values, cost: 0 }], sieve }
}

/// Walks along an index that has the keys in the order of their ids. Served by the drive's index.
fn along_ids(query: &KeyQuery, drive: Drive, span: Span) -> Walk {
    let sieve = Sieve::new(&query.filter, query.now);
    let Drive { from, id, condition, .. } = drive;
    let mut values: Vec<_> = sieve.conditions.values().chain(drive.values).collect();
    values.extend([Value::Integer(span.first), Value::Integer(span.last)]);
    let after = after(query, id, &mut values);
    let keys = if id == "keys.id" { "" } else { "CROSS JOIN keys ON keys.id = key_names.rowid" };
    let uses = uses(query.order, &sieve, id);
    let sql = format!(
        "SELECT {id}, '', {}, keys.name FROM {from} {keys} {uses} \
         WHERE {condition} AND {id} >= ? AND {id} <= ? AND {after} ORDER BY {}",
        sieve.conditions.sql(),
        order(query, id),
    );
    let cost = if from == "keys NOT INDEXED" { in_line(&sieve) } else { APART };
    Walk { legs: vec![Leg { sql, values, cost }], sieve }
}

/// The cost of a look along the primary key.
fn in_line(sieve: &Sieve) -> u32 {
    if sieve.asks_for_use { APART } else { IN_LINE }
}

/// Walks along the index of the order, and by it past the keys that it has not: keys that never
/// expire come after all others.
fn along_order(query: &KeyQuery) -> Walk {
    let sieve = Sieve::new(&query.filter, query.now);
    let KeyFilter { state, expires_before, .. } = &query.filter;
    let has_endless = query.order == KeyOrder::Expires
        && expires_before.is_none()
        && *state != Some(Stage::Expired);
    let cursor = query.after.as_ref();
    let is_endless = |cursor: &KeyCursor| has_endless && cursor.value.is_empty();
    let behind = has_endless.then(|| endless(query, &sieve, cursor.filter(|it| is_endless(it))));
    let legs = match (cursor, query.descending) {
        (Some(cursor), false) if is_endless(cursor) => behind.into_iter().collect(),
        (Some(cursor), true) if !is_endless(cursor) => ordered(query, &sieve, Some(cursor)),
        (None | Some(_), true) => behind.into_iter().chain(ordered(query, &sieve, None)).collect(),
        (cursor, false) => ordered(query, &sieve, cursor).into_iter().chain(behind).collect(),
    };
    Walk { legs, sieve }
}

/// The keys along the index of the order: `keys_name`, `keys_expires` or `key_uses_last`. The
/// conditions of the filter on the very times of the order decide where to begin and end.
fn ordered(query: &KeyQuery, sieve: &Sieve, cursor: Option<&KeyCursor>) -> Vec<Leg> {
    let (from, id) = match query.order {
        KeyOrder::Created => ("keys NOT INDEXED", "keys.id"),
        KeyOrder::Name => ("keys INDEXED BY keys_name", "keys.id"),
        KeyOrder::Expires => ("keys INDEXED BY keys_expires", "keys.id"),
        KeyOrder::LastUsed => (
            "key_uses INDEXED BY key_uses_last CROSS JOIN keys ON keys.id = key_uses.key_id",
            "key_uses.key_id",
        ),
    };
    let value = order_column(query.order);
    let (all, ends) = match query.order {
        KeyOrder::Created | KeyOrder::Name => ("1", Conditions::default()),
        KeyOrder::Expires => (drive::EXPIRES, sieve.conditions.only_of(value)),
        KeyOrder::LastUsed => ("1", sieve.conditions.only_of(value)),
    };
    let uses = if query.order == KeyOrder::LastUsed { "" } else { uses(query.order, sieve, id) };
    let (fits, order) = (sieve.conditions.sql(), order(query, id));
    let leg = |after: &str, bound: &[Value]| {
        let sql = format!(
            "SELECT {id}, {value}, {fits}, keys.name FROM {from} {uses} \
             WHERE {all} AND {} AND {after} ORDER BY {order}",
            ends.sql(),
        );
        let bound = bound.iter().cloned();
        let values = sieve.conditions.values().chain(ends.values()).chain(bound).collect();
        Leg { sql, values, cost: APART }
    };
    let Some(cursor) = cursor else { return vec![leg("1", &[])] };
    // Two legs, for SQLite would pass over equal values one by one: first the other keys with the
    // value of the last one on the page before, then the keys after them.
    let comparison = if query.descending { "<" } else { ">" };
    let (at, last) = (cursor_value(query.order, cursor), number(cursor.id));
    vec![
        leg(&format!("{value} = ? AND {id} {comparison} ?"), &[at.clone(), last]),
        leg(&format!("{value} {comparison} ?"), &[at]),
    ]
}

/// The keys that never expire, in the order of their ids; after one of them, if the page before
/// ended there. Served by the primary key, along which all others are passed over.
fn endless(query: &KeyQuery, sieve: &Sieve, cursor: Option<&KeyCursor>) -> Leg {
    let (comparison, direction) = if query.descending { ("<", "DESC") } else { (">", "ASC") };
    let mut values: Vec<_> = sieve.conditions.values().collect();
    let after = cursor.map_or_else(|| "1".to_owned(), |_| format!("keys.id {comparison} ?"));
    values.extend(cursor.map(|cursor| number(cursor.id)));
    let sql = format!(
        "SELECT keys.id, {}, keys.expires_at_ms IS NULL AND {}, keys.name \
         FROM keys NOT INDEXED {} WHERE {after} ORDER BY keys.id {direction}",
        i64::MAX,
        sieve.conditions.sql(),
        uses(query.order, sieve, "keys.id"),
    );
    Leg { sql, values, cost: in_line(sieve) }
}

fn order_column(order: KeyOrder) -> &'static str {
    match order {
        KeyOrder::Created => "''",
        KeyOrder::Name => "keys.name",
        KeyOrder::LastUsed => "key_uses.last_used_at_ms",
        KeyOrder::Expires => "keys.expires_order",
    }
}

fn order(query: &KeyQuery, id: &str) -> String {
    let direction = if query.descending { "DESC" } else { "ASC" };
    match query.order {
        KeyOrder::Created => format!("{id} {direction}"),
        order => format!("{} {direction}, {id} {direction}", order_column(order)),
    }
}

/// Adds `key_uses` where something is asked of it. Served by the primary key.
pub(super) fn uses(order: KeyOrder, sieve: &Sieve, id: &str) -> &'static str {
    let named = id == "key_names.rowid";
    match order == KeyOrder::LastUsed || sieve.asks_for_use {
        true if named => "CROSS JOIN key_uses ON key_uses.key_id = key_names.rowid",
        true => "CROSS JOIN key_uses ON key_uses.key_id = keys.id",
        false => "",
    }
}

/// The condition for keys after the page before.
fn after(query: &KeyQuery, id: &str, values: &mut Vec<Value>) -> String {
    let Some(cursor) = &query.after else { return "1".to_owned() };
    let comparison = if query.descending { "<" } else { ">" };
    if query.order == KeyOrder::Created {
        values.push(number(cursor.id));
        return format!("{id} {comparison} ?");
    }
    values.extend([cursor_value(query.order, cursor), number(cursor.id)]);
    format!("({}, {id}) {comparison} (?, ?)", order_column(query.order))
}

/// The value in the index of the order of the key where a page ended. A key before or after all
/// times has no time.
fn cursor_value(order: KeyOrder, cursor: &KeyCursor) -> Value {
    match order {
        KeyOrder::Created | KeyOrder::Name => text(&cursor.value),
        KeyOrder::LastUsed => Value::Integer(cursor.value.parse().unwrap_or(-1)),
        KeyOrder::Expires => Value::Integer(cursor.value.parse().unwrap_or(i64::MAX)),
    }
}

/// Reads the cursor of a key: its id and the value by which it is ordered.
fn cursor(row: &Row<'_>, order: KeyOrder) -> Result<KeyCursor, SqlError> {
    let value = match (row.get_ref(1)?, order) {
        (ValueRef::Integer(..0), KeyOrder::LastUsed) => String::new(),
        (ValueRef::Integer(i64::MAX), KeyOrder::Expires) => String::new(),
        (ValueRef::Integer(at), _) => at.to_string(),
        (value, _) => value.as_str()?.to_owned(),
    };
    Ok(KeyCursor { value, id: row.get(0)? })
}

#[cfg(test)]
mod tests;
