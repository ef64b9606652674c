//! A gate that is one of several over a store: it follows the trail, and holds a lease as long as
//! it does.
//!
//! The rules, and why each is there, are in `docs/cluster-design.md`.

mod expel;
mod follow;
mod restore;
mod waiting;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::audit::Mark;
use crate::mutant::{self, Mutant};
use crate::rules::{Change, Decided};
use crate::store::{Cluster, NodeId, StoreError};
use crate::time::{ReadClock, SteadyNanos, UnixMillis};

use super::Gate;

use expel::Tidying;
pub use follow::KeptUp;
use waiting::Waiting;

/// By how much one clock may run faster than another, as one part in so many.
const RATE: u32 = 100;
/// Added to each span, for readings that are rounded.
const MARGIN: Duration = Duration::from_millis(10);

/// The part of a gate that only a cluster needs.
#[derive(Debug)]
pub(super) struct Node {
    /// Held during a step of following, so that the index has one writer.
    following: async_lock::Mutex<Following>,
    /// Held during a turn of expelling.
    tidying: async_lock::Mutex<Tidying>,
    waiting: Waiting,
    /// Own changes that memory shows although the feed has not brought them: if the store loses
    /// them before it does, nothing else tells. Locked for one look, never while waiting.
    ahead: Mutex<Vec<Mark>>,
    /// How long a lease is, in nanoseconds. Relaxed: one number, the same for all nodes.
    lease: AtomicU64,
}

/// How far a node is.
#[derive(Debug)]
struct Following {
    membership: Membership,
    /// Everything up to here is in the index.
    applied: Mark,
    /// The trail does not have `applied`, so that everything is to be read again.
    is_lost: bool,
    /// Everything was read, and nothing was renewed since.
    is_loaded: bool,
    /// What memory knows and the store lost, to be done again before any lease.
    restore: Vec<Change>,
}

/// Whether a node is registered.
#[derive(Clone, Copy, Debug)]
enum Membership {
    Out,
    In(NodeId),
    /// It has left for good.
    Left,
}

impl Node {
    pub(super) fn new() -> Self {
        let following = Following {
            membership: Membership::Out,
            applied: Mark::START,
            is_lost: true,
            is_loaded: false,
            restore: Vec::new(),
        };
        Self {
            following: async_lock::Mutex::new(following),
            tidying: async_lock::Mutex::default(),
            waiting: Waiting::default(),
            ahead: Mutex::default(),
            lease: AtomicU64::new(0),
        }
    }

    fn ahead(&self) -> MutexGuard<'_, Vec<Mark>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_lease(&self, lease: Duration) {
        let nanos = u64::try_from(lease.as_nanos()).unwrap_or(u64::MAX);
        self.lease.store(nanos, Ordering::Relaxed);
    }

    fn lease(&self) -> Duration {
        Duration::from_nanos(self.lease.load(Ordering::Relaxed))
    }

    /// After so long, by any clock, no lease holds that was granted before.
    fn certainly_over(&self) -> Duration {
        let lease = self.lease();
        lease.saturating_add(lease / RATE).saturating_add(MARGIN)
    }
}

/// Whether `span` has passed since `since`.
fn has_passed(span: Duration, since: SteadyNanos, now: SteadyNanos) -> bool {
    let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    since.0.checked_add(span).is_some_and(|end| end <= now.0)
}

/// The `span` after `at`.
fn after(at: SteadyNanos, span: Duration) -> SteadyNanos {
    let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    SteadyNanos(at.0.saturating_add(span))
}

/// How far a gate of a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Until when memory may decide.
    pub lease_until: SteadyNanos,
    /// How many changes wait until every node has applied them.
    pub waiting: usize,
}

impl Gate {
    fn clustered(&self) -> Option<(&Node, &dyn Cluster)> {
        self.node.as_ref().zip(self.store.cluster())
    }

    /// How far a gate is that shares its store; asks the store nothing. `None` if it has the store
    /// to itself.
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
    /// gate.keep_up(&clock).await?;
    /// let standing = gate.standing().unwrap();
    /// assert_eq!((standing.lease_until.0, standing.waiting), (5_000_000_000, 0));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        let node = self.node.as_ref()?;
        let lease_until = self.index.lease().until();
        Some(Standing { lease_until, waiting: node.waiting.len() })
    }

    /// Leaves a cluster for good: nothing is decided from here on, and no change of other nodes
    /// waits for this one. To be called when requests have ended. Does nothing for a gate that has
    /// its store to itself.
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
    /// gate.keep_up(&clock).await?;
    /// gate.leave().await?;
    /// assert!(!gate.index().lease().holds(SteadyNanos(0)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether the node is removed. The others then wait
    /// for it until it is expelled.
    pub async fn leave(&self) -> Result<(), StoreError> {
        let Some((node, cluster)) = self.clustered() else { return Ok(()) };
        let mut following = node.following.lock().await;
        self.index.lease().end();
        match std::mem::replace(&mut following.membership, Membership::Left) {
            Membership::In(id) => cluster.leave(id).await,
            Membership::Out | Membership::Left => Ok(()),
        }
    }

    /// Stops the secrets of a revoked key at once. All else comes with the feed, which is the only
    /// writer of the index on a cluster: a row that was read before this change may come after it.
    pub(super) async fn tell_in_cluster(
        &self,
        node: &Node,
        (newest, decided): (Mark, &Decided),
        at: UnixMillis,
        clock: ReadClock<'_>,
    ) -> Result<(), StoreError> {
        if mutant::is(Mutant::LocalApply) {
            return self.tell(decided, at, clock).await;
        }
        match decided {
            Decided::Changed { key, owner: _ } => {
                if key.is_revoked() {
                    node.ahead().push(newest);
                    self.stop_if_revoked(key);
                }
                Ok(())
            }
            Decided::AcceptedClock => self.tell(decided, at, clock).await,
            Decided::Issued { .. }
            | Decided::Imported { .. }
            | Decided::PutTier { .. }
            | Decided::DeletedTier(_)
            | Decided::Owner(_)
            | Decided::Diverged => Ok(()),
        }
    }
}
