//! The one integration-test binary.

#![cfg(test)] // Tells Clippy that helpers here are test code too.

mod app;
mod articles;
mod feeds;
mod identity;
mod import;
mod odd_feeds;
mod tidy;
mod tutorial;
