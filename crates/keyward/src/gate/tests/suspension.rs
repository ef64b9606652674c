//! Suspending and resuming a key, and the traces of expiry.

use super::*;

#[tokio::test]
async fn a_suspended_key_is_refused_at_once_and_works_again_when_resumed() {
    let (store, gate) = open_new().await;
    let issued = issue(&gate).await;
    for _ in 0..2 {
        assert_eq!(change(&gate, issued.key_id, KeyChange::Suspend).await.key.version.get(), 2);
        assert_eq!(verify_issued(&gate, &issued).unwrap_err(), "suspended");
        assert_eq!(verify_issued(&open(&store).await, &issued).unwrap_err(), "suspended");
    }
    for _ in 0..2 {
        assert_eq!(change(&gate, issued.key_id, KeyChange::Resume).await.key.version.get(), 3);
        assert!(verify_issued(&gate, &issued).is_ok());
    }
    assert_eq!(verbs(&store).await, ["issue", "suspend", "resume"]);
}

#[tokio::test]
async fn suspending_costs_nothing_of_the_limit() {
    let (_, gate) = open_new().await;
    let issued = issue(&gate).await;
    assert!(verify_issued(&gate, &issued).is_ok());
    change(&gate, issued.key_id, KeyChange::Suspend).await;
    for _ in 0..10 {
        assert!(verify_issued(&gate, &issued).is_err());
    }
    change(&gate, issued.key_id, KeyChange::Resume).await;
    assert_eq!(verify_issued(&gate, &issued).unwrap().standing().unwrap().remaining, 98);
}

#[tokio::test]
async fn nothing_brings_a_revoked_key_back() {
    let (store, gate) = open_new().await;
    let issued = issue(&gate).await;
    change(&gate, issued.key_id, KeyChange::Suspend).await;
    assert!(gate.revoke(issued.key_id, None, audit()).await.unwrap());
    for attempt in [KeyChange::Suspend, KeyChange::Resume] {
        let result = gate.change(issued.key_id, attempt, None, audit(), CLOCK).await;
        assert!(matches!(result, Err(ChangeError::Rejected(ChangeRejection::Revoked))));
        assert_eq!(verify_issued(&gate, &issued).unwrap_err(), "revoked");
    }
    assert_eq!(verbs(&store).await, ["issue", "suspend", "revoke"]);
}

/// Elsewhere, expired keys are deleted, and cannot be distinguished from keys that never existed.
#[tokio::test]
async fn an_expired_key_stays_on_record_and_can_be_given_more_time() {
    let (store, gate) = open_new().await;
    let mut new = new_key("basic");
    new.expires_at = Some(UnixMillis(6_000));
    let issued = gate.issue(new, audit()).await.unwrap();
    assert!(verdict_at(&gate, &issued.secret, 5_999).is_ok());
    assert_eq!(verdict_at(&gate, &issued.secret, 6_000).unwrap_err(), "expired");
    flush_all(&gate).await;
    let counts = Counts::from([(Outcome::Allowed, 1), (Outcome::Expired, 1)]);
    assert_eq!(stored(&store, issued.key_id).await, counts);
    let found = details(&gate, issued.key_id).await;
    assert_eq!(found.stage(UnixMillis(6_000)), Stage::Expired);
    let again = open(&store).await;
    assert_eq!(verdict_at(&again, &issued.secret, 6_000).unwrap_err(), "expired");
    let more = KeyEdit { expires_at: Some(Some(UnixMillis(7_000))), ..KeyEdit::default() };
    edit(&gate, issued.key_id, more).await;
    assert!(verdict_at(&gate, &issued.secret, 6_999).is_ok());
    assert_eq!(verdict_at(&gate, &issued.secret, 7_000).unwrap_err(), "expired");
    assert_eq!(verbs(&store).await, ["issue", "edit"]);
}
