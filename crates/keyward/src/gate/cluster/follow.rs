//! Following the trail: renewing the lease, and reading what other nodes changed.

use std::iter;
use std::sync::atomic::Ordering;

use crate::audit::{Audit, Mark};
use crate::mutant::{self, Mutant};
use crate::rules::Change;
use crate::store::{Cluster, Feed, NodeId, Renewed, StoreError};
use crate::time::{Now, ReadClock, SteadyNanos, UnixMillis};

use super::{Following, Gate, Membership, Node, after};

/// Entries that one step looks at: a node that is late holds their rows, and no more.
const FEED_MAX: u32 = 4_096;

/// What one step of following did, and when the next one is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptUp {
    /// The gate has its store to itself: there is nothing to follow.
    Alone,
    /// The lease is renewed, and there is nothing more to apply: the next step is due within a
    /// fifth of the lease, or as soon as something changes.
    Current,
    /// There may be more to apply, or to acknowledge: the next step is due at once.
    Behind,
    /// The node was not registered any more: the next step is due at once.
    Out,
    /// The node has left for good.
    Left,
}

/// When a node reads what a renewal has found to be ahead of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    /// In the same step, which takes the lease.
    AtOnce,
    /// With the next step, which takes it then.
    Next,
}

impl Gate {
    /// One step of following the other nodes over the same store: renews the lease, and applies a
    /// part of their changes if there are any. Without a step for the length of a lease, nothing is
    /// decided any more.
    ///
    /// Like [`Gate::run`], this must run to its end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// use keyward::Gate;
    /// use keyward::gate::KeptUp;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryCluster;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let cluster = MemoryCluster::new(Duration::from_secs(5));
    /// let gate = Gate::open(Arc::new(cluster.node(1)), Prefix::default()).await?;
    /// let clock = || Now::new(UnixMillis(1_800_000_000_000), SteadyNanos(0));
    /// // After each of these, memory may decide for as long as a lease lasts.
    /// while gate.keep_up(&clock).await? != KeptUp::Current {}
    /// assert!(gate.index().lease().holds(SteadyNanos(4_999_999_999)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store cannot be asked, or has rows that do not fit each other.
    /// The lease holds as long as it was granted.
    pub async fn keep_up(&self, clock: ReadClock<'_>) -> Result<KeptUp, StoreError> {
        let Some((node, cluster)) = self.clustered() else { return Ok(KeptUp::Alone) };
        let mut following = node.following.lock().await;
        if let Some(out) = self.was_rejected(node, &mut following) {
            return Ok(out);
        }
        match following.membership {
            Membership::Left => Ok(KeptUp::Left),
            Membership::Out => {
                self.join(node, cluster, &mut following, clock).await?;
                Ok(KeptUp::Behind)
            }
            Membership::In(id) if following.restore.is_empty() => {
                self.renew((node, cluster), (id, Reads::AtOnce), &mut following, clock).await
            }
            Membership::In(_) => {
                self.restore(node, &mut following, clock).await?;
                Ok(KeptUp::Behind)
            }
        }
    }

    /// One step of following at a hint that something changed, and of a node that waits for an own
    /// change: like [`Gate::keep_up`], except that it applies first and renews then. So the renewal
    /// acknowledges the change at once, in two round trips to the store. Where it finds that more
    /// was changed meanwhile, the next step, which applies that, takes its lease.
    ///
    /// # Errors
    ///
    /// As of [`Gate::keep_up`].
    pub async fn catch_up(&self, clock: ReadClock<'_>) -> Result<KeptUp, StoreError> {
        let Some((node, cluster)) = self.clustered() else { return Ok(KeptUp::Alone) };
        {
            let mut following = node.following.lock().await;
            let following = &mut *following;
            if let Some(out) = self.was_rejected(node, following) {
                return Ok(out);
            }
            if let Membership::In(id) = following.membership
                && following.restore.is_empty()
            {
                let applied = following.applied;
                // Where no head is known, its own mark stands for it: the renewal that follows asks
                // for one, and grants nothing that is not of the same trail.
                let head = following.promised.map_or(applied, |(head, _)| head);
                match cluster.feed(applied, head, FEED_MAX).await? {
                    None => return Ok(self.has_lost(node, following, head)),
                    Some(feed) => {
                        let taken = self.take_feed((node, cluster), id, following, &feed, clock);
                        if let Some(out) = taken.await? {
                            return Ok(out);
                        }
                    }
                }
                if let Some((head, until)) = following.promised
                    && head.change <= following.applied.change
                {
                    self.grant(until);
                }
                // A change of this node may have found meanwhile that the trail lacks another one.
                if let Some(out) = self.was_rejected(node, following) {
                    return Ok(out);
                }
                return self.renew((node, cluster), (id, Reads::Next), following, clock).await;
            }
        }
        self.keep_up(clock).await
    }

    /// Applies a feed; what the step did if everything is to be read again instead.
    async fn take_feed(
        &self,
        (node, cluster): (&Node, &dyn Cluster),
        id: NodeId,
        following: &mut Following,
        feed: &Feed,
        clock: ReadClock<'_>,
    ) -> Result<Option<KeptUp>, StoreError> {
        if mutant::is(Mutant::AckBeforeApplying) {
            cluster.renew(id, feed.to).await?;
        }
        if !self.apply_feed(node, feed, clock).await {
            following.is_stale = true;
            return Ok(Some(self.is_out(following)));
        }
        node.raise_floor(feed.at);
        following.applied = feed.to;
        node.has_applied(feed.to);
        Ok(None)
    }

    /// Registers before anything is loaded, so that every change from then on waits for this node.
    /// Nothing is decided until the first renewal.
    pub(in crate::gate) async fn enter(&self) -> Result<(), StoreError> {
        let Some((node, cluster)) = self.clustered() else { return self.load().await.map(drop) };
        self.index.lease().end();
        let mut following = node.following.lock().await;
        let registered = cluster.register().await?;
        node.set_lease(registered.lease);
        let (applied, unreadable) = match self.load().await {
            Ok(loaded) => loaded,
            Err(error) => {
                // Changes would wait in vain for a node that does not open. If this fails too, they
                // do until it is expelled.
                drop(cluster.leave(registered.node).await);
                return Err(error);
            }
        };
        following.membership = Membership::In(registered.node);
        self.withhold(node, &unreadable);
        node.has_applied(applied);
        following.moved_to(applied);
        Ok(())
    }

    async fn join(
        &self,
        node: &Node,
        cluster: &dyn Cluster,
        following: &mut Following,
        clock: ReadClock<'_>,
    ) -> Result<(), StoreError> {
        self.index.lease().end();
        if let Some(former) = following.former {
            // It has no lease any more, and changes wait for it in vain. Before all else, which may
            // fail for long.
            cluster.leave(former).await?;
            following.former = None;
        }
        if let Some(lost) = following.lost {
            // Before this node is one again: nothing is to be given an id that was given before
            // the loss.
            let change = Change::Diverged(node.known(lost));
            let audit = Audit::program(self.judge(clock()).unix);
            let committed = self.store.commit(change, audit).await?;
            node.known.go_on_from(committed.newest);
            following.lost = None;
        }
        let registered = cluster.register().await?;
        following.former = Some(registered.node);
        node.set_lease(registered.lease);
        if following.is_stale {
            self.read_again(node, following, clock).await?;
        }
        following.membership = Membership::In(registered.node);
        following.former = None;
        Ok(())
    }

    async fn renew(
        &self,
        (node, cluster): (&Node, &dyn Cluster),
        (id, reads): (NodeId, Reads),
        following: &mut Following,
        clock: ReadClock<'_>,
    ) -> Result<KeptUp, StoreError> {
        // Before the renewal is sent: it may take long to arrive.
        let now = clock();
        let asked = now.steady;
        if std::mem::take(&mut following.is_loaded) && mutant::is(Mutant::LeaseFromLoading) {
            self.grant(after(asked, node.lease()));
        }
        // Later ones may be committed after the store has read the head.
        let ahead = node.ahead().clone();
        following.promised = None;
        let head = match cluster.renew(id, following.applied).await? {
            Renewed::Kept { head, at } => {
                self.tell_time(node, at, now);
                node.known.hear_of(head);
                head
            }
            Renewed::Gone => return Ok(self.is_out(following)),
            Renewed::Lost => return Ok(self.has_lost(node, following, following.applied)),
        };
        let reached = (following.applied, head);
        if let Some(lost) = self.lost_own((node, cluster), &ahead, reached).await? {
            return Ok(self.has_lost(node, following, lost));
        }
        let from = if mutant::is(Mutant::LeaseFromReply) { clock().steady } else { asked };
        let until = after(from, node.lease());
        if head == following.applied {
            self.grant(until);
            node.renewals.fetch_add(1, Ordering::Relaxed);
            node.moved.give();
            return Ok(KeptUp::Current);
        }
        if reads == Reads::Next {
            following.promised = Some((head, until));
            return Ok(KeptUp::Behind);
        }
        // `head` is asked for too: of a later server, which lacks it, the rows do not make up for
        // what this renewal has seen.
        let Some(feed) = cluster.feed(following.applied, head, FEED_MAX).await? else {
            return Ok(self.has_lost(node, following, head));
        };
        if let Some(out) = self.take_feed((node, cluster), id, following, &feed, clock).await? {
            return Ok(out);
        }
        if head.change <= feed.to.change {
            self.grant(until);
        }
        Ok(KeptUp::Behind)
    }

    /// Goes by the store's clock from here on. Its reading counts as taken when the renewal was
    /// sent: it is ahead by as long as that was on its way, so that what expires does so too early.
    fn tell_time(&self, node: &Node, at: UnixMillis, asked: Now) {
        node.note_wall(asked.unix, at);
        self.carried.set_store(at.max(node.floor()), asked.steady);
        self.carried.follow(asked);
    }

    /// The node has to register anew.
    fn is_out(&self, following: &mut Following) -> KeptUp {
        self.index.lease().end();
        following.promised = None;
        if let Membership::In(id) = std::mem::replace(&mut following.membership, Membership::Out) {
            following.former = Some(id);
        }
        KeptUp::Out
    }

    /// The store went back in time, and lacks this entry: everything is to be read again.
    pub(super) fn has_lost(&self, node: &Node, following: &mut Following, lost: Mark) -> KeptUp {
        if following.lost.is_none() {
            node.counts.diverged.fetch_add(1, Ordering::Relaxed);
        }
        following.is_stale = true;
        let is_later = |known: &Mark| lost.change < known.change;
        following.lost = Some(following.lost.filter(is_later).unwrap_or(lost));
        self.is_out(following)
    }

    /// The own change that memory shows ahead of the feed, and that the store does not have any
    /// more. `ahead` are those from before the renewal that returned `head`. The ones that the feed
    /// has brought are forgotten: `applied` is a later place of the same trail.
    async fn lost_own(
        &self,
        (node, cluster): (&Node, &dyn Cluster),
        ahead: &[Mark],
        (applied, head): (Mark, Mark),
    ) -> Result<Option<Mark>, StoreError> {
        if let Some(lost) = ahead.iter().find(|own| head.change < own.change) {
            return Ok(Some(*lost));
        }
        let passed = ahead.iter().filter(|own| own.change <= applied.change);
        let passed: Vec<_> = passed.copied().collect();
        if passed.is_empty() {
            return Ok(None);
        }
        let has = cluster.standings(passed.clone()).await?.has;
        let has = has.into_iter().chain(iter::repeat(false));
        if let Some((lost, _)) = passed.iter().zip(has).find(|(_, has)| !has) {
            return Ok(Some(*lost));
        }
        node.ahead().retain(|own| !passed.contains(own));
        Ok(None)
    }

    fn grant(&self, until: SteadyNanos) {
        let endless = mutant::is(Mutant::EndlessLease);
        self.index.lease().grant(if endless { SteadyNanos::NEVER } else { until });
    }

    /// Makes the changes again that memory knows and the store lost. They come back with the feed,
    /// before any lease is granted.
    async fn restore(
        &self,
        node: &Node,
        following: &mut Following,
        clock: ReadClock<'_>,
    ) -> Result<(), StoreError> {
        while let Some(change) = following.restore.last() {
            let audit = Audit::program(self.judge(clock()).unix);
            // Rejected, it is out of date: the key is revoked or has expired meanwhile.
            // Memory shows it either way, so that it is an own change ahead of the feed.
            let committed = self.commit_known(change.clone(), audit).await?;
            node.ahead().push(committed.newest);
            following.restore.pop();
        }
        Ok(())
    }
}

impl Following {
    /// All rows are as of this mark.
    pub(super) fn moved_to(&mut self, applied: Mark) {
        self.applied = applied;
        self.is_stale = false;
        self.is_loaded = true;
    }
}
