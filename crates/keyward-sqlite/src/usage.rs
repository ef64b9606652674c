//! Usage: counts per key and hour, each batch added once.

use std::collections::HashMap;

use keyward::KeyId;
use keyward::count::{Counts, Outcome};
use keyward::query::{Bucket, Hours, TopBy, UsageTop};
use keyward::store::UsageBatch;
use keyward::time::UnixHour;
use keyward::usage::LAST_USED_STEP;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};

use crate::clock;
use crate::keys::late;
use crate::sql_error::SqlError;

/// Most writers whose latest batch is remembered. There is one writer at a time, a new one with
/// each start of the program, and only the latest can have a batch under way.
const WRITERS_MAX: i64 = 1_000;

/// Rows that are added up in one go. At half a microsecond each, others wait for 25 ms.
const PIECE_ROWS: u32 = 50_000;

/// Rows that are forgotten in one go. At some microseconds each, others wait for 25 ms.
const FORGOTTEN_ROWS: usize = 5_000;

/// Adds a batch, unless it was added before.
pub(crate) fn add(connection: &Connection, mut batch: UsageBatch) -> Result<(), SqlError> {
    const USED: &str = "UPDATE key_uses SET last_used_at_ms = ?2 WHERE key_id = ?1 \
                        AND (last_used_at_ms < 0 OR last_used_at_ms <= ?2 - ?3)";
    // For keys of which something waits: served by the primary keys, of both.
    const FIRST_USED: &str = "INSERT INTO key_uses (key_id, last_used_at_ms) \
                              SELECT id, ?2 FROM keys WHERE id = ?1 \
                              ON CONFLICT (key_id) DO NOTHING";
    if !is_new(connection, &batch)? {
        return Ok(());
    }
    if let Some(reading) = batch.reading {
        clock::keep(connection, reading)?;
    }
    // Neighbours share pages: in order, fewer of them are written.
    batch.rows.sort_unstable_by_key(|row| (row.hour, row.key_id));
    let last_listed = late::last_listed(connection)?;
    let step = i64::try_from(LAST_USED_STEP.as_millis()).unwrap_or(i64::MAX);
    let mut add = connection.prepare_cached(&add_sql())?;
    let mut used = connection.prepare_cached(USED)?;
    for row in &batch.rows {
        let (id, hour) = (row.key_id.get(), row.hour.0);
        let counts = row.counts.iter().map(|(_, count)| count);
        let values = [u64::from(hour), id].into_iter().chain(counts);
        add.execute(params_from_iter(values))?;
        if let Some(at) = row.last_used_at
            && used.execute((id, at.0, step))? == 0
            && last_listed < id
        {
            connection.prepare_cached(FIRST_USED)?.execute((id, at.0))?;
        }
    }
    Ok(())
}

/// Usage of a key in these hours, oldest first, by the hour or by the day; at most `max` rows, the
/// latest.
pub(crate) fn of_key(
    connection: &Connection,
    id: KeyId,
    hours: Hours,
    bucket: Bucket,
    max: u32,
) -> Result<Vec<(UnixHour, Counts)>, SqlError> {
    // Served by `usage_key`, newest first; `max` buckets bound the rows.
    let outcomes = columns();
    let sql = format!(
        "SELECT hour, key_id, {outcomes} FROM usage INDEXED BY usage_key \
         WHERE key_id = ?1 AND ?2 <= hour AND hour < ?3 ORDER BY hour DESC"
    );
    let mut of_key = connection.prepare_cached(&sql)?;
    let mut buckets: Vec<(UnixHour, Counts)> = Vec::new();
    for row in of_key.query_and_then((id.get(), hours.from.0, hours.to.0), counts)? {
        let (hour, _, counts) = row?;
        let start = match bucket {
            Bucket::Hour => hour,
            Bucket::Day => hour / 24 * 24,
        };
        let same = buckets.last_mut().filter(|(last, _)| last.0 == start);
        if let Some((_, sum)) = same {
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

/// Usage of all keys in some hours, added up a piece at a time: other readers get their turn in
/// between, and it ends when no caller waits for it any more.
///
/// Counts written meanwhile are in it or not. Nothing is ever taken away.
#[derive(Debug)]
pub(crate) struct Sums {
    hours: Hours,
    /// The hour and the key of the last row that was added; `None` is that there are no more.
    last: Option<(u32, u64)>,
    total: Counts,
    /// One for each key that was used, at most as many as memory holds anyway.
    of_keys: HashMap<u64, Counts>,
}

impl Sums {
    /// Nothing yet.
    pub(crate) fn new(hours: Hours) -> Self {
        let last = Some((hours.from.0, 0));
        Self { hours, last, total: Counts::default(), of_keys: HashMap::new() }
    }

    /// Whether all is added.
    pub(crate) fn are_done(&self) -> bool {
        self.last.is_none()
    }

    /// Adds the next piece.
    pub(crate) fn add_some(self, connection: &Connection) -> Result<Self, SqlError> {
        self.add_up_to(connection, PIECE_ROWS)
    }

    fn add_up_to(mut self, connection: &Connection, max: u32) -> Result<Self, SqlError> {
        // Served by the primary key: all that happened in these hours, in order. `max` bounds the
        // rows.
        let outcomes = columns();
        let sql = format!(
            "SELECT hour, key_id, {outcomes} FROM usage \
             WHERE (hour, key_id) > (?1, ?2) AND hour < ?3 ORDER BY hour, key_id LIMIT ?4"
        );
        let Some((hour, id)) = self.last.take() else { return Ok(self) };
        let mut more = connection.prepare_cached(&sql)?;
        let mut left = max;
        for row in more.query_and_then((hour, id, self.hours.to.0, max), counts)? {
            let (hour, id, counts) = row?;
            self.total.add(&counts);
            self.of_keys.entry(id).or_default().add(&counts);
            left = left.saturating_sub(1);
            self.last = (left == 0).then_some((hour, id));
        }
        Ok(self)
    }

    /// All together, and the `max` keys that had the most.
    pub(crate) fn top(
        self,
        connection: &Connection,
        by: TopBy,
        max: u32,
    ) -> Result<UsageTop, SqlError> {
        // Served by the primary key.
        const NAME: &str = "SELECT name FROM keys WHERE id = ?1";
        let of_keys = self.of_keys.into_iter();
        let mut ranked: Vec<_> = of_keys.filter(|(_, sum)| 0 < by.weight(sum)).collect();
        ranked.sort_unstable_by_key(|(id, sum)| (u64::MAX - by.weight(sum), *id));
        let mut name = connection.prepare_cached(NAME)?;
        let mut top = Vec::new();
        for (id, sum) in ranked {
            if top.len() == max as usize {
                break;
            }
            let name: Option<String> = name.query_row([id], |row| row.get(0)).optional()?;
            // A key that was deleted by hand has no name any more.
            if let (Some(id), Some(name)) = (KeyId::new(id), name) {
                top.push((id, name, sum));
            }
        }
        Ok(UsageTop { total: self.total, top })
    }
}

/// Whether there is usage of days before that of this hour.
pub(crate) fn is_any_before(connection: &Connection, from: UnixHour) -> Result<bool, SqlError> {
    // Served by the primary key.
    const ANY: &str = "SELECT EXISTS (SELECT 1 FROM usage WHERE hour < ?1)";
    let mut any = connection.prepare_cached(ANY)?;
    Ok(any.query_row([from.days_before(0).0], |row| row.get(0))?)
}

/// Forgets some usage of days before that of this hour, the oldest first; returns whether more is
/// left of it.
pub(crate) fn forget(connection: &Connection, from: UnixHour) -> Result<bool, SqlError> {
    // Served by the primary key.
    const FORGET: &str = "DELETE FROM usage WHERE (hour, key_id) IN \
                          (SELECT hour, key_id FROM usage WHERE hour < ?1 \
                           ORDER BY hour, key_id LIMIT ?2)";
    let values = (from.days_before(0).0, FORGOTTEN_ROWS);
    let forgotten = connection.prepare_cached(FORGET)?.execute(values)?;
    Ok(forgotten == FORGOTTEN_ROWS)
}

/// Notes the number of a batch. Returns `false` if that batch was added before.
fn is_new(connection: &Connection, batch: &UsageBatch) -> Result<bool, SqlError> {
    // Served by the index of the unique column, and by the primary key.
    const NOTE: &str = "INSERT INTO usage_batches (writer, number) VALUES (?1, ?2) \
                        ON CONFLICT (writer) DO UPDATE SET number = excluded.number \
                        WHERE number < excluded.number";
    const FORGET: &str = "DELETE FROM usage_batches WHERE id <= ?1";
    let noted = connection.prepare_cached(NOTE)?.execute((batch.writer, batch.number))?;
    let first_of_writer = batch.number == 1;
    if noted != 0 && first_of_writer {
        let oldest = connection.last_insert_rowid() - WRITERS_MAX;
        connection.prepare_cached(FORGET)?.execute([oldest])?;
    }
    Ok(noted != 0)
}

/// The columns of the outcomes, which are called by their words.
fn columns() -> String {
    Outcome::WORDS.join(", ")
}

/// The statement that adds a row: the hour, the key, and a count of each outcome.
fn add_sql() -> String {
    // Served by the primary key.
    let values: String = (1..=Outcome::ALL.len()).map(|at| format!(", ?{}", at + 2)).collect();
    let sums = Outcome::WORDS.map(|column| format!("{column} = {column} + excluded.{column}"));
    let (outcomes, sums) = (columns(), sums.join(", "));
    format!(
        "INSERT INTO usage (hour, key_id, {outcomes}) VALUES (?1, ?2{values}) \
         ON CONFLICT (hour, key_id) DO UPDATE SET {sums}"
    )
}

/// A row of the hour, the key and [`columns`].
fn counts(row: &Row<'_>) -> Result<(u32, u64, Counts), SqlError> {
    let mut counts = Counts::default();
    for (at, outcome) in (2..).zip(Outcome::ALL) {
        counts[outcome] = row.get(at)?;
    }
    Ok((row.get(0)?, row.get(1)?, counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_add_up_to_the_whole() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::schema::migrate(&mut connection, keyward::UnixMillis(0)).unwrap();
        let sql = "WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 29) \
                   INSERT INTO usage (hour, key_id, ";
        let counts = Outcome::ALL.map(|outcome| if outcome.is_allowed() { "n" } else { "0" });
        let (outcomes, counts) = (columns(), counts.join(", "));
        let sql = format!("{sql}{outcomes}) SELECT n / 5, n % 5 + 1, {counts} FROM n");
        connection.execute(&sql, []).unwrap();
        let hours = Hours { from: UnixHour(1), to: UnixHour(5) };
        for max in [1, 2, 3, 7, 19, 20, 21] {
            let (mut sums, mut pieces) = (Sums::new(hours), 0);
            while !sums.are_done() {
                sums = sums.add_up_to(&connection, max).unwrap();
                pieces += 1;
            }
            assert_eq!(pieces, 20 / max + 1, "{max}");
            assert_eq!(sums.total[Outcome::Allowed], (5..25).sum::<u64>(), "{max}");
            assert_eq!(sums.of_keys[&2][Outcome::Allowed], 6 + 11 + 16 + 21, "{max}");
            assert_eq!(sums.of_keys.len(), 5);
        }
    }

    /// A new outcome needs its column, too.
    #[test]
    fn the_table_has_a_column_for_each_outcome_and_no_other() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::schema::migrate(&mut connection, keyward::UnixMillis(0)).unwrap();
        let mut columns =
            connection.prepare("SELECT name FROM pragma_table_info('usage')").unwrap();
        let columns = columns.query_map((), |row| row.get(0)).unwrap();
        let mut columns: Vec<String> = columns.collect::<Result<_, _>>().unwrap();
        let mut expected = [&["hour", "key_id"], &Outcome::WORDS[..]].concat();
        columns.sort_unstable();
        expected.sort_unstable();
        assert_eq!(columns, expected);
    }

    #[test]
    fn the_oldest_writers_are_forgotten() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("../migrations/0001_keys.sql")).unwrap();
        let batch = |writer: i64| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&writer.to_be_bytes());
            UsageBatch { writer: bytes, number: 1, rows: Vec::new(), reading: None }
        };
        for writer in 0..=WRITERS_MAX {
            assert!(is_new(&connection, &batch(writer)).unwrap());
        }
        let known = "SELECT count(*) FROM usage_batches";
        let known: i64 = connection.query_row(known, [], |row| row.get(0)).unwrap();
        assert_eq!(known, WRITERS_MAX);
        assert!(!is_new(&connection, &batch(1)).unwrap());
    }
}
