//! The one integration-test binary of this crate: rules about the text of the whole workspace.

#![cfg(test)] // So that Clippy takes helpers here for test code too.

mod decisions;
mod tidy;
mod words;
