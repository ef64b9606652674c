//! Opening and closing a store.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyward::audit::Audit;
use keyward::rules::{Change, Committed};
use keyward::store::{Origin, StoreError};
use tokio::sync::{Mutex as Turn, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::arrival::{self, Arrived};
use crate::ledger::Keeping;
use crate::migrate::{self, Migration, MigrationDone};
use crate::migrate_error::MigrateError;
use crate::nodes::{self, Nodes};
use crate::open_error::OpenError;
use crate::options::OpenOptions;
use crate::pg_error::PgError;
use crate::queue::Job;
use crate::readers::Readers;
use crate::schema::{self, Migrated};
use crate::session::{Connector, Purpose};
use crate::tickets::PostgresTickets;
use crate::writer::Writer;

/// Most questions that take long at a time, so that there is always a connection for short ones.
const LONG_READS_MAX: usize = 2;

/// Keys that survive in PostgreSQL.
///
/// Changes that are under way at the same time share a transaction of two round trips, so that many
/// callers together get far more done than one after the other. Connections live on a thread of the
/// store, and calls may come from any runtime: one writes, one keeps counts, up to four read, two
/// are for what nodes agree by, one listens, and each snapshot has its own. One that breaks is made
/// anew with the next call.
///
/// Several programs may share a schema, and one is a cluster of its own: a
/// [`Gate`](keyward::Gate) over this store needs [`Gate::keep_up`](keyward::Gate::keep_up) before
/// it decides anything.
///
/// Dropping a store ends all calls. [`KeyStore::close`](keyward::store::KeyStore::close)
/// finishes them first.
///
/// ```no_run
/// use keyward::store::Reports as _;
/// use keyward_postgres::{Migration, OpenOptions, PostgresStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let options = OpenOptions::new("postgres://keyward@127.0.0.1/keyward".parse()?);
/// PostgresStore::migrate_with(&options, &Migration::default()).await?;
/// let store = PostgresStore::open(&options).await?;
/// assert_eq!(store.tiers().await?.len(), 3);
/// # Ok(())
/// # }
/// ```
pub struct PostgresStore {
    pub(super) readers: Readers,
    pub(super) nodes: Nodes,
    connector: Connector,
    /// Takes changes; gone when the store is closed.
    jobs: Mutex<Option<mpsc::UnboundedSender<Job>>>,
    /// The task that makes changes.
    writer: Turn<Option<JoinHandle<()>>>,
    /// The connection of writes that are no changes, one at a time.
    aside: Arc<Turn<Option<Client>>>,
    long_reads: Arc<Semaphore>,
    is_closed: AtomicBool,
    /// Decides about limits, where several programs share them.
    pub(super) tickets: Option<PostgresTickets>,
    /// Knows the newest change apart from the database, where this program keeps such a file.
    pub(super) ledger: Option<Keeping>,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("connector", &self.connector).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Makes the schema alone, or brings it to the present. Programs that come together take turns,
    /// and a schema that is as it should be stays as it is. A trail that has no entry gets none:
    /// [`PostgresStore::migrate_with`] begins it, and is what a program calls that is to serve.
    ///
    /// The role of the address owns it from then on. If another role is to serve, `serve_role`, it
    /// gets the rights that this takes: neither may it alter the audit trail, nor delete a key.
    ///
    /// # Errors
    ///
    /// Returns [`OpenError`] if the server is not one that keeps the promises, or the role may not
    /// make a schema.
    pub async fn migrate(
        options: &OpenOptions,
        serve_role: Option<&str>,
    ) -> Result<Migrated, OpenError> {
        let connector = options.connector()?;
        schema::migrate_at(&connector, options.without_fsync, serve_role).await
    }

    /// Makes the schema or brings it to the present, as [`PostgresStore::migrate`] does, and
    /// changes the settings that all nodes have in common. All of it is in an entry of the audit
    /// trail, whose first one this writes: without it no node is granted any time.
    ///
    /// It is all done, or nothing; done again, it changes nothing.
    ///
    /// # Errors
    ///
    /// Returns [`MigrateError`] if the server is not one that keeps the promises, the role may not
    /// do it, or nodes run that it would mislead.
    pub async fn migrate_with(
        options: &OpenOptions,
        migration: &Migration,
    ) -> Result<MigrationDone, MigrateError> {
        migrate::run(&options.connector()?, options.without_fsync, migration).await
    }

    /// Moves everything that another store has into a schema in which there is nothing, which is
    /// made if it is not there: all rows as they were, with their ids, versions and times, and the
    /// trail with its digests, which goes on here. All of it comes, or nothing.
    ///
    /// The other store is marked as left before the copy is kept, so that never both of them serve.
    /// A move that was interrupted in between is finished by repeating it; one that was finished
    /// is recognised by the end of the trail, and nothing is done.
    ///
    /// # Errors
    ///
    /// As [`PostgresStore::migrate_with`]; and if there is something in the schema, the other store
    /// cannot be read, or its trail is broken.
    pub async fn receive(
        options: &OpenOptions,
        migration: &Migration,
        origin: &mut dyn Origin,
    ) -> Result<Arrived, MigrateError> {
        let connector = options.connector()?;
        arrival::receive(&connector, options.without_fsync, migration, origin).await
    }

    /// Opens a store.
    ///
    /// The server is a PostgreSQL 15 or later that takes changes, with `fsync` on and a database in
    /// UTF-8. Beyond this machine it proves its name with a certificate.
    ///
    /// # Errors
    ///
    /// Returns [`OpenError`] if the server is another one, the schema is not the one that this
    /// program knows, or the role lacks rights.
    pub async fn open(options: &OpenOptions) -> Result<Self, OpenError> {
        let mut connector = options.connector()?;
        let client = connector.check(Purpose::Writing, options.without_fsync).await?;
        schema::check(&connector, &client).await?;
        let lease = nodes::lease(&client).await;
        let lease = lease.map_err(|error| OpenError::failed(&connector.address, error))?;
        connector.set_lease(lease);
        if schema::may_alter_trail(&client).await.is_ok_and(|may| may) {
            tracing::warn!(
                "The role that serves could alter the audit trail; serve as another role than the \
                 one that migrates, and name it to `keyward migrate` with --serve-role"
            );
        }
        let (jobs, queue) = mpsc::unbounded_channel();
        let writer = Writer::new(connector.clone(), queue);
        let writer = connector.driver.spawn(writer.run());
        Ok(Self {
            readers: Readers::new(connector.clone()),
            nodes: Nodes::new(connector.clone(), lease, (options.several, options.name.clone())),
            jobs: Mutex::new(Some(jobs)),
            writer: Turn::new(Some(writer)),
            aside: Arc::new(Turn::new(Some(client))),
            long_reads: Arc::new(Semaphore::new(LONG_READS_MAX)),
            is_closed: AtomicBool::new(false),
            tickets: None,
            ledger: None,
            connector,
        })
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    pub(super) fn check_open(&self) -> Result<(), PgError> {
        if self.is_closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    /// Makes a change; a large import a piece at a time.
    pub(super) async fn make(&self, change: Change, audit: Audit) -> Result<Committed, StoreError> {
        let Change::Import { keys, dry_run: false } = change else {
            return self.make_at_once(change, audit).await;
        };
        self.import(keys, audit).await
    }

    /// Makes a change in one transaction. It is made even if no caller waits for it any more.
    pub(super) async fn make_at_once(
        &self,
        change: Change,
        audit: Audit,
    ) -> Result<Committed, StoreError> {
        let (reply, replied) = oneshot::channel();
        let job = Job { change, audit, reply };
        {
            let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            let sent = jobs.as_ref().and_then(|jobs| jobs.send(job).ok());
            sent.ok_or_else(closed)?;
        }
        replied.await.unwrap_or_else(|_| Err(closed().into()))
    }

    /// Does something that is no change on the connection for that, and finishes it even if no
    /// caller waits for it any more.
    pub(super) async fn small<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a Client) -> Small<'a, T> + Send + 'static,
    {
        self.check_open()?;
        let (aside, connector) = (Arc::clone(&self.aside), self.connector.clone());
        let done = self.connector.driver.run(async move {
            let mut turn = aside.lock().await;
            let client = match turn.take().filter(|client| !client.is_closed()) {
                Some(client) => client,
                None => connector.connect(Purpose::Writing).await?,
            };
            let done = work(&client).await;
            if done.is_ok() {
                *turn = Some(client);
            }
            done
        });
        Ok(done.await?)
    }

    /// Waits for its turn to read for long, which lasts until the permit is dropped.
    pub(super) async fn long_read(&self) -> Result<OwnedSemaphorePermit, PgError> {
        Arc::clone(&self.long_reads).acquire_owned().await.map_err(|_| closed())
    }

    /// Waits for some time, on the store's thread.
    pub(super) async fn pause(&self, time: Duration) -> Result<(), PgError> {
        let pause = async move {
            tokio::time::sleep(time).await;
            Ok(())
        };
        self.connector.driver.run(pause).await
    }

    /// Finishes the calls made before, and ends everything.
    pub(super) async fn shut(&self) {
        self.is_closed.store(true, Ordering::Release);
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(writer) = self.writer.lock().await.take() {
            // An error is that the thread is gone already.
            writer.await.unwrap_or_default();
        }
        if let Some(ledger) = &self.ledger {
            ledger.stop().await;
        }
        self.readers.close().await;
        if let Some(tickets) = &self.tickets {
            tickets.close().await;
        }
        drop(self.aside.lock().await.take());
        self.connector.driver.stop().await;
    }
}

/// Work on a connection.
pub(super) type Small<'a, T> =
    std::pin::Pin<Box<dyn Future<Output = Result<T, PgError>> + Send + 'a>>;

fn closed() -> PgError {
    PgError::gone("the store is closed")
}
