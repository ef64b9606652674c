//! Reading the audit trail, a page at a time.

use keyward::audit::{AuditEntry, ChangeId, Verb};
use keyward::query::{AuditFilter, AuditPage, AuditQuery};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::audit::{COLUMNS, entry};
use crate::spans::{self, Span};
use crate::sql_error::SqlError;

/// Most entries that one page looks at. At a third of a microsecond each this is some 20 ms.
const LOOKS_MAX: u32 = 50_000;
/// Entries that decide which of several conditions has the fewest. At a twentieth of a microsecond
/// each, as no more than an index is looked at.
const PROBE_MAX: u32 = 10_000;

/// The trail's name for the holder of the admin key.
const ADMIN_KEY: &str = "admin-key";

/// One page of the trail.
pub(crate) fn page(connection: &Connection, query: &AuditQuery) -> Result<AuditPage, SqlError> {
    look(connection, query, LOOKS_MAX)
}

/// One page, for which at most `looks_max` entries are looked at.
fn look(
    connection: &Connection,
    query: &AuditQuery,
    looks_max: u32,
) -> Result<AuditPage, SqlError> {
    let mut page = AuditPage { entries: Vec::new(), next: None };
    let Some(span) = ids(connection, query)? else { return Ok(page) };
    let drive = drive(connection, &query.filter, span)?;
    let (sql, values) = statement(query, span, drive);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut looks = 0;
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        // A comparison with an absent value, such as a key, is NULL.
        if row.get::<_, Option<bool>>(1)? == Some(true) {
            if page.entries.len() == query.max.get() as usize {
                page.next = page.entries.last().map(|entry| entry.id);
                return Ok(page);
            }
            page.entries.push(find(connection, id)?);
        }
        looks += 1;
        if looks == looks_max {
            page.next = Some(ChangeId(id.cast_unsigned()));
            return Ok(page);
        }
    }
    Ok(page)
}

/// One entry, all of it: most of the entries looked at may not fit.
fn find(connection: &Connection, id: i64) -> Result<AuditEntry, SqlError> {
    // Served by the primary key.
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row([id], |row| Ok(entry(row)))?
}

/// The ids that an entry can have: after the page before, in hours of the requested time. They
/// begin with 1: a row below that was put there by hand and is not of the trail.
fn ids(connection: &Connection, query: &AuditQuery) -> Result<Option<Span>, SqlError> {
    let AuditFilter { since, until, .. } = query.filter;
    let Some(mut span) = spans::AUDIT.ids(connection, since, until)? else {
        return Ok(None);
    };
    span.first = span.first.max(1);
    if let Some(ChangeId(after)) = query.after {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        if query.descending {
            span.last = span.last.min(after.saturating_sub(1));
        } else {
            span.first = span.first.max(after.saturating_add(1));
        }
        if after == i64::MAX && !query.descending {
            return Ok(None);
        }
    }
    Ok(Some(span))
}

/// A condition on one column.
struct Condition {
    /// The index that serves it, if there is one.
    index: Option<Index>,
    column: &'static str,
    value: Value,
}

/// An index over one column, which ends in the id.
#[derive(Clone, Copy)]
struct Index {
    name: &'static str,
    /// The condition of every entry in it, spelled out for SQLite to see that.
    of: &'static str,
}

/// The condition with an index that leaves the fewest entries; if all leave very many, the last of
/// them.
fn drive(
    connection: &Connection,
    filter: &AuditFilter,
    span: Span,
) -> Result<Option<(Index, Condition)>, SqlError> {
    let indexed = |condition: Condition| Some((condition.index?, condition));
    let mut drives: Vec<_> = conditions(filter).into_iter().filter_map(indexed).collect();
    // Alone it is taken in any case.
    if drives.len() < 2 {
        return Ok(drives.pop());
    }
    let mut fewest = (u32::MAX, None);
    for drive in drives {
        let (Index { name, of }, Condition { column, value, .. }) = &drive;
        // Served by the index; `PROBE_MAX` bounds the rows.
        let sql = format!(
            "SELECT count(*) FROM (SELECT 1 FROM audit INDEXED BY {name} \
             WHERE {column} = ?1 AND {of} AND id BETWEEN ?2 AND ?3 LIMIT {PROBE_MAX})"
        );
        let mut count = connection.prepare_cached(&sql)?;
        let count = count.query_row((value, span.first, span.last), |row| row.get(0))?;
        if count < fewest.0 {
            fewest = (count, Some(drive));
        }
    }
    Ok(fewest.1)
}

/// Every condition; the ones that tend to leave fewer come first.
fn conditions(filter: &AuditFilter) -> Vec<Condition> {
    let AuditFilter { key_id, actor, verb, since: _, until: _ } = filter;
    let index = |name, of| Some(Index { name, of });
    let key_id = key_id.map(|id| Condition {
        index: index("audit_key", "key_id IS NOT NULL"),
        column: "key_id",
        value: number(id.get()),
    });
    // Of each key there is an entry that it was issued: these are found among all as soon.
    let verb = verb.map(|verb| Condition {
        index: index("audit_verb", "verb <> 'issue'").filter(|_| verb != Verb::Issue),
        column: "verb",
        value: Value::Text(verb.as_str().to_owned()),
    });
    // Nearly all are by the holder of the admin key.
    let actor = actor.clone().map(|actor| Condition {
        index: index("audit_actor", "actor <> 'admin-key'").filter(|_| actor != ADMIN_KEY),
        column: "actor",
        value: Value::Text(actor),
    });
    [key_id, verb, actor].into_iter().flatten().collect()
}

/// The entries to look at, each with whether it fits.
fn statement(
    query: &AuditQuery,
    span: Span,
    drive: Option<(Index, Condition)>,
) -> (String, Vec<Value>) {
    let mut values = vec![Value::Integer(span.first), Value::Integer(span.last)];
    let mut fits = String::from("1");
    let driven = drive.as_ref().map(|(_, condition)| condition.column);
    for Condition { column, value, .. } in conditions(&query.filter) {
        if driven != Some(column) {
            values.push(value);
            fits.push_str(&format!(" AND {column} = ?{}", values.len()));
        }
    }
    let AuditFilter { since, until, .. } = query.filter;
    for (comparison, at) in [("<= at_ms", since), ("> at_ms", until)] {
        let Some(at) = at else { continue };
        values.push(number(at.0));
        fits.push_str(&format!(" AND ?{} {comparison}", values.len()));
    }
    let direction = if query.descending { "DESC" } else { "ASC" };
    let (by, condition) = match drive {
        // Served by the primary key.
        None => ("NOT INDEXED".to_owned(), String::new()),
        Some((Index { name, of }, Condition { column, value, .. })) => {
            values.push(value);
            let condition = format!(" AND {column} = ?{} AND {of}", values.len());
            (format!("INDEXED BY {name}"), condition)
        }
    };
    let sql = format!(
        "SELECT id, {fits} FROM audit {by} \
         WHERE id BETWEEN ?1 AND ?2{condition} ORDER BY id {direction}"
    );
    (sql, values)
}

/// A number as a column holds it; one that fits none is above all that do.
fn number(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
