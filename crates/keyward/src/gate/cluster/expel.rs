//! Removing nodes that are not heard of any more, so that changes need not wait for them.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use crate::mutant::{self, Mutant};
use crate::store::{NodeId, NodeRow, ServerId, Standings, StoreError};
use crate::time::{ReadClock, SteadyNanos};

use super::{Gate, Node, has_passed};

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
    /// Takes in a look at them. `now` was read after it.
    fn look(&mut self, node: &Node, standings: &Standings, now: SteadyNanos) -> Due {
        let server = &standings.server;
        if self.server.as_ref().is_none_or(|(known, _)| known != server) {
            self.server = Some((server.clone(), now));
            self.rows.clear();
        }
        let mut due = Due::default();
        let since = self.server.as_ref().map_or(now, |(_, since)| *since);
        let may_confirm = has_passed(node.certainly_over(), since, now);
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
            let is_silent = has_passed(node.lease(), row.since, now) || same.is_some() && is_hasty;
            if !is_marked && is_silent {
                due.silent.push((id, seen));
            }
            let is_over = has_passed(node.certainly_over(), row.since, now);
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
        let standings = cluster.standings(Vec::new()).await?;
        // After the response: all that it shows was so before.
        let Due { silent, over, confirm } = tidying.look(node, &standings, clock().steady);
        if let Some(server) = confirm {
            cluster.confirm(server).await?;
        }
        if !silent.is_empty() {
            cluster.mark(silent).await?;
        }
        if !over.is_empty() {
            node.counts.expelled.fetch_add(over.len() as u64, Ordering::Relaxed);
            cluster.remove(over).await?;
        }
        Ok(())
    }
}
