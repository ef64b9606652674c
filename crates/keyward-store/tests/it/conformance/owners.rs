//! What is promised of owners.

use keyward::change::KeyChange;
use keyward::query::OwnerDetails;
use keyward::record::{KeyState, Owner};
use keyward::{KeyId, UnixMillis};

use crate::sample::{
    Store, audit, change, details, edit, insert, issue, new_key, owner, revoke, rotate, trail,
    verbs,
};

super::promises!(
    suspending_an_owner_suspends_its_keys_and_no_others,
    resuming_an_owner_restores_those_that_were_not_suspended_themselves,
    keys_come_back_with_their_former_secrets,
    doing_it_again_changes_nothing_and_returns_the_same,
    it_is_one_entry,
    a_key_that_changes_hands_is_judged_by_its_new_owner,
    an_owner_is_told_of_while_it_has_keys_or_is_suspended,
    suspended_owners_come_in_pages_in_order,
);

async fn issue_to(store: &dyn Store, number: u64, owner: &Owner) -> KeyId {
    let mut new = new_key(number);
    new.key.owner = Some(owner.clone());
    insert(store, new, audit(number)).await
}

async fn set(store: &dyn Store, name: &str, suspended: bool, at: u64) -> Vec<u64> {
    let keys = store.set_owner_suspended(owner(name), suspended, audit(at)).await.unwrap();
    assert!(keys.iter().all(|key| key.record.owner_suspended == suspended));
    let mut ids: Vec<_> = keys.iter().map(|key| key.record.id.get()).collect();
    ids.sort_unstable();
    ids
}

async fn suspending_an_owner_suspends_its_keys_and_no_others(store: &dyn Store) {
    let (ours, theirs) = (owner("org_1"), owner("org_2"));
    for (number, owner) in (1..).zip([&ours, &theirs, &ours]) {
        issue_to(store, number, owner).await;
    }
    issue(store, 4).await;
    assert_eq!(set(store, "org_1", true, 50).await, [1, 3]);
    let mut suspended = Vec::new();
    for key in store.load_keys(None, 10).await.unwrap() {
        let found = details(store, key.record.id).await;
        assert_eq!((&found.record, found.version), (&key.record, key.version));
        assert_eq!(key.record.state, KeyState::Active, "its own state is another matter");
        suspended.push(key.record.owner_suspended);
    }
    assert_eq!(suspended, [true, false, true, false]);
}

async fn resuming_an_owner_restores_those_that_were_not_suspended_themselves(store: &dyn Store) {
    let ours = owner("org_1");
    for number in 1..=4 {
        issue_to(store, number, &ours).await;
    }
    let id = |id| KeyId::new(id).unwrap();
    change(store, id(1), KeyChange::Suspend, audit(10)).await;
    revoke(store, id(2), audit(11)).await;
    assert_eq!(set(store, "org_1", true, 50).await, [1, 3, 4]);
    change(store, id(3), KeyChange::Suspend, audit(51)).await;
    let resumed = change(store, id(1), KeyChange::Resume, audit(52)).await;
    assert!(resumed.record.owner_suspended, "its owner is another matter");
    assert_eq!(set(store, "org_1", false, 60).await, [1, 3, 4]);
    let mut states = Vec::new();
    for number in 1..=4 {
        states.push(details(store, id(number)).await.record.state);
    }
    let revoked = KeyState::Revoked { at: UnixMillis(11) };
    assert_eq!(states, [KeyState::Active, revoked, KeyState::Suspended, KeyState::Active]);
}

async fn keys_come_back_with_their_former_secrets(store: &dyn Store) {
    let key = issue_to(store, 1, &owner("org_1")).await;
    let rotated = rotate(store, key, 2, 100, 50).await;
    let keys = store.set_owner_suspended(owner("org_1"), true, audit(60)).await.unwrap();
    let [suspended] = keys.as_slice() else { panic!("one key, not {keys:?}") };
    assert_eq!((suspended.digest, suspended.former.len()), (rotated.digest, 1));
    assert_eq!(suspended.former[0].digest, rotated.former[0].digest);
    assert_eq!(suspended.former[0].ends_at, UnixMillis(150));
}

async fn doing_it_again_changes_nothing_and_returns_the_same(store: &dyn Store) {
    let key = issue_to(store, 1, &owner("org_1")).await;
    assert_eq!(set(store, "org_1", false, 40).await, [1]);
    assert_eq!(verbs(store).await, ["issue"]);
    assert_eq!(set(store, "org_1", true, 50).await, [1]);
    let before = details(store, key).await;
    assert_eq!(set(store, "org_1", true, 60).await, [1]);
    assert_eq!(details(store, key).await, before);
    let found = store.find_owner(owner("org_1")).await.unwrap().unwrap();
    assert_eq!(found.suspended_at, Some(UnixMillis(50)));
    assert_eq!(verbs(store).await, ["issue", "suspend-owner"]);
}

async fn it_is_one_entry(store: &dyn Store) {
    for number in 1..=3 {
        issue_to(store, number, &owner("org_1")).await;
    }
    set(store, "org_1", true, 50).await;
    set(store, "org_1", false, 60).await;
    let trail = trail(store).await;
    let [suspended, resumed] = &trail[3..] else { panic!("two entries, not {trail:?}") };
    assert_eq!((suspended.verb.as_str(), resumed.verb.as_str()), ("suspend-owner", "resume-owner"));
    assert_eq!((&suspended.owner, suspended.key_id), (&Some("org_1".to_owned()), None));
    assert_eq!((suspended.at, resumed.at), (UnixMillis(50), UnixMillis(60)));
}

async fn a_key_that_changes_hands_is_judged_by_its_new_owner(store: &dyn Store) {
    let key = issue(store, 1).await;
    set(store, "org_1", true, 50).await;
    let to = |owner| edit(|edit| edit.owner = Some(owner));
    let theirs = change(store, key, to(Some(owner("org_1"))), audit(60)).await;
    assert!(theirs.record.owner_suspended);
    assert!(details(store, key).await.record.owner_suspended);
    let free = change(store, key, to(Some(owner("org_2"))), audit(70)).await;
    assert!(!free.record.owner_suspended);
    assert!(!details(store, key).await.record.owner_suspended);
}

async fn an_owner_is_told_of_while_it_has_keys_or_is_suspended(store: &dyn Store) {
    let find = async || store.find_owner(owner("org_1")).await.unwrap();
    assert_eq!(find().await, None);
    assert!(set(store, "org_1", true, 50).await.is_empty());
    let suspended_at = Some(UnixMillis(50));
    assert_eq!(find().await, Some(OwnerDetails { suspended_at, keys: 0 }));
    set(store, "org_1", false, 60).await;
    assert_eq!(find().await, None);
    let key = issue_to(store, 1, &owner("org_1")).await;
    issue_to(store, 2, &owner("org_2")).await;
    revoke(store, key, audit(70)).await;
    assert_eq!(find().await, Some(OwnerDetails { suspended_at: None, keys: 1 }));
}

async fn suspended_owners_come_in_pages_in_order(store: &dyn Store) {
    for name in ["c", "a", "e", "b", "d"] {
        set(store, name, true, 50).await;
    }
    set(store, "e", false, 60).await;
    let check = async |after: Option<&str>, max, expected: &[&str]| {
        let page = store.suspended_owners(after.map(owner), max).await.unwrap();
        assert_eq!(page.iter().map(Owner::as_str).collect::<Vec<_>>(), expected);
    };
    check(None, 3, &["a", "b", "c"]).await;
    check(Some("c"), 3, &["d"]).await;
    check(Some("bb"), 1, &["c"]).await;
    check(Some("d"), 3, &[]).await;
}
