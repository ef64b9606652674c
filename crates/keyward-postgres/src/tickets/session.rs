//! A connection with the statements of a batch: one round trip locks, reads and asks for the time,
//! a second one writes and commits.

use std::collections::BTreeMap;

use futures_util::future::{try_join, try_join3, try_join4};
use keyward::ticket::{BucketId, Keeping, Place, Revision, Row, StoreNanos};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use crate::columns::{bound, get, get_number, get_optional};
use crate::pg_error::PgError;

use super::whole::{WHOLE, nanos};

/// The statements of one table.
#[derive(Debug)]
struct Table {
    /// Creates or locks rows, in order, and makes no new version of one.
    lock: Statement,
    /// Reads them, and of a row that is new when it would be full in the other table. A statement
    /// of its own: it sees the commits for which the locks were waited.
    read: Statement,
    write: Statement,
}

impl Table {
    async fn prepare(client: &Client, name: &str, other: &str) -> Result<Self, PgError> {
        let lock = format!(
            "INSERT INTO {name} AS b (bucket, tat, rev) \
             SELECT u, 0, 0 FROM unnest($1::bytea[]) u ORDER BY u \
             ON CONFLICT (bucket) DO UPDATE SET tat = b.tat WHERE false"
        );
        let read = format!(
            "SELECT b.bucket, b.tat, b.rev, CASE WHEN b.tat = 0 AND b.rev = 0 \
             THEN (SELECT o.tat FROM {other} o WHERE o.bucket = b.bucket) END \
             FROM {name} b WHERE b.bucket = ANY($1::bytea[])"
        );
        let write = format!(
            "UPDATE {name} b SET tat = n.tat, rev = n.rev \
             FROM unnest($1::bytea[], $2::bigint[], $3::bigint[]) AS n (bucket, tat, rev) \
             WHERE b.bucket = n.bucket"
        );
        let prepared =
            try_join3(client.prepare(&lock), client.prepare(&read), client.prepare(&write));
        let (lock, read, write) = prepared.await?;
        Ok(Self { lock, read, write })
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client: Client,
    kept: Table,
    brief: Table,
    clock: Statement,
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

type Found = Vec<tokio_postgres::Row>;

impl Session {
    pub(super) async fn prepare(client: Client) -> Result<Self, PgError> {
        // `now()` is the time of BEGIN. A statement of its own: in the list of the one that locks,
        // it would be read before the lock was waited for.
        const CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, \
             (extract(epoch FROM clock_timestamp() - now()) * 1000000)::bigint";
        let kept = Table::prepare(&client, "bucket_kept", "bucket").await?;
        let brief = Table::prepare(&client, "bucket", "bucket_kept").await?;
        let clock = client.prepare(CLOCK).await?;
        Ok(Self { client, kept, brief, clock })
    }

    /// Begins a transaction, locks the rows of these buckets, reads them, and then the clock: in
    /// one round trip.
    pub(super) async fn lock(&self, places: &[Place]) -> Result<Locked, PgError> {
        let (kept, brief) = (of(places, Keeping::Kept), of(places, Keeping::Brief));
        let mut read_brief = brief.clone();
        read_brief.push(&WHOLE);
        // Each is sent when it is first polled, in the order of the arguments.
        let begin = async { Ok(self.client.batch_execute("BEGIN").await?) };
        let locks = try_join(
            self.execute(&self.kept.lock, &kept, !kept.is_empty()),
            self.execute(&self.brief.lock, &brief, !brief.is_empty()),
        );
        let reads = try_join(
            self.query(&self.kept.read, &kept, !kept.is_empty()),
            self.query(&self.brief.read, &read_brief, !brief.is_empty()),
        );
        let clock = async { Ok::<_, PgError>(self.client.query_one(&self.clock, &[]).await?) };
        let ((), _, (kept, brief), clock) = try_join4(begin, locks, reads, clock).await?;
        let at = nanos(get_number(&clock, 0)?)?;
        let waited = get_number(&clock, 1)?.saturating_mul(1_000);
        let mut locked = Locked { at, waited, whole_since: None, rows: BTreeMap::new() };
        locked.add(Keeping::Kept, &kept)?;
        locked.add(Keeping::Brief, &brief)?;
        Ok(locked)
    }

    /// Writes these rows and commits: in one round trip.
    pub(super) async fn commit(&self, writes: &[(Place, Row)]) -> Result<(), PgError> {
        let write = |table: &Table, keeping| {
            let rows = writes.iter().filter(|(place, _)| place.keeping == keeping);
            let (mut buckets, mut tats, mut revs) = (Vec::new(), Vec::new(), Vec::new());
            for (place, row) in rows {
                buckets.push(place.bucket.as_bytes().to_vec());
                tats.push(bound(row.full_at.0));
                revs.push(bound(row.revision.0));
            }
            let write = table.write.clone();
            async move {
                if !buckets.is_empty() {
                    self.client.execute(&write, &[&buckets, &tats, &revs]).await?;
                }
                Ok::<_, PgError>(())
            }
        };
        let commit = async { Ok(self.client.batch_execute("COMMIT").await?) };
        let (kept, brief) = (Keeping::Kept, Keeping::Brief);
        try_join3(write(&self.kept, kept), write(&self.brief, brief), commit).await?;
        Ok(())
    }

    async fn execute(
        &self,
        statement: &Statement,
        buckets: &[&[u8]],
        is_wanted: bool,
    ) -> Result<(), PgError> {
        if is_wanted {
            let values: [&(dyn ToSql + Sync); 1] = [&buckets];
            self.client.execute(statement, &values).await?;
        }
        Ok(())
    }

    async fn query(
        &self,
        statement: &Statement,
        buckets: &[&[u8]],
        is_wanted: bool,
    ) -> Result<Found, PgError> {
        if !is_wanted {
            return Ok(Vec::new());
        }
        let values: [&(dyn ToSql + Sync); 1] = [&buckets];
        Ok(self.client.query(statement, &values).await?)
    }
}

/// The buckets that are in this table.
fn of(places: &[Place], keeping: Keeping) -> Vec<&[u8]> {
    let here = places.iter().filter(|place| place.keeping == keeping);
    here.map(|place| place.bucket.as_bytes().as_slice()).collect()
}

impl Locked {
    fn add(&mut self, keeping: Keeping, rows: &[tokio_postgres::Row]) -> Result<(), PgError> {
        for row in rows {
            let bucket: &[u8] = get(row, 0)?;
            let bucket = bucket
                .try_into()
                .map_err(|_| PgError::in_column("bucket", "has another length than 16"))?;
            let full_at = StoreNanos(get_number(row, 1)?);
            if bucket == WHOLE {
                self.whole_since = Some(full_at);
                continue;
            }
            let revision = Revision(get_number(row, 2)?);
            let elsewhere = get_optional(row, 3)?.map(StoreNanos);
            let row = if elsewhere.is_some_and(|full_at| self.at < full_at) {
                Row::MOVED
            } else {
                Row { full_at, revision }
            };
            let bucket = BucketId::from_stored(bucket);
            self.rows.insert(Place { keeping, bucket }, row);
        }
        Ok(())
    }
}
