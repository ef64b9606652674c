//! A store that goes back in time.

use std::pin::pin;
use std::time::Duration;

use keyward::KeyId;
use keyward::audit::{Chain, Verb};
use keyward::change::KeyChange;
use keyward::gate::KeptUp;
use keyward::issue::NewKey;
use keyward::store::StoreError;

use super::two::{LEASE, REVOKE, Two, open, poll};

#[tokio::test]
async fn what_a_failover_lost_comes_back_from_memory() {
    let two = Two::new().await;
    let [revoked, suspended, replaced, later] =
        [two.issue().await, two.issue().await, two.issue().await, two.issue().await];
    two.cluster.replicate();
    two.change(revoked.key_id, REVOKE).await;
    two.change(suspended.key_id, KeyChange::Suspend).await;
    let clock = || two.now();
    let rotated = two.gates[1].rotate(replaced.key_id, Duration::ZERO, None, two.audit(), &clock);
    let rotated = two.finish(&two.gates, rotated).await.unwrap();
    let lost = two.issue().await;
    two.cluster.fail_over();
    assert_eq!(two.gates[0].keep_up(&clock).await.unwrap(), KeptUp::Out);
    assert_eq!(two.word(&two.gates[0], later.secret.expose()), "uncertain");
    two.keep_up(&two.gates).await;
    // Of the replaced secret only the end is known, and the new one is lost with the change.
    let expected = [
        (&revoked.secret, "revoked"),
        (&suspended.secret, "suspended"),
        (&replaced.secret, "revoked"),
        (&rotated.secret, "unknown"),
        (&lost.secret, "unknown"),
        (&later.secret, "allowed"),
    ];
    for (secret, word) in expected {
        assert_eq!(two.words(secret.expose()), [word; 2]);
    }
    // A third gate knows them from the database alone.
    let third = open(&two.cluster, 2).await;
    two.keep_up(std::slice::from_ref(&third)).await;
    for (secret, word) in &expected[..3] {
        assert_eq!(two.word(&third, secret.expose()), *word);
    }
}

#[tokio::test]
async fn a_change_that_a_failover_lost_while_it_waits_is_no_success() {
    let two = Two::new().await;
    let issued = two.issue().await;
    two.cluster.replicate();
    let awake = &two.gates[0];
    let mut revoked = pin!(awake.revoke(issued.key_id, None, two.audit()));
    assert!(poll(revoked.as_mut()).is_none());
    two.cluster.fail_over();
    awake.settle(&|| two.now()).await.unwrap();
    let error = poll(revoked.as_mut()).unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    // It was stopped here before the feed brought it, so it is made again.
    two.keep_up(&two.gates).await;
    assert_eq!(two.words(issued.secret.expose()), ["revoked"; 2]);
}

#[tokio::test]
async fn a_revocation_between_a_renewal_and_its_reply_is_no_loss() {
    let two = Two::new().await;
    let issued = two.issue().await;
    let (gate, wire, clock) = (&two.gates[0], two.cluster.wire(), || two.now());
    wire.hold();
    let deliver = |what| {
        let letter = wire.letters().into_iter().find(|letter| letter.what == what);
        wire.deliver(letter.unwrap().number);
    };
    let (mut renewal, mut revoked) =
        (pin!(gate.keep_up(&clock)), pin!(gate.revoke(issued.key_id, None, two.audit())));
    // The store reads the head, and has not replied when the revocation is committed.
    assert!(poll(renewal.as_mut()).is_none());
    deliver("renew");
    assert!(poll(renewal.as_mut()).is_none());
    assert!(poll(revoked.as_mut()).is_none());
    for _ in 0..2 {
        deliver("commit");
        assert!(poll(revoked.as_mut()).is_none());
    }
    assert_eq!(two.word(gate, issued.secret.expose()), "revoked");
    deliver("renew");
    assert_eq!(poll(renewal.as_mut()).unwrap().unwrap(), KeptUp::Current);
    assert_eq!(gate.standing().unwrap().diverged, 0);
}

#[tokio::test]
async fn after_a_failover_the_clock_settles_changes_until_the_server_is_confirmed() {
    let two = Two::new().await;
    let (first, second) = (two.issue().await, two.issue().await);
    two.cluster.replicate();
    two.cluster.fail_over();
    two.keep_up(&two.gates).await;
    let awake = &two.gates[0];
    let mut revoked = pin!(awake.revoke(first.key_id, None, two.audit()));
    assert!(poll(revoked.as_mut()).is_none());
    awake.tidy(&|| two.now()).await.unwrap();
    two.keep_up(&two.gates).await;
    assert_eq!(awake.settle(&|| two.now()).await.unwrap(), 1, "a node may be missing");
    two.pass(LEASE + LEASE / 100 + Duration::from_millis(10));
    assert_eq!(awake.settle(&|| two.now()).await.unwrap(), 0);
    assert!(poll(revoked.as_mut()).unwrap().unwrap());
    two.keep_up(&two.gates).await;
    awake.tidy(&|| two.now()).await.unwrap();
    let revoked = awake.revoke(second.key_id, None, two.audit());
    assert!(two.finish(&two.gates, revoked).await.unwrap());
}

#[tokio::test]
async fn a_loss_is_on_record_before_anything_else_and_no_number_is_given_again() {
    let two = Two::new().await;
    two.issue().await;
    two.cluster.replicate();
    let lost = two.issue().await;
    two.change(lost.key_id, KeyChange::Suspend).await;
    let before = two.cluster.trail();
    two.cluster.fail_over();
    two.keep_up(&two.gates[..1]).await;
    let after = two.cluster.trail();
    let [_, told] = after.as_slice() else { panic!("{after:?}") };
    assert_eq!((Verb::of(&told.verb), told.id.0), (Some(Verb::Diverged), 4));
    let digest = before.last().unwrap().digest;
    let details =
        format!(r#"{{"before":{{"change":3,"digest":"{digest}"}},"after":{{"change":1}}}}"#);
    assert_eq!(told.details.as_deref(), Some(details.as_str()));
    let mut chain = Chain::default();
    after.iter().try_for_each(|entry| chain.follow(entry)).unwrap();
    two.keep_up(&two.gates).await;
    two.confirm().await;
    let next = two.issue().await;
    // More ids are left out: others may have given some of which this node did not hear.
    assert_eq!((lost.key_id.get(), next.key_id.get()), (2, 100_003));
    assert_eq!(two.words(next.secret.expose()), ["allowed"; 2]);
    assert_eq!(two.gates.each_ref().map(|gate| gate.standing().unwrap().diverged), [1; 2]);
}

/// Before it notices, it is asked for a change: that is rejected, and the loss noticed at once.
#[tokio::test]
async fn a_change_of_a_gate_that_has_not_noticed_a_loss_is_not_made() {
    let two = Two::new().await;
    let kept = two.issue().await;
    two.cluster.replicate();
    let [gate, _] = &two.gates;
    // Its feed does not bring this before it is lost, so that the trail has all that was applied.
    let mut lost = pin!(gate.issue(two.new_key(), two.audit()));
    assert!(poll(lost.as_mut()).is_none());
    two.cluster.go_back();
    let before = two.cluster.trail();
    assert_eq!(before.len(), 1);
    let mut hint = pin!(gate.hint());
    assert!(poll(hint.as_mut()).is_none());
    for _ in 0..2 {
        let error = gate.revoke(kept.key_id, None, two.audit()).await.unwrap_err();
        assert!(matches!(error, StoreError::WentBack(_)), "{error:?}");
    }
    assert_eq!(two.cluster.trail(), before);
    assert!(poll(hint.as_mut()).is_some(), "the next step is due at once");
    assert_eq!(gate.catch_up(&|| two.now()).await.unwrap(), KeptUp::Out);
    two.keep_up(&two.gates).await;
    assert_eq!(gate.standing().unwrap().diverged, 1);
    let verbs: Vec<_> = two.cluster.trail().into_iter().map(|entry| entry.verb).collect();
    assert_eq!(verbs, ["issue", "diverged"]);
    two.confirm().await;
    two.change(kept.key_id, KeyChange::Suspend).await;
    assert_eq!(two.words(kept.secret.expose()), ["suspended"; 2]);
    assert_eq!(two.issue().await.key_id.get(), 100_003);
}

/// It is unknown how many keys the former primary issued at its end.
#[tokio::test]
async fn the_first_change_after_a_promotion_leaves_ids_out_and_the_next_does_not() {
    let two = Two::new().await;
    assert_eq!(two.issue().await.key_id.get(), 1);
    two.cluster.replicate();
    two.cluster.fail_over();
    two.keep_up(&two.gates).await;
    two.confirm().await;
    // One that writes nothing does not count.
    let unknown = KeyId::new(7).unwrap();
    assert!(
        !two.gates[0].revoke(unknown, None, two.audit()).await.unwrap(),
        "there is no such key"
    );
    for id in [100_002, 100_003] {
        assert_eq!(two.issue().await.key_id.get(), id);
    }
    two.cluster.replicate();
    two.cluster.go_back();
    two.keep_up(&two.gates).await;
    two.confirm().await;
    assert_eq!(two.issue().await.key_id.get(), 100_004, "it is the same timeline");
    assert_eq!(two.gates.each_ref().map(|gate| gate.standing().unwrap().diverged), [0; 2]);
}

/// A gate that has left for good rejects, and does not enter again.
#[tokio::test]
async fn a_gate_that_left_does_not_come_back_for_a_loss() {
    let two = Two::new().await;
    two.cluster.replicate();
    two.issue().await;
    two.cluster.go_back();
    let [gate, _] = &two.gates;
    gate.leave().await.unwrap();
    gate.issue(two.new_key(), two.audit()).await.unwrap_err();
    assert_eq!(gate.keep_up(&|| two.now()).await.unwrap(), KeptUp::Left);
}

#[tokio::test]
async fn counts_of_a_lost_key_are_not_counted_for_the_next_one_of_its_id() {
    let two = Two::new().await;
    two.cluster.replicate();
    let lost = two.issue().await;
    assert_eq!(two.words(lost.secret.expose()), ["allowed"; 2]);
    assert_eq!(two.words(lost.secret.expose()), ["allowed"; 2]);
    two.cluster.go_back();
    // A gate that knows nothing of the key comes first, and another one gets its id.
    let third = open(&two.cluster, 2).await;
    two.keep_up(std::slice::from_ref(&third)).await;
    let key = NewKey::plain("b".parse().unwrap(), "basic".parse().unwrap(), None);
    let three = std::slice::from_ref(&third);
    let other = two.finish(three, async {
        let mut issued = pin!(third.issue(key, two.audit()));
        assert!(poll(issued.as_mut()).is_none());
        third.settle(&|| two.now()).await.unwrap();
        two.pass(Duration::from_millis(250));
        third.settle(&|| two.now()).await.unwrap();
        issued.await.unwrap()
    });
    let other = other.await;
    assert_eq!(other.key_id, lost.key_id);
    two.keep_up(&two.gates).await;
    assert_eq!(two.words(lost.secret.expose()), ["unknown"; 2]);
    assert_eq!(two.words(other.secret.expose()), ["allowed"; 2]);
    for gate in &two.gates {
        assert_eq!(gate.standing().unwrap().dropped, 2);
        gate.flush(&|| two.now()).await.unwrap();
    }
    assert_eq!(two.cluster.counted(other.key_id).requests(), 2);
}
