//! The rows of a cluster, and how they change.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::audit::{Audit, ChangeId, Mark};
use crate::memory::hidden::Hidden;
use crate::memory::rows::Rows;
use crate::mutant::{self, Mutant};
use crate::rules::{Change, Committed, DecideError};
use crate::store::{Feed, NodeId, NodeRow, Registered, Renewed, ServerId, Standings};
use crate::time::UnixMillis;

use super::tickets::TicketTable;

/// All that a server keeps.
#[derive(Clone, Debug)]
pub(super) struct Database {
    pub(super) rows: Rows,
    nodes: BTreeMap<NodeId, NodeRow>,
    confirmed: ServerId,
    /// The timeline of the server, and that of the last change.
    pub(super) timeline: u64,
    changed_on: u64,
    pub(super) lease: Duration,
    pub(super) tickets: TicketTable,
    /// Nodes that were registered, and never the same number twice, not even after a failover: a
    /// real one is drawn at random.
    registered: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Database {
    pub(super) fn new(lease: Duration) -> Self {
        let confirmed = ServerId("1".to_owned());
        let (rows, nodes) = (Rows::default(), BTreeMap::new());
        Self {
            rows,
            nodes,
            confirmed,
            timeline: 1,
            changed_on: 1,
            lease,
            registered: std::sync::Arc::default(),
            tickets: TicketTable::new(ServerId("1".to_owned())),
        }
    }

    /// Makes a change, and notes on which timeline.
    pub(super) fn commit(
        &mut self,
        change: Change,
        audit: &Audit,
    ) -> Result<Committed, DecideError> {
        let progress = self.rows.progress.on_timeline(self.changed_on, self.timeline);
        let before = progress.mark();
        let committed = self.rows.commit_from(progress, change, audit)?;
        if committed.newest != before {
            self.changed_on = self.timeline;
        }
        Ok(committed)
    }

    pub(super) fn register(&mut self, process: usize) -> Registered {
        let number = self.registered.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        // A third process is started in the place of the first, which may still run.
        let of_process = u64::try_from(process % 2).unwrap_or(u64::MAX);
        let id = if mutant::is(Mutant::SharedId) { of_process } else { number };
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&id.to_be_bytes());
        let node = NodeId(bytes);
        let row = NodeRow { node, acked: ChangeId(0), seen: 0, is_marked: false };
        self.nodes.insert(node, row);
        Registered { node, lease: self.lease }
    }

    pub(super) fn renew(&mut self, node: NodeId, applied: Mark, at: UnixMillis) -> Renewed {
        if !self.has(applied) && !mutant::is(Mutant::NoChainCheck) {
            return Renewed::Lost;
        }
        let Some(row) = self.nodes.get_mut(&node).filter(|row| !row.is_marked) else {
            return Renewed::Gone;
        };
        row.acked = applied.change;
        row.seen += 1;
        Renewed::Kept { head: self.rows.progress.mark(), at }
    }

    pub(super) fn feed(&self, after: Mark, head: Mark, max: u32, hidden: &Hidden) -> Option<Feed> {
        let fits = self.has(after) && self.has(head) || mutant::is(Mutant::NoChainCheck);
        if !fits {
            return None;
        }
        let mut changes = self.rows.changes(after.change, max);
        let mut unreadable = Vec::new();
        changes.tiers.retain(|row| hidden.shows_tier(row, &mut unreadable));
        changes.keys.retain(|key| hidden.shows_key(key, &mut unreadable));
        let entries = self.rows.trail.iter();
        let entries = entries.filter(|it| after.change < it.id && it.id <= changes.until);
        let at = entries.map(|entry| entry.at).max().unwrap_or(UnixMillis(0));
        let to = self.mark_of(changes.until).unwrap_or(Mark::START);
        let revisions = self.rows.revisions.clone();
        Some(Feed { changes, revisions, to, at, unreadable })
    }

    pub(super) fn standings(&self, marks: &[Mark], server: &ServerId) -> Standings {
        Standings {
            nodes: self.nodes.values().copied().collect(),
            server: server.clone(),
            confirmed: self.confirmed.clone(),
            has: marks.iter().map(|mark| self.has(*mark)).collect(),
        }
    }

    pub(super) fn mark(&mut self, silent: &[(NodeId, u64)]) {
        for (node, seen) in silent {
            if let Some(row) = self.nodes.get_mut(node).filter(|row| row.seen == *seen) {
                row.is_marked = true;
            }
        }
    }

    pub(super) fn remove(&mut self, marked: &[NodeId]) {
        self.nodes.retain(|node, row| !row.is_marked || !marked.contains(node));
    }

    pub(super) fn confirm(&mut self, server: ServerId, serving: &ServerId) {
        if server == *serving {
            self.confirmed = server;
        }
    }

    pub(super) fn leave(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// Whether the trail has this entry.
    fn has(&self, mark: Mark) -> bool {
        mark == Mark::START || self.mark_of(mark.change) == Some(mark)
    }

    fn mark_of(&self, change: ChangeId) -> Option<Mark> {
        let digest = self.rows.link(change)?;
        Some(Mark { change, digest })
    }
}
