//! What the clients and the faults of a run share.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::board::Board;
use super::history::{Clock, Operation, Recorder, What};
use super::node::Node;
use super::store::Postgres;

/// How often a waiting task looks whether the run ends.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A run.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    /// The store of all nodes, unless one has a file to itself.
    pub(crate) store: Option<Postgres>,
    pub(crate) clock: Clock,
    pub(crate) recorder: Recorder,
    pub(crate) board: Board,
    /// Whether the clients end.
    is_done: AtomicBool,
    numbers: AtomicU64,
}

impl World {
    pub(crate) fn new(folder: &Path, nodes: Vec<Node>, store: Option<Postgres>) -> Result<Self> {
        let recorder = Recorder::create(&folder.join("history.jsonl"))?;
        let (clock, board) = (Clock::start(), Board::default());
        Ok(Self { nodes, store, clock, recorder, board, is_done: false.into(), numbers: 1.into() })
    }

    /// A number that no other key, owner, tier or request of this run has.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Relaxed)
    }

    pub(crate) fn finish(&self) {
        self.is_done.store(true, Ordering::Relaxed);
    }

    /// Waits, at most until the run ends; returns whether it has not ended.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let end = self.clock.now() + u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        while !self.is_done() && self.clock.now() < end {
            thread::sleep(LOOK_EVERY.min(time));
        }
        !self.is_done()
    }

    /// Keeps a fault that began at this time.
    pub(crate) fn fault(&self, begin: u64, node: usize, name: &str) -> Result<()> {
        let (end, what) = (self.clock.now(), What::Fault { name: name.to_owned() });
        self.recorder.add(Operation { begin, end, node, start: 0, what })
    }
}
