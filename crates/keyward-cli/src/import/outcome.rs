//! The server's results of a request that imports keys.

use serde::Deserialize;

/// The results, in the order of the keys.
#[derive(Debug, Deserialize)]
pub(super) struct Outcomes {
    pub keys: Vec<Outcome>,
}

/// The result for one key.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(super) enum Outcome {
    Added,
    Skipped,
    Refused { reason: Option<String> },
}
