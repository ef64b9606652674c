//! Rules whose absence chance seldom shows, each with the one course of events in which it does.

use std::pin::pin;
use std::time::Duration;

use keyward::Gate;
use keyward::issue::Issued;
use keyward::memory::{Leg, MemoryCluster};
use keyward::mutant::{self, Mutant};

use super::simulation::NOTICED;
use super::two::{LEASE, Two, open, poll};

const SCRIPTED: [Mutant; 6] = [
    Mutant::AckBeforeApplying,
    Mutant::LeaseFromLoading,
    Mutant::NoQuarantine,
    Mutant::EarlyConfirm,
    Mutant::NoCheckAtCommit,
    Mutant::SameIdsAfterPromotion,
];

/// More than the clocks of two nodes may differ within a lease.
const LATE: Duration = Duration::from_millis(100);

/// Whether a promise breaks, in a course of events with this rule left out, and with all rules:
/// mostly that a gate lets a revoked key in.
#[track_caller]
fn check<F: Future<Output = bool>>(mutant: Mutant, course: impl Fn() -> F) {
    let run = |mutant| {
        mutant::with(mutant, || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(course())
        })
    };
    assert_eq!((run(Some(mutant)), run(None)), (true, false), "{mutant:?}");
}

#[test]
fn each_rule_has_a_run_or_a_script_that_notices_its_absence() {
    for mutant in Mutant::ALL {
        assert!(NOTICED.contains(&mutant) || SCRIPTED.contains(&mutant), "{mutant:?}");
    }
}

/// The gate has asked for the rows of a revocation, and has not applied them.
#[test]
fn an_acknowledgement_before_the_rows_are_applied_is_noticed() {
    check(Mutant::AckBeforeApplying, async || {
        let two = Two::new().await;
        let issued = two.issue().await;
        let (clock, wire) = (|| two.now(), two.cluster.wire());
        let mut revoked = pin!(two.gates[0].revoke(issued.key_id, None, two.audit()));
        assert!(poll(revoked.as_mut()).is_none());
        two.keep_up(&two.gates[..1]).await;
        wire.hold();
        let mut late = pin!(two.gates[1].keep_up(&clock));
        let mut is_applied = false;
        for what in ["renew", "renew", "feed", "feed", "renew"] {
            is_applied = is_applied || poll(late.as_mut()).is_some();
            let letter = wire.letters().into_iter().find(|letter| letter.what == what);
            letter.into_iter().for_each(|letter| wire.deliver(letter.number));
        }
        // The reply to a second renewal is on its way, if there is one.
        is_applied = is_applied || poll(late.as_mut()).is_some();
        let mut settled = pin!(two.gates[0].settle(&clock));
        while poll(settled.as_mut()).is_none() {
            let letters = wire.letters().into_iter().filter(|letter| letter.process == 0);
            letters.for_each(|letter| wire.deliver(letter.number));
        }
        let is_acknowledged = poll(revoked.as_mut()).is_some();
        assert_eq!(is_applied, !is_acknowledged);
        is_acknowledged && two.words(issued.secret.expose())[1] == "allowed"
    });
}

/// A gate that starts reads a key before it is revoked, and renews after that.
#[test]
fn a_lease_from_loading_is_noticed() {
    check(Mutant::LeaseFromLoading, async || {
        let two = Two::new().await;
        let issued = two.issue().await;
        let (clock, wire) = (|| two.now(), two.cluster.wire());
        wire.hold();
        let mut opening = pin!(open(&two.cluster, 2));
        assert!(poll(opening.as_mut()).is_none());
        while !is_held(&two.cluster, "snapshot", Leg::Reply) {
            wire.letters().into_iter().for_each(|letter| wire.deliver(letter.number));
            assert!(poll(opening.as_mut()).is_none());
        }
        // Its keys are on their way when the key is revoked.
        let keys = wire.letters()[0].number;
        let mut revoked = pin!(two.gates[0].revoke(issued.key_id, None, two.audit()));
        let mut settled = pin!(async {
            two.gates[0].settle(&clock).await.unwrap();
            two.pass(LEASE + LEASE / 100 + Duration::from_millis(10) - LATE);
            two.gates[0].settle(&clock).await.unwrap();
        });
        let rest = |is_done: &mut dyn FnMut() -> bool| {
            while !is_done() {
                let letters = wire.letters().into_iter().filter(|letter| letter.process == 0);
                letters.for_each(|letter| wire.deliver(letter.number));
            }
        };
        let mut polls = 0;
        rest(&mut || {
            polls += 1;
            assert!(poll(revoked.as_mut()).is_none());
            4 < polls
        });
        // It is looked at first, and the gate opens after that.
        assert!(poll(settled.as_mut()).is_none());
        two.pass(LATE);
        wire.deliver(keys);
        let third = opening.await;
        let mut renewal = pin!(third.keep_up(&clock));
        assert!(poll(renewal.as_mut()).is_none());
        rest(&mut || poll(settled.as_mut()).is_some());
        assert!(poll(revoked.as_mut()).unwrap().unwrap());
        two.word(&third, issued.secret.expose()) == "allowed"
    });
}

fn is_held(cluster: &MemoryCluster, what: &str, leg: Leg) -> bool {
    cluster.wire().letters().iter().any(|letter| letter.what == what && letter.leg == leg)
}

/// A promoted server does not know a gate that the former one gave a lease.
async fn promoted() -> bool {
    let two = Two::new().await;
    let issued = two.issue().await;
    two.cluster.replicate();
    let third = open(&two.cluster, 2).await;
    two.keep_up(std::slice::from_ref(&third)).await;
    two.cluster.fail_over();
    let [own, _] = &two.gates;
    let clock = || two.now();
    let mut revoked = pin!(own.revoke(issued.key_id, None, two.audit()));
    assert!(poll(revoked.as_mut()).is_none());
    for _ in 0..2 {
        own.tidy(&clock).await.unwrap();
        two.keep_up(&two.gates).await;
        own.settle(&clock).await.unwrap();
    }
    poll(revoked.as_mut()).is_some() && two.word(&third, issued.secret.expose()) == "allowed"
}

#[test]
fn acknowledgements_at_a_server_that_is_not_confirmed_are_noticed() {
    check(Mutant::NoQuarantine, promoted);
}

#[test]
fn a_server_that_is_confirmed_at_once_is_noticed() {
    check(Mutant::EarlyConfirm, promoted);
}

/// A gate that has not noticed a loss yet is asked for a key.
#[test]
fn a_change_of_a_trail_that_lacks_what_its_node_knows_is_noticed() {
    check(Mutant::NoCheckAtCommit, async || {
        let two = Two::new().await;
        two.cluster.replicate();
        let lost = two.issue().await;
        two.cluster.go_back();
        two.is_given_again(&two.gates[1], &lost).await
    });
}

/// No gate lives that knows the key of a lost end of the trail.
#[test]
fn ids_that_a_promoted_server_gives_again_are_noticed() {
    check(Mutant::SameIdsAfterPromotion, async || {
        let two = Two::new().await;
        two.cluster.replicate();
        let lost = two.issue().await;
        two.cluster.fail_over();
        let third = open(&two.cluster, 2).await;
        two.keep_up(std::slice::from_ref(&third)).await;
        two.is_given_again(&third, &lost).await
    });
}

impl Two {
    /// Whether a gate issues another key with the id of this one.
    async fn is_given_again(&self, gate: &Gate, lost: &Issued) -> bool {
        let mut issued = pin!(gate.issue(self.new_key(), self.audit()));
        let issued = match poll(issued.as_mut()) {
            Some(rejected) => rejected,
            None => {
                gate.settle(&|| self.now()).await.unwrap();
                self.pass(Duration::from_millis(250));
                gate.settle(&|| self.now()).await.unwrap();
                issued.await
            }
        };
        issued.is_ok_and(|issued| issued.key_id == lost.key_id)
    }
}
