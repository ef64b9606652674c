//! Flushes of usage: each batch is one transaction of one round trip.

use std::pin::Pin;

use futures_util::future::join_all;
use keyward::count::Outcome;
use keyward::store::UsageBatch;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::columns::{bound, get, number};
use crate::days;
use crate::pg_error::PgError;
use crate::small::{USED, last_uses};
use crate::sql::{Value, execute, query_one};
use crate::write::WITHOUT_END;

/// Notes the number of a batch. No row is written if it was added before. Served by the primary
/// key.
const NOTE: &str = "INSERT INTO usage_batches AS b (writer, number, at) \
    VALUES ($1, $2, now()) ON CONFLICT (writer) DO UPDATE \
    SET number = excluded.number, at = excluded.at WHERE b.number < excluded.number";
/// Forgets writers that are silent for a week. Others may be at it: none waits.
const FORGET: &str = "DELETE FROM usage_batches WHERE writer IN (SELECT writer FROM usage_batches \
    WHERE at < now() - interval '7 days' FOR UPDATE SKIP LOCKED)";
/// Whether this very transaction has noted the batch of a writer. Served by the primary key.
const IS_NEW: &str = "EXISTS (SELECT FROM usage_batches \
    WHERE writer = $1 AND xmin = pg_current_xact_id()::xid)";

/// Adds a batch of usage, unless it was added before.
///
/// A day without a table gets one, and the batch is sent again: it is one of long ago, or the
/// first. The table of the day after tomorrow is made long before a count needs it.
pub(crate) async fn add(client: &Client, mut batch: UsageBatch) -> Result<(), PgError> {
    batch.rows.sort_unstable_by_key(|row| (row.hour, row.key_id));
    let latest = batch.rows.last().map(|row| row.hour);
    let now = batch.reading.map(|reading| reading.hour()).or(latest);
    let ahead = now.map(days::ahead_of).unwrap_or_default();
    let statements = statements(&batch, &ahead)?;
    let there = match send(client, &statements).await {
        Err(PgError::Rejected(rejected)) if rejected.code == SqlState::CHECK_VIOLATION => {
            days::make(client, &days_of(&batch)).await?;
            send(client, &statements).await?
        }
        sent => sent?,
    };
    if usize::try_from(there).is_ok_and(|there| there < ahead.len())
        && let Err(error) = days::make_ahead(client, &ahead).await
    {
        // The batch is added. A count that needs the table makes it itself.
        tracing::warn!(%error, "Made no table for the usage of the next days");
    }
    Ok(())
}

/// A statement and its values.
type Statement = (String, Vec<Value>);

/// What adds a batch, in order. Rows are locked in an order that is the same for all programs, the
/// reading of the clock last, which changes wait for.
fn statements(batch: &UsageBatch, ahead: &[i64]) -> Result<Vec<Statement>, PgError> {
    let writer = Value::Bytes(batch.writer.to_vec());
    let number = Value::Number(number(batch.number)?);
    let mut all = vec![(NOTE.to_owned(), vec![writer.clone(), number])];
    if batch.number == 1 {
        all.push((FORGET.to_owned(), Vec::new()));
    }
    if !batch.rows.is_empty() {
        let days = vec![Value::Numbers(days_of(batch))];
        all.push((days::SHARE.to_owned(), days.clone()));
        all.push((days::REOPEN.to_owned(), days));
        all.push(counts(batch)?);
        all.push((USED.to_owned(), last_uses(batch)?));
    }
    if let Some(reading) = batch.reading {
        // It only moves forward.
        let sql = format!(
            "UPDATE clock SET latest_ms = $2 \
             WHERE (latest_ms IS NULL OR latest_ms < $2) AND {IS_NEW}"
        );
        all.push((sql, vec![writer, Value::Number(bound(reading.0))]));
    }
    all.push((days::THERE.to_owned(), vec![Value::Numbers(ahead.to_vec())]));
    Ok(all)
}

/// The days of a batch, in order.
fn days_of(batch: &UsageBatch) -> Vec<i64> {
    let mut days: Vec<_> = batch.rows.iter().map(|row| days::day_of(row.hour)).collect();
    days.dedup();
    days
}

/// Sends statements and COMMIT together. If one fails, so do all after it, and COMMIT is a
/// rollback. Returns the number that the last statement reads.
async fn send(client: &Client, statements: &[Statement]) -> Result<i64, PgError> {
    type Run<'a> = Pin<Box<dyn Future<Output = Result<i64, PgError>> + Send + 'a>>;
    let mut all: Vec<Run<'_>> = Vec::new();
    let simple = async |sql| Ok(client.batch_execute(sql).await.map(|()| 0)?);
    all.push(Box::pin(simple("BEGIN")));
    let [first @ .., (last, last_values)] = statements else { return Ok(0) };
    for (sql, values) in first {
        all.push(Box::pin(async { execute(client, sql, values).await.map(|_| 0) }));
    }
    all.push(Box::pin(async { get(&query_one(client, last, last_values).await?, 0) }));
    // Apart from COMMIT, which would be left out with it if it failed.
    all.push(Box::pin(simple(WITHOUT_END)));
    all.push(Box::pin(simple("COMMIT")));
    // Each is sent when it is first polled, in their order; and of several errors the first is the
    // cause of the others.
    join_all(all).await.into_iter().sum()
}

/// The statement that adds counts, and its values: hours, keys, and a column for each outcome. The
/// same key and hour may come several times in a batch, and are one row of the statement.
fn counts(batch: &UsageBatch) -> Result<Statement, PgError> {
    let (mut hours, mut ids) = (Vec::new(), Vec::new());
    let mut columns: Vec<Vec<i64>> = vec![Vec::new(); Outcome::ALL.len()];
    let mut rows = batch.rows.iter().peekable();
    while let Some(row) = rows.next() {
        let mut counts = row.counts;
        while let Some(same) = rows.next_if(|it| (it.hour, it.key_id) == (row.hour, row.key_id)) {
            counts.add(&same.counts);
        }
        hours.push(i64::from(row.hour.0));
        ids.push(number(row.key_id.get())?);
        for (column, (_, count)) in columns.iter_mut().zip(counts.iter()) {
            column.push(bound(count));
        }
    }
    let outcomes = Outcome::WORDS.join(", ");
    let arrays: String = (4..).take(columns.len()).map(|at| format!(", ${at}::bigint[]")).collect();
    let sums = Outcome::WORDS.map(|word| format!("{word} = u.{word} + excluded.{word}")).join(", ");
    let sql = format!(
        "INSERT INTO usage AS u (hour, key_id, {outcomes}) \
         SELECT v.* FROM unnest($2::bigint[], $3::bigint[]{arrays}) AS v \
         WHERE {IS_NEW} ON CONFLICT (hour, key_id) DO UPDATE SET {sums}"
    );
    let writer = Value::Bytes(batch.writer.to_vec());
    let columns = [hours, ids].into_iter().chain(columns).map(Value::Numbers);
    Ok((sql, std::iter::once(writer).chain(columns).collect()))
}
