//! The store of the keys: the one place that decides which store the settings name.

use std::path::Path;
use std::sync::Arc;

use keyward::UnixMillis;
use keyward::audit::ChangeId;
use keyward::store::{Backup, KeyStore, Reports};
use keyward_admin::Backups;
use keyward_axum::Clock;
#[cfg(feature = "postgres")]
use keyward_postgres::{LedgerOptions, PostgresStore};
use keyward_sqlite::{OpenOptions, SqliteStore};

use crate::listener::ListenerAddress;
use crate::metrics::{Commits, Metered, StoreTimes};
#[cfg(feature = "postgres")]
use crate::node;
use crate::restored::report;
use crate::settings::{Database, Settings, StartFlags};

/// An open store.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The store itself.
    pub(crate) store: Store,
    /// The message about a loss that was accepted.
    pub(crate) message: String,
}

/// A store of the keys.
#[derive(Debug)]
pub(crate) enum Store {
    /// In a SQLite file.
    File(Arc<SqliteStore>),
    /// In PostgreSQL.
    #[cfg(feature = "postgres")]
    Server(Arc<PostgresStore>),
}

/// A store whose operations are counted, as its users ask for it.
pub(crate) struct Counting {
    /// As the gate does.
    pub(crate) keys: Arc<dyn KeyStore>,
    /// As operators do.
    pub(crate) reports: Arc<dyn Reports>,
    /// As a backup does.
    backup: Arc<dyn Backup>,
}

impl Opened {
    /// Opens the store that these settings name, for a server at this address.
    pub(crate) async fn open(
        settings: &Settings,
        at: ListenerAddress,
        start_flags: StartFlags,
        clock: &dyn Clock,
    ) -> anyhow::Result<Self> {
        match &settings.database {
            Database::File(path) => {
                let holder = format!("keyward serve on {at}");
                open_file(path, &holder, start_flags, clock.now().unix)
            }
            #[cfg(feature = "postgres")]
            Database::Server(options) => {
                let ledger = settings.cluster.ledger.as_deref();
                anyhow::ensure!(
                    start_flags.after_restore.is_none() || ledger.is_some(),
                    "--after-restore is about a ledger, and this node has none; name its file as \
                     the setting `ledger`, or start without that flag"
                );
                let mut options = keyward_postgres::OpenOptions::clone(options);
                options.several = settings.cluster.is_on;
                options.name = node::name(&settings.cluster);
                let mut store = PostgresStore::open(&options).await?;
                if options.several {
                    store.share_limits(&options).await?;
                }
                store.wait_until_alone(&|| clock.now()).await?;
                // After that: the program before this one may have had the same ledger.
                let restored = if let Some(path) = ledger {
                    let holder = format!("keyward serve on {at}");
                    let (now, after_restore) = (clock.now().unix, start_flags.after_restore);
                    let after_restore = after_restore.map(ChangeId);
                    let options = LedgerOptions { path, holder: &holder, now, after_restore };
                    store.keep_ledger(&options).await?
                } else {
                    None
                };
                let message = restored.as_ref().map(report).unwrap_or_default();
                Ok(Self { store: Store::Server(Arc::new(store)), message })
            }
        }
    }

    /// The store, with its operations counted here.
    pub(crate) fn counting(&self, times: &StoreTimes) -> Counting {
        match &self.store {
            Store::File(store) => Counting::new(store, times),
            #[cfg(feature = "postgres")]
            Store::Server(store) => Counting::new(store, times),
        }
    }

    /// The numbers that the store itself has.
    pub(crate) fn commits(&self) -> Commits {
        match &self.store {
            Store::File(store) => Commits(Some(Arc::clone(store))),
            #[cfg(feature = "postgres")]
            Store::Server(_) => Commits(None),
        }
    }
}

fn open_file(
    path: &Path,
    holder: &str,
    start_flags: StartFlags,
    now: UnixMillis,
) -> anyhow::Result<Opened> {
    let after_restore = start_flags.after_restore.map(ChangeId);
    let options = OpenOptions { holder, now, after_restore, ledger: true };
    let (store, restored) = SqliteStore::open_with(path, &options)?;
    let message = restored.as_ref().map(report).unwrap_or_default();
    Ok(Opened { store: Store::File(Arc::new(store)), message })
}

impl Counting {
    fn new<S: KeyStore + Reports + Backup + 'static>(store: &Arc<S>, times: &StoreTimes) -> Self {
        let metered = Arc::new(Metered::new(Arc::clone(store), times.clone()));
        Self {
            keys: Arc::clone(&metered) as _,
            reports: Arc::clone(&metered) as _,
            backup: metered,
        }
    }

    /// Copies of the database that these settings name.
    pub(crate) fn backups(&self, settings: &Settings) -> Backups {
        let store = Arc::clone(&self.backup);
        match settings.database.file() {
            Some(path) => Backups::new(store, path),
            None => Backups::without_file(store),
        }
    }
}
