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
/// Tables of days that one statement reads: each takes locks, of which a server has not many.
const DAYS_MAX: usize = 32;
/// Keys whose names are asked for together.
const NAMES_MAX: usize = 1_000;

/// Hours of which the rows are in one place, from the first to before the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    /// Whether these are days, and their sums are in `usage_daily`.
    is_summed: bool,
    from: i64,
    to: i64,
}

impl Part {
    /// The column of its table by which it is one.
    fn unit(self) -> (&'static str, &'static str) {
        if self.is_summed { ("usage_daily", "day") } else { ("usage", "hour") }
    }

    /// Hours in a unit.
    fn scale(self) -> i64 {
        if self.is_summed { 24 } else { 1 }
    }
}

/// Where usage of these hours is, oldest first: of whole days with sums, in these, and a part may
/// be many of them; of others, in the tables of up to `days_max` days.
///
/// A sum that is right now stays so while it is read, but for counts that come meanwhile.
async fn parts(
    client: &Client,
    hours: Hours,
    with_sums: bool,
    days_max: usize,
) -> Result<Vec<Part>, PgError> {
    // Served by the primary key. One row a day of which there is a table.
    const DAYS: &str = "SELECT day, is_summed FROM usage_days \
                        WHERE $1 <= day AND day < $2 ORDER BY day";
    let (from, to) = (i64::from(hours.from.0), i64::from(hours.to.0));
    let values = [Value::Number(from / 24), Value::Number((to + 23) / 24)];
    let mut parts: Vec<Part> = Vec::new();
    let mut days_in_last = 0;
    for row in query(client, DAYS, &values).await? {
        let (day, is_summed): (i64, bool) = (get(&row, 0)?, get(&row, 1)?);
        let (first, end) = (day * 24, (day + 1) * 24);
        let is_summed = with_sums && is_summed && from <= first && end <= to;
        let part = match is_summed {
            true => Part { is_summed, from: day, to: day + 1 },
            false => Part { is_summed, from: first.max(from), to: end.min(to) },
        };
        let fits = is_summed || days_in_last < days_max;
        match parts.last_mut().filter(|last| last.is_summed == is_summed && fits) {
            Some(last) => (last.to, days_in_last) = (part.to, days_in_last + 1),
            None => {
                parts.push(part);
                days_in_last = 1;
            }
        }
    }
    Ok(parts)
}

/// Usage of a key in these hours, oldest first, by the hour or by the day; at most `max` rows, the
/// latest.
pub(crate) async fn of_key(
    client: &Client,
    id: KeyId,
    hours: Hours,
    bucket: Bucket,
    max: u32,
) -> Result<Vec<(UnixHour, Counts)>, PgError> {
    let (in_bucket, with_sums) = match bucket {
        Bucket::Hour => (1, false),
        Bucket::Day => (24, true),
    };
    let mut buckets = Buckets { hours: in_bucket, max: max as usize, all: Vec::new() };
    for part in parts(client, hours, with_sums, DAYS_MAX).await?.into_iter().rev() {
        if buckets.are_enough() {
            break;
        }
        let rows_max = i64::from(max).saturating_mul(i64::from(in_bucket) / part.scale());
        let values = [record::id(id)?, part.from, part.to, rows_max].map(Value::Number);
        for row in query(client, &of_key_sql(part), &values).await? {
            let (first, _, counts) = counts(&row, part)?;
            buckets.add(first, &counts);
        }
    }
    buckets.all.reverse();
    Ok(buckets.all)
}

/// The rows of a key in a part, newest first. Served by `usage_key` of each table, which are read
/// one after the other, and by `usage_daily_key`.
fn of_key_sql(part: Part) -> String {
    let (table, unit) = part.unit();
    let outcomes = Outcome::WORDS.join(", ");
    format!(
        "SELECT {unit}, key_id, {outcomes} FROM {table} \
         WHERE key_id = $1 AND $2 <= {unit} AND {unit} < $3 \
         ORDER BY key_id DESC, {unit} DESC LIMIT $4"
    )
}

/// Sums of hours or days, newest first.
struct Buckets {
    /// Hours in each.
    hours: u32,
    max: usize,
    all: Vec<(UnixHour, Counts)>,
}

impl Buckets {
    /// Whether there is no room for an older one. No day is in two parts.
    fn are_enough(&self) -> bool {
        self.max <= self.all.len()
    }

    /// Adds the next row, which is older than all before it, if there is room.
    fn add(&mut self, hour: u32, counts: &Counts) {
        let start = hour / self.hours * self.hours;
        let are_enough = self.are_enough();
        match self.all.last_mut().filter(|(last, _)| last.0 == start) {
            Some((_, sum)) => sum.add(counts),
            None if are_enough => {}
            None => self.all.push((UnixHour(start), *counts)),
        }
    }
}

/// Usage of all keys in some hours, added up a piece at a time: others get their turn in between,
/// and it ends when no caller waits for it any more.
///
/// Counts written meanwhile are in it or not, and so are days that are forgotten meanwhile.
#[derive(Debug)]
pub(crate) struct Sums {
    /// The parts that are not added yet, the next one last.
    left: Vec<Part>,
    /// The key of the last row that was added of the next part, whose unit is where that begins.
    last_key: i64,
    total: Counts,
    /// One for each key that was used, at most as many as memory holds anyway.
    of_keys: HashMap<u64, Counts>,
}

impl Sums {
    /// Nothing yet.
    pub(crate) async fn begin(client: &Client, hours: Hours) -> Result<Self, PgError> {
        let mut left = parts(client, hours, true, 1).await?;
        left.reverse();
        Ok(Self { left, last_key: 0, total: Counts::default(), of_keys: HashMap::new() })
    }

    /// Whether all is added.
    pub(crate) fn are_done(&self) -> bool {
        self.left.is_empty()
    }

    /// Adds the next piece.
    pub(crate) async fn add_some(&mut self, client: &Client) -> Result<(), PgError> {
        let Some(part) = self.left.last_mut() else { return Ok(()) };
        let max = i64::try_from(PIECE_ROWS).unwrap_or(i64::MAX);
        let values = [part.from, self.last_key, part.to, max].map(Value::Number);
        let rows = query(client, &piece_sql(*part), &values).await?;
        for row in &rows {
            let (_, id, counts) = counts(row, *part)?;
            self.total.add(&counts);
            self.of_keys.entry(id).or_default().add(&counts);
        }
        if let Some(last) = rows.last().filter(|_| rows.len() == PIECE_ROWS) {
            (part.from, self.last_key) = (get(last, 0)?, get(last, 1)?);
        } else {
            self.left.pop();
            self.last_key = 0;
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

/// The rows of a part after one of them, in order. Served by the primary key; the second condition
/// is the one by which tables of other days are left out.
fn piece_sql(part: Part) -> String {
    let (table, unit) = part.unit();
    let outcomes = Outcome::WORDS.join(", ");
    format!(
        "SELECT {unit}, key_id, {outcomes} FROM {table} \
         WHERE ({unit}, key_id) > ($1, $2) AND $1 <= {unit} AND {unit} < $3 \
         ORDER BY {unit}, key_id LIMIT $4"
    )
}

/// A row of a part: its first hour, the key and the counts.
fn counts(row: &Row, part: Part) -> Result<(u32, u64, Counts), PgError> {
    let mut counts = Counts::default();
    for (at, outcome) in (2..).zip(Outcome::ALL) {
        counts[outcome] = get_number(row, at)?;
    }
    let hour = u32::try_from(get::<i64>(row, 0)?.saturating_mul(part.scale()));
    let hour = hour.map_err(|error| PgError::in_column("usage.hour", error))?;
    Ok((hour, get_number(row, 1)?, counts))
}
