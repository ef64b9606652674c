//! Changes that wait until no node can decide without them.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::audit::Mark;
use crate::change::KeyChange;
use crate::mutant::{self, Mutant};
use crate::rules::{Change, ChangeRejection, Committed, OwnerChange};
use crate::store::{NodeRow, Standings, StoreError};
use crate::time::{ReadClock, SteadyNanos};

use super::slot::Slot;
use super::{Gate, Node, has_passed};

/// How long the response to a change waits that gives more than there was: a caller whom another
/// node still denies tries again.
const GIVING_WAITS: Duration = Duration::from_millis(250);

/// The changes of a gate that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    waiters: Mutex<Vec<Waiter>>,
    /// That one began, which [`Gate::change_waits`] has not told yet.
    begun: Slot<()>,
    /// How long the last ones waited that are settled, as far as they were not taken.
    ended: Mutex<Vec<Duration>>,
}

/// Most times of settled changes that are kept for metrics.
const ENDED_MAX: usize = 4_096;

#[derive(Debug)]
struct Waiter {
    mark: Mark,
    patience: Patience,
    /// A time after the change was committed: when a step first saw that it waits.
    since: Option<SteadyNanos>,
    slot: Arc<Slot<Settled>>,
}

/// The end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settled {
    /// Every node has applied the change.
    Everywhere,
    /// No node holds a lease from before the change, and the store has it.
    ByClock,
    /// It was waited for as long as the caller is to wait, and a node may not know it yet.
    Elsewhere,
    /// The store does not have the change any more.
    Lost,
    /// No node holds a lease from before the change, and the store did not say after that whether
    /// it has the change: it may have been replaced by one that lacks it, and whose leases others
    /// hold.
    Unheard,
}

/// How long a change waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gate) enum Patience {
    /// It ends what there was: until it is settled.
    UntilSettled,
    /// It gives more than there was: for a while.
    AWhile,
    /// No node decides by it.
    None,
}

impl Patience {
    fn of(change: &Change) -> Self {
        match change {
            Change::Issue(_) | Change::Import { dry_run: false, .. } => Self::AWhile,
            Change::Import { dry_run: true, .. } | Change::AcceptClock | Change::Diverged(_) => {
                Self::None
            }
            Change::Key { change, .. } => match change {
                KeyChange::Resume => Self::AWhile,
                KeyChange::Edit(_)
                | KeyChange::Suspend
                | KeyChange::Rotate { .. }
                | KeyChange::Revoke { .. } => Self::UntilSettled,
            },
            Change::Owner { change, .. } => match change {
                OwnerChange::Resume => Self::AWhile,
                OwnerChange::Suspend | OwnerChange::Edit { .. } => Self::UntilSettled,
            },
            Change::PutTier { .. } | Change::DeleteTier { .. } => Self::UntilSettled,
        }
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Vec<Waiter>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> MutexGuard<'_, Vec<Duration>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, waited: Duration) {
        let mut ended = self.ended();
        if ended.len() < ENDED_MAX {
            ended.push(waited);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn add(&self, mark: Mark, patience: Patience) -> Arc<Slot<Settled>> {
        let slot = Arc::new(Slot::default());
        let waiter = Waiter { mark, patience, since: None, slot: Arc::clone(&slot) };
        self.lock().push(waiter);
        self.begun.set(());
        slot
    }

    /// Notes that all that wait now have been committed, and returns their marks, each once, and
    /// the time.
    fn begin(&self, clock: ReadClock<'_>) -> (Vec<Mark>, SteadyNanos) {
        let mut marks = Vec::new();
        let mut waiters = self.lock();
        // Under the lock, so that no change is committed after this and waits already.
        let now = clock().steady;
        // One that no future holds was dropped.
        waiters.retain(|waiter| 1 < Arc::strong_count(&waiter.slot));
        for waiter in waiters.iter_mut() {
            waiter.since.get_or_insert(now);
            if !marks.contains(&waiter.mark) {
                marks.push(waiter.mark);
            }
        }
        (marks, now)
    }

    /// Ends the waits about which `judge` has something to say. Returns how many are left.
    fn end(&self, judge: impl Fn(&Waiter) -> Option<Settled>) -> usize {
        let mut waiters = self.lock();
        waiters.retain(|waiter| match judge(waiter) {
            Some(settled) => {
                waiter.slot.set(settled);
                false
            }
            None => true,
        });
        waiters.len()
    }
}

impl Waiter {
    /// What the nodes say.
    fn by_acks(&self, marks: &[Mark], standings: &Standings) -> Option<Settled> {
        let at = marks.iter().position(|mark| *mark == self.mark)?;
        if !standings.has.get(at).copied().unwrap_or(false) {
            return Some(Settled::Lost);
        }
        let are_all_known =
            standings.server == standings.confirmed || mutant::is(Mutant::NoQuarantine);
        let has_acked = |row: &NodeRow| self.mark.change <= row.acked;
        let is_settled = if mutant::is(Mutant::OwnAckAlone) {
            standings.nodes.iter().any(has_acked)
        } else {
            standings.nodes.iter().all(has_acked)
        };
        (are_all_known && is_settled).then_some(Settled::Everywhere)
    }

    /// What the clock says: no node holds a lease from before the change, or it was waited for long
    /// enough. `asked` is when the store was asked last, and `has_responded` whether it responded,
    /// and so has the change.
    fn by_clock(
        &self,
        node: &Node,
        (asked, has_responded): (SteadyNanos, bool),
        now: SteadyNanos,
    ) -> Option<Settled> {
        let since = self.since?;
        let is_over = has_passed(node.certainly_over(), since, asked);
        if is_over && has_responded {
            return Some(Settled::ByClock);
        }
        let is_enough = match self.patience {
            Patience::UntilSettled => return is_over.then_some(Settled::Unheard),
            Patience::AWhile => has_passed(GIVING_WAITS, since, now),
            Patience::None => true,
        };
        is_enough.then_some(Settled::Elsewhere)
    }
}

impl Node {
    fn note_settled(&self, waiter: &Waiter, settled: Settled, now: SteadyNanos) {
        let counts = &self.counts;
        match settled {
            Settled::Everywhere => {}
            Settled::ByClock => drop(counts.settled_by_clock.fetch_add(1, Ordering::Relaxed)),
            Settled::Elsewhere | Settled::Lost | Settled::Unheard => return,
        }
        counts.settled.fetch_add(1, Ordering::Relaxed);
        let since = waiter.since.unwrap_or(now);
        self.waiting.note(Duration::from_nanos(now.0.saturating_sub(since.0)));
    }
}

impl Gate {
    /// How long the response to a change waits.
    pub(in crate::gate) async fn patience(&self, change: &Change) -> Result<Patience, StoreError> {
        if let Change::Key { id, change: KeyChange::Revoke { .. }, .. } = change
            && mutant::is(Mutant::EarlyRepeat)
            && self.store.find_key(*id).await?.is_some_and(|found| found.key.is_revoked())
        {
            return Ok(Patience::None);
        }
        Ok(Patience::of(change))
    }

    /// Waits until no node can decide without a change, or as long as its caller is to wait.
    /// Returns whether it is in force everywhere; `None` where there is one gate.
    pub(in crate::gate) async fn wait(
        &self,
        committed: &Committed,
        patience: Patience,
    ) -> Result<Option<bool>, StoreError> {
        let Some(node) = &self.node else { return Ok(None) };
        let waits = match &committed.outcome {
            Ok(_) | Err(ChangeRejection::Earlier(_)) => patience != Patience::None,
            // Nothing was changed, and nothing is said of an earlier change.
            Err(_) => false,
        };
        if !waits {
            return Ok(Some(true));
        }
        match node.waiting.add(committed.newest, patience).take().await {
            Settled::Everywhere | Settled::ByClock => Ok(Some(true)),
            Settled::Elsewhere => Ok(Some(false)),
            Settled::Lost => {
                let cause = "the database went back in time, and lost the change";
                Err(StoreError::Unavailable(cause.into()))
            }
            Settled::Unheard => {
                let cause = "the change is made, and the database did not say whether it still \
                             has it: a standby that lacks it may have taken over";
                Err(StoreError::Unavailable(cause.into()))
            }
        }
    }

    /// Takes the times that own changes waited until they were settled, since this was called last,
    /// for metrics. Between two calls, it keeps 4096 of them.
    #[must_use]
    pub fn take_waits(&self) -> Vec<Duration> {
        let ended = self.node.as_deref().map(|node| std::mem::take(&mut *node.waiting.ended()));
        ended.unwrap_or_default()
    }

    /// Returns when a change of this gate waits that did not when this returned last: the next step
    /// of [`Gate::catch_up`] is due at once, and so is one of [`Gate::settle`]. Never returns for a
    /// gate that has its store to itself. It may be dropped at any time; one task may wait for it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// use keyward::Gate;
    /// use keyward::audit::Audit;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryCluster;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let cluster = MemoryCluster::new(Duration::from_secs(5));
    /// let gate = Gate::open(Arc::new(cluster.node(1)), Prefix::default()).await?;
    /// let at = UnixMillis(1_800_000_000_000);
    /// let clock = || Now::new(at, SteadyNanos(0));
    /// let follow = async {
    ///     loop {
    ///         gate.change_waits().await;
    ///         gate.catch_up(&clock).await?;
    ///         gate.settle(&clock).await?;
    ///     }
    /// };
    /// let suspended = gate.set_owner_suspended("acme".parse()?, true, Audit::program(at));
    /// let suspended = tokio::select! {
    ///     suspended = suspended => suspended,
    ///     failed = follow => failed,
    /// };
    /// assert_eq!(suspended?.suspended_at, Some(at));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn change_waits(&self) {
        match &self.node {
            Some(node) => node.waiting.begun.take().await,
            None => std::future::pending().await,
        }
    }

    /// Looks once whether changes that wait are settled: every node has applied them, or can decide
    /// nothing from before. Returns how many still wait. To be called every few milliseconds while
    /// there are any, and about as often as [`Gate::keep_up`] otherwise.
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
    /// // No change waits.
    /// assert_eq!(gate.settle(&clock).await?, 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store does not respond. A change that ends something, and has
    /// waited for longer than any lease holds, is then responded to with that: it may be lost.
    pub async fn settle(&self, clock: ReadClock<'_>) -> Result<usize, StoreError> {
        let Some((node, cluster)) = self.clustered() else { return Ok(0) };
        let (marks, asked) = node.waiting.begin(clock);
        if marks.is_empty() {
            return Ok(0);
        }
        let standings = cluster.standings(marks.clone()).await;
        let now = clock().steady;
        let known = standings.as_ref().ok();
        let asked = (asked, known.is_some());
        let left = node.waiting.end(|waiter| {
            let by_acks = known.and_then(|standings| waiter.by_acks(&marks, standings));
            let settled = by_acks.or_else(|| waiter.by_clock(node, asked, now))?;
            node.note_settled(waiter, settled, now);
            Some(settled)
        });
        standings.map(|_| left)
    }
}
