//! Listing keys, a page at a time, and counting them.

use keyward::query::{KeyCursor, KeyFilter, KeyOrder, KeyPage, KeyQuery};
use keyward::{KeyId, UnixMillis};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};

use super::filter::{Sieve, text};
use super::find;
use crate::fault::Fault;

/// Most keys that one page looks at.
const LOOKS_MAX: u32 = 10_000;

/// One page of a list of keys.
pub(crate) fn page(connection: &Connection, query: &KeyQuery) -> Result<KeyPage, Fault> {
    let sieve = Sieve::new(&query.filter, query.now);
    let mut places = Places { found: Vec::new(), next: None };
    if 0 < query.max {
        places = along_order(connection, query, &sieve)?;
    }
    let mut keys = Vec::with_capacity(places.found.len());
    for place in &places.found {
        let id = KeyId::new(place.id).ok_or_else(|| Fault::in_column("keys.id", "not an id"))?;
        keys.extend(find::one(connection, id)?);
    }
    Ok(KeyPage { keys, next: places.next })
}

/// How many keys fit.
pub(crate) fn count(
    connection: &Connection,
    filter: &KeyFilter,
    now: UnixMillis,
) -> Result<u64, Fault> {
    let sieve = Sieve::new(filter, now);
    let uses = if sieve.asks_for_use { "JOIN key_uses ON key_uses.key_id = keys.id" } else { "" };
    let conditions = sieve.conditions.sql();
    let values = params_from_iter(sieve.conditions.values());
    if sieve.name_part.is_none() {
        let sql = format!("SELECT count(*) FROM keys {uses} WHERE {conditions}");
        return Ok(connection.prepare(&sql)?.query_row(values, |row| row.get(0))?);
    }
    let sql = format!("SELECT keys.name FROM keys {uses} WHERE {conditions}");
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(values)?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += u64::from(sieve.takes_name(row.get_ref(0)?.as_str()?));
    }
    Ok(count)
}

/// Keys by their places in the order.
struct Places {
    found: Vec<KeyCursor>,
    next: Option<KeyCursor>,
}

/// Walks along the index of the order and takes what fits.
fn along_order(connection: &Connection, query: &KeyQuery, sieve: &Sieve) -> Result<Places, Fault> {
    let line = Line::of(query.order);
    let Line { from, value, id } = line;
    let (comparison, direction) = if query.descending { ("<", "DESC") } else { (">", "ASC") };
    let mut values: Vec<Value> = sieve.conditions.values().collect();
    let after = match (&query.after, query.order) {
        (None, _) => "1".to_owned(),
        (Some(cursor), KeyOrder::Created) => {
            values.push(cursor_id(cursor));
            format!("{id} {comparison} ?")
        }
        (Some(cursor), order) => {
            values.extend([cursor_value(cursor, order), cursor_id(cursor)]);
            format!("({value}, {id}) {comparison} (?, ?)")
        }
    };
    let order = match query.order {
        KeyOrder::Created => format!("{id} {direction}"),
        _ => format!("{value} {direction}, {id} {direction}"),
    };
    let fits = sieve.conditions.sql();
    let uses = match query.order {
        KeyOrder::LastUsed => "",
        _ if sieve.asks_for_use => "CROSS JOIN key_uses ON key_uses.key_id = keys.id",
        _ => "",
    };
    let sql = format!(
        "SELECT {id}, {value}, {fits}, keys.name FROM {from} {uses} \
         WHERE {after} ORDER BY {order}"
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut places = Places { found: Vec::new(), next: None };
    let mut looks = 0;
    while let Some(row) = rows.next()? {
        let fits = row.get(2)? && sieve.takes_name(row.get_ref(3)?.as_str()?);
        if fits {
            if places.found.len() == query.max as usize {
                places.next = places.found.last().cloned();
                break;
            }
            places.found.push(place(row, query.order)?);
        }
        looks += 1;
        if looks == LOOKS_MAX {
            places.next = Some(place(row, query.order)?);
            break;
        }
    }
    Ok(places)
}

/// What a list is read from when it is read in order.
struct Line {
    from: &'static str,
    value: &'static str,
    id: &'static str,
}

impl Line {
    fn of(order: KeyOrder) -> Self {
        let (from, value, id) = match order {
            // The primary key.
            KeyOrder::Created => ("keys NOT INDEXED", "''", "keys.id"),
            KeyOrder::Name => ("keys INDEXED BY keys_name", "keys.name", "keys.id"),
            KeyOrder::Expires => ("keys INDEXED BY keys_expires", "keys.expires_order", "keys.id"),
            KeyOrder::LastUsed => (
                "key_uses INDEXED BY key_uses_last \
                 CROSS JOIN keys ON keys.id = key_uses.key_id",
                "key_uses.last_used_at_ms",
                "key_uses.key_id",
            ),
        };
        Self { from, value, id }
    }
}

/// Reads the place of a key: its id and the value by which it is ordered.
fn place(row: &Row<'_>, order: KeyOrder) -> Result<KeyCursor, Fault> {
    let value = match (row.get_ref(1)?, order) {
        // What comes before or after all times has no time.
        (ValueRef::Integer(at), KeyOrder::LastUsed) if at < 0 => String::new(),
        (ValueRef::Integer(i64::MAX), KeyOrder::Expires) => String::new(),
        (ValueRef::Integer(at), _) => at.to_string(),
        (value, _) => value.as_str()?.to_owned(),
    };
    Ok(KeyCursor { value, id: row.get(0)? })
}

fn cursor_id(cursor: &KeyCursor) -> Value {
    Value::Integer(i64::try_from(cursor.id).unwrap_or(i64::MAX))
}

fn cursor_value(cursor: &KeyCursor, order: KeyOrder) -> Value {
    match order {
        KeyOrder::Created | KeyOrder::Name => text(&cursor.value),
        KeyOrder::LastUsed => Value::Integer(cursor.value.parse().unwrap_or(-1)),
        KeyOrder::Expires => Value::Integer(cursor.value.parse().unwrap_or(i64::MAX)),
    }
}
