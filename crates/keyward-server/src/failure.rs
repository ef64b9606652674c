//! What becomes of a request when the store fails.

use std::error::Error as _;

use keyward::store::StoreError;
use keyward_axum::Refusal;

/// A store that breaks down: the log learns why, the client that trying later may help.
pub(crate) fn broken(error: StoreError) -> Refusal {
    let cause = error.source().map(ToString::to_string);
    tracing::error!(%error, cause, "The store failed");
    drop(error);
    Refusal::unavailable()
}
