//! Requests of keys with limits that several gates share: they wait for the store's decision.

mod counts;
mod denials;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::Poll;

use crate::limit::Revision;
use crate::store::Tickets;
use crate::ticket::{Ask, Ticket};
use crate::time::{Now, ReadClock};
use crate::verify::{Asked, Asking, Denied, Verdict, ask};

use super::{Gate, Node};

pub use counts::{TICKET_WAITS, TicketCounts};

use counts::Counts;
use denials::Denials;

/// What a gate knows of limits that it shares.
#[derive(Debug, Default)]
pub(super) struct SharedLimits {
    denials: Denials,
    counts: Counts,
}

/// The end of a wait for the store.
enum Waited<T> {
    Done(T),
    GivenUp,
}

/// What came of terms that this gate did not know.
enum Learned {
    /// It has followed, and knows newer ones, or the limits do not matter any more.
    Newer,
    /// No trail has them, and the store forgot them.
    Forgotten,
    /// No trail has them, and it is not known whether the store forgot them.
    Nothing,
}

impl Gate {
    /// The store that decides about limits, if several gates share them.
    fn sharing(&self) -> Option<(&Node, &dyn Tickets)> {
        self.node.as_deref().zip(self.store.tickets())
    }

    /// Whether several gates share the limits of keys, so that a request of a key with limits has
    /// to wait for the store: see [`Gate::verify_shared`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// assert!(!gate.shares_limits());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn shares_limits(&self) -> bool {
        self.sharing().is_some()
    }

    /// The asks about limits that are shared; `None` if they are not.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// assert_eq!(gate.ticket_counts(), None);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn ticket_counts(&self) -> Option<TicketCounts> {
        self.sharing().map(|(node, _)| node.limits.counts.read())
    }

    /// Decides about one request as [`Gate::verify`] does, by the limits that several gates share;
    /// where they are not shared, it is the same. Also returns the reading of the clock by which it
    /// was decided.
    ///
    /// A request of a key with limits waits for the store, for as long as the future that
    /// `patience` makes is pending; then it is [`Denied::Unavailable`]. Its key is judged before
    /// that, and once more after it. All others wait for nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::future::pending;
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// use keyward::gate::KeptUp;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryCluster;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    /// use keyward::{Asked, Gate};
    ///
    /// let cluster = MemoryCluster::new(Duration::from_secs(5));
    /// let gate = Gate::open(Arc::new(cluster.node(1)), Prefix::default()).await?;
    /// let clock = || Now::new(UnixMillis(1_800_000_000_000), SteadyNanos(0));
    /// while gate.keep_up(&clock).await? != KeptUp::Current {}
    /// let (verdict, _) = gate.verify_shared(&Asked::of("wrong"), &clock, pending::<()>).await;
    /// assert_eq!(verdict.unwrap_err().as_str(), "unknown");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn verify_shared<F: Future<Output = ()>>(
        &self,
        asked: &Asked<'_>,
        clock: ReadClock<'_>,
        patience: impl FnOnce() -> F,
    ) -> (Verdict, Now) {
        let now = clock();
        let Some(sharing) = self.sharing() else { return (self.verify(asked, now), now) };
        match self.ask(asked, now, None) {
            Asking::Decided(verdict) => (verdict, now),
            Asking::Limits(ask) => {
                let given_up = pin!(patience());
                self.wait_for_ticket(sharing, (asked, *ask, now), clock, given_up).await
            }
        }
    }

    fn ask(&self, asked: &Asked<'_>, now: Now, ticket: Option<(&Ask, Ticket)>) -> Asking {
        ask(&self.index, &self.usage, asked, self.judge(now), ticket)
    }

    /// Asks the store until it is decided, or given up. The clock is read once after each wait, so
    /// a denial that is remembered costs no reading of its own.
    async fn wait_for_ticket(
        &self,
        (node, tickets): (&Node, &dyn Tickets),
        (asked, mut ask, mut now): (&Asked<'_>, Ask, Now),
        clock: ReadClock<'_>,
        mut given_up: Pin<&mut impl Future<Output = ()>>,
    ) -> (Verdict, Now) {
        let SharedLimits { denials, counts } = &node.limits;
        let mut has_forgotten = false;
        loop {
            let sent = now.steady;
            let ticket = if let Some(exceeded) = denials.of(&ask, sent) {
                counts.remember();
                Ticket::Exceeded(exceeded)
            } else {
                counts.ask();
                let waited = race(tickets.take(ask.clone()), given_up.as_mut()).await;
                now = clock();
                match waited {
                    Waited::Done(ticket) => {
                        counts.wait(now.steady.0.saturating_sub(sent.0));
                        if let Ticket::Exceeded(exceeded) = &ticket {
                            denials.note(&ask, exceeded, sent, now.steady);
                        }
                        ticket
                    }
                    Waited::GivenUp => {
                        // It may have taken.
                        counts.waste();
                        Ticket::Unavailable
                    }
                }
            };
            let (ticket, newer) = match ticket {
                Ticket::Stale(revision) => (None, Some(revision)),
                ticket => (Some(ticket), None),
            };
            if let Some(revision) = newer {
                let about = (asked, &ask);
                let learned = self.learn_terms((node, tickets), about, revision, clock);
                let waited = race(learned, given_up.as_mut()).await;
                now = clock();
                match waited {
                    Waited::Done(Learned::Newer) => {}
                    Waited::Done(Learned::Forgotten) if !has_forgotten => has_forgotten = true,
                    Waited::Done(Learned::Forgotten | Learned::Nothing) | Waited::GivenUp => {
                        return self.unavailable(node, about, now);
                    }
                }
            }
            let is_granted = matches!(ticket, Some(Ticket::Granted(_)));
            match self.ask(asked, now, ticket.map(|ticket| (&ask, ticket))) {
                Asking::Decided(verdict) => {
                    if is_granted && verdict.is_err() {
                        counts.waste();
                    }
                    if let Err(Denied::Unavailable(_)) = verdict {
                        counts.miss();
                    }
                    return (verdict, now);
                }
                Asking::Limits(again) => {
                    if is_granted {
                        counts.waste();
                    }
                    ask = *again;
                }
            }
        }
    }

    fn unavailable(
        &self,
        node: &Node,
        (asked, ask): (&Asked<'_>, &Ask),
        now: Now,
    ) -> (Verdict, Now) {
        match self.ask(asked, now, Some((ask, Ticket::Unavailable))) {
            Asking::Decided(verdict) => {
                if let Err(Denied::Unavailable(_)) = verdict {
                    node.limits.counts.miss();
                }
                (verdict, now)
            }
            // This ticket asks for nothing more.
            Asking::Limits(_) => (Err(Denied::Uncertain), now),
        }
    }

    /// Waits until this gate has followed the trail up to terms that the store knows of. If it
    /// knows no newer ones then, they are of a history that is lost: the store forgets them.
    async fn learn_terms(
        &self,
        (node, tickets): (&Node, &dyn Tickets),
        (asked, ask): (&Asked<'_>, &Ask),
        revision: Revision,
        clock: ReadClock<'_>,
    ) -> Learned {
        let is_behind = || node.counts.applied.load(Ordering::Relaxed) < revision.0;
        let renewals = || node.renewals.load(Ordering::Relaxed);
        // The second renewal from here on was sent after the store had said so.
        let before = renewals();
        while is_behind() && renewals() < before.saturating_add(2) {
            let moved = node.moved.given();
            node.nudged.give();
            if is_behind() {
                node.moved.after(moved).await;
            }
        }
        let is_same = match self.ask(asked, clock(), None) {
            Asking::Limits(now) => *now == *ask,
            Asking::Decided(_) => false,
        };
        if !is_same {
            return Learned::Newer;
        }
        match tickets.forget(ask.clone(), revision).await {
            Ok(()) => Learned::Forgotten,
            Err(_) => Learned::Nothing,
        }
    }

    /// Returns when something may have changed since it was called first, or a request met newer
    /// terms of its limits: the next step of following is due then. May be dropped at any time.
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
    ///
    /// let cluster = MemoryCluster::new(Duration::from_secs(5));
    /// let gate = Gate::open(Arc::new(cluster.node(1)), Prefix::default()).await?;
    /// // Nothing changes, and the database in memory gives no hints.
    /// let waited = tokio::time::timeout(Duration::from_millis(1), gate.hint()).await;
    /// assert!(waited.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn hint(&self) {
        let Some((node, cluster)) = self.clustered() else { return std::future::pending().await };
        let nudged = pin!(node.nudged.after(node.nudges.load(Ordering::Relaxed)));
        match race(cluster.hint(), nudged).await {
            Waited::Done(()) | Waited::GivenUp => {}
        }
        node.nudges.store(node.nudged.given(), Ordering::Relaxed);
    }
}

/// Waits for `task` until `given_up` is ready.
async fn race<T>(
    task: impl Future<Output = T>,
    mut given_up: Pin<&mut impl Future<Output = ()>>,
) -> Waited<T> {
    let mut task = pin!(task);
    poll_fn(|context| {
        if let Poll::Ready(done) = task.as_mut().poll(context) {
            return Poll::Ready(Waited::Done(done));
        }
        given_up.as_mut().poll(context).map(|()| Waited::GivenUp)
    })
    .await
}
