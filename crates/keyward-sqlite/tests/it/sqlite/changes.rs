//! Changes to a file that others look into, or that will not take them.

use std::sync::Arc;

use keyward::UnixMillis;
use keyward::change::KeyChange;
use keyward::query::KeyFilter;
use keyward::record::KeyState;
use keyward::rules::ChangeRejection;
use keyward::store::StoreError;
use keyward::store::{KeyStore as _, Reports as _};
use keyward::stored::Unkept;
use rusqlite::Connection;
use tokio::task::{JoinSet, yield_now};

use crate::sample::{
    Store as _, audit, batch, id, issue, keys, limit, new_key, opened, query, revoke, secret, tier,
    trail, usage, used,
};

fn count(raw: &Connection, table: &str) -> u64 {
    raw.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn changes_at_the_same_time_share_a_commit() {
    let (_directory, store, raw) = opened();
    let store = Arc::new(store);
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut changes = JoinSet::new();
    for number in 1..=64 {
        let store = Arc::clone(&store);
        changes.spawn(async move { issue(&*store, number).await });
    }
    // One turn lets each of them ask. The writer waits for the other connection meanwhile.
    yield_now().await;
    let before = store.commits();
    raw.execute_batch("ROLLBACK").unwrap();
    assert_eq!(changes.join_all().await.len(), 64);
    let commits = store.commits() - before;
    assert!((1..=8).contains(&commits), "{commits} commits for 64 changes");
    assert_eq!(count(&raw, "keys"), 64);
}

#[tokio::test]
async fn no_entry_no_change() {
    let (_directory, store, raw) = opened();
    let key = issue(&store, 1).await;
    raw.execute_batch(
        "CREATE TRIGGER no_audit BEFORE INSERT ON audit \
         BEGIN SELECT raise(ABORT, 'no room in the book'); END",
    )
    .unwrap();
    let tiers = store.tiers().await.unwrap();
    store.insert_key(new_key(2), audit(2)).await.unwrap_err();
    let revoke = KeyChange::Revoke { reason: None };
    store.change_key(key, revoke, None, audit(3)).await.unwrap_err();
    store.put_tier(tier("basic", vec![limit(5)]), audit(4)).await.unwrap_err();
    store.put_tier(tier("trial", vec![limit(5)]), audit(5)).await.unwrap_err();
    assert_eq!(store.tiers().await.unwrap(), tiers);
    assert_eq!(count(&raw, "keys"), 1);
    assert_eq!(count(&raw, "keys WHERE state = 'active'"), 1);

    raw.execute_batch("DROP TRIGGER no_audit").unwrap();
    assert_eq!(issue(&store, 2).await, id(2));
}

#[tokio::test]
async fn a_change_that_fails_takes_no_other_along() {
    let (_directory, store, raw) = opened();
    let store = Arc::new(store);
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut changes = JoinSet::new();
    let taken = || Unkept { secret: secret(2), ..new_key(9) };
    for new in [new_key(1), new_key(2), taken(), new_key(3)] {
        let store = Arc::clone(&store);
        changes.spawn(async move { store.insert_key(new, audit(1)).await.is_ok() });
    }
    yield_now().await;
    raw.execute_batch("ROLLBACK").unwrap();
    let succeeded = changes.join_all().await.into_iter().filter(|ok| *ok).count();
    assert_eq!(succeeded, 3);
    assert_eq!(count(&raw, "keys"), 3);
    assert_eq!(count(&raw, "audit"), 3);
}

#[tokio::test]
async fn a_key_in_a_tier_that_is_not_there_is_not_kept() {
    let (_directory, store, raw) = opened();
    let mut new = new_key(1);
    new.tier = "nowhere".parse().unwrap();
    assert_eq!(
        store.insert_key(new, audit(1)).await.unwrap_err().rejection(),
        ChangeRejection::UnknownTier
    );
    assert_eq!(count(&raw, "keys"), 0);
    assert_eq!(count(&raw, "audit"), 0);
}

#[tokio::test]
async fn an_unknown_state_is_never_read_as_active() {
    let (_directory, store, raw) = opened();
    let key = issue(&store, 1).await;
    raw.execute_batch("PRAGMA ignore_check_constraints = ON; UPDATE keys SET state = 'paused'")
        .unwrap();
    let check = |error: StoreError| {
        let expected = "store holds something that cannot be: key 1 has an unknown state";
        assert_eq!(error.to_string(), expected);
    };
    check(store.load_keys().await.unwrap_err());
    check(store.find_key(key).await.unwrap_err());
    check(store.list_keys(query(KeyFilter::default())).await.unwrap_err());
}

#[tokio::test]
async fn a_key_that_is_let_in_can_be_revoked_whatever_is_known_of_its_use() {
    let (_directory, store, raw) = opened();
    let key = issue(&store, 1).await;
    raw.execute_batch("DELETE FROM key_uses").unwrap();
    assert_eq!(keys(&store).await.len(), 1, "a gate lets it in");
    assert_eq!(store.find_key(key).await.unwrap().unwrap().key.last_used_at, None);
    assert_eq!(store.list_keys(query(KeyFilter::default())).await.unwrap().keys.len(), 1);
    assert_eq!(store.export_keys(None, 10).await.unwrap().len(), 1);
    let revoked = revoke(&store, key, audit(2)).await;
    assert_eq!(revoked.key.state, KeyState::Revoked { at: UnixMillis(2) });
}

#[tokio::test]
async fn an_id_is_not_given_again_when_its_row_is_gone() {
    let (_directory, store, raw) = opened();
    issue(&store, 1).await;
    raw.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM key_uses; DELETE FROM keys").unwrap();
    assert_eq!(issue(&store, 2).await, id(2));
}

#[tokio::test]
async fn usage_of_a_key_that_is_gone_does_not_hold_up_the_rest() {
    let (_directory, store, _raw) = opened();
    let key = issue(&store, 1).await;
    store.add_usage(batch(1, 1, vec![used(id(99), 5), used(key, 5)])).await.unwrap();
    assert_eq!(usage(&store, key, 5).await.len(), 1);
}

#[tokio::test]
async fn details_say_what_was_before_and_after() {
    let (_directory, store, raw) = opened();
    issue(&store, 1).await;
    store.put_tier(tier("basic", vec![limit(5)]), audit(2)).await.unwrap();
    store.put_tier(tier("trial", Vec::new()), audit(3)).await.unwrap();
    let mut details = raw.prepare("SELECT details FROM audit ORDER BY id").unwrap();
    let details: Vec<String> =
        details.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let limits = |amount| {
        format!(r#"[{{"name":"requests","amount":{amount},"per_secs":60,"burst":{amount}}}]"#)
    };
    let expected = [
        r#"{"before":null,"after":{"name":"a","tier":"basic","owner":null,"scopes":[],"networks":[],"limits":null,"metadata":{},"expires_at":null,"state":"active","revoked_reason":null,"hint":"kw_1","grace_until":null}}"#.to_owned(),
        format!(r#"{{"before":{},"after":{}}}"#, limits(100), limits(5)),
        r#"{"before":null,"after":[]}"#.to_owned(),
    ];
    assert_eq!(details, expected);
    assert_eq!(trail(&store).await.len(), 3);
}

#[tokio::test]
async fn what_is_stored_leads_nowhere_near_a_secret() {
    let (directory, store, _raw) = opened();
    issue(&store, 0x4b4b_4b4b_4b4b_4b4b).await;
    let error = store.insert_key(new_key(0x4b4b_4b4b_4b4b_4b4b), audit(2)).await.unwrap_err();
    let text = format!("{error:?} {store:?} {directory:?}");
    assert!(!text.contains("KKKK") && !text.to_lowercase().contains("4b4b"), "{text}");
}
