//! Rows that a program cannot read.

use std::time::Duration;

use keyward::change::KeyChange;
use keyward::gate::TierBefore;
use keyward::limit::{Limit, Limits};

use super::two::{REVOKE, Two, open};

#[tokio::test]
async fn nothing_is_decided_about_a_key_that_cannot_be_read_and_all_others_are_judged() {
    let two = Two::new().await;
    let (odd, other) = (two.issue().await, two.issue().await);
    let secrets = [odd.secret.expose(), other.secret.expose()];
    let words = |expected: [&str; 2]| {
        for (secret, word) in secrets.iter().zip(expected) {
            assert_eq!(two.words(secret), [word; 2]);
        }
    };
    two.cluster.set_key_unreadable(odd.key_id, true);
    words(["allowed"; 2]);
    two.change(odd.key_id, KeyChange::Suspend).await;
    words(["uncertain", "allowed"]);
    assert_eq!(two.gates[1].standing().unwrap().unreadable, 1);
    two.change(other.key_id, KeyChange::Suspend).await;
    words(["uncertain", "suspended"]);
    // A gate that starts knows of the key by its secret alone.
    let third = open(&two.cluster, 2).await;
    two.keep_up(std::slice::from_ref(&third)).await;
    assert_eq!(two.word(&third, secrets[0]), "uncertain");
    assert_eq!(third.standing().unwrap().unreadable, 1);
    third.leave().await.unwrap();
    two.cluster.set_key_unreadable(odd.key_id, false);
    two.change(odd.key_id, KeyChange::Resume).await;
    words(["allowed", "suspended"]);
    assert_eq!(two.gates[1].standing().unwrap().unreadable, 0);
    // The rows of a revoked key cannot be read, and it is known to be revoked.
    two.change(odd.key_id, REVOKE).await;
    two.cluster.set_key_unreadable(odd.key_id, true);
    two.change(odd.key_id, REVOKE).await;
    words(["revoked", "suspended"]);
}

#[tokio::test]
async fn nothing_is_decided_about_the_keys_of_a_tier_that_cannot_be_read() {
    let two = Two::new().await;
    let issued = two.issue().await;
    let clock = || two.now();
    let put = async |limits: Limits| {
        let name = "basic".parse().unwrap();
        let put = two.gates[0].put_tier(name, limits, TierBefore::Any, two.audit(), &clock);
        two.finish(&two.gates, put).await.unwrap();
    };
    two.cluster.set_tier_unreadable("basic".parse().unwrap(), true);
    put(Limits::of(None)).await;
    assert_eq!(two.words(issued.secret.expose()), ["uncertain"; 2]);
    // A key that comes later is known by its row, and its tier is not.
    let later = two.issue().await;
    assert_eq!(two.words(later.secret.expose()), ["uncertain"; 2]);
    two.cluster.set_tier_unreadable("basic".parse().unwrap(), false);
    let limit = Limit::new(
        "requests",
        5.try_into().unwrap(),
        Duration::from_secs(60),
        5.try_into().unwrap(),
    );
    put(Limits::of(Some(limit.unwrap()))).await;
    for secret in [&issued.secret, &later.secret] {
        assert_eq!(two.words(secret.expose()), ["allowed"; 2]);
    }
    assert_eq!(two.gates.each_ref().map(|gate| gate.standing().unwrap().unreadable), [0; 2]);
}
