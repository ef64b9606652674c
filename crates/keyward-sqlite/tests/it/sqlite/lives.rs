//! The traces of a key's life in the file: all of it, or nothing.

use keyward::UnixMillis;
use keyward::audit::{Chain, ChainError, ChangeId};
use keyward::change::KeyChange;
use keyward::details::Version;
use keyward::record::Owner;
use keyward::rules::ChangeRejection;
use keyward::store::{KeyStore as _, Reports as _};
use keyward::stored::Unkept;
use keyward_sqlite::SqliteStore;

use crate::sample::{
    Store as _, audit, change, digest, edit, id, insert, issue, keys, limit, new_key, opened,
    revoke, rotation, tier, trail,
};

fn acme() -> Owner {
    "acme".parse().unwrap()
}

fn of_acme(number: u64) -> Unkept {
    let mut new = new_key(number);
    new.owner = Some(acme());
    new
}

fn rename(name: &str) -> KeyChange {
    edit(|edit| edit.name = Some(name.parse().unwrap()))
}

/// A little of everything.
async fn live(store: &SqliteStore) {
    let key = insert(store, of_acme(1), audit(1)).await;
    change(store, key, rename("b"), audit(2)).await;
    change(store, key, KeyChange::Suspend, audit(3)).await;
    change(store, key, rotation(2, 50), audit(4)).await;
    change(store, key, KeyChange::Resume, audit(5)).await;
    store.set_owner_suspended(acme(), true, audit(6)).await.unwrap();
    store.put_tier(tier("trial", vec![limit(5)]), audit(7)).await.unwrap();
    store.delete_tier("trial".parse().unwrap(), audit(8)).await.unwrap();
    store.set_owner_suspended(acme(), false, audit(9)).await.unwrap();
    revoke(store, key, audit(10)).await;
}

#[tokio::test]
async fn every_change_is_on_the_chain() {
    let (_directory, store, _raw) = opened();
    live(&store).await;
    let trail = trail(&store).await;
    let verbs: Vec<_> = trail.iter().map(|entry| entry.verb.as_str()).collect();
    let expected = [
        "issue",
        "edit",
        "suspend",
        "rotate",
        "resume",
        "suspend-owner",
        "put-tier",
        "delete-tier",
        "resume-owner",
        "revoke",
    ];
    assert_eq!(verbs, expected);
    let mut chain = Chain::default();
    trail.iter().for_each(|entry| chain.follow(entry).unwrap());
    let details: Vec<_> = trail.iter().map(|entry| entry.details.as_deref().unwrap()).collect();
    assert_eq!(details[1], r#"{"before":{"name":"a"},"after":{"name":"b"}}"#);
    let rotated = r#"{"before":{"hint":"kw_1","grace_until":null},"after":{"hint":"kw_0002","grace_until":54}}"#;
    assert_eq!(details[3], rotated);
    let suspended = r#"{"before":{"state":"active"},"after":{"state":"suspended"},"keys":1}"#;
    assert_eq!(details[5], suspended);
    let hex = "5a5a5a";
    assert!(details.iter().all(|details| !details.contains(hex)), "{details:?}");
}

#[tokio::test]
async fn a_row_of_the_trail_that_was_touched_is_named() {
    let (_directory, store, raw) = opened();
    live(&store).await;
    let broken = async || {
        let mut chain = Chain::default();
        trail(&store).await.iter().find_map(|entry| chain.follow(entry).err())
    };
    assert_eq!(broken().await, None);
    raw.execute_batch(
        "PRAGMA ignore_check_constraints = ON; CREATE TABLE kept AS SELECT * FROM audit",
    )
    .unwrap();
    // Also into what nothing here would ever write.
    for alteration in [
        "actor = 'eve'",
        "actor = CAST(X'ff' AS TEXT)",
        "at_ms = -1",
        "key_id = 0",
        "key_id = -7",
        "key_id = NULL",
        "tier = 'A B'",
        "owner = 'x y'",
        "owner = ''",
        "verb = 'frob'",
        "address = '256.0.0.1'",
        "details = '{'",
        "request_id = NULL",
        "digest = X'00'",
    ] {
        raw.execute_batch(&format!("UPDATE audit SET {alteration} WHERE id = 4")).unwrap();
        assert_eq!(broken().await, Some(ChainError::Altered(ChangeId(4))), "{alteration}");
        let undone = "REPLACE INTO audit SELECT * FROM kept WHERE id = 4";
        raw.execute_batch(undone).unwrap();
    }
    raw.execute_batch("UPDATE audit SET previous = X'' WHERE id = 1").unwrap();
    assert_eq!(broken().await, Some(ChainError::Unlinked(ChangeId(1))));
    raw.execute_batch("REPLACE INTO audit SELECT * FROM kept WHERE id = 1").unwrap();
    assert_eq!(broken().await, None);
    for moved in [-4, 0] {
        raw.execute("UPDATE audit SET id = ?1 WHERE id = 4", [moved]).unwrap();
        assert_eq!(broken().await, Some(ChainError::Unlinked(ChangeId(5))), "{moved}");
        raw.execute("UPDATE audit SET id = 4 WHERE id = ?1", [moved]).unwrap();
    }
    raw.execute_batch("DELETE FROM audit WHERE id = 4").unwrap();
    assert_eq!(broken().await, Some(ChainError::Unlinked(ChangeId(5))));
}

#[tokio::test]
async fn no_entry_no_change_of_any_kind() {
    let (_directory, store, raw) = opened();
    let key = insert(&store, of_acme(1), audit(1)).await;
    change(&store, key, rotation(2, 1_000), audit(2)).await;
    store.put_tier(tier("trial", Vec::new()), audit(3)).await.unwrap();
    let copies = store.export_keys(None, 10).await.unwrap();
    raw.execute_batch(
        "CREATE TRIGGER no_audit BEFORE INSERT ON audit \
         BEGIN SELECT raise(ABORT, 'no room in the book'); END",
    )
    .unwrap();
    let before = store.find_key(key).await.unwrap();
    let changes =
        [rename("b"), KeyChange::Suspend, rotation(3, 0), KeyChange::Revoke { reason: None }];
    for wanted in changes {
        store.change_key(key, wanted, None, audit(4)).await.unwrap_err();
    }
    store.set_owner_suspended(acme(), true, audit(5)).await.unwrap_err();
    store.delete_tier("trial".parse().unwrap(), audit(6)).await.unwrap_err();
    let mut other = copies[0].clone();
    (other.id, other.secret.digest) = (None, digest(9));
    other.former.clear();
    store.import_keys(vec![other], false, audit(7)).await.unwrap_err();

    assert_eq!(store.find_key(key).await.unwrap(), before);
    assert_eq!(store.export_keys(None, 10).await.unwrap(), copies);
    assert_eq!(keys(&store).await[0].key.former[0].ends_at, UnixMillis(1_002));
    assert_eq!(store.find_owner(acme()).await.unwrap().unwrap().suspended_at, None);
    assert_eq!(store.tiers().await.unwrap().len(), 4);
}

#[tokio::test]
async fn an_owner_and_all_its_keys_are_suspended_together() {
    let (_directory, store, raw) = opened();
    for number in 1..=20 {
        insert(&store, of_acme(number), audit(number)).await;
    }
    let other = issue(&store, 21).await;
    revoke(&store, id(20), audit(22)).await;
    let suspended = store.set_owner_suspended(acme(), true, audit(30)).await.unwrap();
    assert_eq!((suspended.keys, suspended.revoked_keys, suspended.version.0), (20, 1, 1));
    let theirs = async || {
        let keys = keys(&store).await;
        keys.into_iter().filter(|key| key.is_owner_suspended()).count()
    };
    assert_eq!(theirs().await, 20);
    assert_eq!(store.find_key(other).await.unwrap().unwrap().key.version, Version::FIRST);
    assert_eq!(
        store.insert_key(of_acme(40), audit(31)).await.unwrap_err().rejection(),
        ChangeRejection::OwnerSuspended
    );
    let entries = trail(&store).await.len();
    let again = store.set_owner_suspended(acme(), true, audit(32)).await.unwrap();
    assert_eq!(again, suspended);
    assert_eq!(trail(&store).await.len(), entries, "nothing changed");

    let mine = edit(|edit| edit.owner = Some(Some(acme())));
    let moved = change(&store, other, mine, audit(33)).await;
    assert!(moved.is_owner_suspended());
    let nobodys = edit(|edit| edit.owner = Some(None));
    let moved = change(&store, other, nobodys, audit(34)).await;
    assert!(!moved.is_owner_suspended());

    // No row of a key is written for its owner.
    raw.execute_batch(
        "CREATE TRIGGER no_key BEFORE UPDATE ON keys BEGIN SELECT raise(ABORT, 'a key'); END",
    )
    .unwrap();
    let resumed = store.set_owner_suspended(acme(), false, audit(35)).await.unwrap();
    assert_eq!((resumed.suspended_at, resumed.version.0), (None, 2));
    assert_eq!(theirs().await, 0);
}

#[tokio::test]
async fn a_dry_run_leaves_no_trace_and_sees_what_the_batch_itself_takes() {
    let (_directory, store, raw) = opened();
    let key = issue(&store, 1).await;
    change(&store, key, rotation(2, 1_000), audit(2)).await;
    let mut copy = store.export_keys(None, 1).await.unwrap().remove(0);
    (copy.id, copy.secret.digest) = (Some(id(70)), digest(10));
    copy.former[0].secret.digest = digest(11);
    let mut other = copy.clone();
    other.former[0].secret.digest = digest(12);
    let mut taken = copy.clone();
    (taken.id, taken.former[0].secret.digest) = (None, digest(13));
    let batch = || vec![copy.clone(), copy.clone(), other.clone(), taken.clone()];
    let tables = "SELECT (SELECT count(*) FROM keys) + (SELECT count(*) FROM former_secrets) \
                  + (SELECT count(*) FROM key_uses) + (SELECT count(*) FROM audit) \
                  + (SELECT seq FROM sqlite_sequence WHERE name = 'keys')";
    let count = || raw.query_row(tables, [], |row| row.get::<_, u64>(0)).unwrap();
    let before = count();
    let told = format!("{:?}", store.import_keys(batch(), true, audit(5)).await.unwrap());
    assert_eq!(count(), before);
    assert!(told.contains("Skipped(KeyId(70))"), "{told}");
    assert!(told.contains("IdTaken") && told.contains("DigestTaken(KeyId(70))"), "{told}");
    let done = format!("{:?}", store.import_keys(batch(), false, audit(6)).await.unwrap());
    assert_eq!(told, done);
    assert_eq!(issue(&store, 99).await, id(71));
}
