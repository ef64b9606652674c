//! The limits that processes share, as one of them asks about them.

use std::sync::atomic::Ordering;

use async_trait::async_trait;

use crate::store::{ServerId, StoreError, Tickets};
use crate::ticket::{Ask, Revision, Ticket};
use crate::time::UnixMillis;

use super::ClusterNode;
use super::database::Database;

#[async_trait]
impl Tickets for ClusterNode {
    async fn take(&self, ask: Ask) -> Ticket {
        let at = &self.cluster.0.at;
        let take = |it: &mut Database, server: &ServerId| {
            let at = UnixMillis(at.load(Ordering::Relaxed));
            Ok(it.tickets.take(&ask, server, at, it.lease))
        };
        // A reply that is lost may have taken.
        self.call("take", take).await.unwrap_or(Ticket::Unavailable)
    }

    async fn forget(&self, ask: Ask, from: Revision) -> Result<(), StoreError> {
        let forget = |it: &mut Database, _: &ServerId| {
            it.tickets.forget(&ask, from);
            Ok(())
        };
        self.call("forget", forget).await
    }
}
