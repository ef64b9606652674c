//! A PostgreSQL server that keeps what it acknowledges, and databases on it, one for each test.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::NoTls;

use crate::postgres_starter::Started;

/// A database with roles that no other test has.
pub(crate) struct Place {
    /// The database.
    pub(crate) name: String,
    /// The role that owns it.
    pub(crate) owner: String,
    /// A role that can do nothing in it yet.
    pub(crate) role: String,
}

/// The server of this program.
fn server() -> &'static Started {
    #[expect(clippy::disallowed_types, reason = "a server takes seconds to start")]
    static SHARED: std::sync::OnceLock<Started> = std::sync::OnceLock::new();
    SHARED.get_or_init(|| match Started::start(&[]) {
        Ok(started) => started,
        Err(reason) => panic!(
            "these tests need a PostgreSQL server of their own: {reason}\nRun \
             `cargo xtask postgres` once, which installs its programs below `target/`."
        ),
    })
}

/// A database with nothing in it.
pub(crate) fn place() -> Place {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let [name, owner, role] = ["base", "owner", "role"].map(|word| format!("{word}_{number}"));
    let session = Session::open(&server().url());
    session.execute(&format!("CREATE ROLE {owner} LOGIN; CREATE ROLE {role} LOGIN"));
    session.execute(&format!("CREATE DATABASE {name} OWNER {owner}"));
    Place { name, owner, role }
}

impl Place {
    /// Its URL for a role. The server lets each in, with any password.
    pub(crate) fn url(&self, role: &str, password: &str) -> String {
        let colon = if password.is_empty() { "" } else { ":" };
        let url = server().url().replace("keyward@", &format!("{role}{colon}{password}@"));
        url.replace("/postgres?", &format!("/{}?", self.name))
    }

    /// The directory of the server's socket.
    pub(crate) fn directory(&self) -> String {
        server().url().split_once("host=").unwrap().1.to_owned()
    }

    /// A session of the superuser.
    pub(crate) fn session(&self) -> Session {
        Session::open(&self.url("keyward", ""))
    }

    /// Runs statements as the superuser.
    pub(crate) fn execute(&self, sql: &str) {
        self.session().execute(sql);
    }

    /// The rows of a statement of the superuser.
    pub(crate) fn rows(&self, sql: &str) -> Vec<tokio_postgres::Row> {
        self.session().rows(sql)
    }

    /// The only number of a statement of the superuser.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.rows(sql)[0].get(0)
    }
}

/// A session, which ends when it is dropped.
pub(crate) struct Session {
    runtime: tokio::runtime::Runtime,
    client: tokio_postgres::Client,
}

impl Session {
    fn open(url: &str) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let (client, connection) = runtime.block_on(tokio_postgres::connect(url, NoTls)).unwrap();
        runtime.spawn(connection);
        Self { runtime, client }
    }

    /// Runs statements.
    pub(crate) fn execute(&self, sql: &str) {
        self.runtime.block_on(self.client.batch_execute(sql)).unwrap();
    }

    fn rows(&self, sql: &str) -> Vec<tokio_postgres::Row> {
        self.runtime.block_on(self.client.query(sql, &[])).unwrap()
    }
}
