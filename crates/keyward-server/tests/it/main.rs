//! The one integration-test binary.

#![cfg(test)] // Tells Clippy that helpers here are test code too.

mod access;
mod admin;
mod cli;
mod moving;
mod scan;
mod docs;
mod door;
mod issuer;
mod people;
mod server;
mod settings;
mod survive;
mod wire;
