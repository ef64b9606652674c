//! The promises of every store, kept by this one, each in a schema of its own.

use keyward::conformance::Promise;

use crate::server::{block_on, store};

fn check(promise: Promise) {
    block_on(async { promise(&store().await).await });
}

keyward::conformance!(crate::conformance::check);
