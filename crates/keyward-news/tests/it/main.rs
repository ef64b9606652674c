//! The one integration-test binary.

#![cfg(test)] // So that Clippy takes helpers here for test code too.

mod app;
mod articles;
mod feeds;
mod identity;
mod import;
mod odd_feeds;
#[cfg(feature = "postgres")]
mod postgres;
mod tutorial;
