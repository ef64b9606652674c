//! Gates that register anew: no change waits for the row that they had before.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use keyward::Gate;
use keyward::gate::KeptUp;
use keyward::key::Prefix;
use keyward::store::Cluster as _;

use super::two::{LEASE, Two, open, poll};

/// How long after a lease none holds, by any clock.
const OVER: Duration = Duration::from_millis(5_060);

impl Two {
    /// Runs a step to its end; calls of this name are lost on their way.
    pub(super) async fn without<T>(&self, what: &str, step: impl Future<Output = T>) -> T {
        let wire = self.cluster.wire();
        wire.hold();
        let mut step = pin!(step);
        let done = loop {
            if let Some(done) = poll(step.as_mut()) {
                break done;
            }
            for letter in wire.letters() {
                if letter.what == what {
                    wire.lose(letter.number);
                } else {
                    wire.deliver(letter.number);
                }
            }
        };
        wire.release();
        done
    }

    async fn rows(&self) -> usize {
        self.cluster.node(0).standings(Vec::new()).await.unwrap().nodes.len()
    }

    /// A change of the first gate is acknowledged by the nodes that there are, and not by the clock.
    async fn settles_by_nodes(&self, gates: &[Gate]) {
        let before = self.gates[0].standing().unwrap();
        let suspended =
            self.gates[0].set_owner_suspended("org_1".parse().unwrap(), true, self.audit());
        self.finish(gates, suspended).await.unwrap();
        let after = self.gates[0].standing().unwrap();
        assert_eq!(after.settled, before.settled + 1);
        assert_eq!(after.settled_by_clock, before.settled_by_clock);
    }
}

#[tokio::test]
async fn a_marked_gate_leaves_its_row_when_it_registers_anew() {
    let two = Two::new().await;
    for _ in 0..2 {
        two.keep_up(&two.gates[..1]).await;
        two.gates[0].tidy(&|| two.now()).await.unwrap();
        two.pass(LEASE);
    }
    two.keep_up(&two.gates[..1]).await;
    assert_eq!(two.gates[1].keep_up(&|| two.now()).await.unwrap(), KeptUp::Out);
    two.keep_up(&two.gates).await;
    assert_eq!(two.rows().await, 2);
    two.settles_by_nodes(&two.gates).await;
}

#[tokio::test]
async fn no_change_waits_for_a_gate_that_cannot_put_its_loss_on_record() {
    let two = Two::new().await;
    let clock = || two.now();
    two.cluster.replicate();
    two.issue().await;
    two.cluster.fail_over();
    let [whole, broken] = &two.gates;
    // The server is confirmed, so that acknowledgements count.
    for _ in 0..2 {
        two.keep_up(&two.gates[..1]).await;
        whole.tidy(&clock).await.unwrap();
        two.pass(OVER);
    }
    two.keep_up(&two.gates[..1]).await;
    assert_eq!(broken.keep_up(&clock).await.unwrap(), KeptUp::Out);
    for _ in 0..2 {
        two.without("commit", broken.keep_up(&clock)).await.unwrap_err();
        assert_eq!(two.rows().await, 1);
    }
    two.settles_by_nodes(&two.gates[..1]).await;
    // Nor for one that registers, and then cannot read.
    for _ in 0..2 {
        two.without("snapshot", broken.keep_up(&clock)).await.unwrap_err();
        assert_eq!(two.rows().await, 2);
    }
    broken.leave().await.unwrap();
    assert_eq!(two.rows().await, 1);
}

#[tokio::test]
async fn a_gate_that_does_not_open_leaves_no_row() {
    let two = Two::new().await;
    let opened = Gate::open(Arc::new(two.cluster.node(2)), Prefix::default());
    let error = two.without("snapshot", opened).await.unwrap_err();
    assert!(error.to_string().contains("read"), "{error}");
    assert_eq!(two.rows().await, 2);
    let third = open(&two.cluster, 2).await;
    assert_eq!(two.rows().await, 3);
    third.leave().await.unwrap();
    two.settles_by_nodes(&two.gates).await;
}
