//! The contract by which a store decides about limits that several processes share.

use std::fmt;

use async_trait::async_trait;

use crate::ticket::{Ask, Revision, Ticket};

use super::StoreError;

/// Decides about the limits of each request, for all processes over one store together.
///
/// ```
/// use keyward::store::Tickets;
/// use keyward::ticket::{Ask, Ticket};
///
/// /// Whether the limits of a request let it in. Who waits for this says how long.
/// async fn lets_in(tickets: &dyn Tickets, ask: Ask) -> bool {
///     matches!(tickets.take(ask).await, Ticket::Granted(_))
/// }
/// ```
#[async_trait]
pub trait Tickets: fmt::Debug + Send + Sync {
    /// Decides about one request, by a [`Batch`](crate::ticket::Batch) of asks that came at about
    /// the same time.
    ///
    /// Dropping the future gives the ask up: it is left out if it is not decided yet. If its
    /// response is lost, it may have taken; that is [`Ticket::Unavailable`], like all that fails.
    async fn take(&self, ask: Ask) -> Ticket;

    /// Has the buckets of this ask forget terms of this revision or a later one, which the trail
    /// does not have any more. Their use stays as it is.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether they did.
    async fn forget(&self, ask: Ask, from: Revision) -> Result<(), StoreError>;
}
