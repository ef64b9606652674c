//! The tables of usage, one a day: made ahead, added up when they have ended, and dropped.

use keyward::count::Outcome;
use keyward::time::UnixHour;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::columns::get;
use crate::pg_error::PgError;
use crate::sql::{Value, execute, query, query_one};

/// Days that have a table before they begin.
const AHEAD: i64 = 2;
/// Hours for which a day that has ended may still get counts from programs that are well.
const SETTLES_IN: u32 = 1;

/// The day of an hour.
pub(crate) fn day_of(hour: UnixHour) -> i64 {
    i64::from(hour.0 / 24)
}

/// The days that have a table when it is this hour.
pub(crate) fn ahead_of(now: UnixHour) -> Vec<i64> {
    let (today, last) = (day_of(now), day_of(UnixHour(u32::MAX)));
    (today..=(today + AHEAD).min(last)).collect()
}

/// Makes tables of days that have none.
pub(crate) async fn make(client: &Client, days: &[i64]) -> Result<(), PgError> {
    const MAKE: &str = "SELECT usage_make_days($1)";
    execute(client, MAKE, &[Value::Numbers(days.to_vec())]).await.map(drop)
}

/// The same, unless another program is at it.
pub(crate) async fn make_ahead(client: &Client, days: &[i64]) -> Result<(), PgError> {
    const MAKE: &str = "SELECT usage_make_days($1) WHERE pg_try_advisory_xact_lock(\
        hashtextextended('keyward.ahead.' || current_schema(), 0))";
    execute(client, MAKE, &[Value::Numbers(days.to_vec())]).await.map(drop)
}

/// Locks days against [`tend`] until the end of the transaction, in their order, so that no two
/// programs wait for each other: their sums are not made while counts are on their way.
pub(crate) const SHARE: &str = "SELECT pg_advisory_xact_lock_shared(\
    hashtextextended('keyward.day.' || current_schema() || '.' || day, 0)) \
    FROM (SELECT DISTINCT day FROM unnest($1::bigint[]) AS v (day) ORDER BY day) AS days";
/// The same, for the one that adds up.
const LOCK: &str = "SELECT pg_advisory_xact_lock(\
    hashtextextended('keyward.day.' || current_schema() || '.' || $1::bigint, 0))";
/// Says that the sums of these days hold no more. It writes nothing to days that have none, which
/// is to say nearly always. Served by the primary key.
pub(crate) const REOPEN: &str = "WITH late AS (SELECT day FROM usage_days \
    WHERE day = ANY($1) AND is_summed ORDER BY day FOR UPDATE) \
    UPDATE usage_days u SET is_summed = false FROM late WHERE u.day = late.day";
/// How many of these days have a table. Served by the primary key.
pub(crate) const THERE: &str = "SELECT count(*) FROM usage_days WHERE day = ANY($1)";

/// Whether there is something for [`tend`] to do.
pub(crate) async fn is_work(
    client: &Client,
    now: UnixHour,
    from: UnixHour,
) -> Result<bool, PgError> {
    // Served by the primary key, and by `usage_days_open`.
    const IS_WORK: &str = "SELECT EXISTS (SELECT FROM usage_days WHERE day < $1) \
        OR EXISTS (SELECT FROM usage_days WHERE NOT is_summed AND day < $2)";
    let values = [Value::Number(day_of(from)), Value::Number(closed_before(now))];
    get(&query_one(client, IS_WORK, &values).await?, 0)
}

/// Days before this one have ended.
fn closed_before(now: UnixHour) -> i64 {
    day_of(UnixHour(now.0.saturating_sub(SETTLES_IN)))
}

/// Drops one day before that of `from`, or else adds up one day that has ended. Returns whether
/// more is left to do; `false` as well if another program is at it.
pub(crate) async fn tend(client: &Client, now: UnixHour, from: UnixHour) -> Result<bool, PgError> {
    const TURN: &str = "SELECT pg_try_advisory_xact_lock(\
        hashtextextended('keyward.tend.' || current_schema(), 0))";
    const FORGET: &str = "SELECT usage_forget_day($1)";
    // Served by `usage_days_open`.
    const NEXT: &str = "SELECT day FROM usage_days WHERE NOT is_summed AND day < $1 \
                        ORDER BY day LIMIT 1";
    client.batch_execute("BEGIN").await?;
    if !get(&query_one(client, TURN, &[]).await?, 0)? {
        client.batch_execute("COMMIT").await?;
        return Ok(false);
    }
    let forgotten = query_one(client, FORGET, &[Value::Number(day_of(from))]).await;
    let is_more = match forgotten {
        Ok(row) if get(&row, 0)? => true,
        Ok(_) => {
            let next = query(client, NEXT, &[Value::Number(closed_before(now))]).await?;
            match next.first() {
                Some(row) => {
                    add_up(client, get(row, 0)?).await?;
                    true
                }
                None => false,
            }
        }
        // A long read was in the way.
        Err(PgError::Rejected(rejected)) if rejected.code == SqlState::LOCK_NOT_AVAILABLE => {
            client.batch_execute("ROLLBACK").await?;
            return Ok(true);
        }
        Err(error) => return Err(error),
    };
    client.batch_execute("COMMIT").await?;
    Ok(is_more)
}

/// Writes the sums of a day.
async fn add_up(client: &Client, day: i64) -> Result<(), PgError> {
    const SUMMED: &str = "UPDATE usage_days SET is_summed = true WHERE day = $1";
    let day = Value::Number(day);
    // Millions of rows take seconds. None but late counts of this day wait for it.
    client.batch_execute("SET LOCAL statement_timeout = 60000").await?;
    // Each statement after it sees all counts that were committed before it.
    execute(client, LOCK, std::slice::from_ref(&day)).await?;
    execute(client, &add_up_sql(), std::slice::from_ref(&day)).await?;
    execute(client, SUMMED, &[day]).await.map(drop)
}

/// The statement that writes the sums of a day. Counts only grow, and so do their sums: no row is
/// ever to be taken away. Reads one table from end to end.
fn add_up_sql() -> String {
    let words = Outcome::WORDS.join(", ");
    let sums = Outcome::WORDS
        .map(|word| format!("least(sum({word}), 9223372036854775807)::bigint"))
        .join(", ");
    let new = Outcome::WORDS.map(|word| format!("{word} = excluded.{word}")).join(", ");
    format!(
        "INSERT INTO usage_daily (day, key_id, {words}) \
         SELECT $1, key_id, {sums} FROM usage WHERE $1 * 24 <= hour AND hour < ($1 + 1) * 24 \
         GROUP BY key_id ORDER BY key_id ON CONFLICT (day, key_id) DO UPDATE SET {new}"
    )
}
