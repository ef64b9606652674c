//! Since when the table is whole that a crash empties: a row in it says so.

use std::time::Duration;

use keyward::ticket::{Server, StoreNanos, whole_since};
use tokio_postgres::Client;

use crate::columns::{get, get_number, number};
use crate::pg_error::PgError;
use crate::sql::{Value, execute, query_one};

/// The bucket of the row that says since when the table is whole. No hash is that.
pub(super) const WHOLE: [u8; 16] = [0; 16];

/// Begins a table anew that lacks that row, in a transaction of its own that has no bucket.
///
/// Whichever program comes first writes the row, and all others find it: none may take its absence
/// for a table that was whole since ever.
pub(super) async fn begin_table(client: &Client, lease: Duration) -> Result<(), PgError> {
    // One after the other: the second finds the identity that the first one wrote.
    const SERVER: &str = "SELECT start = pg_postmaster_start_time(), since FROM ticket_server \
         FOR UPDATE";
    const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    const NOTE: &str = "UPDATE ticket_server SET start = pg_postmaster_start_time(), since = $1";
    // An update, so that a row that another transaction is writing is waited for and stays.
    const WRITE: &str = "INSERT INTO bucket AS b (bucket, tat, rev) VALUES ($1, $2, 0) \
         ON CONFLICT (bucket) DO UPDATE SET tat = b.tat RETURNING tat";
    client.batch_execute("BEGIN").await?;
    let known = query_one(client, SERVER, &[]).await?;
    let server = if get(&known, 0)? { Server::Same } else { Server::Other };
    let at = nanos(get_number(&query_one(client, NOW, &[]).await?, 0)?)?;
    // The server may have been promoted, and have lost the table again since: an older one lets
    // requests in until the time that was noted then.
    let since = whole_since(at, server, lease).max(StoreNanos(get_number(&known, 1)?));
    execute(client, NOTE, &[Value::Number(number(since.0)?)]).await?;
    let row = [Value::Bytes(WHOLE.to_vec()), Value::Number(number(since.0)?)];
    query_one(client, WRITE, &row).await?;
    client.batch_execute("COMMIT").await?;
    tracing::warn!(
        is_same_server = server == Server::Same,
        "The buckets of short limits were emptied by a crash or a promotion; each counts as empty"
    );
    Ok(())
}

/// The time that the store's clock says.
pub(super) fn nanos(micros: u64) -> Result<StoreNanos, PgError> {
    StoreNanos::from_unix_micros(micros)
        .ok_or_else(|| PgError::Inconsistent("the server's clock is before 2026".to_owned()))
}
