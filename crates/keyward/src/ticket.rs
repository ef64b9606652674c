//! Limits that several processes share: the store decides about each request, many in a batch.
//!
//! A process cannot know what the others let in. So it asks the store about every request of a key
//! with limits: an [`Ask`] names all buckets of the request, with the terms that the process knows
//! for each, and the cost. The store locks the rows of these buckets, **then** reads its own clock,
//! and has a [`Batch`] decide about each ask in order, by the token buckets of
//! [`limit`](crate::limit), which are those of one process alone.
//!
//! **Guarantee:** each accepted request has an instant between its arrival and its response at
//! which it counts. In any span of time `t`, requests whose whole lifetime lies in it are at most
//! `burst + t * amount / per`. The clock is the store's: if it is set forward, that much time has
//! passed for the limits. Nothing is ever given back: a response that is lost may have taken.
//!
//! This module knows neither how a batch is gathered nor where its rows are.

mod ask;
mod batch;
mod place;
mod whole;

pub use crate::limit::Revision;
pub use ask::{Ask, Terms};
pub use batch::{Batch, Row, Ticket};
pub use place::{BRIEF_MAX, BucketId, Keeping, Place};
pub use whole::{Server, StoreNanos, whole_since};

#[cfg(test)]
mod tests;
