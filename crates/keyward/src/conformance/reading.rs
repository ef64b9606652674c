//! Promises about reading keys one by one, by their digests, and all in turn.

use crate::record::{KEY_ID_MAX, KeyState};
use crate::store::Page;
use crate::{KeyId, UnixMillis};

use super::Store;
use super::sample::{audit, digest, id, insert, issue, keys, new_key, revoke, rotate, rotation};

pub async fn keys_load_in_pages_lowest_first(store: &dyn Store) {
    for number in 1..=5 {
        issue(store, number).await;
    }
    for max in [1, 2, 5, 10] {
        let mut snapshot = store.snapshot().await.unwrap();
        let mut ids = Vec::new();
        while let Some(page) = snapshot.next(max).await.unwrap() {
            let Page::Keys(keys) = page else { continue };
            assert!((1..=max as usize).contains(&keys.len()), "at most {max}");
            assert!(keys.iter().all(|key| key.secret.digest == digest(key.id.get())));
            ids.extend(keys.iter().map(|key| key.id.get()));
        }
        assert_eq!(ids, [1, 2, 3, 4, 5]);
        assert!(snapshot.next(max).await.unwrap().is_none(), "the end stays the end");
    }
}

pub async fn revoked_keys_load_too(store: &dyn Store) {
    let key = issue(store, 1).await;
    revoke(store, key, audit(50)).await;
    assert!(matches!(keys(store).await[0].key.state, KeyState::Revoked { .. }));
}

pub async fn a_key_that_is_not_there_is_none(store: &dyn Store) {
    issue(store, 1).await;
    assert_eq!(store.find_key(id(2)).await.unwrap(), None);
    assert_eq!(store.find_key(id(KEY_ID_MAX)).await.unwrap(), None);
}

/// Digests by number, when the grace of those ends that were replaced, and whose they are; by
/// number.
async fn found(store: &dyn Store, numbers: &[u64]) -> Vec<(u64, Option<UnixMillis>, KeyId)> {
    let digests = numbers.iter().copied().map(digest).collect();
    let number = |found| numbers.iter().copied().find(|number| digest(*number) == found).unwrap();
    let all = store.find_digests(digests).await.unwrap().into_iter();
    let mut all: Vec<_> =
        all.map(|(found, ends_at, key)| (number(found), ends_at, key.key.id)).collect();
    all.sort_unstable();
    all
}

pub async fn digests_find_the_keys_that_have_or_had_them(store: &dyn Store) {
    let (first, second) = (issue(store, 1).await, issue(store, 2).await);
    rotate(store, first, 3, 0, 50).await;
    rotate(store, first, 4, 0, 60).await;
    revoke(store, second, audit(70)).await;
    let all = found(store, &[9, 4, 2, 1, 3, 8]).await;
    let ended = |at| Some(UnixMillis(at));
    let expected =
        [(1, ended(50), first), (2, None, second), (3, ended(60), first), (4, None, first)];
    assert_eq!(all, expected);
    assert!(found(store, &[]).await.is_empty());
    assert!(found(store, &[9]).await.is_empty());
}

pub async fn a_secret_that_was_refused_finds_nothing(store: &dyn Store) {
    let key = issue(store, 1).await;
    revoke(store, key, audit(50)).await;
    store.change_key(key, rotation(2, 0), None, audit(60)).await.unwrap_err();
    let mut new = new_key(3);
    new.tier = "gold".parse().unwrap();
    store.insert_key(new, audit(70)).await.unwrap_err();
    assert_eq!(found(store, &[1, 2, 3]).await, [(1, None, key)]);
}

pub async fn prefixes_come_once_and_in_order(store: &dyn Store) {
    assert!(store.prefixes().await.unwrap().is_empty());
    for (number, hint) in (1..).zip(["kw_abcd", "acme_live_0000", "kw_efgh", "", "not a hint"]) {
        let mut new = new_key(number);
        new.secret.hint = hint.to_owned();
        insert(store, new, audit(number)).await;
    }
    let mut copy = super::sample::copy(9);
    copy.secret.hint = "b_0000".to_owned();
    store.import_keys(vec![copy], false, audit(9)).await.unwrap();
    assert_eq!(store.prefixes().await.unwrap(), ["acme_live", "b", "kw"]);
}
