//! Asks the server which keys these are, by their digests, and goes on if it cannot be asked.

use keyward::key::Prefix;
use keyward::scan::{Found, Reading};
use keyward_api::key::{Match, PrefixList};

use crate::client::{Client, ClientError};

use crate::matches::Matches;
use crate::status::tell;

/// The advice for a user who wants to know more.
const NO_ADMIN_KEY: &str =
    "there is no admin key; set ADMIN_API_KEY, or give --offline if it need not be asked";

/// The server that knows which keys there are, as long as it responds.
pub(super) struct Identifier(Who);

enum Who {
    /// A server that has not failed yet.
    Server(Box<Client>),
    /// No server, because we have no admin key; not reported yet.
    Missing,
    /// No server; and the user knows.
    Nobody,
}

/// The server's response about some keys.
#[derive(Debug, Default)]
pub(super) struct Identified {
    /// Whether the server responded.
    pub(super) was_asked: bool,
    matches: Matches,
}

impl Identified {
    /// The server's data about some keys.
    pub(super) fn of(matches: Matches) -> Self {
        Self { was_asked: true, matches }
    }

    /// The right way to read a key, and its match; without a match, the likeliest way.
    pub(super) fn best<'a>(&'a self, found: &'a Found) -> (&'a Reading, Option<&'a Match>) {
        let known = found.readings().find_map(|reading| {
            let key = self.matches.find(&reading.digest.to_hex())?;
            Some((reading, Some(key)))
        });
        known.unwrap_or((&found.likeliest, None))
    }
}

impl Identifier {
    /// Asks this server, if there is one.
    pub(super) fn new(client: Option<Client>) -> Self {
        Self(client.map_or(Who::Missing, |client| Who::Server(Box::new(client))))
    }

    /// Asks no server.
    pub(super) fn offline() -> Self {
        Self(Who::Nobody)
    }

    /// Whether waiting for more keys is useless.
    pub(super) fn is_offline(&self) -> bool {
        !matches!(self.0, Who::Server(_))
    }

    /// Asks about all of these at once.
    pub(super) fn identify<'a>(&mut self, found: impl Iterator<Item = &'a Found>) -> Identified {
        let digests: Vec<_> = found
            .flat_map(|found| found.readings())
            .map(|reading| reading.digest.to_hex())
            .collect();
        if digests.is_empty() {
            return Identified::default();
        }
        let matches = self.ask(|client| Matches::ask(client, &digests));
        matches.map_or_else(Identified::default, Identified::of)
    }

    /// The prefixes in use; none if no server can be asked.
    pub(super) fn prefixes(&mut self) -> Vec<Prefix> {
        let listed = self.ask(|client| Ok(client.get::<PrefixList>("/admin/prefixes")?.body));
        let texts = listed.into_iter().flat_map(|listed| listed.prefixes);
        texts.filter_map(|text| text.parse().ok()).collect()
    }

    /// The server's response. If there is none, reports that, and asks no more.
    fn ask<T>(&mut self, question: impl FnOnce(&Client) -> Result<T, ClientError>) -> Option<T> {
        let error = match &self.0 {
            Who::Server(client) => match question(client) {
                Ok(answer) => return Some(answer),
                Err(error) => explain(&error),
            },
            Who::Missing => NO_ADMIN_KEY.to_owned(),
            Who::Nobody => return None,
        };
        tell(&format!("warning: going on without the server: {error}"));
        self.0 = Who::Nobody;
        None
    }
}

/// The scan goes on, so that no advice is needed.
fn explain(error: &ClientError) -> String {
    match error {
        ClientError::Broken { server, .. } => format!("the connection to {server} broke"),
        ClientError::Untrusted { server, flaw } => format!("{server} is not trusted: {flaw}"),
        ClientError::Unreachable { server, .. } => format!("no server responds at {server}"),
        other => other.to_string(),
    }
}
