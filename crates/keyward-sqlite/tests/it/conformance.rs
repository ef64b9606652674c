//! The promises of every store, kept by this one.

use keyward::conformance::Promise;

use crate::sample::open;

fn check(promise: Promise) {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(promise(&open(&directory.path().join("keyward.db"))));
}

keyward::conformance!(crate::conformance::check);
