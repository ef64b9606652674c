//! The one integration-test binary.

#![cfg(test)] // Tells Clippy that helpers here are test code too.

mod access;
mod admin;
mod audit;
mod backup;
mod cli;
mod docs;
mod door;
mod issuer;
mod leaks;
mod moving;
mod owners;
mod people;
mod sample;
mod scan;
mod server;
mod settings;
mod survive;
mod tiers;
mod transfer;
mod wire;
