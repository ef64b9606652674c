//! Listing keys, a page at a time.
//!
//! A page is read in one of two ways. If one condition of the filter leaves few keys, they are all
//! looked at and put in order. Otherwise the page is read along an index that has the order asked
//! for, and keys that do not match are passed over; as that could go on for long, a page ends after
//! a number of looks, and says where the next one begins.

use std::cmp::Ordering;
use std::collections::HashMap;

use keyward::query::{KeyCursor, KeyFilter, KeyOrder, KeyPage, KeyQuery};
use tokio_postgres::{Client, Row};

use super::drive::{self, drives, uses};
use super::filter::Sieve;
use crate::columns::{bound, get, key_id};
use crate::find;
use crate::pg_error::PgError;
use crate::spans::{self, Span};
use crate::sql::{self, Value, Values};
use crate::walk::{Place, Walk};

/// Most keys that are all looked at and put in order.
const GATHER_MAX: u32 = 2_000;
/// The most that looking at keys may cost one page, in looks at keys that lie one after the other
/// in the table: such a look takes some 2 µs.
const COST_MAX: u32 = 20_000;
/// The cost of a look where the key lies elsewhere than its entry in the index.
const APART: u32 = 8;
/// The most that looking for a part of a name may cost, until the index over parts is asked.
const PART_COST: u32 = 2_000;
/// Looks of the first statement of a page, in pages: most keys fit, as a rule.
const FIRST_LOOKS: u32 = 3;
/// Most looks of one statement.
const LOOKS_MAX: u32 = 4_000;

/// One page of a list of keys. To be read as of one instant.
pub(crate) async fn page(client: &Client, query: &KeyQuery) -> Result<KeyPage, PgError> {
    let none = KeyPage { keys: Vec::new(), next: None };
    let KeyFilter { created_from, created_before, .. } = query.filter;
    let span = spans::KEYS.ids(client, created_from, created_before).await?;
    let Some(span) = span.filter(|_| 0 < query.max) else { return Ok(none) };
    let Some(sieve) = Sieve::of(client, &query.filter, query.now).await? else { return Ok(none) };
    let found = find_page(client, query, &sieve, span).await?;
    let ids = found.cursors.iter().map(|cursor| key_id(cursor.id));
    let ids = ids.collect::<Result<Vec<_>, _>>()?;
    let keys = find::owned(client, ids.iter().copied()).await?;
    let mut keys: HashMap<_, _> = keys.into_iter().map(|owned| (owned.key.id, owned)).collect();
    let keys = ids.iter().filter_map(|id| keys.remove(id)).collect();
    Ok(KeyPage { keys, next: found.next })
}

/// Keys by their cursors, and where the next page begins.
struct Found {
    cursors: Vec<KeyCursor>,
    next: Option<KeyCursor>,
    /// Whether there were too many looks before the page was full.
    is_short: bool,
}

async fn find_page(
    client: &Client,
    query: &KeyQuery,
    sieve: &Sieve,
    span: Span,
) -> Result<Found, PgError> {
    if span.width() <= u64::from(GATHER_MAX) {
        let walk = span.bound(Walk::by_id());
        let few = drive::few(client, [&drive::Drive::Walk(walk)], GATHER_MAX).await?;
        if let Some(ids) = few {
            return gather(client, query, sieve, ids).await;
        }
    }
    let drives = drives(sieve);
    let (named, others): (Vec<_>, Vec<_>) =
        drives.iter().partition(|drive| matches!(drive, drive::Drive::Named(_)));
    if let Some(ids) = drive::few(client, others, GATHER_MAX).await? {
        return gather(client, query, sieve, ids).await;
    }
    let walk = along(query, &drives, span);
    // Where many names have the part, a page is full soon.
    if !named.is_empty() {
        let found = go(client, query, sieve, walk.clone(), PART_COST).await?;
        if !found.is_short {
            return Ok(found);
        }
        if let Some(ids) = drive::few(client, named, GATHER_MAX).await? {
            return gather(client, query, sieve, ids).await;
        }
        // To ask took half of the time.
        return go(client, query, sieve, walk, COST_MAX / 2).await;
    }
    go(client, query, sieve, walk, COST_MAX).await
}

/// The walk that has the order that is asked for, after the page before.
fn along(query: &KeyQuery, drives: &[drive::Drive], span: Span) -> Walk {
    let by_id = drives.iter().find_map(drive::Drive::by_id).cloned();
    let walk = match query.order {
        KeyOrder::Created => span.bound(by_id.unwrap_or_else(Walk::by_id)),
        KeyOrder::Name => Walk::along("k.name"),
        KeyOrder::LastUsed => bounded(uses(), drives),
        KeyOrder::Expires => bounded(Walk::along("k.expires_order"), drives),
    };
    let mut walk = Walk { descending: query.descending, ..walk };
    if let Some(cursor) = &query.after {
        let place = match (query.order, walk.column) {
            (KeyOrder::Created, None) => Place::id(bound(cursor.id)),
            // One value, and of its keys those after this one.
            (KeyOrder::Created, Some(_)) => {
                let value = walk.low.as_ref().and_then(|low| low.value.clone());
                Place { value, id: bound(cursor.id) }
            }
            (order, _) => Place { value: Some(cursor_value(order, cursor)), id: bound(cursor.id) },
        };
        walk = walk.after(place);
    }
    walk
}

/// A walk along an order, with the ends that the filter's condition on the very times of the order
/// gives it.
fn bounded(walk: Walk, drives: &[drive::Drive]) -> Walk {
    let same = drives.iter().find_map(|drive| match drive {
        drive::Drive::Walk(other) => Some(other).filter(|other| other.column == walk.column),
        drive::Drive::Named(_) | drive::Drive::Suspended => None,
    });
    // That of the expired ones is along another index, of active keys alone, in the same order.
    same.cloned().unwrap_or(walk)
}

/// Takes matching keys along a walk until the page is full, or looking has cost this.
async fn go(
    client: &Client,
    query: &KeyQuery,
    sieve: &Sieve,
    mut walk: Walk,
    cost_max: u32,
) -> Result<Found, PgError> {
    let mut found = Found { cursors: Vec::new(), next: None, is_short: false };
    let cost = if walk.in_line { 1 } else { APART };
    let mut looks = query.max.saturating_mul(FIRST_LOOKS).clamp(100, LOOKS_MAX);
    let (mut left, mut looked) = (cost_max / cost, 0_u32);
    loop {
        let max = looks.min(left).max(1);
        let mut values = Values::default();
        let fits = format!(", {}", sieve.fits(&mut values));
        let rows = sql::query(client, &walk.sql(&fits, &mut values, max), &values.0).await?;
        for row in &rows {
            if !get::<bool>(row, 2)? {
                continue;
            }
            if found.cursors.len() == query.max as usize {
                found.next = found.cursors.last().cloned();
                return Ok(found);
            }
            found.cursors.push(cursor(row, query.order)?);
        }
        let Some(last) = rows.last().filter(|_| rows.len() == max as usize) else {
            return Ok(found);
        };
        left = left.saturating_sub(max);
        if left == 0 {
            found.next = Some(cursor(last, query.order)?);
            found.is_short = true;
            return Ok(found);
        }
        walk = walk.clone().after(place(last, &walk, query.order)?);
        looked = looked.saturating_add(max);
        looks = looks_for(&found, query.max, looked);
    }
}

/// The looks of the next statement: a quarter more than a page takes that goes on as it began. A
/// statement is run to its end, though the page be full long before.
fn looks_for(found: &Found, wanted: u32, looked: u32) -> u32 {
    let there = u32::try_from(found.cursors.len()).unwrap_or(u32::MAX);
    // One more than the page holds tells that there is a next one.
    let missing = wanted.saturating_sub(there).saturating_add(1);
    let each = looked.checked_div(there).unwrap_or(LOOKS_MAX);
    let looks = missing.saturating_mul(each.saturating_add(1));
    looks.saturating_add(looks / 4).clamp(100, LOOKS_MAX)
}

/// Looks at all of these keys and puts the fitting ones in order. Served by the primary keys.
async fn gather(
    client: &Client,
    query: &KeyQuery,
    sieve: &Sieve,
    ids: Vec<i64>,
) -> Result<Found, PgError> {
    let (value, uses) = match query.order {
        KeyOrder::Created => ("NULL::text", ""),
        KeyOrder::Name => ("k.name", ""),
        KeyOrder::LastUsed => ("coalesce(u.last_used_at_ms, -1)", USES),
        KeyOrder::Expires => ("k.expires_order", ""),
    };
    let mut values = Values::default();
    let listed = values.add(Value::Numbers(ids));
    let fits = sieve.fits(&mut values);
    let text = format!("SELECT k.id, {value}, {fits} FROM keys k{uses} WHERE k.id = ANY({listed})");
    let mut all = Vec::new();
    for row in sql::query(client, &text, &values.0).await? {
        if get(&row, 2)? {
            all.push(Entry::of(&row, query.order)?);
        }
    }
    all.sort_unstable();
    if query.descending {
        all.reverse();
    }
    if let Some(after) = &query.after {
        let end = Entry::at(after, query.order);
        let side = if query.descending { Ordering::Less } else { Ordering::Greater };
        all.retain(|entry| entry.cmp(&end) == side);
    }
    let more = query.max as usize <= all.len().saturating_sub(1);
    all.truncate(query.max as usize);
    let cursors: Vec<_> = all.into_iter().map(Entry::cursor).collect();
    let next = cursors.last().filter(|_| more).cloned();
    Ok(Found { cursors, next, is_short: false })
}

const USES: &str = " LEFT JOIN key_uses u ON u.key_id = k.id";

/// A key in its order: the value by which it is ordered, and its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Id(i64),
    Text(String, i64),
    Time(i64, i64),
}

impl Entry {
    fn of(row: &Row, order: KeyOrder) -> Result<Self, PgError> {
        let id = get(row, 0)?;
        Ok(match order {
            KeyOrder::Created => Self::Id(id),
            KeyOrder::Name => Self::Text(get(row, 1)?, id),
            KeyOrder::LastUsed | KeyOrder::Expires => Self::Time(get(row, 1)?, id),
        })
    }

    fn at(cursor: &KeyCursor, order: KeyOrder) -> Self {
        let id = bound(cursor.id);
        match cursor_value(order, cursor) {
            Value::Text(text) => Self::Text(text, id),
            Value::Number(at) => Self::Time(at, id),
            _ => Self::Id(id),
        }
    }

    /// A key before or after all times has no time.
    fn cursor(self) -> KeyCursor {
        let (value, id) = match self {
            Self::Id(id) => (String::new(), id),
            Self::Text(text, id) => (text, id),
            Self::Time(-1 | i64::MAX, id) => (String::new(), id),
            Self::Time(at, id) => (at.to_string(), id),
        };
        KeyCursor { value, id: id.cast_unsigned() }
    }
}

fn cursor(row: &Row, order: KeyOrder) -> Result<KeyCursor, PgError> {
    Ok(Entry::of(row, order)?.cursor())
}

/// The place of a row in the index of a walk.
fn place(row: &Row, walk: &Walk, order: KeyOrder) -> Result<Place, PgError> {
    Ok(match (Entry::of(row, order)?, walk.column) {
        (Entry::Id(id), None) => Place::id(id),
        (Entry::Id(id), Some(_)) => {
            let value = walk.low.as_ref().or(walk.high.as_ref()).and_then(|low| low.value.clone());
            Place { value, id }
        }
        (Entry::Text(text, id), _) => Place { value: Some(Value::Text(text)), id },
        (Entry::Time(at, id), _) => Place { value: Some(Value::Number(at)), id },
    })
}

/// The value in the index of the order of the key where a page ended.
fn cursor_value(order: KeyOrder, cursor: &KeyCursor) -> Value {
    match order {
        KeyOrder::Created => Value::OptionalText(None),
        KeyOrder::Name => Value::Text(cursor.value.clone()),
        KeyOrder::LastUsed => Value::Number(cursor.value.parse().unwrap_or(-1)),
        KeyOrder::Expires => Value::Number(cursor.value.parse().unwrap_or(i64::MAX)),
    }
}
