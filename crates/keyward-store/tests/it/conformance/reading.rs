//! What is promised of reading: all of it, in order, in pages.

use keyward::UnixMillis;
use keyward::issue::NewRecord;
use keyward::record::{KeyState, Record, Scopes};
use keyward::store::{ChangeId, KeyDetails, Store};

use crate::sample::{audit, digest, id, issue, limit, new_key, tier};

super::promises!(
    a_new_store_has_three_tiers,
    tiers_come_in_the_order_in_which_they_were_made,
    all_of_a_key_comes_back,
    secrets_come_in_pages_in_order,
    secrets_of_revoked_keys_come_too,
    a_key_that_is_not_there_is_none,
    keys_come_in_pages_highest_first,
    audit_entries_come_in_pages_oldest_first,
);

/// A key with everything that a key can have.
fn full_key() -> NewRecord {
    let mut new = new_key(1);
    let scopes = ["keys:*", "articles:read", "*"].map(|scope| scope.parse().unwrap());
    new.key.name = "Ünïcode, 'quotes' and \"more\"; --".parse().unwrap();
    new.key.tier = "pro".parse().unwrap();
    new.key.scopes = Scopes::new(scopes.into()).unwrap();
    new.key.expires_at = Some(UnixMillis(90));
    new
}

async fn a_new_store_has_three_tiers(store: &dyn Store) {
    let expected = [
        tier("basic", vec![limit(100)]),
        tier("pro", vec![limit(1_000)]),
        tier("enterprise", vec![limit(10_000)]),
    ];
    assert_eq!(store.tiers().await.unwrap(), expected);
}

async fn tiers_come_in_the_order_in_which_they_were_made(store: &dyn Store) {
    for name in ["zoo", "a", "basic", "zoo"] {
        store.put_tier(tier(name, Vec::new()), audit(1)).await.unwrap();
    }
    let tiers = store.tiers().await.unwrap();
    let names: Vec<_> = tiers.iter().map(|tier| tier.name.as_str()).collect();
    assert_eq!(names, ["basic", "pro", "enterprise", "zoo", "a"]);
}

async fn all_of_a_key_comes_back(store: &dyn Store) {
    let new = full_key();
    let key = store.insert_key(new.clone(), audit(7)).await.unwrap();
    let record = Record {
        id: key,
        name: new.key.name.clone(),
        scopes: new.key.scopes.clone(),
        state: KeyState::Active,
        expires_at: Some(UnixMillis(90)),
    };
    let secrets = store.secrets(0, 10).await.unwrap();
    let [secret] = secrets.as_slice() else { panic!("one secret, not {secrets:?}") };
    assert_eq!(secret.record, record);
    assert_eq!(secret.tier, new.key.tier);
    assert_eq!(secret.digest, new.digest);
    let expected = KeyDetails {
        record,
        tier: new.key.tier,
        hint: new.hint,
        created_at: UnixMillis(7),
        last_used_at: None,
    };
    assert_eq!(store.find_key(key).await.unwrap().as_ref(), Some(&expected));
    assert_eq!(store.list_keys(None, 10).await.unwrap(), [expected]);
}

async fn secrets_come_in_pages_in_order(store: &dyn Store) {
    for number in 1..=5 {
        issue(store, number).await;
    }
    let mut after = 0;
    let mut seen = Vec::new();
    for expected in [2, 2, 1, 0] {
        let page = store.secrets(after, 2).await.unwrap();
        assert_eq!(page.len(), expected);
        for secret in page {
            assert!(after < secret.position);
            after = secret.position;
            seen.push(secret.digest);
        }
    }
    assert_eq!(seen, [1, 2, 3, 4, 5].map(digest));
    assert!(store.secrets(u64::MAX, 2).await.unwrap().is_empty());
}

async fn secrets_of_revoked_keys_come_too(store: &dyn Store) {
    let key = issue(store, 1).await;
    store.revoke(key, audit(50)).await.unwrap();
    let secrets = store.secrets(0, 10).await.unwrap();
    assert_eq!(secrets.len(), 1);
    assert_eq!(secrets[0].record.state, KeyState::Revoked { at: UnixMillis(50) });
}

async fn a_key_that_is_not_there_is_none(store: &dyn Store) {
    issue(store, 1).await;
    assert_eq!(store.find_key(id(2)).await.unwrap(), None);
    assert_eq!(store.find_key(id(i64::MAX as u64)).await.unwrap(), None);
}

async fn keys_come_in_pages_highest_first(store: &dyn Store) {
    for number in 1..=5 {
        issue(store, number).await;
    }
    let check = async |before: Option<u64>, expected: &[u64]| {
        let page = store.list_keys(before.map(id), 2).await.unwrap();
        let ids: Vec<_> = page.iter().map(|key| key.record.id.get()).collect();
        assert_eq!(ids, expected, "before {before:?}");
    };
    check(None, &[5, 4]).await;
    check(Some(4), &[3, 2]).await;
    check(Some(2), &[1]).await;
    check(Some(1), &[]).await;
    check(Some(i64::MAX as u64), &[5, 4]).await;
}

async fn audit_entries_come_in_pages_oldest_first(store: &dyn Store) {
    for number in 1..=3 {
        issue(store, number).await;
    }
    let check = async |after: u64, expected: &[u64]| {
        let page = store.audit_entries(ChangeId(after), 2).await.unwrap();
        let times: Vec<_> = page.iter().map(|entry| entry.at.0).collect();
        assert_eq!(times, expected, "after {after}");
    };
    check(0, &[1, 2]).await;
    check(2, &[3]).await;
    check(3, &[]).await;
    check(u64::MAX, &[]).await;
}
