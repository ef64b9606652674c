//! The response to a request when the store fails.

use std::error::Error as _;

use http::StatusCode;
use keyward::store::StoreError;
use keyward_axum::Rejection;

/// A store that breaks down: the log learns why, the client that trying later may help. What a
/// store does not do at all, and what to do instead, the client learns.
#[must_use]
pub fn broken(error: StoreError) -> Rejection {
    if let StoreError::Unsupported(instead) = error {
        return Rejection::new(StatusCode::NOT_IMPLEMENTED, instead);
    }
    let cause = error.source().map(ToString::to_string);
    if error.is_logged() {
        // The store logs it once, however many requests meet it.
        tracing::debug!(%error, cause, "The store failed");
    } else {
        tracing::error!(%error, cause, "The store failed");
    }
    drop(error);
    Rejection::unavailable()
}
