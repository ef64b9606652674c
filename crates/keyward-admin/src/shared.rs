//! The parts that most handlers use.

use std::sync::Arc;

use axum::extract::FromRef;
use keyward::store::Reports;
use keyward_axum::Guard;

/// The state of most handlers. A clone shares everything.
#[derive(Clone, Debug, FromRef)]
pub(crate) struct Shared {
    pub(crate) guard: Guard,
    pub(crate) reports: Arc<dyn Reports>,
}
