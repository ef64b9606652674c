//! Limits that all programs over one server share: a database of its own, and the connections that
//! decide about asks.

mod lane;
mod schema;
mod session;
mod slow;
mod whole;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use keyward::store::{StoreError, Tickets};
use keyward::ticket::{Ask, Keeping, Place, Revision, Ticket};
use tokio::sync::{mpsc, oneshot};

use crate::columns::bound;
use crate::open_error::OpenError;
use crate::options::OpenOptions;
use crate::session::{Connector, Purpose};
use crate::sql::{Value, execute};

use lane::{Asked, Lane};
use slow::SlowBuckets;
use whole::WHOLE;

/// Limits that all programs over one server share, in PostgreSQL.
///
/// The buckets are in a database of their own, next to that of the keys and called as that one and
/// `_tickets`: a snapshot that stays open in a database, as `pg_dump` has one, would make each of
/// their rows slower by the minute.
///
/// Three connections decide, each a batch after the other: asks with a limit that takes longer than
/// a minute to fill have one; of the others, those with a bucket that was waited for have another
/// one. A batch is a transaction of two round trips, during which its rows are locked. A program
/// that is paused in between loses its connection after 50 ms, and its batch took nothing.
///
/// ```no_run
/// use std::time::Duration;
///
/// use keyward_postgres::{OpenOptions, PostgresTickets};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let options = OpenOptions::new("postgres://keyward@127.0.0.1/keyward".parse()?);
/// PostgresTickets::migrate(&options, None).await?;
/// let tickets = PostgresTickets::open(&options, Duration::from_secs(5)).await?;
/// assert_eq!(tickets.tidy().await?, 0);
/// # Ok(())
/// # }
/// ```
pub struct PostgresTickets {
    connector: Connector,
    quick: mpsc::UnboundedSender<Asked>,
    slow: mpsc::UnboundedSender<Asked>,
    kept: mpsc::UnboundedSender<Asked>,
    slow_buckets: Arc<Mutex<SlowBuckets>>,
}

impl fmt::Debug for PostgresTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresTickets")
            .field("connector", &self.connector)
            .finish_non_exhaustive()
    }
}

/// Most rows that [`PostgresTickets::tidy`] removes of each table.
pub(crate) const TIDY_MAX: u64 = 1_000;

impl PostgresTickets {
    /// Makes the database and its tables, or brings them to the present; see
    /// [`PostgresStore::migrate`](crate::PostgresStore::migrate).
    ///
    /// # Errors
    ///
    /// Returns [`OpenError`] if the server is not one that keeps the promises, or the role may not
    /// make a database and there is none yet.
    pub async fn migrate(options: &OpenOptions, serve_role: Option<&str>) -> Result<(), OpenError> {
        let keys = options.connector()?;
        let connector = options.tickets_connector()?;
        schema::make_database(&keys, &connector).await?;
        let client = connector.check(Purpose::Migrating, options.without_fsync).await?;
        schema::migrate(&connector, &client, serve_role).await
    }

    /// Opens the buckets. `lease` is how long any program over them may decide from memory: after a
    /// failover nothing is granted for as long.
    ///
    /// # Errors
    ///
    /// Returns [`OpenError`] if the server is not one that keeps the promises, the tables are not
    /// the ones that this program knows, or the role lacks rights.
    pub async fn open(options: &OpenOptions, lease: Duration) -> Result<Self, OpenError> {
        let connector = options.tickets_connector()?;
        let client = connector.check(Purpose::Ticketing, options.without_fsync).await;
        let client = client.map_err(OpenError::of_limits)?;
        schema::check(&connector, &client).await?;
        let slow_buckets: Arc<Mutex<SlowBuckets>> = Arc::default();
        let lane = || {
            let (asks, queue) = mpsc::unbounded_channel();
            let slow = Arc::clone(&slow_buckets);
            // An error ends the lane's task; its asks are unavailable then.
            drop(connector.driver.spawn(Lane::new(connector.clone(), lease, queue, slow).run()));
            asks
        };
        let (quick, slow, kept) = (lane(), lane(), lane());
        Ok(Self { quick, slow, kept, slow_buckets, connector })
    }

    /// Whether [`PostgresTickets::open`] would work; nothing stays open.
    ///
    /// # Errors
    ///
    /// As [`PostgresTickets::open`].
    pub async fn check(options: &OpenOptions) -> Result<(), OpenError> {
        let connector = options.tickets_connector()?;
        let client = connector.check(Purpose::Ticketing, options.without_fsync).await;
        let client = client.map_err(OpenError::of_limits)?;
        let checked = schema::check(&connector, &client).await;
        drop(client);
        connector.driver.stop().await;
        checked
    }

    /// Ends all connections; asks are unavailable from then on.
    pub(crate) async fn close(&self) {
        self.connector.driver.stop().await;
    }

    /// Removes up to 1 000 rows of each table whose buckets have been full for an hour, and returns
    /// how many. Nothing waits for this, and it waits for no ask.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the server cannot be reached or fails.
    pub async fn tidy(&self) -> Result<u64, StoreError> {
        let client = self.connector.connect(Purpose::Writing).await?;
        let mut removed = 0;
        for table in ["bucket", "bucket_kept"] {
            let remove = format!(
                "DELETE FROM {table} WHERE bucket IN (SELECT bucket FROM {table} \
                 WHERE bucket <> $1 AND tat < (extract(epoch FROM now()) - 1767225600 - 3600) \
                 * 1000000000 LIMIT {TIDY_MAX} FOR UPDATE SKIP LOCKED)"
            );
            removed += execute(&client, &remove, &[Value::Bytes(WHOLE.to_vec())]).await?;
        }
        Ok(removed)
    }

    fn lane(&self, ask: &Ask) -> &mpsc::UnboundedSender<Asked> {
        if ask.places().any(|place| place.keeping == Keeping::Kept) {
            return &self.kept;
        }
        let slow = self.slow_buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if slow.has(ask) { &self.slow } else { &self.quick }
    }
}

#[async_trait]
impl Tickets for PostgresTickets {
    async fn take(&self, ask: Ask) -> Ticket {
        let (reply, replied) = oneshot::channel();
        if self.lane(&ask).send(Asked { ask, reply }).is_err() {
            return Ticket::Unavailable;
        }
        replied.await.unwrap_or(Ticket::Unavailable)
    }

    async fn forget(&self, ask: Ask, from: Revision) -> Result<(), StoreError> {
        let client = self.connector.connect(Purpose::Writing).await?;
        for Place { keeping, bucket } in ask.places() {
            let table = match keeping {
                Keeping::Brief => "bucket",
                Keeping::Kept => "bucket_kept",
            };
            // Each by itself, so that no other transaction is met with a lock held.
            let forget = format!("UPDATE {table} SET rev = 0 WHERE bucket = $1 AND $2 <= rev");
            let values = [Value::Bytes(bucket.as_bytes().to_vec()), Value::Number(bound(from.0))];
            execute(&client, &forget, &values).await?;
        }
        tracing::warn!(
            revision = from.0,
            "Buckets had terms of limits that the audit trail does not know any more"
        );
        Ok(())
    }
}
