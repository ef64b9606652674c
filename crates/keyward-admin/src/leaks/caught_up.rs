//! Memory that has every change that other nodes made before a report came.
//!
//! A node of a cluster may know of a key a moment after another node issued it. A report of that
//! key would then be taken for one of no key, and the key would live on.

use std::sync::Arc;
use std::time::Duration;

use keyward::gate::KeptUp;
use keyward::store::StoreError;
use keyward::time::SteadyNanos;
use keyward_axum::{Guard, Rejection};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::failure::broken;

/// How long a report may wait for that.
const WITHIN: Duration = Duration::from_millis(250);

/// Catches up once for all reports that wait. A clone shares it.
#[derive(Clone, Debug, Default)]
pub(super) struct CaughtUp(
    /// When the last turn began that has ended. Held during a turn, so that reports that come
    /// meanwhile share the next one.
    Arc<Mutex<Option<SteadyNanos>>>,
);

impl CaughtUp {
    /// Returns once memory has the changes before this call; at once, if no other process
    /// changes anything.
    ///
    /// # Errors
    ///
    /// Returns 503 if that takes too long, or the store cannot be asked.
    pub(super) async fn wait(&self, guard: &Guard) -> Result<(), Rejection> {
        if guard.gate().standing().is_none() {
            return Ok(());
        }
        match timeout(WITHIN, self.catch_up(guard)).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Err(error)) => Err(broken(error)),
            Ok(Ok(false)) | Err(_) => Err(Rejection::unavailable()),
        }
    }

    async fn catch_up(&self, guard: &Guard) -> Result<bool, StoreError> {
        let asked = guard.clock().now().steady;
        let mut last = self.0.lock().await;
        if last.is_some_and(|begun| asked <= begun) {
            return Ok(true);
        }
        let begun = guard.clock().now().steady;
        // A step runs to its end, whatever becomes of the request.
        let turn = tokio::spawn(take_turn(guard.clone())).await;
        let is_there = turn.map_err(|error| StoreError::Unavailable(Box::new(error)))??;
        if is_there {
            *last = Some(begun);
        }
        Ok(is_there)
    }
}

/// Applies everything that there is. Returns `false` if this node has left.
async fn take_turn(guard: Guard) -> Result<bool, StoreError> {
    let clock = || guard.clock().now();
    loop {
        match guard.gate().catch_up(&clock).await? {
            KeptUp::Current | KeptUp::Alone => return Ok(true),
            KeptUp::Behind | KeptUp::Out => {}
            KeptUp::Left => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use keyward::Gate;
    use keyward::audit::Audit;
    use keyward::digest::Digest;
    use keyward::issue::NewKey;
    use keyward::key::Prefix;
    use keyward::memory::MemoryCluster;
    use keyward_axum::GuardOptions;
    use keyward_axum::testing::{self, FakeClock};

    use super::*;

    async fn node(cluster: &MemoryCluster, number: usize, clock: &FakeClock) -> Guard {
        let store = Arc::new(cluster.node(number));
        let gate = Gate::open(store, Prefix::default()).await.unwrap();
        Guard::new(gate, clock.clone(), GuardOptions::default())
    }

    /// Issues a key at a node, and waits for no other one. Returns its digest.
    async fn issue(here: &Guard, clock: &FakeClock) -> Digest {
        let key = NewKey::plain("weather-bot".parse().unwrap(), "basic".parse().unwrap(), None);
        let (gate, now) = (here.gate(), || here.clock().now());
        let wait = async {
            while gate.standing().unwrap().waiting == 0 {
                tokio::task::yield_now().await;
            }
            gate.settle(&now).await.unwrap();
            clock.advance(Duration::from_millis(250));
            assert_eq!(gate.settle(&now).await.unwrap(), 0);
        };
        let (issued, ()) = tokio::join!(gate.issue(key, Audit::program(now().unix)), wait);
        Digest::of_secret(&issued.unwrap().secret)
    }

    #[tokio::test]
    async fn a_report_waits_until_memory_has_what_other_nodes_changed() {
        let (cluster, clock) = (MemoryCluster::new(Duration::from_secs(5)), FakeClock::default());
        let (here, there) = (node(&cluster, 1, &clock).await, node(&cluster, 2, &clock).await);
        let digest = issue(&here, &clock).await;
        let is_known = || there.gate().index().find(&digest).is_some();
        assert!(!is_known());
        CaughtUp::default().wait(&there).await.unwrap();
        assert!(is_known());
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_is_503_if_the_database_says_nothing() {
        let (cluster, clock) = (MemoryCluster::new(Duration::from_secs(5)), FakeClock::default());
        let guard = node(&cluster, 1, &clock).await;
        cluster.wire().hold();
        assert_eq!(CaughtUp::default().wait(&guard).await.unwrap_err().status(), 503);
        let (alone, _clock) = testing::guard().await;
        CaughtUp::default().wait(&alone).await.unwrap();
    }

    #[tokio::test]
    async fn a_turn_that_began_before_a_report_came_is_not_enough() {
        let (cluster, clock) = (MemoryCluster::new(Duration::from_secs(5)), FakeClock::default());
        let (here, there) = (node(&cluster, 1, &clock).await, node(&cluster, 2, &clock).await);
        let caught_up = CaughtUp::default();
        caught_up.wait(&there).await.unwrap();
        let digest = issue(&here, &clock).await;
        caught_up.wait(&there).await.unwrap();
        assert!(there.gate().index().find(&digest).is_some());
    }
}
