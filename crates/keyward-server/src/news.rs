//! The protected API of news: articles in the database of the keys, and their routes.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::{DefaultBodyLimit, FromRef};
use keyward::UnixMillis;
use keyward_admin::routes::{Endpoint, route};
use keyward_axum::Guard;
use keyward_news::{Articles, IMPORT_BODY_MAX, routes};
use keyward_sqlite::SqliteStore;

use crate::opened::Store;
use crate::settings::Database;

/// Opens the articles in the database of the keys.
///
/// # Errors
///
/// Returns an error if their tables cannot be opened.
pub(crate) async fn open(
    database: &Database,
    store: &Store,
    now: UnixMillis,
) -> anyhow::Result<Articles> {
    match (database, store) {
        (Database::File(path), Store::File(store)) => open_file(path, store, now),
        #[cfg(feature = "postgres")]
        (Database::Server(options), Store::Server(_)) => {
            Ok(Articles::open_in_postgres(options).await?)
        }
        #[cfg(feature = "postgres")]
        (Database::File(_), Store::Server(_)) | (Database::Server(_), Store::File(_)) => {
            anyhow::bail!("the keys are in another database than the articles")
        }
    }
}

/// Opens the articles in the file of the keys, which take a batch only while that file exists at
/// its path.
fn open_file(path: &Path, store: &Arc<SqliteStore>, now: UnixMillis) -> anyhow::Result<Articles> {
    // The file is held until the process ends, since the articles have connections to it as well.
    std::mem::forget(store.hold());
    let watched = Arc::clone(store);
    let check = Arc::new(move || -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(watched.check_files()?)
    });
    Articles::open_checked(path, now, check)
        .with_context(|| format!("opening the articles in {}", path.display()))
}

/// The state of the routes of articles. A clone shares everything.
#[derive(Clone, Debug, FromRef)]
pub(crate) struct News {
    guard: Guard,
    articles: Articles,
}

impl News {
    /// The articles, for callers of this guard.
    pub(crate) fn new(guard: Guard, articles: Articles) -> Self {
        Self { guard, articles }
    }

    /// The route of callers.
    pub(crate) fn for_callers(&self) -> Endpoint {
        route!(routes::list_articles).with_state(self.clone())
    }

    /// The route of operators.
    pub(crate) fn for_operators(&self) -> Endpoint {
        let limit = DefaultBodyLimit::max(IMPORT_BODY_MAX);
        let import = route!(routes::import_articles).map(|handler| handler.layer(limit));
        import.with_state(self.clone())
    }
}
