//! A gate that is one of several over a store: it follows the trail, and holds a lease as long as
//! it does.
//!
//! The rules, and why each is there, are in `docs/cluster-design.md`.

mod apply;
mod expel;
mod follow;
mod known;
mod restore;
mod signal;
mod slot;
mod tickets;
mod unread;
mod waiting;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::audit::{ChangeId, Mark};
use crate::mutant::{self, Mutant};
use crate::record::KeyId;
use crate::rules::{Change, Decided, Progress};
use crate::store::{Cluster, NodeId, StoreError};
use crate::stored::TierId;
use crate::time::{ReadClock, SteadyNanos, UnixMillis};

use super::Gate;

pub use expel::Expelling;
use expel::Tidying;
pub use follow::KeptUp;
use known::Known;
use signal::Signal;
use tickets::SharedLimits;
pub use tickets::{TICKET_WAITS, TicketCounts};
use unread::Unread;
pub(super) use unread::unjudgeable;
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
    known: Known,
    /// Locked for one look, never while waiting.
    unread: Mutex<Unread>,
    /// How long a lease is, in nanoseconds. Relaxed: one number, the same for all nodes.
    lease: AtomicU64,
    /// The latest time of an entry that was applied: it is at least as late. Relaxed: one number.
    floor: AtomicU64,
    /// The highest ids of a key and a tier that this node knows of. Relaxed: only its own loss
    /// makes use of them, and it comes after.
    keys: AtomicU64,
    tiers: AtomicU64,
    counts: Counted,
    /// By how many milliseconds the own wall clock is ahead of the store's. Relaxed: one number.
    wall_ahead: AtomicI64,
    limits: SharedLimits,
    /// Given when rows were applied, or a renewal found that there is nothing more to apply.
    moved: Signal,
    /// Given when a request met terms that this node does not know yet.
    nudged: Signal,
    /// The nudges that a hint was returned for. Relaxed: one task waits for hints.
    nudges: AtomicU64,
    /// Renewals that found that there is nothing more to apply. Relaxed: `moved` orders it.
    renewals: AtomicU64,
}

/// What a node has done and seen, for metrics. Relaxed: each is one number.
#[derive(Debug, Default)]
struct Counted {
    applied: AtomicU64,
    expelled: AtomicU64,
    diverged: AtomicU64,
    dropped: AtomicU64,
    settled: AtomicU64,
    settled_by_clock: AtomicU64,
}

/// How far a node is.
#[derive(Debug)]
struct Following {
    membership: Membership,
    /// A registration that is given up: no change is to wait for it any more.
    former: Option<NodeId>,
    /// Everything up to here is in the index.
    applied: Mark,
    /// Everything is to be read again: the trail lacks an entry, or a row can be read now.
    is_stale: bool,
    /// The last entry that this node knew and the trail lacks, until that is on record.
    lost: Option<Mark>,
    /// Everything was read, and nothing was renewed since.
    is_loaded: bool,
    /// The head that the last renewal found ahead of this node, and until when the lease holds that
    /// it takes when it has applied everything up to there.
    promised: Option<(Mark, SteadyNanos)>,
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
            former: None,
            applied: Mark::START,
            is_stale: true,
            lost: None,
            is_loaded: false,
            promised: None,
            restore: Vec::new(),
        };
        Self {
            following: async_lock::Mutex::new(following),
            tidying: async_lock::Mutex::default(),
            waiting: Waiting::default(),
            ahead: Mutex::default(),
            known: Known::default(),
            unread: Mutex::default(),
            lease: AtomicU64::new(0),
            floor: AtomicU64::new(0),
            keys: AtomicU64::new(0),
            tiers: AtomicU64::new(0),
            counts: Counted::default(),
            wall_ahead: AtomicI64::new(0),
            limits: SharedLimits::default(),
            moved: Signal::default(),
            nudged: Signal::default(),
            nudges: AtomicU64::new(0),
            renewals: AtomicU64::new(0),
        }
    }

    /// Everything up to here is in the index.
    fn has_applied(&self, to: Mark) {
        self.known.hear_of(to);
        self.counts.applied.store(to.change.0, Ordering::Relaxed);
        self.moved.give();
    }

    fn ahead(&self) -> MutexGuard<'_, Vec<Mark>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn floor(&self) -> UnixMillis {
        UnixMillis(self.floor.load(Ordering::Relaxed))
    }

    /// Keys with ids up to this one were given.
    pub(super) fn know_key(&self, id: KeyId) {
        self.keys.fetch_max(id.get(), Ordering::Relaxed);
    }

    fn know_tier(&self, id: TierId) {
        self.tiers.fetch_max(id.get(), Ordering::Relaxed);
    }

    /// All that this node knows of a trail that ended here, and what others may know.
    fn known(&self, Mark { change, digest }: Mark) -> Progress {
        let given = |known: &AtomicU64| known.load(Ordering::Relaxed);
        let (key, tier) = (KeyId::new(given(&self.keys)), TierId::new(given(&self.tiers)));
        Progress { change, digest, key, tier }.after_a_loss()
    }

    fn raise_floor(&self, at: UnixMillis) {
        self.floor.fetch_max(at.0, Ordering::Relaxed);
    }

    fn note_wall(&self, own: UnixMillis, store: UnixMillis) {
        let ahead = own.0.cast_signed().saturating_sub(store.0.cast_signed());
        self.wall_ahead.store(ahead, Ordering::Relaxed);
    }

    fn unread(&self) -> MutexGuard<'_, Unread> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
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
        certainly_over(self.lease())
    }
}

/// After so long, by any clock, no lease of this length holds that was granted before.
fn certainly_over(lease: Duration) -> Duration {
    lease.saturating_add(lease / RATE).saturating_add(MARGIN)
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
    /// How long memory may decide after a renewal: the same for all nodes.
    pub lease: Duration,
    /// Until when memory may decide.
    pub lease_until: SteadyNanos,
    /// The newest change that is applied.
    pub applied: ChangeId,
    /// How many changes wait until every node has applied them.
    pub waiting: usize,
    /// Own changes so far that were waited for until every node had applied them, or none could
    /// decide without them.
    pub settled: u64,
    /// The part of `settled` in which a node was silent, so that its lease had to end.
    pub settled_by_clock: u64,
    /// Nodes so far that this one removed, since they were silent.
    pub expelled: u64,
    /// How often so far the store lacked an entry that this node had seen.
    pub diverged: u64,
    /// Requests so far whose counts were dropped, since the store lost their keys.
    pub dropped: u64,
    /// Keys and tiers whose rows this program cannot read: 503 for each of their keys.
    pub unreadable: usize,
    /// By how many milliseconds the wall clock of this node was ahead of the store's at the last
    /// renewal, and negative if it was late. All nodes go by the store's.
    pub wall_ahead_ms: i64,
}

impl Gate {
    fn clustered(&self) -> Option<(&Node, &dyn Cluster)> {
        self.node.as_deref().zip(self.store.cluster())
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
    /// assert_eq!(standing.lease, Duration::from_secs(5));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        let node = self.node.as_deref()?;
        let unreadable = {
            let unread = node.unread();
            unread.keys.len() + unread.tiers.len()
        };
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counted { applied, expelled, diverged, dropped, settled, settled_by_clock } =
            &node.counts;
        Some(Standing {
            lease: node.lease(),
            lease_until: self.index.lease().until(),
            applied: ChangeId(count(applied)),
            waiting: node.waiting.len(),
            settled: count(settled),
            settled_by_clock: count(settled_by_clock),
            expelled: count(expelled),
            diverged: count(diverged),
            dropped: count(dropped),
            unreadable,
            wall_ahead_ms: node.wall_ahead.load(Ordering::Relaxed),
        })
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
        let row = match std::mem::replace(&mut following.membership, Membership::Left) {
            Membership::In(id) => Some(id),
            // It may not have got as far as to leave the last one.
            Membership::Out => following.former.take(),
            Membership::Left => None,
        };
        match row {
            Some(id) => cluster.leave(id).await,
            None => Ok(()),
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
            Decided::Issued { key, owner: _ } => {
                node.know_key(key.id);
                Ok(())
            }
            Decided::PutTier { tier, is_new: _ } => {
                node.know_tier(tier.id);
                Ok(())
            }
            Decided::Imported { .. }
            | Decided::DeletedTier(_)
            | Decided::Owner(_)
            | Decided::Diverged => Ok(()),
        }
    }
}
