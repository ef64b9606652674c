//! Reading the audit trail, a page at a time.

use keyward::audit::{ChangeId, Verb};
use keyward::query::{AuditFilter, AuditPage, AuditQuery};
use tokio_postgres::Client;

use crate::audit::{self, BY_ID};
use crate::columns::{bound, get, get_number};
use crate::pg_error::PgError;
use crate::spans::{self, Span};
use crate::sql::{Value, Values, query, query_one};
use crate::walk::{Place, Walk};

/// Most entries that one page looks at. At a microsecond each this is some 20 ms.
const LOOKS_MAX: u32 = 20_000;
/// Entries that decide which of several conditions has the fewest.
const PROBE_MAX: u32 = 2_000;
/// Most looks of one statement.
const PIECE_MAX: u32 = 4_000;

/// The trail's name for the holder of the admin key.
const ADMIN_KEY: &str = "admin-key";

/// One page of the trail. To be read as of one instant.
pub(crate) async fn page(client: &Client, asked: &AuditQuery) -> Result<AuditPage, PgError> {
    look(client, asked, LOOKS_MAX).await
}

/// One page, for which at most `looks_max` entries are looked at.
async fn look(client: &Client, asked: &AuditQuery, looks_max: u32) -> Result<AuditPage, PgError> {
    let mut page = AuditPage { entries: Vec::new(), next: None };
    let Some(span) = ids(client, asked).await? else { return Ok(page) };
    let mut walk = walk(client, &asked.filter, span).await?;
    walk.descending = asked.descending;
    let max = asked.max.get() as usize;
    let (mut found, mut left) = (Vec::new(), looks_max);
    let mut looks = asked.max.get().saturating_mul(2).clamp(100, PIECE_MAX);
    loop {
        let piece = looks.min(left).max(1);
        let mut values = Values::default();
        let fits = format!(", {}", fits(&asked.filter, &mut values));
        let rows = query(client, &walk.sql(&fits, &mut values, piece), &values.0).await?;
        for row in &rows {
            if !get::<bool>(row, 2)? {
                continue;
            }
            if found.len() == max {
                page.next = found.last().map(|id: &i64| ChangeId(id.cast_unsigned()));
                page.entries = entries(client, found).await?;
                return Ok(page);
            }
            found.push(get(row, 0)?);
        }
        let Some(last) = rows.last().filter(|_| rows.len() == piece as usize) else { break };
        let id: i64 = get(last, 0)?;
        left = left.saturating_sub(piece);
        if left == 0 {
            page.next = Some(ChangeId(id.cast_unsigned()));
            break;
        }
        let value = walk.low.as_ref().and_then(|low| low.value.clone());
        walk = walk.after(Place { value, id });
        looks = PIECE_MAX;
    }
    page.entries = entries(client, found).await?;
    Ok(page)
}

/// These entries, all of them: most of the entries looked at may not fit.
async fn entries(
    client: &Client,
    ids: Vec<i64>,
) -> Result<Vec<keyward::audit::AuditEntry>, PgError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = std::collections::HashMap::new();
    for row in query(client, BY_ID, &[Value::Numbers(ids.clone())]).await? {
        let entry = audit::entry(&row)?;
        found.insert(entry.id.0.cast_signed(), entry);
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// The ids that an entry can have: after the page before, in hours of the requested time. They
/// begin with 1: a row below that was put there by hand and is not of the trail.
async fn ids(client: &Client, asked: &AuditQuery) -> Result<Option<Span>, PgError> {
    let AuditFilter { since, until, .. } = asked.filter;
    let Some(mut span) = spans::AUDIT.ids(client, since, until).await? else { return Ok(None) };
    span.first = span.first.max(1);
    if let Some(ChangeId(after)) = asked.after {
        let after = bound(after);
        if asked.descending {
            span.last = span.last.min(after.saturating_sub(1));
        } else {
            span.first = span.first.max(after.saturating_add(1));
        }
        if after == i64::MAX && !asked.descending {
            return Ok(None);
        }
    }
    Ok(Some(span))
}

/// The walk that a condition with an index offers that leaves the fewest entries; if all leave very
/// many, the last of them; if there is none, all entries.
async fn walk(client: &Client, filter: &AuditFilter, span: Span) -> Result<Walk, PgError> {
    let mut walks = walks(filter, span);
    let last = walks.pop();
    let mut fewest = (PROBE_MAX, None);
    // Alone it is taken in any case.
    if !walks.is_empty() {
        for walk in walks.into_iter().chain(last.clone()) {
            let mut values = Values::default();
            let probed = walk.sql("", &mut values, PROBE_MAX);
            let sql = format!("SELECT count(*) FROM ({probed}) AS probed");
            let count = get_number(&query_one(client, &sql, &values.0).await?, 0)?;
            if count < u64::from(fewest.0) {
                fewest = (u32::try_from(count).unwrap_or(PROBE_MAX), Some(walk));
            }
        }
    }
    Ok(fewest.1.or(last).unwrap_or_else(|| span.bound(all())))
}

/// All entries, by their ids.
fn all() -> Walk {
    Walk { from: "audit a", id: "a.id", ..Walk::by_id() }
}

/// A walk for each condition that has an index; conditions that tend to have fewer entries first.
fn walks(filter: &AuditFilter, span: Span) -> Vec<Walk> {
    let AuditFilter { key_id, actor, verb, since: _, until: _ } = filter;
    let walk = |column, of, value: Value| {
        let walk = Walk { column: Some(column), of: Some(of), ..all() };
        span.bound(walk.of_value(value))
    };
    let key_id = key_id.map(|id| walk("a.key_id", "a.key_id IS NOT NULL", number(id.get())));
    // Of each key there is an entry that it was issued: these are found among all as soon.
    let verb = verb.filter(|verb| *verb != Verb::Issue);
    let verb = verb.map(|verb| walk("a.verb", "a.verb <> 'issue'", text(verb.as_str())));
    // Nearly all are by the holder of the admin key.
    let actor = actor.as_ref().filter(|actor| *actor != ADMIN_KEY);
    let actor = actor.map(|actor| walk("a.actor", "a.actor <> 'admin-key'", text(actor)));
    [key_id, verb, actor].into_iter().flatten().collect()
}

/// Whether an entry `a` fits, as one condition that is never NULL.
fn fits(filter: &AuditFilter, values: &mut Values) -> String {
    let AuditFilter { key_id, actor, verb, since, until } = filter;
    let mut all = Vec::new();
    if let Some(id) = key_id {
        all.push(format!("a.key_id = {}", values.add(number(id.get()))));
    }
    if let Some(verb) = verb {
        all.push(format!("a.verb = {}", values.add(text(verb.as_str()))));
    }
    if let Some(actor) = actor {
        all.push(format!("a.actor = {}", values.add(text(actor))));
    }
    if let Some(since) = since {
        all.push(format!("{} <= a.at_ms", values.add(number(since.0))));
    }
    if let Some(until) = until {
        all.push(format!("a.at_ms < {}", values.add(number(until.0))));
    }
    if all.is_empty() {
        return "true".to_owned();
    }
    format!("coalesce({}, false)", all.join(" AND "))
}

fn number(number: u64) -> Value {
    Value::Number(bound(number))
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
