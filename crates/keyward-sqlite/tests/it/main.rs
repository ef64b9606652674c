//! The one integration-test binary.

#![cfg(test)] // Tells Clippy that helpers here are test code too.

mod conformance;
mod sample;
mod sqlite;
mod tidy;
mod tutorial;
