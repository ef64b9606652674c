//! Promises about changes of a key: they happen once, whole, or not at all.

use std::sync::Arc;

use crate::UnixMillis;
use crate::change::KeyChange;
use crate::details::{Version, Versions};
use crate::limit::Limits;
use crate::network::Networks;
use crate::record::{KeyState, Scopes};
use crate::rules::ChangeRejection;
use crate::stored::OwnerRow;

use super::Store;
use super::sample::{
    audit, batch, change, details, digest, edit, id, issue, keys, limit, owner, revoke, rotation,
    usage, used, verbs,
};
use crate::stored::Key;

async fn refusal(
    store: &dyn Store,
    key: u64,
    change: KeyChange,
    expected: Option<u64>,
) -> ChangeRejection {
    let expected = expected.map(|version| Version::new(version).unwrap().into());
    store.change_key(id(key), change, expected, audit(50)).await.unwrap_err().rejection()
}

fn replace<T>(field: &mut T, wanted: Option<T>) {
    if let Some(wanted) = wanted {
        *field = wanted;
    }
}

pub async fn an_edit_changes_what_it_names_and_nothing_else(store: &dyn Store) {
    let (key, other) = (issue(store, 1).await, issue(store, 2).await);
    let (mut expected, untouched) = (details(store, key).await, details(store, other).await);
    let changes = [
        edit(|edit| edit.name = Some("Other".parse().unwrap())),
        edit(|edit| edit.tier = Some("pro".parse().unwrap())),
        edit(|edit| edit.owner = Some(Some(owner("org_1")))),
        edit(|edit| edit.scopes = Some(Scopes::new(vec!["a:b".parse().unwrap()]).unwrap())),
        edit(|edit| {
            edit.networks = Some(Networks::new(vec!["10.0.0.0/8".parse().unwrap()]).unwrap());
        }),
        edit(|edit| edit.limits = Some(Some(Limits::of(Some(limit(7)))))),
        edit(|edit| edit.notes.metadata = Some(r#"{"a":1}"#.parse().unwrap())),
        edit(|edit| edit.expires_at = Some(Some(UnixMillis(90)))),
    ];
    for (number, step) in (2..).zip(changes) {
        let KeyChange::Edit(wanted) = step.clone() else { panic!("these are edits") };
        let stored = change(store, key, step, audit(number)).await;
        let wanted_of = Arc::make_mut(&mut expected.key);
        wanted_of.version = Version::new(number).unwrap();
        replace(&mut wanted_of.name, wanted.name);
        replace(&mut wanted_of.tier, wanted.tier);
        replace(&mut wanted_of.owner, wanted.owner);
        replace(&mut wanted_of.scopes, wanted.scopes);
        replace(&mut wanted_of.networks, wanted.networks);
        replace(&mut wanted_of.limits, wanted.limits);
        wanted.notes.apply(&mut wanted_of.notes);
        replace(&mut wanted_of.expires_at, wanted.expires_at);
        let found = details(store, key).await;
        // Which row that is may differ between stores; it is the one of the name.
        wanted_of.tier_id = found.key.tier_id;
        assert_eq!((&found.key, &stored.key), (&expected.key, &expected.key));
    }
    assert_eq!(details(store, other).await, untouched);
}

pub async fn an_edit_can_take_away(store: &dyn Store) {
    let key = issue(store, 1).await;
    let before = details(store, key).await;
    let give = edit(|edit| {
        edit.owner = Some(Some(owner("org_1")));
        edit.limits = Some(Some(Limits::of(None)));
        edit.expires_at = Some(Some(UnixMillis(90)));
    });
    change(store, key, give, audit(2)).await;
    let take = edit(|edit| {
        edit.owner = Some(None);
        edit.limits = Some(None);
        edit.expires_at = Some(None);
    });
    change(store, key, take, audit(3)).await;
    let after = details(store, key).await;
    let again = Key { version: before.key.version, ..Key::clone(&after.key) };
    assert_eq!((again, after.key.version.get()), (Key::clone(&before.key), 3));
    assert_eq!(store.find_owner(owner("org_1")).await.unwrap().filter(OwnerRow::is_known), None);
}

pub async fn what_changes_nothing_counts_up_no_version(store: &dyn Store) {
    let key = issue(store, 1).await;
    let before = details(store, key).await;
    let same_name = edit(|edit| edit.name = Some("a".parse().unwrap()));
    for step in [edit(|_| {}), same_name, KeyChange::Resume] {
        let stored = change(store, key, step, audit(2)).await;
        assert_eq!((stored.key.version, &stored), (Version::FIRST, &before));
    }
    assert_eq!(details(store, key).await, before);
    assert_eq!(verbs(store).await, ["issue"]);
}

pub async fn a_change_of_another_version_is_refused(store: &dyn Store) {
    let key = issue(store, 1).await;
    change(store, key, KeyChange::Suspend, audit(2)).await;
    let stale = ChangeRejection::StaleKey(Versions::from(Version::new(2).unwrap()));
    let revoke = KeyChange::Revoke { reason: None };
    for step in [KeyChange::Resume, revoke, rotation(2, 0), edit(|_| {})] {
        for expected in [1, 3] {
            assert_eq!(refusal(store, 1, step.clone(), Some(expected)).await, stale);
        }
    }
    assert_eq!(verbs(store).await, ["issue", "suspend"]);
    let expected = Version::new(2).map(Versions::from);
    let done = store.change_key(key, KeyChange::Resume, expected, audit(3)).await.unwrap();
    assert_eq!(done.key.version.get(), 3);
}

pub async fn an_edit_to_an_unknown_tier_is_refused(store: &dyn Store) {
    let key = issue(store, 1).await;
    let before = details(store, key).await;
    let step = edit(|edit| {
        edit.name = Some("Other".parse().unwrap());
        edit.tier = Some("gold".parse().unwrap());
    });
    assert_eq!(refusal(store, 1, step, None).await, ChangeRejection::UnknownTier);
    assert_eq!(details(store, key).await, before);
    assert_eq!(verbs(store).await, ["issue"]);
}

pub async fn a_change_of_no_key_is_refused(store: &dyn Store) {
    issue(store, 1).await;
    let revoke = KeyChange::Revoke { reason: None };
    for step in [KeyChange::Suspend, KeyChange::Resume, revoke, rotation(2, 0), edit(|_| {})] {
        assert_eq!(refusal(store, 2, step, None).await, ChangeRejection::UnknownKey);
    }
    assert_eq!(verbs(store).await, ["issue"]);
}

pub async fn suspending_and_resuming_are_states(store: &dyn Store) {
    let key = issue(store, 1).await;
    for (version, again) in [(2, false), (2, true)] {
        let stored = change(store, key, KeyChange::Suspend, audit(version)).await;
        assert_eq!(stored.key.state, KeyState::Suspended, "{again}");
        assert_eq!(details(store, key).await.key.version.get(), version);
    }
    for _ in 0..2 {
        let stored = change(store, key, KeyChange::Resume, audit(4)).await;
        assert_eq!((stored.key.state, stored.key.version.get()), (KeyState::Active, 3));
    }
    assert_eq!(verbs(store).await, ["issue", "suspend", "resume"]);
}

pub async fn revoking_is_final_and_keeps_its_reason(store: &dyn Store) {
    let key = issue(store, 1).await;
    let reason: crate::details::Reason = "found in public".parse().unwrap();
    let step = KeyChange::Revoke { reason: Some(reason.clone()) };
    let stored = change(store, key, step, audit(50)).await;
    assert_eq!(stored.key.state, KeyState::Revoked { at: UnixMillis(50) });
    assert_eq!((stored.key.secret.digest, stored.key.version.get()), (digest(1), 2));
    assert_eq!(details(store, key).await.key.revoked_reason, Some(reason));
    let before = details(store, key).await;
    for step in [KeyChange::Suspend, KeyChange::Resume, rotation(2, 0), edit(|_| {})] {
        assert_eq!(refusal(store, 1, step, None).await, ChangeRejection::Revoked);
    }
    assert_eq!(details(store, key).await, before);
    assert!(store.find_digests(vec![digest(2)]).await.unwrap().is_empty());
    assert_eq!(verbs(store).await, ["issue", "revoke"]);
}

pub async fn revoking_again_changes_nothing(store: &dyn Store) {
    let key = issue(store, 1).await;
    let first = revoke(store, key, audit(50)).await;
    let before = details(store, key).await;
    let reason = Some("another".parse().unwrap());
    let again = change(store, key, KeyChange::Revoke { reason }, audit(60)).await;
    assert_eq!(again, first);
    assert_eq!(details(store, key).await, before);
    assert_eq!(verbs(store).await, ["issue", "revoke"]);
}

pub async fn a_revoked_key_keeps_its_row_and_its_usage(store: &dyn Store) {
    let key = issue(store, 1).await;
    store.add_usage(batch(1, 1, vec![used(key, 5)])).await.unwrap();
    revoke(store, key, audit(50)).await;
    let state = KeyState::Revoked { at: UnixMillis(50) };
    assert_eq!(details(store, key).await.key.state, state);
    assert_eq!(usage(store, key, 0).await.len(), 1);
    assert_eq!(keys(store).await[0].key.state, state);
}

pub async fn what_is_asked_of_a_closed_store_is_refused(store: &dyn Store) {
    let key = issue(store, 1).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert!(store.find_key(key).await.is_err());
    assert!(store.change_key(key, KeyChange::Suspend, None, audit(2)).await.is_err());
}
