//! Promises about moving keys in and out.

use std::sync::Arc;

use crate::UnixMillis;
use crate::change::KeyChange;
use crate::details::{Metadata, Version};
use crate::limit::Limits;
use crate::network::Networks;
use crate::record::{KeyState, Scopes};
use crate::rules::Imported;
use crate::stored::Unkept;
use crate::transfer::{COPY_SECRETS_MAX, ImportRejection};

use super::Store;
use super::sample::{
    audit, batch, change, copy, details, digest, former, id, issue, keys, limit, owner, revoke,
    rotate, secret, used, verbs,
};

/// A key with everything that a key can have.
fn full_copy() -> Unkept {
    let scopes = ["keys:*", "articles:read"].map(|scope| scope.parse().unwrap());
    Unkept {
        id: Some(id(7)),
        version: Version::FIRST,
        name: "Ünïcode's".parse().unwrap(),
        tier: "pro".parse().unwrap(),
        tier_id: None,
        tier_gone: false,
        owner: Some(owner("org_1")),
        scopes: Scopes::new(scopes.into()).unwrap(),
        networks: Networks::new(vec!["10.0.0.0/8".parse().unwrap()]).unwrap(),
        limits: Some(Limits::of(Some(limit(7)))),
        notes: r#"{"a":[1]}"#.parse::<Metadata>().unwrap().into(),
        state: KeyState::Revoked { at: UnixMillis(80) },
        revoked_reason: Some("found in public".parse().unwrap()),
        expires_at: Some(UnixMillis(90)),
        created_at: UnixMillis(5),
        last_used_at: Some(UnixMillis(70)),
        secret: secret(30),
        former: vec![former(secret(10), UnixMillis(20)), former(secret(20), UnixMillis(40))],
    }
}

async fn import(store: &dyn Store, copies: &[Unkept]) -> Vec<Imported> {
    store.import_keys(copies.to_vec(), false, audit(100)).await.unwrap()
}

/// What became of each copy, in short.
fn short(imported: &[Imported]) -> Vec<String> {
    let one = |key: &Imported| match key {
        Imported::Added(key) => format!("added {}", key.id),
        Imported::Skipped(id) => format!("skipped {id}"),
        Imported::Rejected(rejection) => format!("{rejection:?}"),
    };
    imported.iter().map(one).collect()
}

pub async fn all_of_a_copy_comes_back(store: &dyn Store) {
    let copy = full_copy();
    let imported = import(store, std::slice::from_ref(&copy)).await;
    let [Imported::Added(stored)] = imported.as_slice() else { panic!("{imported:?}") };
    assert_eq!((stored.id, stored.secret.digest), (id(7), digest(30)));
    let told: Vec<_> = stored.former.iter().map(|it| (it.secret.digest, it.ends_at.0)).collect();
    assert_eq!(told, [(digest(10), 20), (digest(20), 40)]);
    assert_eq!(store.export_keys(None, 10).await.unwrap(), [copy]);
    let owned = details(store, id(7)).await;
    let found = &owned.key;
    assert_eq!(
        (found.rotated_at(), found.grace_until()),
        (Some(UnixMillis(30)), Some(UnixMillis(40)))
    );
    assert_eq!((found.created_at, found.last_used_at), (UnixMillis(5), Some(UnixMillis(70))));
    assert_eq!((found.secret.hint.as_str(), found.version.get()), ("kw_0030", 1));
    assert_eq!(found.state, KeyState::Revoked { at: UnixMillis(80) });
    // Nothing is decided by the last use, and a snapshot may lack it.
    let mut loaded = keys(store).await;
    Arc::make_mut(&mut loaded[0].key).last_used_at = found.last_used_at;
    assert_eq!(loaded, [owned]);
}

pub async fn what_was_lived_through_here_comes_out(store: &dyn Store) {
    let key = issue(store, 1).await;
    rotate(store, key, 2, 10, 50).await;
    rotate(store, key, 3, 10, 60).await;
    store.add_usage(batch(1, 1, vec![used(key, 5)])).await.unwrap();
    change(store, key, KeyChange::Suspend, audit(70)).await;
    let revoked = issue(store, 4).await;
    revoke(store, revoked, audit(80)).await;
    let copies = store.export_keys(None, 10).await.unwrap();
    let [first, second] = copies.as_slice() else { panic!("two keys, not {copies:?}") };
    assert_eq!((first.id, first.state), (Some(key), KeyState::Suspended));
    assert_eq!((first.secret.digest, first.secret.created_at.0), (digest(3), 60));
    let told =
        first.former.iter().map(|it| (it.secret.digest, it.secret.created_at.0, it.ends_at.0));
    assert_eq!(told.collect::<Vec<_>>(), [(digest(1), 1, 60), (digest(2), 50, 70)]);
    assert_eq!(first.last_used_at, Some(used(key, 5).hour.start()));
    assert_eq!(second.state, KeyState::Revoked { at: UnixMillis(80) });
    assert!(second.former.is_empty());
}

pub async fn copies_come_out_in_pages_lowest_first(store: &dyn Store) {
    for number in 1..=5 {
        issue(store, number).await;
    }
    let check = async |after: Option<u64>, expected: &[u64]| {
        let page = store.export_keys(after.map(id), 2).await.unwrap();
        let ids: Vec<_> = page.iter().map(|copy| copy.id.unwrap().get()).collect();
        assert_eq!(ids, expected);
    };
    check(None, &[1, 2]).await;
    check(Some(2), &[3, 4]).await;
    check(Some(4), &[5]).await;
    check(Some(5), &[]).await;
}

pub async fn a_copy_is_added_once(store: &dyn Store) {
    let copies = [full_copy(), copy(1), copy(2)];
    let added = short(&import(store, &copies).await);
    assert_eq!(added, ["added 7", "added 8", "added 9"]);
    let before = store.export_keys(None, 10).await.unwrap();
    let mut again = copies.clone();
    again[1].name = "another name".parse().unwrap();
    assert_eq!(short(&import(store, &again).await), ["skipped 7", "skipped 8", "skipped 9"]);
    // Some of its secrets are the key, too.
    let mut less = full_copy();
    less.former.truncate(1);
    assert_eq!(short(&import(store, &[less]).await), ["skipped 7"]);
    assert_eq!(store.export_keys(None, 10).await.unwrap(), before);
    assert_eq!(verbs(store).await, ["import"; 3]);
}

pub async fn each_copy_is_answered_in_turn(store: &dyn Store) {
    let mut unknown = copy(2);
    unknown.tier = "gold".parse().unwrap();
    let imported = import(store, &[copy(1), unknown, copy(1), copy(3)]).await;
    assert_eq!(short(&imported), ["added 1", "UnknownTier", "skipped 1", "added 2"]);
}

pub async fn what_does_not_fit_is_refused_and_leaves_no_trace(store: &dyn Store) {
    issue(store, 1).await;
    let with = |change: fn(&mut Unkept)| {
        let mut copy = copy(9);
        change(&mut copy);
        copy
    };
    let refused = [
        with(|copy| copy.tier = "gold".parse().unwrap()),
        with(|copy| copy.id = Some(id(1))),
        with(|copy| copy.former.push(former(secret(1), UnixMillis(20)))),
        with(|copy| copy.former.push(former(secret(9), UnixMillis(20)))),
    ];
    let expected = [
        ImportRejection::UnknownTier,
        ImportRejection::IdTaken,
        ImportRejection::DigestTaken(id(1)),
        ImportRejection::DigestTwice,
    ];
    for (copy, expected) in refused.into_iter().zip(expected) {
        let imported = import(store, &[copy]).await;
        let [Imported::Rejected(rejection)] = imported.as_slice() else { panic!("{imported:?}") };
        assert_eq!(*rejection, expected);
    }
    assert!(store.find_digests(vec![digest(9)]).await.unwrap().is_empty());
    assert_eq!(keys(store).await.len(), 1);
    assert_eq!(verbs(store).await, ["issue"]);
}

pub async fn of_several_reasons_the_first_keeps_a_key_out(store: &dyn Store) {
    issue(store, 1).await;
    issue(store, 2).await;
    let mut all = copy(9);
    all.tier = "gold".parse().unwrap();
    all.id = Some(id(2));
    all.former = [1, 9].map(|number| former(secret(number), UnixMillis(20))).to_vec();
    let mut with_tier = all.clone();
    with_tier.tier = "pro".parse().unwrap();
    let mut with_id = with_tier.clone();
    with_id.id = None;
    let mut of_two = with_id.clone();
    of_two.former.insert(0, former(secret(2), UnixMillis(10)));
    let mut twice = copy(1);
    (twice.tier, twice.id) = (all.tier.clone(), all.id);
    twice.former = vec![former(secret(1), UnixMillis(20))];
    let imported = import(store, &[all, with_tier, with_id, of_two, twice]).await;
    let expected =
        ["UnknownTier", "IdTaken", "DigestTaken(KeyId(1))", "DigestTaken(KeyId(2))", "skipped 1"];
    assert_eq!(short(&imported), expected);
}

pub async fn the_newest_secrets_are_carried_along(store: &dyn Store) {
    let all =
        (1..=COPY_SECRETS_MAX as u64).map(|number| former(secret(number), UnixMillis(number)));
    let mut key = copy(500);
    key.former = all.collect();
    import(store, std::slice::from_ref(&key)).await;
    let carried = store.export_keys(None, 10).await.unwrap().remove(0);
    assert_eq!(carried.former, key.former[1..]);
    assert_eq!(carried.former.len() + 1, COPY_SECRETS_MAX);
    assert_eq!(keys(store).await[0].key.former.len(), COPY_SECRETS_MAX, "all are known here");
}

pub async fn trying_adds_nothing_and_says_the_same(store: &dyn Store) {
    issue(store, 1).await;
    let mut taken = copy(9);
    taken.id = Some(id(1));
    let copies = vec![copy(1), copy(2), taken, copy(2)];
    let tried = store.import_keys(copies.clone(), true, audit(50)).await.unwrap();
    assert_eq!(short(&tried), ["skipped 1", "added 2", "IdTaken", "skipped 2"]);
    assert_eq!(keys(store).await.len(), 1);
    assert_eq!(verbs(store).await, ["issue"]);
    assert_eq!(short(&import(store, &copies).await), short(&tried));
}

pub async fn a_key_of_a_suspended_owner_comes_suspended(store: &dyn Store) {
    store.set_owner_suspended(owner("org_1"), true, audit(1)).await.unwrap();
    let mut theirs = copy(1);
    theirs.owner = Some(owner("org_1"));
    let imported = import(store, &[theirs]).await;
    assert!(matches!(imported.as_slice(), [Imported::Added(key)] if key.id == id(1)));
    assert!(details(store, id(1)).await.is_owner_suspended());
    store.set_owner_suspended(owner("org_1"), false, audit(2)).await.unwrap();
    assert!(!details(store, id(1)).await.is_owner_suspended());
}
