//! Promises about rotations.

use crate::UnixMillis;
use crate::change::KeyChange;
use crate::digest::Digest;
use crate::record::KeyState;
use crate::rules::ChangeRejection;
use crate::store::StoreError;
use crate::stored::OwnedKey;

use super::sample::{
    audit, change, details, digest, edit, insert, issue, keys, new_key, rotate, rotation, verbs,
};
use super::{Error, Store};

/// Former secrets and when they end, the oldest first.
fn former(key: &OwnedKey) -> Vec<(Digest, u64)> {
    let former = key.key.former.iter();
    former.map(|former| (former.secret.digest, former.ends_at.0)).collect()
}

pub async fn a_rotation_gives_another_secret_and_keeps_the_key(store: &dyn Store) {
    let key = issue(store, 1).await;
    let before = details(store, key).await;
    let stored = rotate(store, key, 2, 100, 50).await;
    assert_eq!((stored.key.secret.digest, stored.key.version.get()), (digest(2), 2));
    assert_eq!(former(&stored), [(digest(1), 150)]);
    let after = details(store, key).await;
    assert_eq!((&after, after.stage(UnixMillis(60))), (&stored, before.stage(UnixMillis(60))));
    let (after, before) = (&after.key, &before.key);
    assert_eq!((&after.name, after.state), (&before.name, before.state));
    assert_eq!(after.secret.hint, "kw_0002");
    assert_eq!(after.rotated_at(), Some(UnixMillis(50)));
    assert_eq!(after.grace_until(), Some(UnixMillis(150)));
    assert_eq!(after.created_at, before.created_at);
    let loaded = keys(store).await;
    assert_eq!((loaded[0].key.secret.digest, former(&loaded[0])), (digest(2), former(&stored)));
    assert_eq!(verbs(store).await, ["issue", "rotate"]);
}

pub async fn a_second_rotation_ends_the_grace_of_the_first(store: &dyn Store) {
    let key = issue(store, 1).await;
    rotate(store, key, 2, 1_000, 50).await;
    let stored = rotate(store, key, 3, 1_000, 60).await;
    assert_eq!(former(&stored), [(digest(1), 60), (digest(2), 1_060)]);
    assert_eq!(stored.key.secret.digest, digest(3));
    assert_eq!(former(&keys(store).await[0]), former(&stored));
    assert_eq!(details(store, key).await.key.grace_until(), Some(UnixMillis(1_060)));
}

pub async fn a_grace_that_is_over_stays_over(store: &dyn Store) {
    let key = issue(store, 1).await;
    rotate(store, key, 2, 0, 50).await;
    let stored = rotate(store, key, 3, 10, 5_000).await;
    assert_eq!(former(&stored), [(digest(1), 50), (digest(2), 5_010)]);
}

pub async fn a_grace_ends_with_the_key(store: &dyn Store) {
    let mut new = new_key(1);
    new.expires_at = Some(UnixMillis(100));
    let key = insert(store, new, audit(1)).await;
    let stored = rotate(store, key, 2, 1_000, 50).await;
    assert_eq!(former(&stored), [(digest(1), 100)]);
    assert_eq!(stored.key.expires_at, Some(UnixMillis(100)));
    assert_eq!(details(store, key).await.key.expires_at, Some(UnixMillis(100)));
}

pub async fn an_expired_key_is_given_no_other_secret(store: &dyn Store) {
    let mut new = new_key(1);
    new.expires_at = Some(UnixMillis(100));
    let key = insert(store, new, audit(1)).await;
    let late = store.change_key(key, rotation(2, 10), None, audit(100)).await.unwrap_err();
    assert_eq!(late.rejection(), ChangeRejection::Expired);
    assert_eq!(keys(store).await[0].key.secret.digest, digest(1));
    assert_eq!(verbs(store).await, ["issue"]);
    assert_eq!(former(&rotate(store, key, 2, 10, 99).await), [(digest(1), 100)]);
}

pub async fn a_suspended_key_may_be_given_another_secret(store: &dyn Store) {
    let key = issue(store, 1).await;
    change(store, key, KeyChange::Suspend, audit(2)).await;
    let stored = rotate(store, key, 2, 10, 50).await;
    assert_eq!((stored.key.state, stored.key.secret.digest), (KeyState::Suspended, digest(2)));
}

pub async fn more_time_for_the_key_is_none_for_a_former_secret(store: &dyn Store) {
    let mut new = new_key(1);
    new.expires_at = Some(UnixMillis(100));
    let key = insert(store, new, audit(1)).await;
    rotate(store, key, 2, 1_000, 50).await;
    let longer = edit(|edit| edit.expires_at = Some(None));
    assert_eq!(former(&change(store, key, longer, audit(60)).await), [(digest(1), 100)]);
}

pub async fn a_digest_is_one_secret_of_one_key_whether_present_or_former(store: &dyn Store) {
    let key = issue(store, 1).await;
    rotate(store, key, 2, 1_000, 2).await;
    let before = verbs(store).await;
    for number in [1, 2] {
        for refused in [
            store.change_key(key, rotation(number, 0), None, audit(3)).await.map(drop),
            store.insert_key(new_key(number), audit(3)).await.map(drop),
        ] {
            assert!(
                matches!(refused, Err(Error::Store(StoreError::Inconsistent(_)))),
                "{refused:?}"
            );
        }
    }
    assert_eq!(verbs(store).await, before);
    assert_eq!(former(&keys(store).await[0]), [(digest(1), 1_002)]);
    let found = store.find_digests(vec![digest(1), digest(3), digest(2)]).await.unwrap();
    let found: Vec<_> =
        found.iter().map(|(digest, ends_at, _)| (*digest, ends_at.is_none())).collect();
    assert_eq!(found, [(digest(1), false), (digest(2), true)]);
}
