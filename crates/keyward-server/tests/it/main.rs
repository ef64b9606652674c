//! The one integration-test binary.

#![cfg(test)] // Tells Clippy that helpers here are test code too.

mod admin;
mod cli;
mod moving;
mod scan;
mod server;
mod settings;
mod survive;
mod wire;
