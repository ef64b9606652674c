//! A guard over a SQLite file, opened in one call (feature `sqlite`).

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyward::Gate;
use keyward::key::Prefix;
use keyward::store::{Backup, KeyStore as _, Reports, StoreError};
use keyward_http::{Clock as _, SystemClock};
use keyward_sqlite::SqliteStore;
use thiserror::Error;

use crate::guard::{Guard, GuardOptions, finished};
use crate::upkeep::{Pulse, Upkeep};

/// Options of [`SqliteGuard::open_with`].
///
/// ```
/// use std::time::Duration;
///
/// use keyward_axum::SqliteOptions;
///
/// let options = SqliteOptions { prefix: "acme_live".parse()?, ..SqliteOptions::default() };
/// assert_eq!(options.flush_every, Duration::from_secs(1));
/// // A prefix is the first thing that a person sees of a key, so that not every text is one.
/// assert!("Acme Live".parse::<keyward_axum::keyward::key::Prefix>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// Who has the file open, in a few words such as the address that the program listens on: a
    /// second program that opens the file says so in its error. By default the name of the program.
    pub holder: String,
    /// The first part of each key that is issued; `kw` by default. Keys that were issued with
    /// another one go on working.
    pub prefix: Prefix,
    /// How often usage goes to the file; 1 s by default. Counts younger than that are lost if the
    /// process is killed.
    pub flush_every: Duration,
    /// How many days before today (UTC) have usage; `None`, the default, is that all have.
    pub usage_days: Option<NonZeroU32>,
    /// The settings of the guard itself.
    pub guard: GuardOptions,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        let program = std::env::args_os().next().unwrap_or_default();
        let name = Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
        Self {
            holder: name.into_owned(),
            prefix: Prefix::default(),
            flush_every: Duration::from_secs(1),
            usage_days: None,
            guard: GuardOptions::default(),
        }
    }
}

/// Why a guard over a SQLite file did not open. The contents of the file are neither lost nor
/// altered.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use keyward_axum::SqliteGuard;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("notes.txt");
/// std::fs::write(&path, "Some text that is no database.".repeat(200))?;
/// let error = SqliteGuard::open(&path).await.unwrap_err();
/// assert!(error.to_string().contains("notes.txt"), "it names the file: {error}");
/// assert!(std::fs::read_to_string(&path)?.starts_with("Some text"), "which is as it was");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Error)]
pub enum OpenError {
    /// The file cannot be opened: the error names it, and what to do.
    #[error(transparent)]
    File(#[from] keyward_sqlite::OpenError),
    /// The keys in it cannot be read.
    #[error(transparent)]
    Keys(#[from] keyward::gate::OpenError),
}

/// A guard whose keys survive in a SQLite file, with the upkeep that it needs.
///
/// A clone of [`SqliteGuard::guard`] goes into the state of the app; [`SqliteGuard::close`] ends it
/// in order.
///
/// ```
/// use axum::{Router, routing::get};
/// use http::{Request, StatusCode};
/// use keyward_axum::keyward::issue::NewKey;
/// use keyward_axum::{Caller, SqliteGuard};
/// use tower::ServiceExt as _;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("keys.db");
/// let keys = SqliteGuard::open(&path).await?;
/// let guard = keys.guard();
/// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
/// let secret = guard.issue(key, guard.program()).await?.secret.expose().to_owned();
///
/// // One process has the file to itself: the error says who has it.
/// let second = SqliteGuard::open(&path).await.unwrap_err();
/// assert!(second.to_string().contains("is in use by"));
/// keys.close().await?;
///
/// // After a restart the key still works, and another text does not.
/// let keys = SqliteGuard::open(&path).await?;
/// let greet = async |caller: Caller| format!("Hello, {}!", caller.name());
/// let app: Router = Router::new().route("/", get(greet)).with_state(keys.guard().clone());
/// let request = |key: &str| Request::get("/").header("x-api-key", key).body(String::new());
/// assert_eq!(app.clone().oneshot(request(&secret)?).await?.status(), StatusCode::OK);
/// assert_eq!(app.oneshot(request("wrong")?).await?.status(), StatusCode::UNAUTHORIZED);
/// keys.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SqliteGuard {
    guard: Guard,
    store: Arc<SqliteStore>,
    path: PathBuf,
    upkeep: Upkeep,
}

impl SqliteGuard {
    /// Opens the file at `path`, or creates it, readable by its owner only, with the default
    /// settings: [`SqliteOptions::default`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_axum::SqliteGuard;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("keys.db");
    /// let keys = SqliteGuard::open(&path).await?;
    /// // One process has the file to itself.
    /// assert!(SqliteGuard::open(&path).await.is_err());
    /// keys.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`SqliteGuard::open_with`].
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(path, SqliteOptions::default()).await
    }

    /// Opens the file at `path`, or creates it, reads all keys into memory, and starts the upkeep
    /// on the current tokio runtime.
    ///
    /// One process has the file to itself, from here until [`SqliteGuard::close`]; see
    /// [`SqliteStore::open_with`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use keyward_axum::{GuardOptions, SqliteGuard, SqliteOptions};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("keys.db");
    /// let options = SqliteOptions {
    ///     holder: "greeter on 127.0.0.1:3000".to_owned(),
    ///     flush_every: Duration::from_secs(5),
    ///     guard: GuardOptions { failures_per_minute: 60.try_into().ok(), ..Default::default() },
    ///     ..SqliteOptions::default()
    /// };
    /// let keys = SqliteGuard::open_with(&path, options).await?;
    ///
    /// let second = SqliteGuard::open(&path).await.unwrap_err();
    /// assert!(second.to_string().contains("greeter on 127.0.0.1:3000"));
    /// keys.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`OpenError`] if the file is in use, is no database of keys, is damaged, or cannot
    /// be read or written. The text of the error names the file and says what to do.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub async fn open_with(
        path: impl AsRef<Path>,
        options: SqliteOptions,
    ) -> Result<Self, OpenError> {
        let SqliteOptions { holder, prefix, flush_every, usage_days, guard } = options;
        let clock = SystemClock::start();
        let (path, now) = (path.as_ref().to_owned(), clock.now().unix);
        // Blocks for some milliseconds, and longer where a log has to be read again.
        let opened_path = path.clone();
        let open = move || SqliteStore::open(&opened_path, &holder, now);
        let opened = finished(tokio::task::spawn_blocking(open)).await;
        let store = Arc::new(opened.map_err(keyward::gate::OpenError::from)??);
        let gate = Gate::open(Arc::clone(&store) as _, prefix).await?;
        let guard = Guard::new(gate, clock, guard);
        let upkeep = Upkeep::start_keeping(guard.clone(), flush_every, usage_days);
        Ok(Self { guard, store, path, upkeep })
    }

    /// The guard, to be cloned into the state of the app.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use axum::{Router, routing::get};
    /// use keyward_axum::{Caller, SqliteGuard};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("keys.db");
    /// let keys = SqliteGuard::open(&path).await?;
    /// let mine = async |caller: Caller| caller.name().to_owned();
    /// let app: Router = Router::new().route("/", get(mine)).with_state(keys.guard().clone());
    /// # drop(app);
    /// keys.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The store, for reports (`keyward::store::Reports`) and backups (`keyward::store::Backup`).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_axum::SqliteGuard;
    /// use keyward_axum::keyward::issue::NewKey;
    /// use keyward_axum::keyward::query::KeyFilter;
    /// use keyward_axum::keyward::store::{Backup as _, Reports as _};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let (path, copy) = (directory.path().join("keys.db"), directory.path().join("copy.db"));
    /// let keys = SqliteGuard::open(&path).await?;
    /// let guard = keys.guard();
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// guard.issue(key, guard.program()).await?;
    /// let found = keys.store().count_keys(KeyFilter::default(), guard.now().unix).await?;
    /// assert_eq!((found.at_least, found.is_exact), (1, true));
    /// keys.store().back_up(&copy).await?;
    /// keys.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn store(&self) -> &Arc<SqliteStore> {
        &self.store
    }

    /// The store, as the control plane asks for it: for reports.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("keys.db");
    /// let keys = keyward_axum::SqliteGuard::open(&path).await?;
    /// let tiers = keys.reports().tiers().await?;
    /// assert!(tiers.iter().any(|tier| tier.name.as_str() == "basic"));
    /// # keys.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn reports(&self) -> Arc<dyn Reports> {
        Arc::clone(&self.store) as _
    }

    /// The store, as the control plane asks for it: for copies.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("keys.db");
    /// let keys = keyward_axum::SqliteGuard::open(&path).await?;
    /// let copy = keys.path().with_extension("copy");
    /// keys.backup().back_up(&copy).await?;
    /// assert!(copy.exists());
    /// # keys.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn backup(&self) -> Arc<dyn Backup> {
        Arc::clone(&self.store) as _
    }

    /// The path of the file.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("keys.db");
    /// let keys = keyward_axum::SqliteGuard::open(&path).await?;
    /// assert_eq!(keys.path(), path);
    /// # keys.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A handle that says whether the upkeep is running, for a health check; it also works after
    /// the upkeep has ended.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_axum::SqliteGuard;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("keys.db");
    /// let keys = SqliteGuard::open(&path).await?;
    /// let pulse = keys.pulse();
    /// assert!(pulse.is_well());
    /// keys.close().await?;
    /// assert!(!pulse.is_well());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.upkeep.pulse()
    }

    /// Stops the upkeep, moves all counts to the file, and closes it. To be called after the server
    /// has handled its last request. Clones of the guard then still verify, and change nothing.
    ///
    /// A guard that is dropped instead loses only the counts since the last flush, and the file
    /// stays open as long as there is a clone of the guard.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_axum::SqliteGuard;
    /// use keyward_axum::keyward::issue::NewKey;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("keys.db");
    /// let keys = SqliteGuard::open(&path).await?;
    /// let guard = keys.guard().clone();
    /// keys.close().await?;
    /// // Nothing can be put on record any more, so nothing changes.
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// assert!(guard.issue(key, guard.program()).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the last flush failed, or if the file could not be closed in
    /// order. It is closed all the same.
    pub async fn close(self) -> Result<(), StoreError> {
        let flushed = self.upkeep.stop().await;
        self.store.close().await?;
        flushed
    }
}
