//! The one integration-test binary of this crate: requests and responses of plain `http`.

#![cfg(test)] // Tells Clippy that helpers here are test code too.

mod addresses;
mod credentials;
mod decisions;
mod responses;

use std::sync::Arc;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use keyward_http::keyward::Gate;
use keyward_http::keyward::key::Prefix;
use keyward_http::keyward::memory::MemoryStore;
use keyward_http::testing::FakeClock;
use keyward_http::{Authenticated, Authenticator, Options, Rejection, Required};

/// Headers with these lines.
fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let value = HeaderValue::try_from(*value).unwrap();
        headers.append(HeaderName::from_static(name), value);
    }
    headers
}

/// Decides about a request with these lines, from an unknown peer.
fn ask(
    authenticator: &Authenticator,
    lines: &[(&'static str, &str)],
) -> Result<Authenticated, Rejection> {
    authenticator.authenticate(&mut headers(lines), None, Required::default())
}

async fn authenticator(options: Options) -> Authenticator {
    let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await.unwrap();
    Authenticator::new(gate, FakeClock::default(), options)
}
