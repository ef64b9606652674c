//! Tests that need a file: surviving, sharing, rejecting and breaking.

mod backup;
mod changes;
mod cost;
mod golden;
mod golden_11;
mod ledger;
mod lists;
mod lives;
mod migrate;
mod open;
mod paging;
mod snapshots;
