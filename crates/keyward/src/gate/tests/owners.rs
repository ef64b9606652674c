//! Owners: all keys of one stop and go on together.

use super::*;

fn owner() -> Owner {
    "org_1".parse().unwrap()
}

async fn issue_theirs(gate: &Gate) -> Issued {
    let new = NewKey { owner: Some(owner()), ..new_key("basic") };
    gate.issue(new, audit()).await.unwrap()
}

/// Suspends or resumes the owner, and returns how many keys it has.
async fn set_suspended(gate: &Gate, suspended: bool) -> u64 {
    let owner = gate.set_owner_suspended(owner(), suspended, audit()).await.unwrap();
    assert_eq!(owner.is_suspended(), suspended);
    owner.keys
}

#[tokio::test]
async fn every_key_of_a_suspended_owner_is_refused_at_once_and_no_other() {
    let (store, gate) = open_new().await;
    let (first, second) = (issue_theirs(&gate).await, issue_theirs(&gate).await);
    let other = issue(&gate).await;
    assert_eq!(set_suspended(&gate, true).await, 2);
    for gate in [&gate, &open(&store).await] {
        for theirs in [&first, &second] {
            assert_eq!(verify_issued(gate, theirs).unwrap_err(), "suspended");
        }
        assert!(verify_issued(gate, &other).is_ok());
    }
    assert_eq!(set_suspended(&gate, false).await, 2);
    assert!(verify_issued(&gate, &first).is_ok() && verify_issued(&gate, &second).is_ok());
}

#[tokio::test]
async fn resuming_restores_those_that_were_not_suspended_themselves() {
    let (store, gate) = open_new().await;
    let (free, before, during) =
        (issue_theirs(&gate).await, issue_theirs(&gate).await, issue_theirs(&gate).await);
    let (resumed, revoked) = (issue_theirs(&gate).await, issue_theirs(&gate).await);
    change(&gate, before.key_id, KeyChange::Suspend).await;
    change(&gate, resumed.key_id, KeyChange::Suspend).await;
    set_suspended(&gate, true).await;
    change(&gate, during.key_id, KeyChange::Suspend).await;
    change(&gate, resumed.key_id, KeyChange::Resume).await;
    assert_eq!(verify_issued(&gate, &resumed).unwrap_err(), "suspended");
    gate.revoke(revoked.key_id, None, audit()).await.unwrap();
    set_suspended(&gate, false).await;
    for gate in [&gate, &open(&store).await] {
        let denied = |issued| verify_issued(gate, issued).err();
        assert_eq!((denied(&free), denied(&resumed)), (None, None));
        assert_eq!(denied(&before), Some("suspended"));
        assert_eq!(denied(&during), Some("suspended"));
        assert_eq!(denied(&revoked), Some("revoked"));
    }
}

#[tokio::test]
async fn nothing_is_issued_to_a_suspended_owner() {
    let (store, gate) = open_new().await;
    assert_eq!(set_suspended(&gate, true).await, 0);
    let new = NewKey { owner: Some(owner()), ..new_key("basic") };
    let refused = gate.issue(new, audit()).await;
    assert!(matches!(refused, Err(IssueError::OwnerSuspended)));
    assert_eq!(gate.index().len(), 0);
    assert_eq!(verbs(&store).await, ["suspend-owner"]);
}

#[tokio::test]
async fn a_key_that_changes_hands_is_judged_by_its_new_owner() {
    let (_, gate) = open_new().await;
    set_suspended(&gate, true).await;
    let issued = issue(&gate).await;
    let to = |owner| KeyEdit { owner: Some(owner), ..KeyEdit::default() };
    edit(&gate, issued.key_id, to(Some(owner()))).await;
    assert_eq!(verify_issued(&gate, &issued).unwrap_err(), "suspended");
    edit(&gate, issued.key_id, to(None)).await;
    assert!(verify_issued(&gate, &issued).is_ok());
}

/// The store has the key and returns late; the suspension comes meanwhile.
#[tokio::test]
async fn a_key_issued_while_its_owner_is_suspended_ends_suspended() {
    for suspends_first in [false, true] {
        let (store, gate) = open_awkward().await;
        store.pause_next_answer(3);
        let suspend = set_suspended(&gate, true);
        let new = NewKey { owner: Some(owner()), ..new_key("basic") };
        let issuing = gate.issue(new, audit());
        if suspends_first {
            let (_, issued) = tokio::join!(suspend, issuing);
            assert!(matches!(issued, Err(IssueError::OwnerSuspended)));
        } else {
            let (issued, suspended) = tokio::join!(issuing, suspend);
            assert_eq!(suspended, 1);
            assert_eq!(verify_issued(&gate, &issued.unwrap()).unwrap_err(), "suspended");
        }
    }
}

#[tokio::test]
async fn a_suspension_whose_answer_was_lost_can_be_repeated() {
    let (store, gate) = open_awkward().await;
    let issued = issue_theirs(&gate).await;
    store.set_loses_answers(true);
    assert!(gate.set_owner_suspended(owner(), true, audit()).await.is_err());
    store.set_loses_answers(false);
    assert_eq!(set_suspended(&gate, true).await, 1);
    assert_eq!(verify_issued(&gate, &issued).unwrap_err(), "suspended");
    assert_eq!(verbs(&store).await, ["issue", "suspend-owner"]);
}

/// Before the keys that were read when the gate opened, and in addition to one that is edited
/// meanwhile.
#[tokio::test]
async fn what_is_given_to_an_owner_while_that_is_suspended_ends_suspended() {
    let (store, gate) = open_awkward().await;
    let issued = issue(&gate).await;
    let to = |owner| KeyEdit { owner: Some(owner), ..KeyEdit::default() };
    let given = KeyChange::Edit(Box::new(to(Some(owner()))));
    store.pause_next_answer(3);
    let giving = gate.change(issued.key_id, given, None, audit(), CLOCK);
    let (given, keys) = tokio::join!(giving, set_suspended(&gate, true));
    assert_eq!((given.unwrap().is_owner_suspended(), keys), (false, 1));
    assert_eq!(verify_issued(&gate, &issued).unwrap_err(), "suspended");
    // And the other way round.
    store.pause_next_answer(3);
    let taken = KeyChange::Edit(Box::new(to(None)));
    let taking = gate.change(issued.key_id, taken, None, audit(), CLOCK);
    let (resumed, taken) = tokio::join!(set_suspended(&gate, false), taking);
    assert_eq!((resumed, taken.unwrap().key.owner.clone()), (1, None));
    assert!(verify_issued(&gate, &issued).is_ok());
}

#[tokio::test]
async fn a_suspension_leaves_the_entries_of_its_keys_as_they_are() {
    let (_, gate) = open_new().await;
    let issued = issue_theirs(&gate).await;
    let digest = crate::digest::Digest::of_secret(&issued.secret);
    let life = || gate.index().ask(&digest, |entry| entry.stage_by_itself(NOW.unix)).unwrap();
    assert_eq!(life(), Stage::Active);
    set_suspended(&gate, true).await;
    assert_eq!(life(), Stage::Active);
    assert_eq!(details(&gate, issued.key_id).await.versions().to_string(), "1.1");
    // It is issued to again, and a rotation keeps the shared state.
    set_suspended(&gate, false).await;
    let second = issue_theirs(&gate).await;
    assert_eq!(second.versions.to_string(), "1.2");
    let rotated = gate.rotate(issued.key_id, Duration::ZERO, None, audit(), CLOCK).await.unwrap();
    assert_eq!(rotated.key.versions().to_string(), "2.2");
    set_suspended(&gate, true).await;
    assert_eq!(verdict_at(&gate, &rotated.secret, 5_000).unwrap_err(), "suspended");
    assert_eq!(verify_issued(&gate, &second).unwrap_err(), "suspended");
}

fn limits(amount: u32) -> Limits {
    tier("basic", amount).1
}

async fn limit(gate: &Gate, amount: u32, expected: Option<u64>) -> Result<u64, EditOwnerError> {
    let expected = expected.map(OwnerVersion);
    let edited = gate.edit_owner(owner(), limits(amount), expected, audit(), CLOCK).await;
    edited.map(|row| row.version.0)
}

/// Also after a start, and for a key that is issued later.
#[tokio::test]
async fn the_keys_of_an_owner_share_its_limits() {
    let (store, gate) = open_new().await;
    assert_eq!(limit(&gate, 3, None).await.unwrap(), 1);
    let (first, second) = (issue_theirs(&gate).await, issue_theirs(&gate).await);
    let other = issue(&gate).await;
    for gate in [&gate, &open(&store).await] {
        for issued in [&first, &second, &first] {
            assert!(verify_issued(gate, issued).is_ok());
        }
        assert_eq!(verify_issued(gate, &second).unwrap_err(), "limited");
        let standings = verify_issued(gate, &other).unwrap().standings().clone();
        assert_eq!(standings.iter().count(), 1);
    }
    // An empty bucket is no fuller under another limit, nor after a suspension.
    assert_eq!(limit(&gate, 5, None).await.unwrap(), 2);
    set_suspended(&gate, true).await;
    set_suspended(&gate, false).await;
    assert_eq!(verify_issued(&gate, &first).unwrap_err(), "limited");
    let none = Limits::of(None);
    gate.edit_owner(owner(), none, None, audit(), CLOCK).await.unwrap();
    assert!(verify_issued(&gate, &first).is_ok());
}

#[tokio::test]
async fn an_owner_is_edited_in_the_version_that_was_expected() {
    let (store, gate) = open_new().await;
    assert_eq!(limit(&gate, 3, Some(0)).await.unwrap(), 1);
    assert!(matches!(limit(&gate, 4, Some(0)).await, Err(EditOwnerError::Stale)));
    assert_eq!(limit(&gate, 3, Some(1)).await.unwrap(), 1, "nothing is different");
    let issued = issue_theirs(&gate).await;
    let standing = verify_issued(&gate, &issued).unwrap().standings().iter().nth(1);
    assert_eq!(standing.unwrap().remaining, 2);
    assert_eq!(verbs(&store).await, ["edit-owner", "issue"]);
}
