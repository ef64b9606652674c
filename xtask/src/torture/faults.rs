//! What goes wrong during a run, in an order that follows from its seed.

mod nodes;
mod stores;

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::node::Node;
use super::random::Random;
use super::store::Postgres;
use super::world::World;

/// A fault, which has ended when the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A node is stopped by SIGSTOP, and goes on.
    Pause,
    /// A node is ended by SIGKILL, and started again.
    Kill,
    /// A node is asked to end, and started again.
    Restart,
    /// A node ends, and another version of the program takes its place.
    Version,
    /// The connections of a node to its store end, and perhaps no new one comes about for a while.
    Drop,
    /// All that a node and its store send is late.
    Delay,
    /// Nothing that a node and its store send arrives, and no connection ends.
    Silence,
    /// A connection is cut within a COMMIT, or before the response to it.
    Commit,
    /// The store ends its connections.
    Terminate,
    /// The store ends at once, and recovers.
    Crash,
    /// A standby that lags takes the place of the store, which crashes.
    Promote,
    /// A standby that the store waits for takes its place.
    Failover,
    /// A standby takes the place of the store that knows nothing of a node, which cannot reach it.
    Strand,
    /// A snapshot of the store stays open.
    Snapshot,
    /// A node is stopped by SIGSTOP within a batch that decides about limits.
    Tickets,
}

/// How long a node may be paused, and how long it may be gone, in milliseconds.
const PAUSE_MS: (u64, u64) = (50, 4_500);
const GONE_MS: (u64, u64) = (0, 1_500);
/// How long all is well between two faults, in milliseconds.
const WELL_MS: (u64, u64) = (300, 1_500);

impl Fault {
    pub(crate) const ALL: [Self; 15] = [
        Self::Pause,
        Self::Kill,
        Self::Restart,
        Self::Version,
        Self::Drop,
        Self::Delay,
        Self::Silence,
        Self::Commit,
        Self::Terminate,
        Self::Crash,
        Self::Promote,
        Self::Failover,
        Self::Strand,
        Self::Snapshot,
        Self::Tickets,
    ];

    /// Its name on the command line and in the history.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Version => "version",
            Self::Drop => "drop",
            Self::Delay => "delay",
            Self::Silence => "silence",
            Self::Commit => "commit",
            Self::Terminate => "terminate",
            Self::Crash => "crash",
            Self::Promote => "promote",
            Self::Failover => "failover",
            Self::Strand => "strand",
            Self::Snapshot => "snapshot",
            Self::Tickets => "tickets",
        }
    }

    /// Whether it happens to a node alone, whatever its store is.
    pub(crate) fn is_of_node(self) -> bool {
        matches!(self, Self::Pause | Self::Kill | Self::Restart)
    }
}

/// A fault that happens.
struct Scene<'a> {
    world: &'a World,
    node: &'a Node,
    random: &'a mut Random,
}

impl Scene<'_> {
    fn wait(&mut self, (from, to): (u64, u64)) {
        self.world.wait(Duration::from_millis(self.random.between(from, to)));
    }

    /// Waits for up to more than two leases, so that a node may be expelled meanwhile.
    fn wait_for_leases(&mut self) -> Result<()> {
        let lease = self.store()?.lease_ms();
        self.wait((50, 2 * lease + 500));
        Ok(())
    }

    fn store(&self) -> Result<&Postgres> {
        self.world.store.as_ref().context("this fault needs a PostgreSQL")
    }

    /// Lets it happen, and returns when it has ended.
    fn play(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Pause => self.pause(),
            Fault::Kill => self.kill(),
            Fault::Restart => self.restart(),
            Fault::Version => self.change_version(),
            Fault::Drop => self.drop_connections(),
            Fault::Delay => self.delay(),
            Fault::Silence => self.silence(),
            Fault::Commit => self.cut_commit(),
            Fault::Terminate => self.terminate(),
            Fault::Crash => self.crash(),
            Fault::Promote => self.promote(),
            Fault::Failover => self.fail_over(),
            Fault::Strand => self.strand(),
            Fault::Snapshot => self.snapshot(),
            Fault::Tickets => self.pause_in_tickets(),
        }
    }
}

/// Lets these faults happen, one after another, until the run ends. Each comes once before one
/// comes again.
pub(crate) fn run(world: &World, faults: &[Fault], mut random: Random) -> Result<()> {
    let mut left: Vec<Fault> = Vec::new();
    while world.wait(Duration::from_millis(random.between(WELL_MS.0, WELL_MS.1))) {
        if left.is_empty() {
            left = faults.to_vec();
        }
        if left.is_empty() {
            continue;
        }
        let fault = left.swap_remove(random.below(left.len()));
        let node = random.pick(&world.nodes).context("there is a node")?;
        let begin = world.clock.now();
        let happened = Scene { world, node, random: &mut random }.play(fault);
        happened.with_context(|| format!("`{}` of node {}", fault.name(), node.number))?;
        world.fault(begin, node.number, fault.name())?;
    }
    Ok(())
}
