//! The contract by which several processes share a store.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::audit::{ChangeId, Mark};
use crate::time::UnixMillis;

use super::{Changes, Revisions, StoreError, Unreadable};

/// A node: one process, from its start to its end. A process that starts again is another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 16]);

/// A server of the database, from its start to its end: after a failover or a restart it is another
/// one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerId(pub String);

/// A node that is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The node, which never was before.
    pub node: NodeId,
    /// How long a node may decide after it last heard from the store; the same for all nodes.
    pub lease: Duration,
}

/// The result of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// The node is registered, and the store knows how far it is.
    Kept {
        /// The head of the trail.
        head: Mark,
        /// The store's time, read after the request for the renewal came: all nodes judge by it.
        at: UnixMillis,
    },
    /// The node is not registered any more, or about to be removed.
    Gone,
    /// The trail does not have the entry up to which the node has applied it: the store went back
    /// in time.
    Lost,
}

/// The rows that entries after a mark name, as they are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// The rows; [`Changes::until`] is the change of `to`.
    pub changes: Changes,
    /// When their limits were last changed.
    pub revisions: Revisions,
    /// Up to where these lead. They are applied whole or not at all.
    pub to: Mark,
    /// The latest time of the entries that were looked at: as late as that it has been.
    pub at: UnixMillis,
    /// Rows among these that this program cannot read. The others are in `changes`.
    pub unreadable: Vec<Unreadable>,
}

/// A node as the others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeRow {
    /// The node.
    pub node: NodeId,
    /// The number of the last entry that it applied, as of its last renewal.
    pub acked: ChangeId,
    /// How often it has renewed.
    pub seen: u64,
    /// Whether it may not renew any more.
    pub is_marked: bool,
}

/// The nodes and the server, as of one instant.
///
/// ```
/// use keyward::store::{ServerId, Standings};
///
/// let server = ServerId("2030-01-01 00:00:00+00".to_owned());
/// let (nodes, has) = (Vec::new(), vec![true]);
/// let standings = Standings { nodes, server: server.clone(), confirmed: server, has };
/// // Acknowledgements count: no failover happened, or it was long ago.
/// assert_eq!(standings.server, standings.confirmed);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standings {
    /// All nodes that are registered, marked ones too.
    pub nodes: Vec<NodeRow>,
    /// The server that says so.
    pub server: ServerId,
    /// The server whose nodes are known to be all that hold a lease.
    pub confirmed: ServerId,
    /// For each mark that was asked for, whether the trail has it.
    pub has: Vec<bool>,
}

/// What several gates over one store agree by. Each method is one transaction, which is durable
/// when it returns.
///
/// The rules are in `docs/cluster-design.md`; a store holds rows, and none of them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use keyward::audit::Mark;
/// use keyward::memory::MemoryCluster;
/// use keyward::store::{Cluster, Renewed};
///
/// let store = MemoryCluster::new(Duration::from_secs(5)).node(1);
/// let cluster: &dyn Cluster = &store;
/// let registered = cluster.register().await?;
/// // A new database has a trail without entries.
/// let renewed = cluster.renew(registered.node, Mark::START).await?;
/// assert!(matches!(renewed, Renewed::Kept { head: Mark::START, at: _ }));
/// cluster.leave(registered.node).await?;
/// let renewed = cluster.renew(registered.node, Mark::START).await?;
/// assert_eq!(renewed, Renewed::Gone);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Each method returns [`StoreError`] if the result is unknown. It may or may not have happened.
#[async_trait]
pub trait Cluster: fmt::Debug + Send + Sync {
    /// Registers a node that never was before, which has applied nothing.
    async fn register(&self) -> Result<Registered, StoreError>;

    /// Keeps a node registered, and notes up to where it has applied the trail.
    async fn renew(&self, node: NodeId, applied: Mark) -> Result<Renewed, StoreError>;

    /// The rows that up to `max` entries after the mark `after` name, oldest first, and where they
    /// end. A `max` of 0 counts as 1. `None` if the trail does not have both `after` and `head`.
    async fn feed(&self, after: Mark, head: Mark, max: u32) -> Result<Option<Feed>, StoreError>;

    /// All nodes, the server, and whether the trail has each of these marks.
    async fn standings(&self, marks: Vec<Mark>) -> Result<Standings, StoreError>;

    /// Marks nodes that have renewed as often as given here and not once more since: they may not
    /// renew any more.
    async fn mark(&self, silent: Vec<(NodeId, u64)>) -> Result<(), StoreError>;

    /// Removes these nodes, as far as they are marked.
    async fn remove(&self, marked: Vec<NodeId>) -> Result<(), StoreError>;

    /// Confirms a server, if it is still the one that the store has.
    async fn confirm(&self, server: ServerId) -> Result<(), StoreError>;

    /// Removes a node that decides nothing any more.
    async fn leave(&self, node: NodeId) -> Result<(), StoreError>;

    /// Returns when something may have changed since it was called first, or never: a hint may be
    /// lost. It may be dropped at any time.
    async fn hint(&self) {
        std::future::pending().await
    }
}
