//! The cells of the matrix: each asks a proxy something, and says which facts have to follow.
//!
//! All proxies are expected to do the same. Where one cannot, `rows` says so.

mod addresses;
mod credentials;
mod failures;
mod identities;
mod messages;

use anyhow::Result;

use super::facts::Facts;
use super::keyward::Key;
use super::lane::Lane;

/// A request of a cell: the facts that were seen, and the facts that every proxy has to make.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) seen: Facts,
    pub(crate) expected: Facts,
    /// The key of a request that some proxy lets in, and no other does.
    pub(crate) key: Option<Key>,
}

impl Step {
    fn new(seen: Facts, expected: Facts) -> Self {
        Self { seen, expected, key: None }
    }

    fn with_key(self, key: &Key) -> Self {
        Self { key: Some(key.clone()), ..self }
    }
}

/// A question to each proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    pub(crate) ask: fn(&Lane<'_>) -> Result<Vec<Step>>,
}

/// The cell that may take half a minute. It is asked while the others are.
pub(crate) const SILENT: Cell = Cell { name: "verifier silent", ask: failures::silent };

/// Every other cell.
pub(crate) const CELLS: [Cell; 31] = [
    Cell { name: "allowed", ask: credentials::allowed },
    Cell { name: "allowed by X-API-Key", ask: credentials::by_x_api_key },
    Cell { name: "no key", ask: credentials::none },
    Cell { name: "wrong key", ask: credentials::wrong },
    Cell { name: "malformed", ask: credentials::malformed },
    Cell { name: "two keys", ask: credentials::two },
    Cell { name: "two X-API-Key", ask: credentials::two_lines },
    Cell { name: "two Authorization", ask: credentials::two_authorizations },
    Cell { name: "out of scope", ask: credentials::out_of_scope },
    Cell { name: "limited", ask: credentials::limited },
    Cell { name: "suspended", ask: credentials::suspended },
    Cell { name: "revoked", ask: credentials::revoked },
    Cell { name: "verifier dead", ask: failures::dead },
    Cell { name: "operator's mistake", ask: failures::mistaken },
    Cell { name: "API's own errors", ask: failures::of_the_api },
    Cell { name: "X-Keyward-* of the client", ask: identities::by_name },
    Cell { name: "X_Keyward_* of the client", ask: identities::with_underscores },
    Cell { name: "X.Keyward.* of the client", ask: identities::with_dots },
    Cell { name: "X-Keyward-* in a preflight", ask: identities::in_a_preflight },
    Cell { name: "network of the client", ask: addresses::own },
    Cell { name: "forged X-Forwarded-For", ask: addresses::forged },
    Cell { name: "forged, by a trusted proxy", ask: addresses::forged_behind_a_proxy },
    Cell { name: "HEAD", ask: messages::head },
    Cell { name: "HEAD without a key", ask: messages::head_without_a_key },
    Cell { name: "OPTIONS", ask: messages::preflight },
    Cell { name: "PUT", ask: messages::with_length },
    Cell { name: "chunked PUT", ask: messages::chunked },
    Cell { name: "query", ask: messages::query },
    Cell { name: "another host", ask: messages::other_host },
    Cell { name: "keep-alive", ask: messages::keep_alive },
    Cell { name: "keep-alive to Keyward", ask: messages::keep_alive_to_keyward },
];

/// A cell of one request.
fn one(seen: Facts, expected: Facts) -> Result<Vec<Step>> {
    Ok(vec![Step::new(seen, expected)])
}
