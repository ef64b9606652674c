//! Reading the audit trail, a page at a time.

use keyward::audit::{ChangeId, Verb};
use keyward::query::{AuditFilter, AuditPage, AuditQuery};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::audit::{COLUMNS, entry};
use crate::fault::Fault;
use crate::spans::{self, Span};

/// Most entries that one page looks at. At a third of a microsecond each this is some 20 ms.
const LOOKS_MAX: u32 = 50_000;

/// One page of the trail.
pub(crate) fn page(connection: &Connection, query: &AuditQuery) -> Result<AuditPage, Fault> {
    let mut page = AuditPage { entries: Vec::new(), next: None };
    let Some(span) = ids(connection, query)? else { return Ok(page) };
    let (sql, values) = statement(query, span);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut looks = 0;
    while let Some(row) = rows.next()? {
        if row.get(FITS)? {
            if page.entries.len() == query.max.get() as usize {
                page.next = page.entries.last().map(|entry| entry.id);
                return Ok(page);
            }
            page.entries.push(entry(row)?);
        }
        looks += 1;
        if looks == LOOKS_MAX {
            page.next = Some(ChangeId(row.get(0)?));
            return Ok(page);
        }
    }
    Ok(page)
}

/// The column behind those of an entry.
const FITS: usize = 12;

/// The ids that an entry can have: those behind the page before, in hours of the time asked for.
fn ids(connection: &Connection, query: &AuditQuery) -> Result<Option<Span>, Fault> {
    let AuditFilter { since, until, .. } = query.filter;
    let Some(mut span) = spans::ids(connection, "audit_hours", since, until)? else {
        return Ok(None);
    };
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

/// The entries to look at, each with whether it fits.
fn statement(query: &AuditQuery, span: Span) -> (String, Vec<Value>) {
    let AuditFilter { key_id, actor, verb, since, until } = &query.filter;
    let mut values = vec![Value::Integer(span.first), Value::Integer(span.last)];
    let mut drive = None;
    let mut fits = String::from("1");
    // Each of these ends in the id. The first is the narrowest.
    let equal = [
        ("audit_key", "key_id", key_id.map(|id| number(id.get()))),
        ("audit_actor", "actor", actor.clone().map(Value::Text)),
        ("audit_verb", "verb", verb.map(Verb::as_str).map(|verb| Value::Text(verb.to_owned()))),
    ];
    for (index, column, value) in equal {
        let Some(value) = value else { continue };
        values.push(value);
        let condition = format!(" AND {column} = ?{}", values.len());
        match drive {
            None => drive = Some((index, condition)),
            Some(_) => fits.push_str(&condition),
        }
    }
    for (comparison, at) in [("<= at_ms", since), ("> at_ms", until)] {
        let Some(at) = at else { continue };
        values.push(number(at.0));
        fits.push_str(&format!(" AND ?{} {comparison}", values.len()));
    }
    let direction = if query.descending { "DESC" } else { "ASC" };
    let (index, condition) = match &drive {
        // Served by the primary key.
        None => ("NOT INDEXED", ""),
        Some((index, condition)) => (*index, condition.as_str()),
    };
    let by = if drive.is_some() { "INDEXED BY " } else { "" };
    let sql = format!(
        "SELECT {COLUMNS}, {fits} FROM audit {by}{index} \
         WHERE id BETWEEN ?1 AND ?2{condition} ORDER BY id {direction}"
    );
    (sql, values)
}

/// A number as a column holds it; one that fits none is above all that do.
fn number(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use keyward::KeyId;
    use keyward::record::KEY_ID_MAX;

    use super::*;

    #[test]
    fn an_id_fits_a_column() {
        let id = KeyId::new(KEY_ID_MAX).unwrap();
        assert_eq!(number(id.get()), Value::Integer(9_007_199_254_740_991));
        assert_eq!(number(u64::MAX), Value::Integer(i64::MAX));
    }
}
