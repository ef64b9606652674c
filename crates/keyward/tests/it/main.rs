//! The one integration-test binary of this crate: behaviour that can only be seen from outside.

#![cfg(test)] // So that Clippy takes helpers here for test code too.

mod allocations;
mod cluster;
mod golden;
