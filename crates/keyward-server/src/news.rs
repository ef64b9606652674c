//! The protected API of news: articles in the file of the keys, and their routes.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler as _;
use keyward::UnixMillis;
use keyward_admin::Role;
use keyward_news::{Articles, IMPORT_BODY_MAX, import_articles, list_articles};
use keyward_sqlite::SqliteStore;

use crate::routes::{Access, Routes};

/// Opens the articles in the file of the keys, which take a batch only while that file exists at
/// its path.
///
/// # Errors
///
/// Returns an error if their tables cannot be opened.
pub(crate) fn open(
    path: &Path,
    store: &Arc<SqliteStore>,
    now: UnixMillis,
) -> anyhow::Result<Articles> {
    // The file is held until the process ends, since the articles have connections to it as well.
    std::mem::forget(store.hold());
    let watched = Arc::clone(store);
    let check = Arc::new(move || -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(watched.check_files()?)
    });
    Articles::open_checked(path, now, check)
        .with_context(|| format!("opening the articles in {}", path.display()))
}

/// Adds the route of callers and the route of operators.
pub(crate) fn add_routes(routes: Routes) -> Routes {
    let import_articles = import_articles.layer(DefaultBodyLimit::max(IMPORT_BODY_MAX));
    routes.get("/articles", Access::Key, list_articles).post(
        "/admin/articles",
        Access::Admin(Role::Admin),
        import_articles,
    )
}
