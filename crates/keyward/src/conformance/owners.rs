//! Promises about owners.

use serde_json::{Value, json};

use crate::change::KeyChange;
use crate::details::{OwnerVersion, Version, Versions};
use crate::limit::Limits;
use crate::record::{KeyState, Owner};
use crate::rules::{Change, ChangeRejection, Decided, OwnerChange};
use crate::stored::{OwnedKey, OwnerRow, Unkept};
use crate::{KeyId, UnixMillis};

use super::sample::{
    audit, change, copy, details, edit, insert, issue, limit, new_key, owner, revoke, rotate,
    trail, verbs,
};
use super::{Error, Store};

async fn issue_to(store: &dyn Store, number: u64, owner: &Owner) -> KeyId {
    let mut new = new_key(number);
    new.owner = Some(owner.clone());
    insert(store, new, audit(number)).await
}

/// Suspends or resumes an owner, and returns which of its keys are suspended with it, and not
/// revoked.
async fn set(store: &dyn Store, name: &str, suspended: bool, at: u64) -> Vec<u64> {
    let details = store.set_owner_suspended(owner(name), suspended, audit(at)).await.unwrap();
    assert_eq!(details.is_suspended(), suspended);
    let keys = store.load_keys().await.unwrap();
    let theirs: Vec<_> = keys.iter().filter(|key| key.key.owner == Some(owner(name))).collect();
    assert!(theirs.iter().all(|key| key.is_owner_suspended() == suspended));
    assert!(theirs.iter().all(|key| key.versions().owner == details.version));
    assert_eq!(details.keys, theirs.len() as u64);
    let revoked = |key: &OwnedKey| key.key.is_revoked();
    assert_eq!(details.revoked_keys, theirs.iter().filter(|key| revoked(key)).count() as u64);
    let live = theirs.into_iter().filter(|key| !revoked(key));
    live.map(|key| key.key.id.get()).collect()
}

pub async fn suspending_an_owner_suspends_its_keys_and_no_others(store: &dyn Store) {
    let (ours, theirs) = (owner("org_1"), owner("org_2"));
    for (number, owner) in (1..).zip([&ours, &theirs, &ours]) {
        issue_to(store, number, owner).await;
    }
    issue(store, 4).await;
    assert_eq!(set(store, "org_1", true, 50).await, [1, 3]);
    let mut suspended = Vec::new();
    for key in store.load_keys().await.unwrap() {
        let found = details(store, key.key.id).await;
        assert_eq!(found, key);
        assert_eq!(key.key.state, KeyState::Active, "its own state is another matter");
        suspended.push(key.is_owner_suspended());
    }
    assert_eq!(suspended, [true, false, true, false]);
}

pub async fn resuming_an_owner_restores_those_that_were_not_suspended_themselves(
    store: &dyn Store,
) {
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
    assert!(resumed.is_owner_suspended(), "its owner is another matter");
    assert_eq!(set(store, "org_1", false, 60).await, [1, 3, 4]);
    let mut states = Vec::new();
    for number in 1..=4 {
        states.push(details(store, id(number)).await.key.state);
    }
    let revoked = KeyState::Revoked { at: UnixMillis(11) };
    assert_eq!(states, [KeyState::Active, revoked, KeyState::Suspended, KeyState::Active]);
}

pub async fn a_suspension_counts_up_the_version_of_the_owner_and_of_no_key(store: &dyn Store) {
    let key = issue_to(store, 1, &owner("org_1")).await;
    let nobodys = issue(store, 2).await;
    let versions = async |id| details(store, id).await.versions().to_string();
    assert_eq!(versions(key).await, "1");
    set(store, "org_1", true, 50).await;
    assert_eq!((versions(key).await, versions(nobodys).await), ("1.1".into(), "1".into()));
    set(store, "org_1", false, 60).await;
    let new = issue_to(store, 3, &owner("org_1")).await;
    assert_eq!((versions(key).await, versions(new).await), ("1.2".into(), "1.2".into()));
    let suspended = change(store, key, KeyChange::Suspend, audit(70)).await;
    assert_eq!(suspended.versions().to_string(), "2.2");
    let given = edit(|edit| edit.owner = Some(Some(owner("org_2"))));
    assert_eq!(change(store, key, given, audit(80)).await.versions().to_string(), "3");
}

pub async fn a_change_is_made_of_a_key_whose_owner_is_as_expected(store: &dyn Store) {
    let key = issue_to(store, 1, &owner("org_1")).await;
    let before = details(store, key).await.versions();
    set(store, "org_1", true, 50).await;
    let rename = || edit(|edit| edit.name = Some("b".parse().unwrap()));
    let try_it = async |expected: Versions| {
        let changed = store.change_key(key, rename(), Some(expected), audit(60)).await;
        changed.map(|key| key.versions().to_string()).map_err(Error::rejection)
    };
    let stale = ChangeRejection::StaleKey(Versions { key: Version::FIRST, owner: OwnerVersion(1) });
    assert_eq!(try_it(before).await, Err(stale));
    assert_eq!(try_it(Versions { owner: OwnerVersion(2), ..before }).await, Err(stale));
    assert_eq!(try_it(Versions { owner: OwnerVersion(1), ..before }).await, Ok("2.1".to_owned()));
    assert_eq!(verbs(store).await, ["issue", "suspend-owner", "edit"]);
}

pub async fn an_owner_counts_its_keys_whatever_becomes_of_them(store: &dyn Store) {
    let check = async |name: &str, keys, revoked_keys| {
        let found = store.find_owner(owner(name)).await.unwrap().filter(OwnerRow::is_known);
        let found = found.map(|found| (found.keys, found.revoked_keys));
        assert_eq!(found, Some((keys, revoked_keys)).filter(|_| 0 < keys), "{name}");
    };
    let (one, two) =
        (issue_to(store, 1, &owner("org_1")).await, issue_to(store, 2, &owner("org_1")).await);
    check("org_1", 2, 0).await;
    revoke(store, one, audit(10)).await;
    revoke(store, one, audit(11)).await;
    check("org_1", 2, 1).await;
    let to = |owner| edit(|edit| edit.owner = Some(owner));
    change(store, two, to(Some(owner("org_2"))), audit(12)).await;
    check("org_1", 1, 1).await;
    check("org_2", 1, 0).await;
    rotate(store, two, 3, 0, 13).await;
    change(store, two, KeyChange::Suspend, audit(14)).await;
    check("org_2", 1, 0).await;
    change(store, two, to(None), audit(15)).await;
    check("org_2", 0, 0).await;
    let mut revoked = copy(20);
    (revoked.owner, revoked.state) =
        (Some(owner("org_2")), KeyState::Revoked { at: UnixMillis(1) });
    let live = Unkept { owner: Some(owner("org_2")), ..copy(21) };
    let keys = || vec![revoked.clone(), live.clone()];
    store.import_keys(keys(), true, audit(16)).await.unwrap();
    check("org_2", 0, 0).await;
    store.import_keys(keys(), false, audit(17)).await.unwrap();
    check("org_2", 2, 1).await;
    store.import_keys(keys(), false, audit(18)).await.unwrap();
    check("org_2", 2, 1).await;
    set(store, "org_2", true, 19).await;
    let last = trail(store).await.pop().unwrap();
    let details: Value = serde_json::from_str(&last.details.unwrap()).unwrap();
    assert_eq!(details["keys"], 1, "the keys that are not revoked");
}

pub async fn doing_it_again_changes_nothing_and_returns_the_same(store: &dyn Store) {
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

pub async fn it_is_one_entry(store: &dyn Store) {
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

pub async fn a_key_that_changes_hands_is_judged_by_its_new_owner(store: &dyn Store) {
    let key = issue(store, 1).await;
    set(store, "org_1", true, 50).await;
    let to = |owner| edit(|edit| edit.owner = Some(owner));
    let theirs = change(store, key, to(Some(owner("org_1"))), audit(60)).await;
    assert!(theirs.is_owner_suspended());
    assert!(details(store, key).await.is_owner_suspended());
    let free = change(store, key, to(Some(owner("org_2"))), audit(70)).await;
    assert!(!free.is_owner_suspended());
    assert!(!details(store, key).await.is_owner_suspended());
}

pub async fn an_owner_is_told_of_while_it_has_keys_or_is_suspended(store: &dyn Store) {
    let find = async || store.find_owner(owner("org_1")).await.unwrap().filter(OwnerRow::is_known);
    assert_eq!(find().await, None);
    assert!(set(store, "org_1", true, 50).await.is_empty());
    let suspended_at = Some(UnixMillis(50));
    assert_eq!(
        find().await,
        Some(OwnerRow { suspended_at, version: OwnerVersion(1), ..OwnerRow::new(owner("org_1")) })
    );
    set(store, "org_1", false, 60).await;
    assert_eq!(find().await, None);
    let key = issue_to(store, 1, &owner("org_1")).await;
    issue_to(store, 2, &owner("org_2")).await;
    revoke(store, key, audit(70)).await;
    let version = OwnerVersion(2);
    let left = OwnerRow { keys: 1, revoked_keys: 1, version, ..OwnerRow::new(owner("org_1")) };
    assert_eq!(find().await, Some(left));
}

pub async fn suspended_owners_come_in_pages_in_order(store: &dyn Store) {
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

/// Edits the limits of an owner: one limit of this amount, or none for 0.
async fn limited(
    store: &dyn Store,
    name: &str,
    amount: u32,
    expected: Option<u64>,
) -> Result<OwnerRow, ChangeRejection> {
    let list = if amount == 0 { Vec::new() } else { vec![limit(amount)] };
    let change = OwnerChange::Edit { limits: Limits::new(list).unwrap() };
    let expected = expected.map(OwnerVersion);
    let change = Change::Owner { owner: owner(name), change, expected };
    match store.commit(change, audit(80)).await.unwrap().outcome {
        Ok(Decided::Owner(row)) => Ok(row),
        Ok(other) => panic!("{other:?}"),
        Err(rejection) => Err(rejection),
    }
}

pub async fn the_limits_of_an_owner_are_kept_and_read(store: &dyn Store) {
    for name in ["d", "a", "c", "b"] {
        let row = limited(store, name, 5, None).await.unwrap();
        assert_eq!((row.version, row.limits.list()), (OwnerVersion(1), &[limit(5)][..]));
        assert_eq!(store.find_owner(owner(name)).await.unwrap(), Some(row));
    }
    limited(store, "c", 0, None).await.unwrap();
    issue_to(store, 1, &owner("b")).await;
    issue_to(store, 2, &owner("e")).await;
    let names = |rows: Vec<OwnerRow>| {
        rows.iter().map(|row| row.owner.as_str().to_owned()).collect::<Vec<_>>()
    };
    let asked = ["d", "c", "b", "e", "f"].map(owner).to_vec();
    assert_eq!(names(store.limited_owners(asked).await.unwrap()), ["d", "b"]);
    let page = async |after: Option<&str>, max| {
        names(store.limited_owners_without_keys(after.map(owner), max).await.unwrap())
    };
    assert_eq!(page(None, 9).await, ["a", "d"]);
    assert_eq!(page(None, 1).await, ["a"]);
    assert_eq!(page(Some("a"), 9).await, ["d"]);
    assert!(page(Some("d"), 9).await.is_empty());
}

pub async fn an_owner_is_edited_in_the_version_that_is_expected(store: &dyn Store) {
    assert_eq!(limited(store, "a", 5, Some(0)).await.unwrap().version, OwnerVersion(1));
    let stale = limited(store, "a", 6, Some(0)).await;
    assert_eq!(stale, Err(ChangeRejection::StaleOwner(OwnerVersion(1))));
    // Nothing differs, so that nothing is on record.
    assert_eq!(limited(store, "a", 5, Some(1)).await.unwrap().version, OwnerVersion(1));
    assert_eq!(limited(store, "a", 6, Some(1)).await.unwrap().version, OwnerVersion(2));
    assert_eq!(verbs(store).await, ["edit-owner", "edit-owner"]);
    let entry = trail(store).await.pop().unwrap();
    let told: Value = serde_json::from_str(&entry.details.unwrap()).unwrap();
    let limits = |amount: u32| {
        let limit = json!({"name": "requests", "amount": amount, "per_secs": 60, "burst": amount});
        json!({ "limits": [limit] })
    };
    assert_eq!(told, json!({ "before": limits(5), "after": limits(6) }));
}
