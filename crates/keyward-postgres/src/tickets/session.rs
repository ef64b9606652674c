//! A connection with the statements of a batch: one round trip locks, reads and asks for the time,
//! a second one writes and commits.
//!
//! Each round trip is one message of several statements. As messages of their own, the server would
//! send a response after each, and both sides would wake up for it: with batches of ten, that was
//! most of what a decision cost. They run statements that are prepared, so none is planned anew.

use std::collections::BTreeMap;

use keyward::ticket::{BucketId, Keeping, Place, Revision, Row, StoreNanos};
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use crate::columns::{bound, parse};
use crate::pg_error::PgError;

use super::whole::{WHOLE, nanos};

/// The tables, in the order in which their rows are locked.
const TABLES: [Keeping; 2] = [Keeping::Kept, Keeping::Brief];

/// Reads the time. `now()` is that of BEGIN. A statement of its own: in the list of the one that
/// locks, it would be read before the lock was waited for.
const CLOCK: &str = "PREPARE clock AS SELECT 'clock', \
     (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, \
     (extract(epoch FROM clock_timestamp() - now()) * 1000000)::bigint; ";
/// Longer than requests wait: the catalogs of a connection may come from the disk.
const PREPARING: &str = "SET LOCAL statement_timeout = 5000; ";

/// The name of a table.
fn name(keeping: Keeping) -> &'static str {
    match keeping {
        Keeping::Kept => "bucket_kept",
        Keeping::Brief => "bucket",
    }
}

/// The statements of one table: `lock_` creates or locks rows, in order, and makes no new version
/// of one. `read_` reads them, and of a row that is new when it would be full in the other table; a
/// statement of its own, so that it sees the commits for which the locks were waited. `write_`
/// writes.
fn prepare(table: &str, other: &str) -> String {
    format!(
        "PREPARE lock_{table} (bytea[]) AS INSERT INTO {table} AS b (bucket, tat, rev) \
         SELECT u, 0, 0 FROM unnest($1) u ORDER BY u \
         ON CONFLICT (bucket) DO UPDATE SET tat = b.tat WHERE false; \
         PREPARE read_{table} (bytea[]) AS \
         SELECT '{table}', encode(b.bucket, 'hex'), b.tat, b.rev, \
         CASE WHEN b.tat = 0 AND b.rev = 0 \
         THEN (SELECT o.tat FROM {other} o WHERE o.bucket = b.bucket) END \
         FROM {table} b WHERE b.bucket = ANY($1); \
         PREPARE write_{table} (bytea[], bigint[], bigint[]) AS \
         UPDATE {table} b SET tat = n.tat, rev = n.rev \
         FROM unnest($1, $2, $3) AS n (bucket, tat, rev) WHERE b.bucket = n.bucket; "
    )
}

/// A connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
}

/// Rows that are locked, and the time that was read after that.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) at: StoreNanos,
    /// How long after the transaction began, in nanoseconds.
    pub(super) waited: u64,
    pub(super) whole_since: Option<StoreNanos>,
    pub(super) rows: BTreeMap<Place, Row>,
}

impl Session {
    /// Prepares the statements, and runs each without rows: the server plans it then and reads its
    /// catalogs, which takes a new connection longer than the requests of a first batch wait.
    pub(super) async fn prepare(client: Client) -> Result<Self, PgError> {
        let [kept, brief] = TABLES.map(name);
        let prepare = [prepare(kept, brief), prepare(brief, kept)].concat();
        let run = [kept, brief].map(|table| {
            format!(
                "EXECUTE lock_{table} ('{{}}'); EXECUTE read_{table} ('{{}}'); \
                 EXECUTE write_{table} ('{{}}', '{{}}', '{{}}'); "
            )
        });
        let sql = format!("{PREPARING}{prepare}{CLOCK}{}EXECUTE clock", run.concat());
        client.batch_execute(&sql).await?;
        Ok(Self { client })
    }

    /// Begins a transaction, locks the rows of these buckets, reads them, and then the clock: in
    /// one round trip.
    pub(super) async fn lock(&self, places: &[Place]) -> Result<Locked, PgError> {
        let here = |keeping| {
            let here = places.iter().filter(move |place| place.keeping == keeping);
            here.map(|place| *place.bucket.as_bytes())
        };
        let used = TABLES.into_iter().filter(|keeping| here(*keeping).next().is_some());
        let lock = used.clone().map(|keeping| {
            format!("EXECUTE lock_{} ({}); ", name(keeping), buckets(here(keeping)))
        });
        let read = used.map(|keeping| {
            let whole = (keeping == Keeping::Brief).then_some(WHOLE);
            format!("EXECUTE read_{} ({}); ", name(keeping), buckets(here(keeping).chain(whole)))
        });
        let statements: String = lock.chain(read).collect();
        let sql = format!("BEGIN; {statements}EXECUTE clock");
        Locked::of(&self.client.simple_query(&sql).await?)
    }

    /// Writes these rows and commits: in one round trip.
    pub(super) async fn commit(&self, writes: &[(Place, Row)]) -> Result<(), PgError> {
        let write = |keeping| {
            let here = || writes.iter().filter(move |(place, _)| place.keeping == keeping);
            here().next()?;
            let buckets = buckets(here().map(|(place, _)| *place.bucket.as_bytes()));
            let tats = numbers(here().map(|(_, row)| row.full_at.0));
            let revs = numbers(here().map(|(_, row)| row.revision.0));
            Some(format!("EXECUTE write_{} ({buckets}, {tats}, {revs}); ", name(keeping)))
        };
        let statements: String = TABLES.into_iter().filter_map(write).collect();
        Ok(self.client.batch_execute(&format!("{statements}COMMIT")).await?)
    }
}

/// An array of names of buckets, as a literal.
fn buckets(buckets: impl Iterator<Item = [u8; 16]>) -> String {
    array(buckets.map(|bucket| format!(r#""\\\\x{:032x}""#, u128::from_be_bytes(bucket))))
}

/// An array of numbers, as a literal.
fn numbers(numbers: impl Iterator<Item = u64>) -> String {
    array(numbers.map(|number| bound(number).to_string()))
}

/// Whatever the server's settings say about backslashes in a literal, one in `E''` escapes.
fn array(items: impl Iterator<Item = String>) -> String {
    format!("E'{{{}}}'", items.collect::<Vec<_>>().join(","))
}

impl Locked {
    /// Reads what the statements told.
    fn of(told: &[SimpleQueryMessage]) -> Result<Self, PgError> {
        let rows = || {
            told.iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            })
        };
        let clock = rows().find(|row| row.get(0) == Some("clock"));
        let clock = clock.ok_or_else(|| PgError::in_column("clock", "is missing"))?;
        let (at, waited) = (nanos(number(clock, 1)?)?, number(clock, 2)?.saturating_mul(1_000));
        let mut locked = Self { at, waited, whole_since: None, rows: BTreeMap::new() };
        for row in rows() {
            let keeping = TABLES.into_iter().find(|keeping| row.get(0) == Some(name(*keeping)));
            if let Some(keeping) = keeping {
                locked.add(keeping, row)?;
            }
        }
        Ok(locked)
    }

    fn add(&mut self, keeping: Keeping, row: &SimpleQueryRow) -> Result<(), PgError> {
        let bucket = row.get(1).filter(|hex| hex.len() == 32);
        let bucket = bucket.and_then(|hex| u128::from_str_radix(hex, 16).ok());
        let bucket = bucket.ok_or_else(|| PgError::in_column("bucket", "is not 16 bytes"))?;
        let (bucket, full_at) = (bucket.to_be_bytes(), StoreNanos(number(row, 2)?));
        if bucket == WHOLE {
            self.whole_since = Some(full_at);
            return Ok(());
        }
        let revision = Revision(number(row, 3)?);
        let elsewhere = row.get(4).map(|_| number(row, 4)).transpose()?.map(StoreNanos);
        let row = if elsewhere.is_some_and(|full_at| self.at < full_at) {
            Row::MOVED
        } else {
            Row { full_at, revision }
        };
        let bucket = BucketId::from_stored(bucket);
        self.rows.insert(Place { keeping, bucket }, row);
        Ok(())
    }
}

fn number(row: &SimpleQueryRow, at: usize) -> Result<u64, PgError> {
    parse("a column of a bucket", row.get(at).unwrap_or_default())
}
