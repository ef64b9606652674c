//! Spans of time as spans of ids: rows are added in the order of time, nearly always.

use keyward::UnixMillis;
use tokio_postgres::Client;

use crate::columns::get;
use crate::pg_error::PgError;
use crate::sql::{Value, query_one};
use crate::walk::{Place, Walk};

/// Ids from the first to the last, both included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl Span {
    /// How many ids there are in it.
    pub(crate) fn width(self) -> u64 {
        if self.last < self.first { 0 } else { self.last.abs_diff(self.first).saturating_add(1) }
    }

    /// A walk in the order of ids that keeps to it.
    pub(crate) fn bound(self, walk: Walk) -> Walk {
        // Ids begin with 1, so that neither end is one that a row has.
        let (low, high) = (self.first.saturating_sub(1), self.last.saturating_add(1));
        let value = walk.low.as_ref().and_then(|low| low.value.clone());
        walk.between(Place { value: value.clone(), id: low }, Place { value, id: high })
    }
}

/// A table that has, for each hour in which rows were added to another table, the lowest and the
/// highest of their ids.
pub(crate) struct Hours(&'static str);

/// The hours in which keys were issued, as they say themselves.
pub(crate) const KEYS: Hours = Hours("key_hours");
/// The hours in which entries of the trail were written.
pub(crate) const AUDIT: Hours = Hours("audit_hours");

impl Hours {
    /// A span that holds the ids of all rows of these times, and maybe others. `None` if there are
    /// none.
    pub(crate) async fn ids(
        &self,
        client: &Client,
        from: Option<UnixMillis>,
        before: Option<UnixMillis>,
    ) -> Result<Option<Span>, PgError> {
        if from.is_none() && before.is_none() {
            return Ok(Some(Span { first: i64::MIN, last: i64::MAX }));
        }
        // Served by the primary key: one row for each hour in which there was something.
        let Self(table) = self;
        let sql =
            format!("SELECT min(first_id), max(last_id) FROM {table} WHERE hour BETWEEN $1 AND $2");
        let from = from.map_or(0, |at| at.hour().0);
        // The last instant before it, which may be in the hour before.
        let before = before.map_or(u32::MAX, |at| UnixMillis(at.0.saturating_sub(1)).hour().0);
        let hours = [from, before].map(|hour| Value::Number(hour.into()));
        let row = query_one(client, &sql, &hours).await?;
        let (first, last): (Option<i64>, Option<i64>) = (get(&row, 0)?, get(&row, 1)?);
        Ok(first.zip(last).map(|(first, last)| Span { first, last }))
    }
}
