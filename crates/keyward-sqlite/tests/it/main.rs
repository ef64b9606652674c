//! The one integration-test binary.

#![cfg(test)] // So that Clippy takes helpers here for test code too.

mod conformance;
mod sample;
mod sqlite;
