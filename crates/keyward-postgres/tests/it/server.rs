//! The PostgreSQL server of these tests, and places on it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use keyward_postgres::{OpenOptions, PostgresStore};

use crate::starter::Started;

/// What makes a server quick that nothing depends on, and lets a test prepare transactions.
const QUICK: [&str; 3] = ["fsync=off", "full_page_writes=off", "max_prepared_transactions=5"];

/// The server of this program.
pub(crate) struct Server(Started);

impl Server {
    /// The one of this program. It ends with it.
    pub(crate) fn shared() -> &'static Self {
        #[expect(clippy::disallowed_types, reason = "a server takes seconds to start")]
        static SHARED: std::sync::OnceLock<Result<Server, String>> = std::sync::OnceLock::new();
        let started = SHARED.get_or_init(|| {
            let server = Self(Started::start(&QUICK)?);
            // Once, since two that make it at the same time would collide.
            let make = || block_on(server.execute("CREATE EXTENSION pg_trgm"));
            // The runtime of a test cannot wait.
            thread::scope(|scope| scope.spawn(make).join()).map_err(|_| "no pg_trgm")?;
            Ok(server)
        });
        match started {
            Ok(server) => server,
            Err(reason) => panic!(
                "the tests of this crate need a PostgreSQL server of their own: {reason}\nRun \
                 `cargo xtask postgres` once, which installs its programs below `target/`; or name \
                 a directory that has them as bin/postgres and bin/initdb in KEYWARD_POSTGRES."
            ),
        }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.0.directory.join(".s.PGSQL.5432")
    }

    /// Runs statements as its superuser.
    pub(crate) async fn execute(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.unwrap();
    }

    /// A connection of its superuser.
    pub(crate) async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A schema that no other test has, with nothing in it.
pub(crate) fn place() -> OpenOptions {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    OpenOptions {
        schema: format!("test_{number}"),
        without_fsync: true,
        ..OpenOptions::new(Server::shared().url().parse().unwrap())
    }
}

/// The same place, as another role.
pub(crate) fn as_role(place: &OpenOptions, role: &str) -> OpenOptions {
    let url = Server::shared().url().replace("keyward@", &format!("{role}@"));
    OpenOptions { address: url.parse().unwrap(), ..place.clone() }
}

/// A role that no other test has, which may do everything, by its name.
pub(crate) async fn make_role(role: &str, place: &OpenOptions) -> String {
    let role = format!("{role}_{}", place.schema);
    Server::shared().execute(&format!("CREATE ROLE {role} LOGIN SUPERUSER")).await;
    role
}

/// A store whose connections are those of a role of its own.
pub(crate) async fn open_as(role: &str, place: &OpenOptions) -> PostgresStore {
    let role = make_role(role, place).await;
    PostgresStore::open(&as_role(place, &role)).await.unwrap()
}

/// A store with nothing in it.
pub(crate) async fn store() -> PostgresStore {
    let place = place();
    PostgresStore::migrate(&place, None).await.unwrap();
    PostgresStore::open(&place).await.unwrap()
}
