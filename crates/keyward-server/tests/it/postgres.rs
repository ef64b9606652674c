//! The program over a real PostgreSQL.

mod cluster;
mod doctor;
mod ledger;
mod life;
mod limits;
mod secrets;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keyward_postgres::{LEASE_MIN, Migration, OpenOptions, PostgresStore, PostgresTickets};

use crate::postgres_starter::Started;
use crate::server::{ADMIN_KEY, Server};

/// The server of these tests, which ends with them. It is as a server has to be: a commit is on
/// disk before it is acknowledged.
fn shared() -> &'static Started {
    #[expect(clippy::disallowed_types, reason = "a server takes seconds to start")]
    static SHARED: std::sync::OnceLock<Started> = std::sync::OnceLock::new();
    SHARED.get_or_init(|| {
        let started = Started::start(&[]).unwrap();
        // Once, since two programs that make the extension at the same time would collide.
        migrate(&started.url(), "first", LEASE_MIN);
        started
    })
}

fn migrate(url: &str, schema: &str, lease: Duration) {
    let options =
        OpenOptions { schema: schema.to_owned(), ..OpenOptions::new(url.parse().unwrap()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let migration = Migration {
        lease: Some(lease),
        #[cfg(feature = "news")]
        additions: vec![keyward_news::ADDITION],
        ..Migration::default()
    };
    runtime.block_on(PostgresStore::migrate_with(&options, &migration)).unwrap();
    // As `keyward migrate` does.
    runtime.block_on(PostgresTickets::migrate(&options, None)).unwrap();
}

/// A schema that no other test has, with nothing in it.
struct Place {
    url: String,
    schema: String,
}

impl Place {
    /// A server that is killed is soon replaced.
    fn new() -> Self {
        Self::with_lease(LEASE_MIN)
    }

    fn with_lease(lease: Duration) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (url, schema) = (shared().url(), format!("test_{number}"));
        migrate(&url, &schema, lease);
        Self { url, schema }
    }

    fn environment(&self) -> [(&str, &str); 3] {
        [
            ("ADMIN_API_KEY", ADMIN_KEY),
            ("DATABASE_URL", &self.url),
            ("KEYWARD_DATABASE_SCHEMA", &self.schema),
        ]
    }

    /// A node, which works in this folder.
    fn start(&self, folder: &Path) -> Server {
        Server::start_with(folder, &self.environment())
    }
}
