//! What goes wrong during a run, in an order that follows from its seed.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::node::Node;
use super::random::Random;
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
}

/// How long a node may be paused, and how long it may be gone, in milliseconds.
const PAUSE_MS: (u64, u64) = (50, 4_500);
const GONE_MS: (u64, u64) = (0, 1_500);
/// How long all is well between two faults, in milliseconds.
const WELL_MS: (u64, u64) = (300, 1_500);

impl Fault {
    pub(crate) const ALL: [Self; 3] = [Self::Pause, Self::Kill, Self::Restart];

    /// Its name on the command line and in the history.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Kill => "kill",
            Self::Restart => "restart",
        }
    }

    /// Lets it happen to a node, and returns when it has ended.
    fn happen(self, world: &World, node: &Node, random: &mut Random) -> Result<()> {
        let mut wait = |(from, to)| world.wait(Duration::from_millis(random.between(from, to)));
        match self {
            Self::Pause => {
                node.pause()?;
                wait(PAUSE_MS);
                node.go_on()
            }
            Self::Kill => {
                node.kill()?;
                wait(GONE_MS);
                node.start()?;
                node.wait_until_ready()
            }
            Self::Restart => {
                node.stop();
                wait(GONE_MS);
                node.start()?;
                node.wait_until_ready()
            }
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
        let happened = fault.happen(world, node, &mut random);
        happened.with_context(|| format!("`{}` of node {}", fault.name(), node.number))?;
        world.fault(begin, node.number, fault.name())?;
    }
    Ok(())
}
