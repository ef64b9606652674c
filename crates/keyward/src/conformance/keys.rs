//! Promises about new keys.

use crate::UnixMillis;
use crate::limit::Limits;
use crate::network::Networks;
use crate::record::Scopes;
use crate::rules::ChangeRejection;
use crate::stored::{Key, Unkept};

use super::Store;
use super::sample::{
    audit, details, id, insert, issue, keys, limit, new_key, owner, query, tier, verbs,
};

pub async fn ids_count_up_from_1_and_issuing_again_makes_another_key(store: &dyn Store) {
    assert_eq!(issue(store, 1).await, id(1));
    assert_eq!(issue(store, 2).await, id(2));
    assert_eq!(keys(store).await.len(), 2);
}

/// A key with everything that a key can have.
fn full_key() -> Unkept {
    let mut new = new_key(1);
    let scopes = ["keys:*", "articles:read", "*"].map(|scope| scope.parse().unwrap());
    let networks = ["192.0.2.0/24", "2001:db8::/32"].map(|network| network.parse().unwrap());
    new.name = "Ünïcode, 'quotes' and \"more\"; --".parse().unwrap();
    new.tier = "pro".parse().unwrap();
    new.owner = Some(owner("org_1'\"%"));
    new.scopes = Scopes::new(scopes.into()).unwrap();
    new.networks = Networks::new(networks.into()).unwrap();
    new.limits = Some(Limits::of(Some(limit(7))));
    new.notes.metadata = r#"{"z":[1,null],"a":"ü'"}"#.parse().unwrap();
    new.expires_at = Some(UnixMillis(90));
    new.secret.hint = "acme_live_0000".to_owned();
    (new.created_at, new.secret.created_at) = (UnixMillis(7), UnixMillis(7));
    new
}

pub async fn all_of_a_key_comes_back(store: &dyn Store) {
    let new = full_key();
    let key = insert(store, new.clone(), audit(7)).await;
    let tier = store.tiers().await.unwrap().into_iter().find(|tier| tier.name == new.tier);
    let tier_id = tier.map(|tier| tier.id);
    let expected = Key { created_at: UnixMillis(7), tier_id, ..new.with_id(key) };
    let loaded = keys(store).await;
    let [stored] = loaded.as_slice() else { panic!("one key, not {loaded:?}") };
    assert_eq!(*stored.key, expected);
    let owner = stored.owner.as_ref().unwrap();
    assert_eq!((Some(&owner.owner), owner.keys), (expected.owner.as_ref(), 1));
    let expected = stored.clone();
    assert_eq!(details(store, key).await, expected);
    let page = store.list_keys(query(Default::default())).await.unwrap();
    assert_eq!((page.keys, page.next), (vec![expected], None));
}

pub async fn a_key_of_no_limit_is_not_one_of_its_tiers_limit(store: &dyn Store) {
    let mut new = new_key(1);
    new.limits = Some(Limits::of(None));
    let unlimited = insert(store, new, audit(1)).await;
    let plain = issue(store, 2).await;
    assert_eq!(details(store, unlimited).await.key.limits, Some(Limits::of(None)));
    assert_eq!(details(store, plain).await.key.limits, None);
}

pub async fn a_key_of_an_unknown_tier_is_not_kept(store: &dyn Store) {
    let mut new = new_key(1);
    new.tier = "gold".parse().unwrap();
    assert_eq!(
        store.insert_key(new, audit(1)).await.unwrap_err().rejection(),
        ChangeRejection::UnknownTier
    );
    assert!(keys(store).await.is_empty() && verbs(store).await.is_empty());
}

pub async fn a_key_of_a_deleted_tier_is_not_kept(store: &dyn Store) {
    store.put_tier(tier("gold", Vec::new()), audit(1)).await.unwrap();
    store.delete_tier("gold".parse().unwrap(), audit(2)).await.unwrap();
    let mut new = new_key(1);
    new.tier = "gold".parse().unwrap();
    assert_eq!(
        store.insert_key(new, audit(3)).await.unwrap_err().rejection(),
        ChangeRejection::UnknownTier
    );
}

pub async fn a_key_of_a_suspended_owner_is_not_kept(store: &dyn Store) {
    store.set_owner_suspended(owner("org_1"), true, audit(1)).await.unwrap();
    let mut new = new_key(1);
    new.owner = Some(owner("org_1"));
    let refused = store.insert_key(new.clone(), audit(2)).await.unwrap_err();
    assert_eq!(refused.rejection(), ChangeRejection::OwnerSuspended);
    assert!(keys(store).await.is_empty());
    assert_eq!(verbs(store).await, ["suspend-owner"]);
    store.set_owner_suspended(owner("org_1"), false, audit(3)).await.unwrap();
    let kept = store.insert_key(new, audit(4)).await.unwrap();
    assert_eq!((kept.key.id, kept.versions().to_string()), (id(1), "1.2".to_owned()));
}

pub async fn an_id_is_not_given_twice_after_an_import(store: &dyn Store) {
    let mut copy = super::sample::copy(1);
    copy.id = Some(id(10));
    store.import_keys(vec![copy], false, audit(1)).await.unwrap();
    assert_eq!(issue(store, 2).await, id(11));
}
