//! The one integration-test binary of this crate: rules about the text of the whole
//! workspace, and about what it is built from.

#![cfg(test)] // So that Clippy takes helpers here for test code too.

mod clients;
mod decisions;
mod deny;
mod dependencies;
mod documents;
mod examples;
mod metadata;
mod monitoring;
mod packages;
mod tidy;
mod tracked;
mod unused;
mod words;
