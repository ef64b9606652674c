//! Listing keys, a page at a time.
//!
//! A page is read in one of two ways. If one condition of the filter leaves few keys, they are all
//! looked at and put in order. Otherwise the page is read along an index that has the order asked
//! for, and what does not fit is passed over; as that could go on for long, a page ends after a
//! number of looks, and says where the next one begins.

use keyward::KeyId;
use keyward::query::{KeyCursor, KeyFilter, KeyOrder, KeyPage, KeyQuery};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};

use super::drive::{self, Drive, LISTED, NAMES, drives};
use super::filter::{Conditions, Sieve, list, number, text};
use super::find;
use crate::fault::Fault;
use crate::spans::{self, Span};

/// Most keys that are all looked at and put in order. A look takes some 5 µs where the key lies
/// elsewhere than its entry in the index, so this is some 10 ms.
const GATHER_MAX: u32 = 2_000;
/// Most keys that one page looks at along an index; as above.
const LOOKS_MAX: u32 = 2_000;
/// The same where keys lie one behind the other in what is read: a look takes less than 1 µs.
const LOOKS_IN_LINE_MAX: u32 = 20_000;

/// One page of a list of keys.
pub(crate) fn page(connection: &Connection, query: &KeyQuery) -> Result<KeyPage, Fault> {
    let mut page = KeyPage { keys: Vec::new(), next: None };
    let KeyFilter { created_from, created_before, .. } = query.filter;
    let span = spans::KEYS.ids(connection, created_from, created_before)?;
    let Some(span) = span.filter(|_| 0 < query.max) else { return Ok(page) };
    let walk = choose(connection, query, span)?;
    let places = walk.places(connection, query)?;
    for place in &places.found {
        let id = KeyId::new(place.id).ok_or_else(|| Fault::in_column("keys.id", "not an id"))?;
        page.keys.extend(find::one(connection, id)?);
    }
    page.next = places.next;
    Ok(page)
}

/// Keys by their places in the order.
struct Places {
    found: Vec<KeyCursor>,
    next: Option<KeyCursor>,
}

/// Keys in the order asked for, each with its id, the value of the order, whether columns say that
/// it fits, and its name.
#[derive(Debug)]
struct Walk {
    /// Statements and their values, to be read one after the other.
    legs: Vec<(String, Vec<Value>)>,
    sieve: Sieve,
    looks_max: u32,
}

impl Walk {
    /// Takes what fits until the page is full, or there were too many looks.
    fn places(&self, connection: &Connection, query: &KeyQuery) -> Result<Places, Fault> {
        let mut places = Places { found: Vec::new(), next: None };
        let mut looks = 0;
        for (sql, values) in &self.legs {
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                // A comparison with what a key does not have, such as an owner, is NULL.
                let fits: Option<bool> = row.get(2)?;
                if fits == Some(true) && self.sieve.takes_name(row.get_ref(3)?.as_str()?) {
                    if places.found.len() == query.max as usize {
                        places.next = places.found.last().cloned();
                        return Ok(places);
                    }
                    places.found.push(place(row, query.order)?);
                }
                looks += 1;
                if looks == self.looks_max {
                    places.next = Some(place(row, query.order)?);
                    return Ok(places);
                }
            }
        }
        Ok(places)
    }
}

fn choose(connection: &Connection, query: &KeyQuery, span: Span) -> Result<Walk, Fault> {
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
    Walk { legs: vec![(sql, values)], sieve, looks_max: u32::MAX }
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
    let in_line = from == "keys NOT INDEXED" && !sieve.asks_for_use;
    let looks_max = if in_line { LOOKS_IN_LINE_MAX } else { LOOKS_MAX };
    Walk { legs: vec![(sql, values)], sieve, looks_max }
}

/// Walks along the index of the order: `keys_name`, `keys_expires` or `key_uses_last`. What the
/// filter says of the very times that it has in order says where to begin and end.
fn along_order(query: &KeyQuery) -> Walk {
    let sieve = Sieve::new(&query.filter, query.now);
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
    let ends = match query.order {
        KeyOrder::Created | KeyOrder::Name => Conditions::default(),
        KeyOrder::Expires | KeyOrder::LastUsed => sieve.conditions.only_of(value),
    };
    let uses = if query.order == KeyOrder::LastUsed { "" } else { uses(query.order, &sieve, id) };
    let (fits, order) = (sieve.conditions.sql(), order(query, id));
    let leg = |after: &str, places: &[Value]| {
        let sql = format!(
            "SELECT {id}, {value}, {fits}, keys.name FROM {from} {uses} \
             WHERE {} AND {after} ORDER BY {order}",
            ends.sql(),
        );
        let places = places.iter().cloned();
        (sql, sieve.conditions.values().chain(ends.values()).chain(places).collect())
    };
    let Some(cursor) = &query.after else {
        return Walk { legs: vec![leg("1", &[])], sieve, looks_max: LOOKS_MAX };
    };
    // Two legs, for SQLite would pass over all that is alike one by one: first the others that are
    // like the last one on the page before, then those behind them.
    let comparison = if query.descending { "<" } else { ">" };
    let (at, last) = (cursor_value(query.order, cursor), number(cursor.id));
    let legs = vec![
        leg(&format!("{value} = ? AND {id} {comparison} ?"), &[at.clone(), last]),
        leg(&format!("{value} {comparison} ?"), &[at]),
    ];
    Walk { legs, sieve, looks_max: LOOKS_MAX }
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

/// What comes behind the page before.
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

/// What the index of the order holds of the key where a page ended. What comes before or after
/// all times has no time.
fn cursor_value(order: KeyOrder, cursor: &KeyCursor) -> Value {
    match order {
        KeyOrder::Created | KeyOrder::Name => text(&cursor.value),
        KeyOrder::LastUsed => Value::Integer(cursor.value.parse().unwrap_or(-1)),
        KeyOrder::Expires => Value::Integer(cursor.value.parse().unwrap_or(i64::MAX)),
    }
}

/// Reads the place of a key: its id and the value by which it is ordered.
fn place(row: &Row<'_>, order: KeyOrder) -> Result<KeyCursor, Fault> {
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
