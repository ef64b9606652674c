//! Asking the server which secrets it knows, by their digests.

use std::collections::HashMap;

use keyward_api::key::{DIGESTS_MAX, IdentifyDraft, Match, MatchList};
use serde_json::{Value, json};

use crate::client::{Client, ClientError, Response};

/// The secrets that the server knows, each with its key, and that as the server sent it.
#[derive(Debug, Default)]
pub(crate) struct Matches(HashMap<String, (Match, Value)>);

impl Matches {
    /// Asks about these digests in hexadecimal, as many at a time as the server takes.
    ///
    /// # Errors
    ///
    /// Returns [`ClientError`] unless the server responded to all requests.
    pub(crate) fn ask(client: &Client, digests: &[String]) -> Result<Self, ClientError> {
        let mut matches = Self::default();
        for batch in digests.chunks(DIGESTS_MAX) {
            let question = IdentifyDraft { digests: Some(json!(batch)) };
            matches.add(client.question("/admin/api-keys/identify", &question)?);
        }
        Ok(matches)
    }

    /// Adds the matches of one response.
    pub(crate) fn add(&mut self, mut response: Response<MatchList>) {
        let sent = response.take_list("matches");
        let found = response.body.matches.into_iter().zip(sent);
        self.0.extend(found.map(|(one, sent)| (one.digest.0.clone(), (one, sent))));
    }

    /// The match of one digest.
    pub(crate) fn find(&self, digest: &str) -> Option<&Match> {
        self.0.get(digest).map(|(found, _)| found)
    }

    /// The match of one digest, and that as the server sent it.
    pub(crate) fn find_sent(&self, digest: &str) -> Option<(Match, Value)> {
        self.0.get(digest).cloned()
    }
}
