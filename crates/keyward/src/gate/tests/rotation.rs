//! Rotation: another secret for the same key, and the grace of the one before.

use super::*;
use crate::change::GRACE_MAX;
use crate::digest::Digest;
use crate::issue::Rotated;

async fn rotate(gate: &Gate, id: KeyId, grace: u64, at: u64) -> Rotated {
    try_rotate(gate, id, grace, at).await.unwrap()
}

async fn try_rotate(gate: &Gate, id: KeyId, grace: u64, at: u64) -> Result<Rotated, ChangeError> {
    let audit = Audit::program(UnixMillis(at));
    gate.rotate(id, Duration::from_millis(grace), None, audit, CLOCK).await
}

#[tokio::test]
async fn the_old_and_the_new_secret_are_the_same_key() {
    let (store, gate) = open_new().await;
    let mut new = new_key("pro");
    new.scopes = crate::record::Scopes::new(vec!["articles:read".parse().unwrap()]).unwrap();
    new.owner = Some("org_1".parse().unwrap());
    let issued = gate.issue(new, audit()).await.unwrap();
    let rotated = rotate(&gate, issued.key_id, 1_000, 5_000).await;
    assert_eq!(rotated.grace_until, Some(UnixMillis(6_000)));
    assert_eq!(rotated.key.versions().to_string(), "2");
    for secret in [&issued.secret, &rotated.secret] {
        let asked = Asked { scopes: &["articles:read"], ..Asked::of(secret.expose()) };
        let caller = gate.verify(&asked, NOW).unwrap();
        assert_eq!((caller.key_id(), caller.name()), (issued.key_id, "Reader"));
        assert_eq!((caller.tier(), caller.owner()), ("pro", Some("org_1")));
    }
    flush_all(&gate).await;
    assert_eq!(stored(&store, issued.key_id).await[Outcome::Allowed], 2);
    check_agreement_later(gate, issued.key_id);
}

/// Outside of a runtime, which the check starts its own of.
fn check_agreement_later(gate: Gate, id: KeyId) {
    thread::spawn(move || check_agreement(&gate, id)).join().unwrap();
}

#[tokio::test]
async fn both_secrets_share_one_limit() {
    let (_, gate) = open_new().await;
    let issued = issue(&gate).await;
    let allowed =
        |secret, tries| (0..tries).filter(|_| verdict_at(&gate, secret, 5_000).is_ok()).count();
    assert_eq!(allowed(&issued.secret, 30), 30);
    let rotated = rotate(&gate, issued.key_id, 1_000, 5_000).await;
    assert_eq!(allowed(&rotated.secret, 30), 30);
    assert_eq!(allowed(&issued.secret, 30), 30);
    assert_eq!(allowed(&rotated.secret, 30) + allowed(&issued.secret, 30), 10);
}

#[tokio::test]
async fn the_limit_is_kept_exactly_while_secrets_change_under_load() {
    let (_, gate) = open_new().await;
    let issued = issue(&gate).await;
    let (allowed, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    match verdict_at(&gate, &issued.secret, 5_000) {
                        Ok(_) => drop(allowed.fetch_add(1, Ordering::Relaxed)),
                        Err(denied) => assert_eq!(denied, "limited"),
                    }
                }
            });
        }
        scope.spawn(|| {
            // The first secret stays in grace: only its own rotation gives it one.
            let first = on_this_thread(rotate(&gate, issued.key_id, 1_000, 5_000));
            while verdict_at(&gate, &first.secret, 5_000).is_ok() {
                allowed.fetch_add(1, Ordering::Relaxed);
            }
            stop.store(true, Ordering::Relaxed);
        });
    });
    assert_eq!(allowed.into_inner(), 100);
}

/// A rotation that is under way must not show as a key that is not there.
#[tokio::test]
async fn no_request_is_lost_while_secrets_change() {
    let (_, gate) = open_new().await;
    put(&gate, tier("basic", 1_000_000_000)).await.unwrap();
    for _ in 0..300 {
        let issued = issue(&gate).await;
        let together = Barrier::new(2);
        thread::scope(|scope| {
            let rotating = scope.spawn(|| {
                together.wait();
                on_this_thread(rotate(&gate, issued.key_id, 1_000, 5_000))
            });
            together.wait();
            while !rotating.is_finished() {
                assert!(verdict_at(&gate, &issued.secret, 5_000).is_ok());
            }
            assert!(verdict_at(&gate, &rotating.join().unwrap().secret, 5_000).is_ok());
        });
    }
}

#[tokio::test]
async fn grace_ends_to_the_millisecond() {
    let (_, gate) = open_new().await;
    let issued = issue(&gate).await;
    let rotated = rotate(&gate, issued.key_id, 1_000, 5_000).await;
    assert!(verdict_at(&gate, &issued.secret, 5_999).is_ok());
    assert_eq!(verdict_at(&gate, &issued.secret, 6_000).unwrap_err(), "replaced");
    assert!(verdict_at(&gate, &rotated.secret, 6_000).is_ok());
}

#[tokio::test]
async fn without_grace_the_old_secret_ends_at_once() {
    let (_, gate) = open_new().await;
    let issued = issue(&gate).await;
    let rotated = rotate(&gate, issued.key_id, 0, 5_000).await;
    assert_eq!(rotated.grace_until, None);
    assert_eq!(verdict_at(&gate, &issued.secret, 5_000).unwrap_err(), "replaced");
    assert!(verdict_at(&gate, &rotated.secret, 5_000).is_ok());
}

/// Elsewhere, a rotation has turned keys for a while into keys for ever.
#[tokio::test]
async fn a_rotation_neither_extends_a_key_nor_outlives_it() {
    let (_, gate) = open_new().await;
    let mut new = new_key("basic");
    new.expires_at = Some(UnixMillis(6_000));
    let issued = gate.issue(new, audit()).await.unwrap();
    let rotated = rotate(&gate, issued.key_id, 60_000, 5_000).await;
    assert_eq!(rotated.grace_until, Some(UnixMillis(6_000)));
    assert_eq!(rotated.key.key.expires_at, Some(UnixMillis(6_000)));
    assert_eq!(details(&gate, issued.key_id).await.key.expires_at, Some(UnixMillis(6_000)));
    for secret in [&issued.secret, &rotated.secret] {
        assert!(verdict_at(&gate, secret, 5_999).is_ok());
        assert_eq!(verdict_at(&gate, secret, 6_000).unwrap_err(), "expired");
    }
    // A key that lives longer now gives no more time to a secret that was replaced.
    let longer = KeyEdit { expires_at: Some(None), ..KeyEdit::default() };
    edit(&gate, issued.key_id, longer).await;
    assert_eq!(verdict_at(&gate, &issued.secret, 6_000).unwrap_err(), "replaced");
    assert!(verdict_at(&gate, &rotated.secret, 6_000).is_ok());
}

#[tokio::test]
async fn a_second_rotation_ends_the_first_grace_at_once() {
    let (_, gate) = open_new().await;
    let issued = issue(&gate).await;
    let second = rotate(&gate, issued.key_id, 60_000, 5_000).await;
    let third = rotate(&gate, issued.key_id, 60_000, 6_000).await;
    assert_eq!(verdict_at(&gate, &issued.secret, 6_000).unwrap_err(), "replaced");
    assert!(verdict_at(&gate, &second.secret, 65_999).is_ok());
    assert_eq!(verdict_at(&gate, &second.secret, 66_000).unwrap_err(), "replaced");
    assert!(verdict_at(&gate, &third.secret, 66_000).is_ok());
}

/// Elsewhere, a caller with the first of many secrets makes each request walk past all others.
#[tokio::test]
async fn a_secret_leads_to_the_key_in_one_step_however_often_it_was_rotated() {
    let (store, gate) = open_new().await;
    let issued = issue(&gate).await;
    let mut secrets = vec![issued.secret];
    for at in 5_000..5_020 {
        secrets.push(rotate(&gate, issued.key_id, 1_000, at).await.secret);
    }
    let present = secrets.pop().unwrap();
    for gate in [&gate, &open(&store).await] {
        let steps = |secret| gate.index().steps(&Digest::of_secret(secret));
        assert!(secrets.iter().all(|secret| steps(secret) == Some(1)));
        assert_eq!(steps(&present), Some(0));
    }
}

/// A clock that was set back must not bring back a secret that leaked.
#[tokio::test]
async fn what_has_ended_has_ended_wherever_the_wall_clock_goes() {
    let (store, gate) = open_new().await;
    let at_once = issue(&gate).await;
    rotate(&gate, at_once.key_id, 0, 5_000).await;
    let by_another = issue(&gate).await;
    rotate(&gate, by_another.key_id, 60_000, 5_000).await;
    rotate(&gate, by_another.key_id, 60_000, 5_000).await;
    let before_an_edit = issue(&gate).await;
    rotate(&gate, before_an_edit.key_id, 1_000, 3_000).await;
    edit(&gate, before_an_edit.key_id, KeyEdit::default()).await;
    for secret in [&at_once.secret, &by_another.secret, &before_an_edit.secret] {
        for unix in [4_999, 3_000, 0] {
            assert_eq!(verdict_at(&gate, secret, unix).unwrap_err(), "replaced");
        }
    }
    // Nor must a restart, for the rotation that ended it is on record.
    let gate = open(&store).await;
    for secret in [&at_once.secret, &by_another.secret] {
        assert_eq!(verdict_at(&gate, secret, 0).unwrap_err(), "replaced");
    }
}

#[tokio::test]
async fn a_request_with_a_replaced_secret_is_counted_and_consumes_nothing() {
    let (store, gate) = open_new().await;
    let issued = issue(&gate).await;
    let rotated = rotate(&gate, issued.key_id, 0, 5_000).await;
    for _ in 0..3 {
        assert_eq!(verify_issued(&gate, &issued).unwrap_err(), "replaced");
    }
    let caller = verdict_at(&gate, &rotated.secret, 5_000).unwrap();
    assert_eq!(caller.standing().unwrap().remaining, 99);
    flush_all(&gate).await;
    let counts = Counts::from([(Outcome::Allowed, 1), (Outcome::Expired, 3)]);
    assert_eq!(stored(&store, issued.key_id).await, counts);
}

#[tokio::test]
async fn no_grace_is_longer_than_the_longest() {
    let (_, gate) = open_new().await;
    let issued = issue(&gate).await;
    let longest = u64::try_from(GRACE_MAX.as_millis()).unwrap();
    for grace in [longest, longest + 1, u64::MAX] {
        let rotated = rotate(&gate, issued.key_id, grace, 5_000).await;
        assert_eq!(rotated.grace_until, Some(UnixMillis(5_000 + longest)));
    }
}

#[tokio::test]
async fn of_a_chain_of_secrets_the_last_two_work() {
    let (store, gate) = open_new().await;
    let issued = issue(&gate).await;
    let mut secrets = vec![issued.secret];
    for at in [5_000, 5_001, 5_002] {
        secrets.push(rotate(&gate, issued.key_id, 1_000, at).await.secret);
    }
    for gate in [&gate, &open(&store).await] {
        let works = secrets.iter().map(|secret| verdict_at(gate, secret, 6_001).is_ok());
        assert_eq!(works.collect::<Vec<_>>(), [false, false, true, true]);
        assert_eq!(gate.index().len(), 1);
    }
    assert_eq!(details(&gate, issued.key_id).await.key.version.get(), 4);
}

#[tokio::test]
async fn what_is_revoked_or_expired_gets_no_other_secret() {
    let (store, gate) = open_new().await;
    let mut new = new_key("basic");
    new.expires_at = Some(UnixMillis(6_000));
    let expiring = gate.issue(new, audit()).await.unwrap();
    assert!(rotate(&gate, expiring.key_id, 0, 5_999).await.grace_until.is_none());
    let refusal = |result: Result<Rotated, ChangeError>| match result {
        Err(ChangeError::Rejected(refusal)) => refusal,
        other => panic!("a rejection, not {other:?}"),
    };
    let late = try_rotate(&gate, expiring.key_id, 0, 6_000).await;
    assert_eq!(refusal(late), ChangeRejection::Expired);
    let revoked = issue(&gate).await;
    gate.revoke(revoked.key_id, None, audit()).await.unwrap();
    let late = try_rotate(&gate, revoked.key_id, 0, 5_000).await;
    assert_eq!(refusal(late), ChangeRejection::Revoked);
    assert_eq!(verify_issued(&gate, &revoked).unwrap_err(), "revoked");
    let nobody = try_rotate(&gate, KeyId::new(99).unwrap(), 0, 5_000).await;
    assert_eq!(refusal(nobody), ChangeRejection::UnknownKey);
    assert_eq!(verbs(&store).await, ["issue", "rotate", "issue", "revoke"]);
}

#[tokio::test]
async fn the_prefix_stays() {
    let (_, gate) = open_new().await;
    let mut new = new_key("basic");
    new.prefix = Some("acme_live".parse().unwrap());
    let issued = gate.issue(new, audit()).await.unwrap();
    assert!(issued.secret.expose().starts_with("acme_live_"));
    let rotated = rotate(&gate, issued.key_id, 0, 5_000).await;
    assert!(rotated.secret.expose().starts_with("acme_live_"));
    assert_eq!(details(&gate, issued.key_id).await.key.secret.hint, rotated.hint);
}

#[tokio::test]
async fn revoking_ends_every_secret() {
    let (store, gate) = open_new().await;
    let issued = issue(&gate).await;
    let second = rotate(&gate, issued.key_id, 60_000, 5_000).await;
    let third = rotate(&gate, issued.key_id, 60_000, 5_000).await;
    gate.revoke(issued.key_id, None, audit()).await.unwrap();
    for gate in [&gate, &open(&store).await] {
        for secret in [&issued.secret, &second.secret, &third.secret] {
            assert_eq!(verdict_at(gate, secret, 5_000).unwrap_err(), "revoked");
        }
    }
}

#[tokio::test]
async fn a_suspended_key_stays_suspended_with_another_secret() {
    let (_, gate) = open_new().await;
    let issued = issue(&gate).await;
    change(&gate, issued.key_id, KeyChange::Suspend).await;
    let rotated = rotate(&gate, issued.key_id, 1_000, 5_000).await;
    for secret in [&issued.secret, &rotated.secret] {
        assert_eq!(verdict_at(&gate, secret, 5_000).unwrap_err(), "suspended");
    }
    change(&gate, issued.key_id, KeyChange::Resume).await;
    for secret in [&issued.secret, &rotated.secret] {
        assert!(verdict_at(&gate, secret, 5_000).is_ok());
    }
}

/// The store gave the key another secret, and memory never heard of it.
#[tokio::test]
async fn a_change_behind_a_rotation_whose_answer_was_lost_reaches_the_secret_in_use() {
    for revokes in [true, false] {
        let (store, gate) = open_awkward().await;
        let issued = issue(&gate).await;
        store.set_loses_answers(true);
        assert!(try_rotate(&gate, issued.key_id, 1_000, 5_000).await.is_err());
        assert!(try_rotate(&gate, issued.key_id, 1_000, 5_000).await.is_err());
        store.set_loses_answers(false);
        assert!(verify_issued(&gate, &issued).is_ok());
        if revokes {
            assert!(gate.revoke(issued.key_id, None, audit()).await.unwrap());
            assert_eq!(verify_issued(&gate, &issued).unwrap_err(), "revoked");
        } else {
            let rotated = rotate(&gate, issued.key_id, 1_000, 5_000).await;
            assert_eq!(verify_issued(&gate, &issued).unwrap_err(), "replaced");
            let standing = verdict_at(&gate, &rotated.secret, 5_000).unwrap();
            assert_eq!(standing.standing().unwrap().remaining, 98, "the limit went along");
        }
        assert_eq!(gate.index().len(), 1);
        check_agreement_later(gate, issued.key_id);
    }
}

#[tokio::test]
async fn a_rotation_that_overtakes_the_issuing_wins() {
    let (store, gate) = open_awkward().await;
    store.pause_next_answer(1);
    let rotating = try_rotate(&gate, KeyId::new(1).unwrap(), 0, 5_000);
    let (issued, rotated) = tokio::join!(gate.issue(new_key("basic"), audit()), rotating);
    assert_eq!(verify_issued(&gate, &issued.unwrap()).unwrap_err(), "replaced");
    assert!(verdict_at(&gate, &rotated.unwrap().secret, 5_000).is_ok());
    assert_eq!(gate.index().len(), 1);
}

/// Between the steps of a change, a key that was just issued would keep a meter of its own.
#[tokio::test]
async fn a_key_is_entered_in_its_turn() {
    let (store, gate) = open_new().await;
    let copies = {
        let (store, gate) = open_new().await;
        issue(&gate).await;
        store.export_keys(None, 1).await.unwrap()
    };
    let first = KeyId::new(1).unwrap();
    let (added, known) = (AtomicBool::new(false), || gate.index().len());
    let turn = gate.order.line(first).await;
    let importing = async {
        gate.import(copies.clone(), false, audit()).await.unwrap();
        added.store(true, Ordering::Relaxed);
    };
    let meanwhile = async {
        assert_eq!(keys(&store).await.len(), 1);
        assert_eq!((known(), added.load(Ordering::Relaxed)), (0, false));
        drop(turn);
    };
    tokio::join!(importing, meanwhile);
    assert_eq!(known(), 1);

    let turn = gate.order.line(KeyId::new(2).unwrap()).await;
    let meanwhile = async {
        assert_eq!(keys(&store).await.len(), 2);
        assert_eq!(known(), 1);
        drop(turn);
    };
    let (issued, ()) = tokio::join!(issue(&gate), meanwhile);
    assert!(verify_issued(&gate, &issued).is_ok());
}
