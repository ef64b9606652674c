//! A node of a cluster: its lease, how far it is, and what it did about other nodes.
//!
//! A process that has its store to itself shows the families without a sample.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use keyward::gate::Standing;
use keyward::time::SteadyNanos;
use keyward_axum::Guard;

use super::Source;
use super::durations::{Durations, OF_STORES};
use super::page::{ALONE, Page};

/// The node of a guard. A clone shares everything.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    guard: Guard,
    waits: Arc<Durations>,
}

impl Cluster {
    pub(crate) fn new(guard: Guard) -> Self {
        Self { guard, waits: Arc::new(Durations::new(&OF_STORES)) }
    }

    fn write_lease(page: &mut Page<'_>, of: Option<Standing>, now: SteadyNanos) -> fmt::Result {
        let left = |of: Standing| Duration::from_nanos(of.lease_until.0.saturating_sub(now.0));
        page.gauge(
            (
                "keyward_cluster_lease_seconds",
                "Time that a node may decide after it heard from the database.",
            ),
            of.map(|of| (ALONE, of.lease.as_secs_f64())),
        )?;
        page.gauge(
            (
                "keyward_cluster_lease_remaining_seconds",
                "Time that this node may still decide, unless it hears from the database.",
            ),
            of.map(|of| (ALONE, left(of).as_secs_f64())),
        )
    }

    fn write_changes(&self, page: &mut Page<'_>, of: Option<Standing>) -> fmt::Result {
        page.gauge(
            (
                "keyward_cluster_applied_change",
                "Number of the newest entry of the audit trail that this node decides by.",
            ),
            of.map(|of| (ALONE, of.applied.0)),
        )?;
        page.gauge(
            (
                "keyward_cluster_changes_waiting",
                "Changes of this node that wait until every node decides by them.",
            ),
            of.map(|of| (ALONE, u64::try_from(of.waiting).unwrap_or(u64::MAX))),
        )?;
        page.counter(
            (
                "keyward_cluster_changes_settled",
                "Changes of this node without which no node can decide any more.",
            ),
            of.map(|of| (ALONE, of.settled)),
        )?;
        page.counter(
            (
                "keyward_cluster_changes_settled_by_clock",
                "Those of them that had to wait for the end of the lease of a silent node.",
            ),
            of.map(|of| (ALONE, of.settled_by_clock)),
        )?;
        page.durations(
            (
                "keyward_cluster_change_wait_seconds",
                "Time from when a change of this node was durable until it was settled.",
            ),
            of.map(|_| (ALONE, self.waits.shown())),
        )
    }
}

impl Source for Cluster {
    #[expect(clippy::cast_precision_loss, reason = "2^53 milliseconds are 285 000 years")]
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let of = self.guard.gate().standing();
        for waited in self.guard.gate().take_waits() {
            self.waits.add(u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX));
        }
        Self::write_lease(page, of, self.guard.now().steady)?;
        self.write_changes(page, of)?;
        page.counter(
            ("keyward_cluster_nodes_expelled", "Nodes that this one removed, as they were silent."),
            of.map(|of| (ALONE, of.expelled)),
        )?;
        page.counter(
            (
                "keyward_cluster_divergences",
                "Times that the database lacked an entry that this node had seen.",
            ),
            of.map(|of| (ALONE, of.diverged)),
        )?;
        page.counter(
            (
                "keyward_cluster_requests_dropped",
                "Counted requests that were dropped, as the database lost their keys.",
            ),
            of.map(|of| (ALONE, of.dropped)),
        )?;
        page.gauge(
            (
                "keyward_cluster_unreadable_rows",
                "Keys and tiers whose rows this program cannot read; their keys get 503.",
            ),
            of.map(|of| (ALONE, u64::try_from(of.unreadable).unwrap_or(u64::MAX))),
        )?;
        page.gauge(
            (
                "keyward_cluster_clock_ahead_seconds",
                "Time by which the clock of this node is ahead of the database's.",
            ),
            of.map(|of| (ALONE, of.wall_ahead_ms as f64 / 1e3)),
        )
    }
}

#[cfg(test)]
mod tests {
    use keyward::Gate;
    use keyward::audit::Audit;
    use keyward::issue::NewKey;
    use keyward::key::Prefix;
    use keyward::memory::MemoryCluster;
    use keyward_axum::testing::{self, FakeClock};
    use keyward_axum::{Clock as _, GuardOptions};

    use super::super::{Form, Metrics};
    use super::*;

    fn page(guard: &Guard) -> String {
        Metrics::of(vec![Box::new(Cluster::new(guard.clone()))]).text(Form::Prometheus).unwrap()
    }

    fn samples(page: &str) -> Vec<&str> {
        page.lines().filter(|line| line.starts_with("keyward_cluster_")).collect()
    }

    #[tokio::test]
    async fn a_node_shows_how_it_stands_and_a_process_of_its_own_nothing() {
        let (guard, clock) = testing::guard().await;
        let alone = page(&guard);
        assert!(samples(&alone).is_empty() && alone.contains("# TYPE keyward_cluster_lease_"));

        let cluster = MemoryCluster::new(Duration::from_secs(5));
        let gate = Gate::open(Arc::new(cluster.node(1)), Prefix::default()).await.unwrap();
        let guard = Guard::new(gate, clock.clone(), GuardOptions::default());
        let now = || clock.now();
        guard.gate().keep_up(&now).await.unwrap();
        clock.advance(Duration::from_secs(2));
        let shown = page(&guard);
        for line in [
            "keyward_cluster_lease_seconds 5.0",
            "keyward_cluster_lease_remaining_seconds 3.0",
            "keyward_cluster_changes_waiting 0",
            "keyward_cluster_change_wait_seconds_count 0",
        ] {
            assert!(samples(&shown).contains(&line), "{line}: {shown}");
        }
        clock.advance(Duration::from_secs(9));
        assert!(page(&guard).contains("keyward_cluster_lease_remaining_seconds 0.0\n"));
    }

    #[tokio::test]
    async fn a_change_that_was_waited_for_is_counted_with_its_time() {
        let (cluster, clock) = (MemoryCluster::new(Duration::from_secs(5)), FakeClock::default());
        let gate = Gate::open(Arc::new(cluster.node(1)), Prefix::default()).await.unwrap();
        let guard = Guard::new(gate, clock.clone(), GuardOptions::default());
        let (gate, now) = (guard.gate(), || clock.now());
        let metrics = Metrics::of(vec![Box::new(Cluster::new(guard.clone()))]);
        let key = NewKey::plain("weather-bot".parse().unwrap(), "basic".parse().unwrap(), None);
        let issue = gate.issue(key, Audit::program(clock.now().unix));
        let follow = async {
            while gate.standing().unwrap().waiting == 0 {
                tokio::task::yield_now().await;
            }
            assert!(metrics.text(Form::Prometheus).unwrap().contains("_changes_waiting 1\n"));
            while 0 < gate.settle(&now).await.unwrap() {
                gate.catch_up(&now).await.unwrap();
            }
        };
        let (issued, ()) = tokio::join!(issue, follow);
        issued.unwrap();
        let shown = metrics.text(Form::Prometheus).unwrap();
        for line in [
            "keyward_cluster_changes_settled_total 1",
            "keyward_cluster_changes_settled_by_clock_total 0",
            "keyward_cluster_change_wait_seconds_count 1",
        ] {
            assert!(samples(&shown).contains(&line), "{line}: {shown}");
        }
    }
}
