//! Removing nodes that are not heard of any more, so that changes need not wait for them.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::mutant::{self, Mutant};
use crate::store::{Cluster, NodeId, NodeRow, ServerId, Standings, StoreError};
use crate::time::{ReadClock, SteadyNanos};

use super::{Gate, certainly_over, has_passed};

/// The others as one node has seen them, by its own clock.
#[derive(Debug, Default)]
pub(super) struct Tidying {
    /// The server that said so, and since when. With another one, all begins anew.
    server: Option<(ServerId, SteadyNanos)>,
    rows: HashMap<NodeId, Seen>,
}

/// A node's row, as it has been since a time.
#[derive(Clone, Copy, Debug)]
struct Seen {
    seen: u64,
    is_marked: bool,
    since: SteadyNanos,
}

/// The work that is due.
#[derive(Debug, Default)]
struct Due {
    silent: Vec<(NodeId, u64)>,
    over: Vec<NodeId>,
    confirm: Option<ServerId>,
}

impl Tidying {
    /// One turn. Returns how many nodes it removed.
    async fn turn(
        &mut self,
        cluster: &dyn Cluster,
        lease: Duration,
        clock: ReadClock<'_>,
    ) -> Result<usize, StoreError> {
        let standings = cluster.standings(Vec::new()).await?;
        // After the response: all that it shows was so before.
        let Due { silent, over, confirm } = self.look(lease, &standings, clock().steady);
        if let Some(server) = confirm {
            cluster.confirm(server).await?;
        }
        if !silent.is_empty() {
            cluster.mark(silent).await?;
        }
        let removed = over.len();
        if !over.is_empty() {
            cluster.remove(over).await?;
        }
        Ok(removed)
    }

    /// Takes in a look at them. `now` was read after it.
    fn look(&mut self, lease: Duration, standings: &Standings, now: SteadyNanos) -> Due {
        let server = &standings.server;
        if self.server.as_ref().is_none_or(|(known, _)| known != server) {
            self.server = Some((server.clone(), now));
            self.rows.clear();
        }
        let mut due = Due::default();
        let since = self.server.as_ref().map_or(now, |(_, since)| *since);
        let may_confirm = has_passed(certainly_over(lease), since, now);
        if *server != standings.confirmed && (may_confirm || mutant::is(Mutant::EarlyConfirm)) {
            due.confirm = Some(server.clone());
        }
        let mut rows = HashMap::new();
        for row in &standings.nodes {
            let NodeRow { node: id, acked: _, seen, is_marked } = *row;
            let known = self.rows.get(&id).copied();
            let same = known.filter(|known| known.seen == seen && known.is_marked == is_marked);
            let row = same.unwrap_or(Seen { seen, is_marked, since: now });
            rows.insert(id, row);
            let is_hasty = mutant::is(Mutant::OnePhase) || mutant::is(Mutant::EarlyRemoval);
            let is_silent = has_passed(lease, row.since, now) || same.is_some() && is_hasty;
            if !is_marked && is_silent {
                due.silent.push((id, seen));
            }
            let is_over = has_passed(certainly_over(lease), row.since, now);
            let early = is_marked && mutant::is(Mutant::EarlyRemoval);
            if is_marked && is_over || early || is_silent && mutant::is(Mutant::OnePhase) {
                due.over.push(id);
            }
        }
        self.rows = rows;
        due
    }
}

impl Gate {
    /// One turn of the work that any node does for all: marks nodes that did not renew for as long
    /// as a lease lasts, removes the ones that were marked so long ago that none of their leases
    /// holds, and confirms another server when no lease of the one before it holds. To be called
    /// about once a second.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// use keyward::Gate;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryCluster;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let cluster = MemoryCluster::new(Duration::from_secs(5));
    /// let gate = Gate::open(Arc::new(cluster.node(1)), Prefix::default()).await?;
    /// let clock = || Now::new(UnixMillis(1_800_000_000_000), SteadyNanos(0));
    /// // Now and then, by any of the gates or by all of them.
    /// gate.tidy(&clock).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot be asked. The next turn goes on.
    pub async fn tidy(&self, clock: ReadClock<'_>) -> Result<(), StoreError> {
        let Some((node, cluster)) = self.clustered() else { return Ok(()) };
        let mut tidying = node.tidying.lock().await;
        let removed = tidying.turn(cluster, node.lease(), clock).await?;
        node.counts.expelled.fetch_add(removed as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// The same work for a program that is no node yet, and waits for the nodes of a store to leave it
/// or to be expelled from it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use keyward::gate::Expelling;
/// use keyward::memory::MemoryCluster;
/// use keyward::store::Cluster as _;
/// use keyward::time::{Now, SteadyNanos, UnixMillis};
///
/// let lease = Duration::from_secs(5);
/// let store = MemoryCluster::new(lease).node(1);
/// // A program that was killed.
/// store.register().await?;
/// let mut expelling = Expelling::new(lease);
/// for seconds in [0, 5, 5, 10, 11] {
///     let steady = SteadyNanos(seconds * 1_000_000_000);
///     let clock = || Now::new(UnixMillis(1_800_000_000_000), steady);
///     expelling.turn(&store, &clock).await?;
///     let is_there = !store.standings(Vec::new()).await?.nodes.is_empty();
///     assert_eq!(is_there, seconds < 11);
/// }
/// assert_eq!(expelling.longest(), Duration::from_millis(10_120));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Expelling {
    tidying: Tidying,
    lease: Duration,
}

impl Expelling {
    /// For nodes whose leases are this long.
    #[must_use]
    pub fn new(lease: Duration) -> Self {
        Self { tidying: Tidying::default(), lease }
    }

    /// One turn, as of [`Gate::tidy`].
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot be asked. The next turn goes on.
    pub async fn turn(
        &mut self,
        cluster: &dyn Cluster,
        clock: ReadClock<'_>,
    ) -> Result<(), StoreError> {
        self.tidying.turn(cluster, self.lease, clock).await.map(drop)
    }

    /// How long it takes at most until a silent node is removed, in turns without pauses.
    #[must_use]
    pub fn longest(&self) -> Duration {
        certainly_over(self.lease).saturating_mul(2)
    }
}
