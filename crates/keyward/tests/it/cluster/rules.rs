//! Each rule of a cluster by itself.

use std::pin::pin;
use std::time::Duration;

use keyward::change::{KeyChange, KeyEdit};
use keyward::digest::Digest;
use keyward::gate::{ChangeError, KeptUp, TierBefore};
use keyward::issue::NewKey;
use keyward::limit::{Limit, Limits};
use keyward::rules::{Change, OwnerChange};
use keyward::store::StoreError;
use keyward::stored::StoredSecret;
use keyward::{Asked, Gate, KeyId};

use super::two::{LEASE, REVOKE, Two, open, poll};

#[tokio::test]
async fn a_gate_decides_while_it_hears_from_the_store() {
    let two = Two::new().await;
    let late = open(&two.cluster, 2).await;
    assert_eq!(two.word(&late, "wrong"), "uncertain", "it was loaded, and renewed nothing yet");
    assert_eq!(two.words("wrong"), ["unknown"; 2]);
    two.pass(LEASE - Duration::from_nanos(1));
    assert_eq!(two.words("wrong"), ["unknown"; 2]);
    two.pass(Duration::from_nanos(1));
    assert_eq!(two.words("wrong"), ["uncertain"; 2]);
    two.keep_up(&two.gates[..1]).await;
    assert_eq!(two.words("wrong"), ["unknown", "uncertain"]);
    two.gates[0].leave().await.unwrap();
    assert_eq!(two.words("wrong"), ["uncertain"; 2]);
    assert_eq!(two.gates[0].keep_up(&|| two.now()).await.unwrap(), KeptUp::Left);
}

#[tokio::test]
async fn every_gate_judges_by_every_change_once_it_is_acknowledged() {
    let two = Two::new().await;
    let issued = two.issue().await;
    let secret = issued.secret.expose();
    assert_eq!(two.words(secret), ["allowed"; 2]);
    for (change, word) in [(KeyChange::Suspend, "suspended"), (KeyChange::Resume, "allowed")] {
        two.change(issued.key_id, change).await;
        assert_eq!(two.words(secret), [word; 2]);
    }
    for (is_suspended, word) in [(true, "suspended"), (false, "allowed")] {
        let owner = "org_1".parse().unwrap();
        let changed = two.gates[1].set_owner_suspended(owner, is_suspended, two.audit());
        two.finish(&two.gates, changed).await.unwrap();
        assert_eq!(two.words(secret), [word; 2]);
    }
    let ended = KeyEdit { expires_at: Some(Some(two.now().unix)), ..KeyEdit::default() };
    two.change(issued.key_id, KeyChange::Edit(Box::new(ended))).await;
    assert_eq!(two.words(secret), ["expired"; 2]);
    let other = two.issue().await;
    let clock = || two.now();
    let rotated = two.gates[1].rotate(other.key_id, Duration::ZERO, None, two.audit(), &clock);
    let rotated = two.finish(&two.gates, rotated).await.unwrap();
    assert_eq!(two.words(other.secret.expose()), ["replaced"; 2]);
    assert_eq!(two.words(rotated.secret.expose()), ["allowed"; 2]);
    two.change(other.key_id, REVOKE).await;
    assert_eq!(two.words(rotated.secret.expose()), ["revoked"; 2]);
}

#[tokio::test]
async fn every_gate_has_the_tiers_of_every_other() {
    let two = Two::new().await;
    let issued = two.issue().await;
    let left = |gate: &Gate| {
        let caller = gate.verify(&Asked::of(issued.secret.expose()), two.now()).unwrap();
        caller.standing().unwrap().remaining
    };
    assert_eq!(two.gates.each_ref().map(left), [99; 2]);
    let five = 5.try_into().unwrap();
    let limit = Limit::new("requests", five, Duration::from_secs(60), five).unwrap();
    let (clock, limits) = (|| two.now(), Limits::of(Some(limit)));
    let (basic, gold) = ("basic".parse().unwrap(), "gold".parse().unwrap());
    for name in [&basic, &gold] {
        let (name, limits): (&keyward::tier::TierName, _) = (name, limits.clone());
        let put = two.gates[0].put_tier(name.clone(), limits, TierBefore::Any, two.audit(), &clock);
        two.finish(&two.gates, put).await.unwrap();
    }
    assert_eq!(two.gates.each_ref().map(|gate| gate.tier_names().len()), [4; 2]);
    // A part of a unit was used before.
    assert_eq!(two.gates.each_ref().map(left), [3; 2]);
    let deleted = two.gates[1].delete_tier(gold, TierBefore::Any, two.audit());
    two.finish(&two.gates, deleted).await.unwrap();
    assert_eq!(two.gates.each_ref().map(|gate| gate.tier_names().len()), [3; 2]);
}

#[tokio::test]
async fn a_change_waits_for_a_gate_that_is_silent_as_long_as_that_may_decide() {
    let two = Two::new().await;
    let issued = two.issue().await;
    let [awake, _silent] = &two.gates;
    for _ in 0..2 {
        // The second time it is revoked already, and the other gate still does not know.
        let mut revoked = pin!(awake.revoke(issued.key_id, None, two.audit()));
        assert!(poll(revoked.as_mut()).is_none());
        assert_eq!(two.words(issued.secret.expose()), ["revoked", "allowed"]);
        two.keep_up(&two.gates[..1]).await;
        assert_eq!(awake.settle(&|| two.now()).await.unwrap(), 1);
        assert!(poll(revoked.as_mut()).is_none());
    }
    let mut revoked = pin!(awake.revoke(issued.key_id, None, two.audit()));
    assert!(poll(revoked.as_mut()).is_none());
    assert_eq!(awake.settle(&|| two.now()).await.unwrap(), 1);
    two.pass(LEASE + LEASE / 100);
    assert_eq!(awake.settle(&|| two.now()).await.unwrap(), 1, "clocks differ, and are rounded");
    two.pass(Duration::from_millis(10));
    assert_eq!(awake.settle(&|| two.now()).await.unwrap(), 0);
    assert!(poll(revoked.as_mut()).unwrap().unwrap());
    assert_eq!(two.word(&two.gates[1], issued.secret.expose()), "uncertain");
}

#[tokio::test]
async fn no_change_is_acknowledged_by_the_clock_of_a_gate_that_is_cut_off() {
    let two = Two::new().await;
    let issued = two.issue().await;
    two.cluster.replicate();
    let (gate, clock) = (&two.gates[0], || two.now());
    let mut revoked = pin!(gate.revoke(issued.key_id, None, two.audit()));
    assert!(poll(revoked.as_mut()).is_none());
    assert_eq!(gate.settle(&clock).await.unwrap(), 1);
    // A standby takes over that lacks the revocation, and the other gate goes on there.
    two.cluster.fail_over();
    two.pass(LEASE + LEASE / 100 + Duration::from_millis(10));
    two.keep_up(&two.gates[1..]).await;
    two.without("standings", gate.settle(&clock)).await.unwrap_err();
    let error = poll(revoked.as_mut()).unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert_eq!(gate.standing().unwrap().settled_by_clock, 0);
    assert_eq!(two.word(&two.gates[1], issued.secret.expose()), "allowed");
}

#[tokio::test]
async fn many_changes_that_wait_hold_up_neither_the_feed_nor_each_other() {
    let two = Two::new().await;
    let mut keys = Vec::new();
    for _ in 0..64 {
        keys.push(two.issue().await.key_id);
    }
    let revoke = |id: &KeyId| Box::pin(two.gates[0].revoke(*id, None, two.audit()));
    let mut revoked: Vec<_> = keys.iter().map(revoke).collect();
    assert!(revoked.iter_mut().all(|task| poll(task.as_mut()).is_none()));
    assert_eq!(two.gates[0].standing().unwrap().waiting, 64);
    two.keep_up(&two.gates).await;
    assert_eq!(two.gates[0].settle(&|| two.now()).await.unwrap(), 0);
    assert!(revoked.iter_mut().all(|task| poll(task.as_mut()).unwrap().unwrap()));
}

#[tokio::test]
async fn a_gate_tells_once_that_a_change_waits() {
    let two = Two::new().await;
    let issued = two.issue().await;
    let [own, other] = &two.gates;
    own.change_waits().await;
    let (mut waits, mut others) = (pin!(own.change_waits()), pin!(other.change_waits()));
    assert!(poll(waits.as_mut()).is_none(), "it is told once");
    let mut revoked = pin!(own.revoke(issued.key_id, None, two.audit()));
    assert!(poll(revoked.as_mut()).is_none());
    assert!(poll(waits.as_mut()).is_some());
    assert!(poll(others.as_mut()).is_none());
    assert!(poll(pin!(own.change_waits())).is_none());
}

/// Every change that gives more than there was.
fn giving(two: &Two, key: KeyId) -> [Change; 4] {
    let new = |number| {
        let (digest, hint) = (Digest::from_stored([number; 32]), "kw_a".to_owned());
        let secret = StoredSecret { digest, hint, created_at: two.now().unix };
        NewKey::plain("a".parse().unwrap(), "basic".parse().unwrap(), None).with_secret(secret)
    };
    let owner = "org_1".parse().unwrap();
    [
        Change::Issue(Box::new(new(1))),
        Change::Import { keys: vec![new(2)], dry_run: false },
        Change::Key { id: key, change: KeyChange::Resume, expected: None },
        Change::Owner { owner, change: OwnerChange::Resume, expected: None },
    ]
}

/// Two gates, of whose one key and owner both are suspended.
async fn with_suspended() -> (Two, KeyId) {
    let two = Two::new().await;
    let key = two.issue().await.key_id;
    two.change(key, KeyChange::Suspend).await;
    let owner = "org_1".parse().unwrap();
    let suspended = two.gates[0].set_owner_suspended(owner, true, two.audit());
    two.finish(&two.gates, suspended).await.unwrap();
    (two, key)
}

#[tokio::test]
async fn what_gives_more_waits_a_quarter_of_a_second_and_says_whether_it_is_everywhere() {
    for (kind, is_heard) in (0..4).flat_map(|kind| [(kind, true), (kind, false)]) {
        let (two, key) = with_suspended().await;
        let change = giving(&two, key)[kind].clone();
        let (gate, clock) = (&two.gates[0], || two.now());
        let mut made = pin!(gate.run(change, two.audit(), &clock));
        assert!(poll(made.as_mut()).is_none(), "{kind}");
        assert_eq!(gate.settle(&clock).await.unwrap(), 1);
        if is_heard {
            two.keep_up(&two.gates).await;
        } else {
            two.pass(Duration::from_millis(249));
            assert_eq!(gate.settle(&clock).await.unwrap(), 1);
            two.pass(Duration::from_millis(1));
        }
        assert_eq!(gate.settle(&clock).await.unwrap(), 0);
        let made = poll(made.as_mut()).unwrap().unwrap();
        assert_eq!((made.outcome.is_ok(), made.everywhere), (true, Some(is_heard)), "{kind}");
    }
}

#[tokio::test]
async fn a_gate_that_catches_up_has_acknowledged_in_one_step() {
    let two = Two::new().await;
    let issued = two.issue().await;
    let [own, other] = &two.gates;
    let clock = || two.now();
    let mut revoked = pin!(own.revoke(issued.key_id, None, two.audit()));
    assert!(poll(revoked.as_mut()).is_none());
    for gate in [own, other] {
        assert_eq!(own.settle(&clock).await.unwrap(), 1);
        assert_eq!(gate.catch_up(&clock).await.unwrap(), KeptUp::Current);
    }
    assert_eq!(own.settle(&clock).await.unwrap(), 0);
    assert_eq!(two.words(issued.secret.expose()), ["revoked"; 2]);
    assert!(poll(revoked.as_mut()).unwrap().unwrap());
    // Without a change it is a renewal.
    two.pass(LEASE / 2);
    assert_eq!(other.catch_up(&clock).await.unwrap(), KeptUp::Current);
    assert_eq!(other.standing().unwrap().lease_until.0, two.now().steady.0 + 5_000_000_000);
}

#[tokio::test]
async fn a_gate_in_a_stream_takes_its_lease_when_it_has_applied_what_a_renewal_saw() {
    // A step applies up to 4 096 entries.
    for (meanwhile, steps) in [(1, 1), (4_097, 2)] {
        let two = Two::new().await;
        let issued = two.issue().await;
        let ([own, other], clock, wire) = (&two.gates, || two.now(), two.cluster.wire());
        let lease_until = || other.standing().unwrap().lease_until.0 / 1_000_000_000;
        two.pass(Duration::from_secs(1));
        wire.hold();
        let mut step = pin!(other.catch_up(&clock));
        two.until_renewal(step.as_mut());
        // The trail goes on between what the gate has read and its renewal.
        for _ in 1..meanwhile {
            two.commit_meanwhile(own.issue(two.new_key(), two.audit()));
        }
        two.commit_meanwhile(own.revoke(issued.key_id, None, two.audit()));
        wire.release();
        assert_eq!(poll(step.as_mut()).unwrap().unwrap(), KeptUp::Behind);
        for at in 1..=steps {
            assert_eq!(lease_until(), 5, "it has not applied all that the renewal saw");
            two.pass(Duration::from_secs(1));
            wire.hold();
            let mut step = pin!(other.catch_up(&clock));
            two.until_renewal(step.as_mut());
            if at == steps {
                assert_eq!(two.word(other, issued.secret.expose()), "revoked");
                assert_eq!(lease_until(), 5 + at, "when the last renewal was sent");
            }
            wire.release();
            let is_there = poll(step.as_mut()).unwrap().unwrap() == KeptUp::Current;
            assert_eq!(is_there, at == steps);
        }
        assert_eq!(lease_until(), 6 + steps);
    }
}

#[tokio::test]
async fn a_gate_counts_how_its_changes_were_settled() {
    let two = Two::new().await;
    let issued = two.issue().await;
    let (gate, clock) = (&two.gates[0], || two.now());
    drop(gate.take_waits());
    let before = gate.standing().unwrap();
    two.change(issued.key_id, KeyChange::Suspend).await;
    let mut revoked = pin!(gate.revoke(issued.key_id, None, two.audit()));
    assert!(poll(revoked.as_mut()).is_none());
    gate.settle(&clock).await.unwrap();
    let span = LEASE + LEASE / 100 + Duration::from_millis(10);
    two.pass(span);
    gate.settle(&clock).await.unwrap();
    assert!(poll(revoked.as_mut()).unwrap().unwrap());
    let after = gate.standing().unwrap();
    assert_eq!(after.settled - before.settled, 2);
    assert_eq!(after.settled_by_clock - before.settled_by_clock, 1);
    assert_eq!(gate.take_waits(), [Duration::ZERO, span]);
    assert_eq!(gate.take_waits(), []);
    assert_eq!((before.applied.0, before.waiting, before.expelled), (1, 0, 0));
}

#[tokio::test]
async fn a_silent_gate_is_marked_and_removed_and_comes_back() {
    let two = Two::new().await;
    let issued = two.issue().await;
    let [awake, silent] = &two.gates;
    let turn = async || {
        two.keep_up(&two.gates[..1]).await;
        awake.tidy(&|| two.now()).await.unwrap();
    };
    turn().await;
    two.pass(LEASE);
    // It marks the other one, and sees in the next turn that it did.
    turn().await;
    turn().await;
    two.pass(LEASE + LEASE / 100 + Duration::from_millis(10));
    turn().await;
    // No other node is there to be waited for.
    let revoked = awake.revoke(issued.key_id, None, two.audit());
    two.finish(&two.gates[..1], revoked).await.unwrap();
    assert_eq!(two.word(silent, issued.secret.expose()), "uncertain");
    assert_eq!(awake.standing().unwrap().expelled, 1);
    assert_eq!(silent.keep_up(&|| two.now()).await.unwrap(), KeptUp::Out);
    two.keep_up(&two.gates).await;
    assert_eq!(two.words(issued.secret.expose()), ["revoked"; 2]);
}

#[tokio::test]
async fn a_rejected_change_waits_for_nothing() {
    let two = Two::new().await;
    let unknown = KeyId::new(7).unwrap();
    let clock = || two.now();
    let mut changed =
        pin!(two.gates[0].change(unknown, KeyChange::Suspend, None, two.audit(), &clock));
    let changed = poll(changed.as_mut()).expect("it does not wait");
    assert!(matches!(changed, Err(ChangeError::Rejected(_))));
}
