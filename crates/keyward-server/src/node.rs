//! This process as one of several over a database.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use keyward::Gate;
use keyward::gate::KeptUp;
use keyward::store::{KeyStore, StoreError};
use keyward_axum::{Guard, GuardOptions, SystemClock};

use crate::settings::{ClusterSettings, Settings};

/// By how much a request may last longer than a lease: a change waits for the lease of a node that
/// is silent, and then it is responded to.
const BEYOND_LEASE: Duration = Duration::from_secs(1);

/// The name of this node, for people.
pub(crate) fn name(settings: &ClusterSettings) -> String {
    settings.node_name.clone().or_else(machine).unwrap_or_else(|| "keyward".to_owned())
}

#[cfg(unix)]
fn machine() -> Option<String> {
    let system = rustix::system::uname();
    let name = system.nodename().to_string_lossy().into_owned();
    (!name.is_empty()).then_some(name)
}

#[cfg(windows)]
fn machine() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

/// Opens a gate, as one of several if the store is shared.
///
/// # Errors
///
/// Returns an error if the gate does not open, or that names a setting that does not fit the
/// store.
pub(crate) async fn open_gate(
    store: &Arc<dyn KeyStore>,
    settings: &Settings,
) -> anyhow::Result<Gate> {
    let gate = Gate::open(Arc::clone(store), settings.key_prefix.clone()).await?;
    check(&gate, settings.cluster.is_on, settings.request_timeout).await?;
    Ok(gate)
}

/// A guard over a gate. Renews the lease for the first time, where the database is one that several
/// may share: no request is let in before. Upkeep goes on with it.
pub(crate) async fn joined(
    gate: Gate,
    clock: SystemClock,
    options: GuardOptions,
) -> anyhow::Result<Guard> {
    let guard = Guard::new(gate, clock, options);
    let renewing = async {
        let clock = || guard.clock().now();
        while let KeptUp::Behind | KeptUp::Out = guard.gate().keep_up(&clock).await? {}
        Ok::<_, StoreError>(())
    };
    renewing.await.context("joining the servers of this database")?;
    Ok(guard)
}

/// Fails if the store is for one node and there may be others, or if a change could wait for longer
/// than its request may last; then this node has left.
async fn check(gate: &Gate, is_cluster: bool, request_timeout: Duration) -> anyhow::Result<()> {
    let Some(standing) = gate.standing() else {
        anyhow::ensure!(!is_cluster, "setting `cluster` is on, and this database is for one node");
        return Ok(());
    };
    let Some(problem) = problem(standing.lease, request_timeout) else { return Ok(()) };
    // If it fails, the others wait for this node until it is removed, and the setting is what to
    // look at all the same.
    drop(gate.leave().await);
    anyhow::bail!(problem)
}

fn problem(lease: Duration, request_timeout: Duration) -> Option<String> {
    let least = lease.saturating_add(BEYOND_LEASE);
    if least <= request_timeout {
        return None;
    }
    let [timeout, lease, least] = [request_timeout, lease, least].map(|it| it.as_secs_f64());
    Some(format!(
        "setting `request_timeout` is {timeout} s, and a change may have to wait for the lease of \
         a silent node, which is {lease} s: set it to at least {least} s, or shorten the lease \
         with `keyward migrate --lease`"
    ))
}

#[cfg(test)]
mod tests {
    use keyward::key::Prefix;
    use keyward::memory::{MemoryCluster, MemoryStore};
    use keyward::time::{Now, SteadyNanos, UnixMillis};

    use super::*;

    #[test]
    fn a_node_is_called_as_it_is_set_or_like_its_machine() {
        let called = |node_name: Option<&str>| {
            let node_name = node_name.map(str::to_owned);
            name(&ClusterSettings { is_on: true, node_name, ledger: None })
        };
        assert_eq!(called(Some("zone-a")), "zone-a");
        assert!(!called(None).is_empty());
    }

    #[test]
    fn a_request_lasts_a_second_longer_than_a_lease() {
        let lease = Duration::from_secs(5);
        assert_eq!(problem(lease, Duration::from_secs(6)), None);
        let problem = problem(lease, Duration::from_millis(5_999)).unwrap();
        insta::assert_snapshot!(problem, @"setting `request_timeout` is 5.999 s, and a change may have to wait for the lease of a silent node, which is 5 s: set it to at least 6 s, or shorten the lease with `keyward migrate --lease`");
    }

    #[tokio::test]
    async fn a_node_that_is_rejected_leaves() {
        let cluster = MemoryCluster::new(Duration::from_secs(5));
        let open = async || Gate::open(Arc::new(cluster.node(1)), Prefix::default()).await.unwrap();
        let clock = || Now::new(UnixMillis(1_800_000_000_000), SteadyNanos(0));
        let gate = open().await;
        check(&gate, true, Duration::from_secs(6)).await.unwrap();
        assert_eq!(gate.keep_up(&clock).await.unwrap(), KeptUp::Current);
        check(&gate, true, Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(gate.keep_up(&clock).await.unwrap(), KeptUp::Left);
        let alone = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await.unwrap();
        check(&alone, false, Duration::from_millis(100)).await.unwrap();
        check(&alone, true, Duration::from_secs(60)).await.unwrap_err();
    }
}
