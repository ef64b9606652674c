//! The one integration-test binary.

#![cfg(test)] // So that Clippy takes helpers here for test code too.

mod alone;
mod arrival;
mod cluster;
mod commits;
mod conformance;
mod inspect;
mod ledger;
mod lists;
mod migrate;
mod nodes;
mod open;
mod pieces;
mod pooler;
mod proxy;
mod server;
mod starter;
mod tickets;
mod tls;
mod usage;
mod usage_tables;
