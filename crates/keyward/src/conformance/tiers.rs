//! Promises about tiers.

use crate::query::KeyFilter;
use crate::record::KeyState;
use crate::rules::{ChangeRejection, Imported};
use crate::stored::Unkept;
use crate::tier::TierName;
use crate::transfer::ImportRejection;
use crate::{KeyId, UnixMillis};

use super::Store;
use super::sample::{
    audit, copy, details, id, insert, issue, keys, limit, new_key, query, revoke, tier, tiers,
    trail, uses, verbs,
};

fn name(name: &str) -> TierName {
    name.parse().unwrap()
}

async fn names(store: &dyn Store) -> Vec<String> {
    let tiers = store.tiers().await.unwrap();
    tiers.into_iter().map(|tier| tier.name.as_str().to_owned()).collect()
}

pub async fn a_new_store_has_three_tiers(store: &dyn Store) {
    let expected = [
        tier("basic", vec![limit(100)]),
        tier("pro", vec![limit(1_000)]),
        tier("enterprise", vec![limit(10_000)]),
    ];
    assert_eq!(tiers(store).await, expected);
}

pub async fn tiers_come_in_the_order_in_which_they_were_made(store: &dyn Store) {
    for name in ["zoo", "a", "basic", "zoo"] {
        store.put_tier(tier(name, Vec::new()), audit(1)).await.unwrap();
    }
    assert_eq!(names(store).await, ["basic", "pro", "enterprise", "zoo", "a"]);
}

pub async fn a_tier_is_created_and_then_replaced(store: &dyn Store) {
    let first = tier("trial", vec![limit(5)]);
    assert!(store.put_tier(first.clone(), audit(1)).await.unwrap());
    assert!(tiers(store).await.contains(&first));
    let second = tier("trial", Vec::new());
    assert!(!store.put_tier(second.clone(), audit(2)).await.unwrap());
    let tiers = tiers(store).await;
    assert!(tiers.contains(&second));
    assert!(!tiers.contains(&first));
}

pub async fn a_tier_is_on_record(store: &dyn Store) {
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

pub async fn writing_a_tier_as_it_is_changes_nothing(store: &dyn Store) {
    assert!(!store.put_tier(tier("basic", vec![limit(100)]), audit(2)).await.unwrap());
    assert!(verbs(store).await.is_empty());
}

pub async fn a_tier_that_no_key_has_is_deleted(store: &dyn Store) {
    let deleted = store.delete_tier(name("gold"), audit(1)).await.unwrap_err();
    assert_eq!(deleted.rejection(), ChangeRejection::UnknownTier);
    assert!(verbs(store).await.is_empty());
    store.delete_tier(name("pro"), audit(2)).await.unwrap();
    assert_eq!(names(store).await, ["basic", "enterprise"]);
    assert!(store.put_tier(tier("pro", Vec::new()), audit(3)).await.unwrap());
    assert_eq!(names(store).await, ["basic", "enterprise", "pro"]);
}

pub async fn a_tier_that_a_key_has_stays(store: &dyn Store) {
    issue(store, 1).await;
    let revoked = issue(store, 2).await;
    revoke(store, revoked, audit(3)).await;
    let deleted = store.delete_tier(name("basic"), audit(4)).await.unwrap_err();
    assert_eq!(deleted.rejection(), ChangeRejection::TierUsed(1));
    assert_eq!(names(store).await, ["basic", "pro", "enterprise"]);
    assert_eq!(verbs(store).await, ["issue", "issue", "revoke"]);
}

/// The ids of the keys that have a tier.
async fn listed(store: &dyn Store, tier: &str) -> Vec<KeyId> {
    let filter = KeyFilter { tier: Some(name(tier)), ..KeyFilter::default() };
    let count = store.count_keys(filter.clone(), UnixMillis(9)).await.unwrap();
    let page = store.list_keys(query(filter)).await.unwrap();
    assert_eq!(count.at_least, page.keys.len() as u64);
    page.keys.iter().map(|key| key.key.id).collect()
}

pub async fn a_tier_that_only_revoked_keys_have_is_deleted_and_they_show_it(store: &dyn Store) {
    store.put_tier(tier("gold", Vec::new()), audit(1)).await.unwrap();
    let mut new = new_key(2);
    new.tier = name("gold");
    let old = insert(store, new, audit(2)).await;
    revoke(store, old, audit(3)).await;
    assert_eq!(listed(store, "gold").await, [old]);
    store.delete_tier(name("gold"), audit(4)).await.unwrap();
    assert!(!names(store).await.contains(&"gold".to_owned()));

    // A new tier of that name has keys of its own.
    store.put_tier(tier("gold", vec![limit(5)]), audit(5)).await.unwrap();
    let mut new = new_key(6);
    new.tier = name("gold");
    let young = insert(store, new, audit(6)).await;
    for (id, tier_gone) in [(old, true), (young, false)] {
        let key = details(store, id).await;
        assert_eq!((key.key.tier.as_str(), key.key.tier_gone), ("gold", tier_gone));
    }
    let told: Vec<_> = keys(store).await.iter().map(|key| key.key.tier_gone).collect();
    assert_eq!(told, [true, false]);
    assert_eq!(listed(store, "gold").await, [young]);
    let uses = uses(store).await;
    assert!(uses.contains(&(name("gold"), 1)), "{uses:?}");
    assert_eq!(
        store.delete_tier(name("gold"), audit(7)).await.unwrap_err().rejection(),
        ChangeRejection::TierUsed(1)
    );
    // Revoking again changes nothing, and any other change is rejected as for every revoked key.
    revoke(store, old, audit(8)).await;
    assert_eq!(details(store, old).await.key.version.get(), 2);
    let exported = store.export_keys(None, 10).await.unwrap();
    assert_eq!(exported[0].tier.as_str(), "gold");
    assert_eq!([exported[0].tier_gone, exported[1].tier_gone], [true, false]);
}

pub async fn a_revoked_key_comes_in_whatever_tiers_there_are(store: &dyn Store) {
    let of = |number, tier: &str, tier_gone, is_revoked: bool| {
        let state = match is_revoked {
            true => KeyState::Revoked { at: UnixMillis(1) },
            false => KeyState::Active,
        };
        Unkept { tier: name(tier), tier_gone, state, ..copy(number) }
    };
    let copies = vec![
        of(1, "lost", false, true),
        of(2, "basic", true, true),
        of(3, "basic", false, true),
        of(4, "lost", false, false),
        of(5, "basic", true, false),
    ];
    let imported = store.import_keys(copies, false, audit(2)).await.unwrap();
    let gone: Vec<_> = imported
        .iter()
        .map(|key| match key {
            Imported::Added(key) => Some((key.tier.as_str().to_owned(), key.tier_gone)),
            Imported::Rejected(ImportRejection::UnknownTier) => None,
            other => panic!("{other:?}"),
        })
        .collect();
    let told = |tier: &str, tier_gone| Some((tier.to_owned(), tier_gone));
    assert_eq!(gone, [told("lost", true), told("basic", true), told("basic", false), None, None]);
    assert_eq!(listed(store, "basic").await, [id(3)]);
    store.put_tier(tier("lost", Vec::new()), audit(3)).await.unwrap();
    assert!(listed(store, "lost").await.is_empty());
    assert_eq!(details(store, id(1)).await.key.tier.as_str(), "lost");
    assert!(names(store).await.iter().all(|name| name != "~"));
}

pub async fn uses_are_counted(store: &dyn Store) {
    for number in 1..=3 {
        issue(store, number).await;
    }
    let mut new = new_key(4);
    new.tier = name("pro");
    let key = insert(store, new, audit(4)).await;
    revoke(store, key, audit(5)).await;
    let mut uses = uses(store).await;
    uses.retain(|(_, keys)| *keys != 0);
    uses.sort();
    assert_eq!(uses, [(name("basic"), 3)], "one that is revoked counts no more");
}
