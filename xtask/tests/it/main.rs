//! The one integration-test binary of this crate: rules about the text of the whole workspace.

#![cfg(test)] // Tells Clippy that helpers here are test code too.

mod decisions;
mod tidy;
