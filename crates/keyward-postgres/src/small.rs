//! Writes that are no changes of keys: reports of leaks, readings of the clock, and last uses. None
//! of them waits for a change, nor a change for them.

use std::net::IpAddr;

use keyward::UnixMillis;
use keyward::audit::Audit;
use keyward::digest::Digest;
use keyward::once::{Earlier, Once, OnceName};
use keyward::rules::OnceRow;
use keyward::store::{LeakReport, UsageBatch};
use keyward::usage::LAST_USED_STEP;
use tokio_postgres::{Client, Row};

use crate::columns::{
    bound, get, get_digest, get_key_id, get_number, get_optional, millis, number, parse,
};
use crate::pg_error::PgError;
use crate::sql::{Value, execute, query, query_one};

/// The latest reading of the clock that was kept. Nothing else writes it until the change that
/// reads it is committed.
pub(crate) const READING_LOCKED: &str = "SELECT latest_ms FROM clock FOR UPDATE";
/// Keeps a reading in place of the one before.
pub(crate) const SET_READING: &str = "UPDATE clock SET latest_ms = $1";
/// The requests of these actors and names. Served by the primary key.
pub(crate) const ONCE: &str = "SELECT o.actor, o.name, o.request, o.key_id, o.at_ms FROM once o \
    JOIN unnest($1::text[], $2::text[]) AS v (actor, name) USING (actor, name)";
/// Keeps names of requests; an existing row is too old to count. Served by the primary key.
pub(crate) const KEEP_ONCE: &str = "INSERT INTO once (actor, name, request, key_id, at_ms) \
    SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::bigint[]) \
    ON CONFLICT (actor, name) DO UPDATE SET \
    request = excluded.request, key_id = excluded.key_id, at_ms = excluded.at_ms";
/// Forgets some names that are too old: a few for each that is kept. Served by `once_at`.
pub(crate) const FORGET_ONCE: &str = "DELETE FROM once WHERE (actor, name) IN \
    (SELECT actor, name FROM once WHERE at_ms <= $1 ORDER BY at_ms LIMIT $2)";

/// Reads a row of [`ONCE`]: its actor and the request.
pub(crate) fn once_row(row: &Row) -> Result<(String, OnceRow), PgError> {
    let name: OnceName = parse("once.name", get(row, 1)?)?;
    let request: &[u8] = get(row, 2)?;
    let request: Result<[u8; 32], _> = request.try_into();
    let request = request.map_err(|_| PgError::in_column("once.request", "not 32 bytes"))?;
    let (key, at) = (get_key_id(row, 3)?, UnixMillis(get_number(row, 4)?));
    Ok((get(row, 0)?, OnceRow { once: Once { name, request }, key, at }))
}

/// The earlier request of the name and actor of this one, if there was one that changed something.
pub(crate) async fn earlier(client: &Client, audit: &Audit) -> Result<Option<Earlier>, PgError> {
    let Some(once) = &audit.once else { return Ok(None) };
    let actor = Value::Texts(vec![audit.actor.as_text().into_owned()]);
    let name = Value::Texts(vec![once.name.as_str().to_owned()]);
    let rows = query(client, ONCE, &[actor, name]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(once_row(row)?.1.earlier(audit))
}

/// The latest reading of the clock that was kept.
pub(crate) async fn latest_reading(client: &Client) -> Result<Option<UnixMillis>, PgError> {
    let row = query_one(client, "SELECT latest_ms FROM clock", &[]).await?;
    Ok(get_optional(&row, 0)?.map(UnixMillis))
}

/// Notes whether the operator stated at this start that the clock is right; returns the note of
/// the start before.
pub(crate) async fn note_told(client: &Client, told: bool) -> Result<bool, PgError> {
    const NOTE: &str = "UPDATE clock c SET told_right = $1 \
        FROM (SELECT told_right FROM clock FOR UPDATE) AS before RETURNING before.told_right";
    get(&query_one(client, NOTE, &[Value::Flag(told)]).await?, 0)
}

/// Keeps reports; an earlier report of the same secret stays as it was. Writes something for none
/// as well.
pub(crate) async fn keep_leaks(client: &Client, reports: Vec<LeakReport>) -> Result<(), PgError> {
    const KEEP: &str = "INSERT INTO leaks (digest, reason, address, request_id, at_ms) \
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    const COUNT: &str = "UPDATE leaks_kept SET commits = commits + 1";
    client.batch_execute("BEGIN").await?;
    for report in reports {
        let LeakReport { digest, reason, address, request_id, at } = report;
        let values = [
            Value::Bytes(digest.as_bytes().to_vec()),
            Value::OptionalText(reason.map(|reason| reason.as_str().to_owned())),
            Value::OptionalText(address.map(|address| address.to_string())),
            Value::OptionalText(request_id),
            Value::Number(millis(at)?),
        ];
        execute(client, KEEP, &values).await?;
    }
    execute(client, COUNT, &[]).await?;
    Ok(client.batch_execute("COMMIT").await?)
}

/// Up to `max` reports, those with the lowest digests. Served by the primary key.
pub(crate) async fn kept_leaks(client: &Client, max: u32) -> Result<Vec<LeakReport>, PgError> {
    const KEPT: &str = "SELECT digest, reason, address, request_id, at_ms FROM leaks \
                        ORDER BY digest LIMIT $1";
    let rows = query(client, KEPT, &[Value::Number(max.into())]).await?;
    rows.iter().map(leak).collect()
}

fn leak(row: &Row) -> Result<LeakReport, PgError> {
    let reason: Option<&str> = get(row, 1)?;
    let address: Option<&str> = get(row, 2)?;
    let address = address.map(|text| parse::<IpAddr>("leaks.address", text));
    Ok(LeakReport {
        digest: get_digest(row, 0)?,
        reason: reason.map(|text| parse("leaks.reason", text)).transpose()?,
        address: address.transpose()?,
        request_id: get(row, 3)?,
        at: UnixMillis(get_number(row, 4)?),
    })
}

/// Forgets the reports of these secrets. Served by the primary key.
pub(crate) async fn forget_leaks(client: &Client, digests: Vec<Digest>) -> Result<(), PgError> {
    const FORGET: &str = "DELETE FROM leaks WHERE digest = ANY($1)";
    let digests = digests.iter().map(|digest| digest.as_bytes().to_vec()).collect();
    execute(client, FORGET, &[Value::Digests(digests)]).await.map(drop)
}

/// Moves the last use of keys that there are forward, to `$2` if that of before is -1, or at most
/// `$3`. Served by the primary keys.
///
/// The rows that stay as they are do not reach `ON CONFLICT`, which would lock them, and so write
/// them; that it looks again is for those of which another program has just written a later use.
pub(crate) const USED: &str = "INSERT INTO key_uses AS u (key_id, last_used_at_ms) \
    SELECT v.id, v.at FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS v (id, at, due) \
    WHERE EXISTS (SELECT FROM keys k WHERE k.id = v.id) \
      AND NOT EXISTS (SELECT FROM key_uses u WHERE u.key_id = v.id \
                      AND 0 <= u.last_used_at_ms AND v.due < u.last_used_at_ms) ORDER BY v.id \
    ON CONFLICT (key_id) DO UPDATE SET last_used_at_ms = excluded.last_used_at_ms \
    WHERE u.last_used_at_ms < excluded.last_used_at_ms";

/// The values of [`USED`]: the latest use of each key in a batch, in the order of ids.
pub(crate) fn last_uses(batch: &UsageBatch) -> Result<Vec<Value>, PgError> {
    let mut latest = std::collections::BTreeMap::<i64, i64>::new();
    for row in &batch.rows {
        let Some(at) = row.last_used_at else { continue };
        let at = bound(at.0);
        let known = latest.entry(number(row.key_id.get())?).or_insert(at);
        *known = at.max(*known);
    }
    let step = i64::try_from(LAST_USED_STEP.as_millis()).unwrap_or(i64::MAX);
    let due = latest.values().map(|at| at.saturating_sub(step)).collect();
    let (ids, times) = latest.into_iter().unzip();
    Ok([ids, times, due].map(Value::Numbers).into())
}
