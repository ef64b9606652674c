//! What is promised of reading: all of it, in order, in pages.

use keyward::store::Store;

use crate::sample::{audit, id, issue, limit, tier};

super::promises!(
    a_new_store_has_three_tiers,
    tiers_come_in_the_order_in_which_they_were_made,
    a_key_that_is_not_there_is_none,
);

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

async fn a_key_that_is_not_there_is_none(store: &dyn Store) {
    issue(store, 1).await;
    assert_eq!(store.find_key(id(2)).await.unwrap(), None);
    assert_eq!(store.find_key(id(i64::MAX as u64)).await.unwrap(), None);
}
