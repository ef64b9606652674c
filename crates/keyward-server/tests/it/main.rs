//! The one integration-test binary.

#![cfg(test)] // Tells Clippy that helpers here are test code too.

mod access;
mod admin;
mod cli;
mod docs;
mod door;
mod issuer;
mod leaks;
mod life;
mod lists;
mod moving;
mod people;
mod rotation;
mod sample;
mod scan;
mod server;
mod settings;
mod survive;
mod usage;
mod wire;
