//! Connections to the server, each for one purpose, and the checks of a server before one is used.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls};

use crate::address::Address;
use crate::driver::Driver;
use crate::open_error::OpenError;
use crate::pg_error::PgError;
use crate::tls::Tls;

/// The oldest server that is known to keep the promises, as its `server_version_num`.
const OLDEST: i32 = 150_000;

/// The name of a schema: it needs no quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SchemaName(String);

impl SchemaName {
    /// Accepts what [`OpenError::SchemaName`] says.
    pub(crate) fn new(name: &str) -> Result<Self, OpenError> {
        let is_of = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if begins && name.len() <= 48 && name.bytes().all(is_of) && !name.starts_with("pg_") {
            Ok(Self(name.to_owned()))
        } else {
            Err(OpenError::SchemaName)
        }
    }

    /// The name of a schema next to this one. It is at most 63 bytes long, as PostgreSQL has it.
    pub(crate) fn beside(&self, name: &str) -> Self {
        Self(format!("{}_{name}", self.0))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks that a schema can have this name: at most 48 lower-case letters, digits and `_`, of which
/// the first is a letter; and it does not begin with `pg_`.
///
/// ```
/// use keyward_postgres::check_schema_name;
///
/// assert!(check_schema_name("keyward_2").is_ok());
/// assert!(check_schema_name("Keyward").is_err());
/// ```
///
/// # Errors
///
/// Returns [`OpenError::SchemaName`] if it cannot.
pub fn check_schema_name(name: &str) -> Result<(), OpenError> {
    SchemaName::new(name).map(drop)
}

/// The purpose of a connection, which decides how it plans and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// Changes: others wait for the lock that they hold.
    Writing,
    /// Rows of nodes: a lease ends without them.
    Leasing,
    /// Queries whose results are waited for.
    Reading,
    /// All keys, one after the other.
    Loading,
    /// Limits: others wait for the rows that are locked, and requests for all of it.
    Ticketing,
    /// The steps of the schema.
    Migrating,
}

/// What every connection needs: names are looked up in our schema, no plan is compiled, and a
/// commit that is acknowledged is on disk.
const ALWAYS: &str = "SET jit = off; \
    SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write'); ";
/// How statements are planned whose rows are named by an index: along that index, whatever the
/// statistics of a table say that was filled a minute ago. A bitmap has all rows between two places
/// of an index before the first one comes, where a few of them are asked for; and other processes
/// take longer to start than such a statement takes.
const ALONG_INDEXES: &str = "SET enable_seqscan = off; SET enable_bitmapscan = off; \
    SET enable_hashjoin = off; SET enable_mergejoin = off; \
    SET max_parallel_workers_per_gather = 0; ";
/// Planned once: else PostgreSQL plans for each list of rows anew, since such plans look cheaper.
pub(crate) const PLANNED_ONCE: &str = "SET plan_cache_mode = force_generic_plan; ";
/// A program that is paused lets go of its locks. No request waits longer than half of this.
const SHORTEST: &str = "SET lock_timeout = 20; SET statement_timeout = 50; \
    SET idle_in_transaction_session_timeout = 50";
const READ: &str = "SET statement_timeout = 10000; SET idle_in_transaction_session_timeout = 10000";
/// Along the primary keys, so that rows come from the first moment on. Loading ten million keys
/// takes less than a minute; a program that stops reading lets go.
const LOAD: &str = "SET enable_seqscan = off; SET statement_timeout = 600000; \
    SET idle_in_transaction_session_timeout = 60000";

impl Purpose {
    /// `limit` is half of a lease.
    fn settings(self, schema: &SchemaName, limit: u32) -> String {
        let path = format!("SET search_path = {}; ", schema.as_str());
        match self {
            Self::Writing => {
                format!("{path}{ALWAYS}{ALONG_INDEXES}{}", short(limit, limit.max(STATEMENT)))
            }
            Self::Leasing => {
                format!("{path}{ALWAYS}{ALONG_INDEXES}{PLANNED_ONCE}{}", short(limit, limit * 2))
            }
            Self::Reading => format!("{path}{ALWAYS}{ALONG_INDEXES}{READ}"),
            Self::Loading => format!("{path}{ALWAYS}{LOAD}"),
            Self::Ticketing => format!("{path}{ALWAYS}{ALONG_INDEXES}{PLANNED_ONCE}{SHORTEST}"),
            Self::Migrating => format!("{path}{ALWAYS}"),
        }
    }
}

/// Adding up a day of usage takes this long.
const STATEMENT: u32 = 5_000;

/// Others wait meanwhile, at most so many milliseconds for a lock or for the next statement of a
/// transaction.
fn short(wait: u32, statement: u32) -> String {
    format!(
        "SET lock_timeout = {wait}; SET idle_in_transaction_session_timeout = {wait}; \
         SET statement_timeout = {statement}"
    )
}

/// Half of a lease until it is known how long that is, in milliseconds.
const LIMIT: u32 = 2_500;

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) driver: Arc<Driver>,
    pub(crate) address: Arc<Address>,
    pub(crate) schema: SchemaName,
    tls: Option<Tls>,
    /// Half of a lease, in milliseconds.
    limit: u32,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("address", &self.address)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Connector {
    /// For a schema of this database.
    pub(crate) fn new(address: Address, schema: SchemaName) -> Result<Self, OpenError> {
        let tls = Tls::of(&address)?;
        let driver = Driver::start().map_err(|error| OpenError::Unreachable {
            address: address.to_string(),
            source: error.into(),
        })?;
        Ok(Self { driver: Arc::new(driver), address: Arc::new(address), schema, tls, limit: LIMIT })
    }

    /// Others wait for a change and a renewal by this lease.
    pub(crate) fn set_lease(&mut self, lease: Duration) {
        self.limit = u32::try_from((lease / 2).as_millis()).unwrap_or(LIMIT);
    }

    /// Makes a connection, which lives on the store's thread, to a server that takes changes.
    pub(crate) async fn connect(&self, purpose: Purpose) -> Result<Client, PgError> {
        let client = self.connect_anywhere(purpose).await?;
        const TAKES_CHANGES: &str =
            "SELECT NOT (pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean)";
        let row = client.query_typed_one(TAKES_CHANGES, &[]).await?;
        if row.try_get(0)? {
            Ok(client)
        } else {
            Err(PgError::gone("the server is a standby, or set to read-only"))
        }
    }

    /// Makes a connection that passes on notifications, and says when it ended.
    pub(crate) async fn connect_to_listen(
        &self,
        hinted: &Arc<Notify>,
    ) -> Result<(Client, JoinHandle<()>), PgError> {
        self.open(Purpose::Leasing, Some(Arc::clone(hinted))).await
    }

    /// Makes a connection to whatever is at the address.
    async fn connect_anywhere(&self, purpose: Purpose) -> Result<Client, PgError> {
        let (client, _) = self.open(purpose, None).await?;
        Ok(client)
    }

    async fn open(
        &self,
        purpose: Purpose,
        hinted: Option<Arc<Notify>>,
    ) -> Result<(Client, JoinHandle<()>), PgError> {
        let (address, tls) = (Arc::clone(&self.address), self.tls.clone());
        let driver = Arc::clone(&self.driver);
        let opened = self.driver.run(async move {
            match tls {
                Some(tls) => {
                    let (client, connection) = address.config().connect(tls).await?;
                    Ok((client, driver.spawn(drive(connection, hinted))))
                }
                None => {
                    let (client, connection) = address.config().connect(NoTls).await?;
                    Ok((client, driver.spawn(drive(connection, hinted))))
                }
            }
        });
        let (client, ended) = opened.await?;
        client.batch_execute(&purpose.settings(&self.schema, self.limit)).await?;
        Ok((client, ended))
    }

    /// The first connection: whether the server is one that keeps the promises.
    pub(crate) async fn check(
        &self,
        purpose: Purpose,
        without_fsync: bool,
    ) -> Result<Client, OpenError> {
        const SERVER: &str = "SELECT version(), current_setting('server_version_num')::integer, \
             pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean, \
             current_setting('fsync')::boolean, current_setting('server_encoding')";
        let failed = |error| OpenError::failed(&self.address, error);
        let client = self.connect_anywhere(purpose).await.map_err(failed)?;
        let row = client.query_typed_one(SERVER, &[]).await;
        let row = row.map_err(|error| failed(error.into()))?;
        let read = || -> Result<_, tokio_postgres::Error> {
            let server = Server {
                version: row.try_get(0)?,
                number: row.try_get(1)?,
                is_read_only: row.try_get(2)?,
                has_fsync: row.try_get(3)?,
                encoding: row.try_get(4)?,
            };
            Ok(server)
        };
        let server = read().map_err(|error| failed(error.into()))?;
        server.check(&self.address, without_fsync)?;
        if self.is_pooled(&client).await.map_err(failed)? {
            return Err(OpenError::Pooled { address: self.address.to_string() });
        }
        Ok(client)
    }

    /// Whether a pooler is on the way that lends its connections for one transaction each: then
    /// what a session sets, locks or listens to is lost between two of them.
    ///
    /// While another session is in a transaction, two transactions of this one are compared.
    async fn is_pooled(&self, client: &Client) -> Result<bool, PgError> {
        const WHO: &str = "SELECT pg_backend_pid()";
        let who = async |client: &Client| -> Result<i32, PgError> {
            Ok(client.query_typed_one(WHO, &[]).await?.try_get(0)?)
        };
        let other = self.connect_anywhere(Purpose::Reading).await?;
        let before = who(client).await?;
        other.batch_execute("BEGIN").await?;
        let others = who(&other).await?;
        // With one connection for both, this one would wait for the other.
        let is_pooled = before == others || before != who(client).await?;
        other.batch_execute("COMMIT").await?;
        Ok(is_pooled)
    }
}

/// Runs a connection until it ends, and passes on its notifications.
async fn drive<S, T>(mut connection: Connection<S, T>, hinted: Option<Arc<Notify>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        if let (AsyncMessage::Notification(_), Some(hinted)) = (message, &hinted) {
            hinted.notify_one();
        }
    }
}

/// What a server says about itself.
#[derive(Clone, Debug)]
struct Server {
    version: String,
    number: i32,
    is_read_only: bool,
    has_fsync: bool,
    encoding: String,
}

impl Server {
    fn check(&self, address: &Address, without_fsync: bool) -> Result<(), OpenError> {
        let address = address.to_string();
        if let Some(product) = other_product(&self.version) {
            return Err(OpenError::OtherProduct { address, product });
        }
        if self.number < OLDEST {
            let found = format!("{}.{}", self.number / 10_000, self.number % 10_000);
            return Err(OpenError::TooOld { address, found });
        }
        if self.is_read_only {
            return Err(OpenError::ReadOnly { address });
        }
        if !self.has_fsync && !without_fsync {
            return Err(OpenError::NoFsync { address });
        }
        if self.encoding != "UTF8" {
            return Err(OpenError::Encoding { address, found: self.encoding.clone() });
        }
        Ok(())
    }
}

/// The product that a server is, if it is not PostgreSQL.
fn other_product(version: &str) -> Option<&'static str> {
    let products =
        [("CockroachDB", "CockroachDB"), ("-YB-", "YugabyteDB"), ("Redshift", "Amazon Redshift")];
    products.into_iter().find(|(sign, _)| version.contains(sign)).map(|(_, product)| product)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Server {
        Server {
            version: "PostgreSQL 18.6 on x86_64-pc-linux-gnu, compiled by gcc".to_owned(),
            number: 180_006,
            is_read_only: false,
            has_fsync: true,
            encoding: "UTF8".to_owned(),
        }
    }

    #[test]
    fn a_server_that_could_break_a_promise_is_rejected() {
        let address: Address = "postgres://keyward:hunter2@127.0.0.1/k".parse().unwrap();
        let check = |server: Server| {
            let error = server.check(&address, false).unwrap_err();
            let told = error.to_string();
            assert!(told.starts_with("postgres://keyward@127.0.0.1:5432/k "), "{told}");
            error
        };
        assert!(good().check(&address, false).is_ok());
        let cockroach = "CockroachDB CCL v25.2.0 (x86_64-pc-linux-gnu)".to_owned();
        let error = check(Server { version: cockroach, ..good() });
        assert!(matches!(error, OpenError::OtherProduct { product: "CockroachDB", .. }));
        let yugabyte = "PostgreSQL 15.12-YB-2025.1.0.0-b0 on x86_64".to_owned();
        let error = check(Server { version: yugabyte, ..good() });
        assert!(matches!(error, OpenError::OtherProduct { product: "YugabyteDB", .. }));
        let OpenError::TooOld { found, .. } = check(Server { number: 140_018, ..good() }) else {
            panic!("14 is too old");
        };
        assert_eq!(found, "14.18");
        let error = check(Server { is_read_only: true, ..good() });
        assert!(matches!(error, OpenError::ReadOnly { .. }));
        let error = check(Server { has_fsync: false, ..good() });
        assert!(matches!(error, OpenError::NoFsync { .. }));
        let error = check(Server { encoding: "SQL_ASCII".to_owned(), ..good() });
        assert!(matches!(error, OpenError::Encoding { .. }));
        assert!(Server { has_fsync: false, ..good() }.check(&address, true).is_ok());
    }

    #[test]
    fn a_schema_is_called_by_a_plain_word() {
        for name in ["keyward", "k", "keyward_2"] {
            assert_eq!(SchemaName::new(name).unwrap().as_str(), name);
        }
        for name in ["", "Keyward", "2k", "_k", "a b", "a\"", "a;b", "pg_keyward", &"k".repeat(49)]
        {
            assert!(SchemaName::new(name).is_err(), "{name}");
        }
    }
}
