//! The response to a request when the store fails.

use std::error::Error as _;

use keyward::store::StoreError;
use keyward_axum::Rejection;
use keyward_sqlite::FileLost;

/// A store that breaks down: the log learns why, the client that trying later may help.
pub(crate) fn broken(error: StoreError) -> Rejection {
    let cause = error.source().map(ToString::to_string);
    if error.source().is_some_and(|source| source.is::<FileLost>()) {
        // The store logs it once, however many requests meet it.
        tracing::debug!(%error, cause, "The store failed");
    } else {
        tracing::error!(%error, cause, "The store failed");
    }
    drop(error);
    Rejection::unavailable()
}
