//! What is promised of changes: that they happen once, whole, and on record.

use keyward::UnixMillis;
use keyward::audit::Audit;
use keyward::change::{ChangeRefusal, Changed, KeyChange};
use keyward::record::KeyState;
use keyward::store::Store;

use crate::sample::{
    audit, batch, id, insert, issue, keys, limit, new_key, revoke, tier, trail, usage, used,
};

super::promises!(
    ids_count_up_from_1_and_issuing_again_makes_another_key,
    issuing_is_on_record,
    revoking_is_on_record,
    revoking_what_is_not_there_is_none_and_leaves_no_trace,
    a_revoked_key_keeps_its_row_and_its_usage,
    a_tier_is_created_and_then_replaced,
    closing_twice_is_fine,
);

async fn ids_count_up_from_1_and_issuing_again_makes_another_key(store: &dyn Store) {
    assert_eq!(issue(store, 1).await, id(1));
    assert_eq!(issue(store, 2).await, id(2));
    assert_eq!(keys(store).await.len(), 2);
}

async fn issuing_is_on_record(store: &dyn Store) {
    let key = insert(store, new_key(1), Audit::program(UnixMillis(7))).await;
    let trail = trail(store).await;
    let [entry] = trail.as_slice() else { panic!("one entry, not {trail:?}") };
    assert_eq!((entry.actor.as_str(), entry.verb.as_str()), ("program", "issue"));
    assert_eq!((entry.at, entry.key_id), (UnixMillis(7), Some(key)));
}

async fn revoking_is_on_record(store: &dyn Store) {
    let key = issue(store, 1).await;
    revoke(store, key, audit(50)).await;
    let trail = trail(store).await;
    let entry = &trail[1];
    assert_eq!((entry.actor.as_str(), entry.verb.as_str()), ("admin-key", "revoke"));
    assert_eq!(entry.request_id.as_deref(), Some("request-50"));
    assert_eq!((entry.at, entry.key_id), (UnixMillis(50), Some(key)));
}

async fn revoking_what_is_not_there_is_none_and_leaves_no_trace(store: &dyn Store) {
    let revoke = KeyChange::Revoke { reason: None };
    let changed = store.change_key(id(1), revoke, None, audit(50)).await.unwrap();
    assert!(matches!(changed, Changed::Refused(ChangeRefusal::UnknownKey)));
    assert_eq!(trail(store).await, []);
}

async fn a_revoked_key_keeps_its_row_and_its_usage(store: &dyn Store) {
    let key = issue(store, 1).await;
    store.add_usage(batch(1, 1, vec![used(key, 5)])).await.unwrap();
    revoke(store, key, audit(50)).await;
    let details = store.find_key(key).await.unwrap().unwrap();
    assert_eq!(details.record.state, KeyState::Revoked { at: UnixMillis(50) });
    assert_eq!(usage(store, key, 0).await.len(), 1);
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

async fn closing_twice_is_fine(store: &dyn Store) {
    issue(store, 1).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
}
