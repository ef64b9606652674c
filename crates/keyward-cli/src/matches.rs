//! Asking the server which secrets it knows, by their digests.

use std::collections::HashMap;

use keyward_api::key::DIGESTS_MAX;
use serde_json::{Value, json};

use crate::client::{Client, ClientError};

/// The secrets that the server knows, each with its key, in the fields `key_id`, `name`, `state`,
/// `secret` and `ends_at`.
#[derive(Debug, Default)]
pub(crate) struct Matches(HashMap<String, Value>);

impl Matches {
    /// Asks about these digests in hexadecimal, as many at a time as the server takes.
    ///
    /// # Errors
    ///
    /// Returns [`ClientError`] unless the server responded to all requests.
    pub(crate) fn ask(client: &Client, digests: &[String]) -> Result<Self, ClientError> {
        let mut matches = Self::default();
        for batch in digests.chunks(DIGESTS_MAX) {
            let question = json!({ "digests": batch });
            matches.add(client.question("/admin/api-keys/identify", &question)?.body);
        }
        Ok(matches)
    }

    /// Adds the matches of one response.
    pub(crate) fn add(&mut self, mut answer: Value) {
        let matches = answer.get_mut("matches").and_then(Value::as_array_mut);
        self.0.extend(matches.into_iter().flatten().filter_map(|one| {
            let digest = one.get("digest")?.as_str()?.to_owned();
            Some((digest, one.take()))
        }));
    }

    /// The match of one digest.
    pub(crate) fn find(&self, digest: &str) -> Option<&Value> {
        self.0.get(digest)
    }
}
