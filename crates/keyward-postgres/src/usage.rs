//! Usage, asked for.

use std::collections::HashMap;

use keyward::KeyId;
use keyward::count::{Counts, Outcome};
use keyward::query::{Bucket, Hours, TopBy, UsageTop};
use keyward::time::UnixHour;
use tokio_postgres::{Client, Row};

use crate::columns::{get, get_key_id, get_number};
use crate::pg_error::PgError;
use crate::record;
use crate::sql::{Value, query};

/// Rows that are added up in one go: others get a connection in between.
const PIECE_ROWS: usize = 50_000;
/// Keys whose names are asked for together.
const NAMES_MAX: usize = 1_000;

/// Usage of a key in these hours, oldest first, by the hour or by the day; at most `max` rows, the
/// latest.
pub(crate) async fn of_key(
    client: &Client,
    id: KeyId,
    hours: Hours,
    bucket: Bucket,
    max: u32,
) -> Result<Vec<(UnixHour, Counts)>, PgError> {
    // Served by `usage_key`, newest first; `max` buckets bound the rows.
    let outcomes = Outcome::WORDS.join(", ");
    let sql = format!(
        "SELECT hour, key_id, {outcomes} FROM usage \
         WHERE key_id = $1 AND $2 <= hour AND hour < $3 ORDER BY key_id DESC, hour DESC LIMIT $4"
    );
    let in_bucket: u64 = match bucket {
        Bucket::Hour => 1,
        Bucket::Day => 24,
    };
    let rows_max = u64::from(max).saturating_mul(in_bucket).min(i64::MAX.cast_unsigned());
    let values = [
        Value::Number(record::id(id)?),
        Value::Number(hours.from.0.into()),
        Value::Number(hours.to.0.into()),
        Value::Number(rows_max.cast_signed()),
    ];
    let mut buckets: Vec<(UnixHour, Counts)> = Vec::new();
    for row in query(client, &sql, &values).await? {
        let (hour, _, counts) = counts(&row)?;
        let start = match bucket {
            Bucket::Hour => hour,
            Bucket::Day => hour / 24 * 24,
        };
        if let Some((_, sum)) = buckets.last_mut().filter(|(last, _)| last.0 == start) {
            sum.add(&counts);
            continue;
        }
        if buckets.len() == max as usize {
            break;
        }
        buckets.push((UnixHour(start), counts));
    }
    buckets.reverse();
    Ok(buckets)
}

/// Usage of all keys in some hours, added up a piece at a time: others get their turn in between,
/// and it ends when no caller waits for it any more.
///
/// Counts written meanwhile are in it or not. Nothing is ever taken away.
#[derive(Debug)]
pub(crate) struct Sums {
    hours: Hours,
    /// The hour and the key of the last row that was added; `None` is that there are no more.
    last: Option<(i64, i64)>,
    total: Counts,
    /// One for each key that was used, at most as many as memory holds anyway.
    of_keys: HashMap<u64, Counts>,
}

impl Sums {
    /// Nothing yet.
    pub(crate) fn new(hours: Hours) -> Self {
        let last = Some((i64::from(hours.from.0), 0));
        Self { hours, last, total: Counts::default(), of_keys: HashMap::new() }
    }

    /// Whether all is added.
    pub(crate) fn are_done(&self) -> bool {
        self.last.is_none()
    }

    /// Adds the next piece.
    pub(crate) async fn add_some(&mut self, client: &Client) -> Result<(), PgError> {
        // Served by the primary key: all that happened in these hours, in order.
        let outcomes = Outcome::WORDS.join(", ");
        let sql = format!(
            "SELECT hour, key_id, {outcomes} FROM usage \
             WHERE (hour, key_id) > ($1, $2) AND hour < $3 ORDER BY hour, key_id LIMIT $4"
        );
        let Some((hour, id)) = self.last.take() else { return Ok(()) };
        let max = i64::try_from(PIECE_ROWS).unwrap_or(i64::MAX);
        let values = [hour, id, self.hours.to.0.into(), max].map(Value::Number);
        let rows = query(client, &sql, &values).await?;
        for row in &rows {
            let (_, id, counts) = counts(row)?;
            self.total.add(&counts);
            self.of_keys.entry(id).or_default().add(&counts);
        }
        if let Some(last) = rows.last().filter(|_| rows.len() == PIECE_ROWS) {
            self.last = Some((get(last, 0)?, get(last, 1)?));
        }
        Ok(())
    }

    /// All together, and the `max` keys that had the most.
    pub(crate) async fn top(
        self,
        client: &Client,
        by: TopBy,
        max: u32,
    ) -> Result<UsageTop, PgError> {
        // Served by the primary key.
        const NAMES: &str = "SELECT id, name FROM keys WHERE id = ANY($1)";
        let of_keys = self.of_keys.into_iter();
        let mut ranked: Vec<_> = of_keys.filter(|(_, sum)| 0 < by.weight(sum)).collect();
        ranked.sort_unstable_by_key(|(id, sum)| (u64::MAX - by.weight(sum), *id));
        let mut top = Vec::new();
        for some in ranked.chunks(NAMES_MAX) {
            let ids = some.iter().filter_map(|(id, _)| i64::try_from(*id).ok()).collect();
            let mut names = HashMap::new();
            for row in query(client, NAMES, &[Value::Numbers(ids)]).await? {
                names.insert(get_key_id(&row, 0)?, get::<String>(&row, 1)?);
            }
            // A key that was deleted by hand has no name any more.
            let named = some.iter().filter_map(|(id, sum)| {
                let id = KeyId::new(*id)?;
                Some((id, names.remove(&id)?, *sum))
            });
            top.extend(named);
            if max as usize <= top.len() {
                top.truncate(max as usize);
                break;
            }
        }
        Ok(UsageTop { total: self.total, top })
    }
}

/// A row of the hour, the key and a count of each outcome.
fn counts(row: &Row) -> Result<(u32, u64, Counts), PgError> {
    let mut counts = Counts::default();
    for (at, outcome) in (2..).zip(Outcome::ALL) {
        counts[outcome] = get_number(row, at)?;
    }
    let hour = u32::try_from(get_number(row, 0)?);
    let hour = hour.map_err(|error| PgError::in_column("usage.hour", error))?;
    Ok((hour, get_number(row, 1)?, counts))
}
