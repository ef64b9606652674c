//! What is promised of tiers.

use keyward::UnixMillis;
use keyward::store::{Store, TierDeleted};
use keyward::tier::TierName;

use crate::sample::{audit, insert, issue, limit, new_key, revoke, tier, trail, verbs};

super::promises!(
    a_new_store_has_three_tiers,
    tiers_come_in_the_order_in_which_they_were_made,
    a_tier_is_created_and_then_replaced,
    a_tier_is_on_record,
    writing_a_tier_as_it_is_changes_nothing,
    a_tier_that_no_key_has_is_deleted,
    a_tier_that_a_key_has_stays,
    uses_are_counted,
);

fn name(name: &str) -> TierName {
    name.parse().unwrap()
}

async fn names(store: &dyn Store) -> Vec<String> {
    let tiers = store.tiers().await.unwrap();
    tiers.into_iter().map(|tier| tier.name.as_str().to_owned()).collect()
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
    assert_eq!(names(store).await, ["basic", "pro", "enterprise", "zoo", "a"]);
}

async fn a_tier_is_created_and_then_replaced(store: &dyn Store) {
    let first = tier("trial", vec![limit(5)]);
    assert!(store.put_tier(first.clone(), audit(1)).await.unwrap());
    assert!(store.tiers().await.unwrap().contains(&first));
    let second = tier("trial", Vec::new());
    assert!(!store.put_tier(second.clone(), audit(2)).await.unwrap());
    let tiers = store.tiers().await.unwrap();
    assert!(tiers.contains(&second));
    assert!(!tiers.contains(&first));
}

async fn a_tier_is_on_record(store: &dyn Store) {
    store.put_tier(tier("pro", vec![limit(5)]), audit(2)).await.unwrap();
    store.delete_tier(name("pro"), audit(3)).await.unwrap();
    let trail = trail(store).await;
    let [put, deleted] = trail.as_slice() else { panic!("two entries, not {trail:?}") };
    assert_eq!((put.verb.as_str(), deleted.verb.as_str()), ("put-tier", "delete-tier"));
    for entry in &trail {
        assert_eq!((&entry.tier, entry.key_id), (&Some("pro".to_owned()), None));
    }
    assert_eq!(put.at, UnixMillis(2));
    let told: serde_json::Value = serde_json::from_str(put.details.as_ref().unwrap()).unwrap();
    assert_eq!(told["before"][0]["amount"], 1_000);
    assert_eq!(told["after"][0]["amount"], 5);
}

async fn writing_a_tier_as_it_is_changes_nothing(store: &dyn Store) {
    assert!(!store.put_tier(tier("basic", vec![limit(100)]), audit(2)).await.unwrap());
    assert!(verbs(store).await.is_empty());
}

async fn a_tier_that_no_key_has_is_deleted(store: &dyn Store) {
    let deleted = store.delete_tier(name("gold"), audit(1)).await.unwrap();
    assert_eq!(deleted, TierDeleted::Unknown);
    assert!(verbs(store).await.is_empty());
    let deleted = store.delete_tier(name("pro"), audit(2)).await.unwrap();
    assert_eq!(deleted, TierDeleted::Done);
    assert_eq!(names(store).await, ["basic", "enterprise"]);
    assert!(store.put_tier(tier("pro", Vec::new()), audit(3)).await.unwrap());
    assert_eq!(names(store).await, ["basic", "enterprise", "pro"]);
}

async fn a_tier_that_a_key_has_stays(store: &dyn Store) {
    issue(store, 1).await;
    let revoked = issue(store, 2).await;
    revoke(store, revoked, audit(3)).await;
    let deleted = store.delete_tier(name("basic"), audit(4)).await.unwrap();
    assert_eq!(deleted, TierDeleted::Used(2));
    assert_eq!(names(store).await, ["basic", "pro", "enterprise"]);
    assert_eq!(verbs(store).await, ["issue", "issue", "revoke"]);
}

async fn uses_are_counted(store: &dyn Store) {
    for number in 1..=3 {
        issue(store, number).await;
    }
    let mut new = new_key(4);
    new.key.tier = name("pro");
    let key = insert(store, new, audit(4)).await;
    revoke(store, key, audit(5)).await;
    let mut uses = store.tier_uses().await.unwrap();
    uses.retain(|(_, keys)| *keys != 0);
    uses.sort();
    assert_eq!(uses, [(name("basic"), 3), (name("pro"), 1)]);
}
