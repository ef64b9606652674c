//! What is promised of changes: that they happen once, whole, and on record.

use keyward::UnixMillis;
use keyward::record::KeyState;
use keyward::store::{Actor, Audit, AuditEntry, ChangeId, Store};

use crate::sample::{audit, batch, digest, id, issue, limit, new_key, tier, used};

super::promises!(
    ids_count_up_from_1_and_issuing_again_makes_another_key,
    issuing_is_on_record,
    revoking_returns_the_secrets_as_revoked,
    revoking_is_on_record,
    revoking_again_changes_nothing_and_returns_the_same,
    revoking_what_is_not_there_is_none_and_leaves_no_trace,
    a_revoked_key_keeps_its_row_and_its_usage,
    a_tier_is_created_and_then_replaced,
    writing_a_tier_is_on_record_under_the_number_that_is_returned,
    closing_twice_is_fine,
);

async fn trail(store: &dyn Store) -> Vec<AuditEntry> {
    store.audit_entries(ChangeId(0), 1_000).await.unwrap()
}

async fn ids_count_up_from_1_and_issuing_again_makes_another_key(store: &dyn Store) {
    assert_eq!(issue(store, 1).await, id(1));
    assert_eq!(issue(store, 2).await, id(2));
    assert_eq!(store.list_keys(None, 10).await.unwrap().len(), 2);
}

async fn issuing_is_on_record(store: &dyn Store) {
    let audit = Audit { actor: Actor::Program, at: UnixMillis(7), request_id: None };
    let key = store.insert_key(new_key(1), audit).await.unwrap();
    let expected = AuditEntry {
        id: ChangeId(1),
        at: UnixMillis(7),
        actor: "program".to_owned(),
        verb: "issue".to_owned(),
        key_id: Some(key),
        tier: None,
        request_id: None,
    };
    assert_eq!(trail(store).await, [expected]);
}

async fn revoking_returns_the_secrets_as_revoked(store: &dyn Store) {
    let key = issue(store, 1).await;
    issue(store, 2).await;
    let secrets = store.revoke(key, audit(50)).await.unwrap().unwrap();
    let [secret] = secrets.as_slice() else { panic!("one secret, not {secrets:?}") };
    assert_eq!(secret.digest, digest(1));
    assert_eq!(secret.record.id, key);
    assert_eq!(secret.record.state, KeyState::Revoked { at: UnixMillis(50) });
    assert_eq!(secret.tier.as_str(), "basic");
    let other = store.find_key(id(2)).await.unwrap().unwrap();
    assert_eq!(other.record.state, KeyState::Active);
}

async fn revoking_is_on_record(store: &dyn Store) {
    let key = issue(store, 1).await;
    store.revoke(key, audit(50)).await.unwrap();
    let trail = trail(store).await;
    let expected = AuditEntry {
        id: ChangeId(2),
        at: UnixMillis(50),
        actor: "admin-key".to_owned(),
        verb: "revoke".to_owned(),
        key_id: Some(key),
        tier: None,
        request_id: Some("request-50".to_owned()),
    };
    assert_eq!(trail[1..], [expected]);
}

async fn revoking_again_changes_nothing_and_returns_the_same(store: &dyn Store) {
    let key = issue(store, 1).await;
    let first = store.revoke(key, audit(50)).await.unwrap().unwrap();
    let before = trail(store).await;
    let again = store.revoke(key, audit(60)).await.unwrap().unwrap();
    assert_eq!(again.len(), first.len());
    assert_eq!(again[0].position, first[0].position);
    assert_eq!(again[0].digest, first[0].digest);
    assert_eq!(again[0].record, first[0].record);
    assert_eq!(trail(store).await, before);
}

async fn revoking_what_is_not_there_is_none_and_leaves_no_trace(store: &dyn Store) {
    assert!(store.revoke(id(1), audit(50)).await.unwrap().is_none());
    assert_eq!(trail(store).await, []);
}

async fn a_revoked_key_keeps_its_row_and_its_usage(store: &dyn Store) {
    let key = issue(store, 1).await;
    store.add_usage(batch(1, 1, vec![used(key, 5)])).await.unwrap();
    store.revoke(key, audit(50)).await.unwrap();
    let details = store.find_key(key).await.unwrap().unwrap();
    assert_eq!(details.record.state, KeyState::Revoked { at: UnixMillis(50) });
    assert_eq!(store.usage(key, used(key, 0).hour, 10).await.unwrap().len(), 1);
}

async fn a_tier_is_created_and_then_replaced(store: &dyn Store) {
    let first = tier("trial", vec![limit(5)]);
    assert!(store.put_tier(first.clone(), audit(1)).await.unwrap().created);
    assert!(store.tiers().await.unwrap().contains(&first));
    let second = tier("trial", Vec::new());
    assert!(!store.put_tier(second.clone(), audit(2)).await.unwrap().created);
    let tiers = store.tiers().await.unwrap();
    assert!(tiers.contains(&second));
    assert!(!tiers.contains(&first));
}

async fn writing_a_tier_is_on_record_under_the_number_that_is_returned(store: &dyn Store) {
    let first = store.put_tier(tier("pro", vec![limit(5)]), audit(1)).await.unwrap();
    let second = store.put_tier(tier("pro", vec![limit(6)]), audit(2)).await.unwrap();
    assert!(first.change < second.change);
    let trail = trail(store).await;
    let expected = AuditEntry {
        id: second.change,
        at: UnixMillis(2),
        actor: "admin-key".to_owned(),
        verb: "put-tier".to_owned(),
        key_id: None,
        tier: Some("pro".parse().unwrap()),
        request_id: Some("request-2".to_owned()),
    };
    assert_eq!(trail[1..], [expected]);
}

async fn closing_twice_is_fine(store: &dyn Store) {
    issue(store, 1).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
}
