//! The one integration-test binary of this crate: what can only be seen from outside.

#![cfg(test)] // Tells Clippy that helpers here are test code too.

mod allocations;
mod golden;
