//! The description of everything that is served, as OpenAPI 3.1, and the pages to read it on.
//!
//! A handler describes its own parts, next to its code; the document of a listener is made of the
//! routes that it serves.

mod front;
mod pages;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use self::pages::{Document, routes};
