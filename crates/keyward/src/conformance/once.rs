//! Promises about requests that are made once.

use crate::KeyId;
use crate::audit::{Actor, Audit};
use crate::change::KeyChange;
use crate::once::{Earlier, Once};
use crate::rules::ChangeRejection;

use super::sample::{audit, issue, new_key, owner, revoke, rotation, verbs};
use super::{Error, Store};

/// A day, as long as a name is kept.
const DAY: u64 = 24 * 60 * 60 * 1_000;

/// A change at this time, which asks for `request` under the name `a`.
fn named(at: u64, request: u8) -> Audit {
    let once = Once { name: "a".parse().unwrap(), request: [request; 32] };
    Audit { once: Some(once), ..audit(at) }
}

async fn insert(store: &dyn Store, number: u64, audit: Audit) -> Result<KeyId, Earlier> {
    let told = store.earlier(audit.clone()).await.unwrap();
    let inserted = store.insert_key(new_key(number), audit).await;
    let inserted = match inserted.map_err(Error::rejection) {
        Ok(key) => Ok(key.key.id),
        Err(ChangeRejection::Earlier(earlier)) => Err(earlier),
        Err(other) => panic!("{other:?}"),
    };
    // The check beforehand reports the same as the change itself.
    assert_eq!(told, inserted.err());
    inserted
}

pub async fn a_request_issues_one_key(store: &dyn Store) {
    let id = insert(store, 1, named(1, 7)).await.unwrap();
    assert_eq!(insert(store, 2, named(2, 7)).await, Err(Earlier::Same(id)));
    assert_eq!(insert(store, 3, named(3, 8)).await, Err(Earlier::Other));
    assert_eq!(verbs(store).await, ["issue"]);
    assert!(insert(store, 4, audit(4)).await.is_ok(), "it has no name");
}

pub async fn a_request_rotates_once(store: &dyn Store) {
    let id = issue(store, 1).await;
    let rotate = async |number, audit| {
        let rotated = store.change_key(id, rotation(number, 0), None, audit).await;
        rotated.map(|key| key.key.version.get()).map_err(Error::rejection)
    };
    assert_eq!(rotate(2, named(2, 7)).await, Ok(2));
    let same = ChangeRejection::Earlier(Earlier::Same(id));
    assert_eq!(rotate(3, named(3, 7)).await, Err(same));
    assert_eq!(rotate(4, named(4, 8)).await, Err(ChangeRejection::Earlier(Earlier::Other)));
    assert_eq!(verbs(store).await, ["issue", "rotate"]);
}

pub async fn an_earlier_request_is_told_whatever_else_speaks_against_it(store: &dyn Store) {
    let id = insert(store, 1, named(1, 7)).await.unwrap();
    revoke(store, id, audit(2)).await;
    let mut new = new_key(3);
    new.owner = Some(owner("acme"));
    store.set_owner_suspended(owner("acme"), true, audit(3)).await.unwrap();
    let again = store.insert_key(new, named(4, 7)).await.unwrap_err();
    assert_eq!(again.rejection(), ChangeRejection::Earlier(Earlier::Same(id)));
    let rotated = store.change_key(id, rotation(5, 0), None, named(5, 7)).await.unwrap_err();
    assert_eq!(rotated.rejection(), ChangeRejection::Earlier(Earlier::Same(id)));
}

pub async fn each_actor_has_names_of_its_own(store: &dyn Store) {
    let by = |actor| Audit { actor, ..named(1, 7) };
    for (number, actor) in (1..).zip([
        Actor::AdminKey,
        Actor::Person("ada@example.com".to_owned()),
        Actor::Person("grace@example.com".to_owned()),
    ]) {
        assert!(insert(store, number, by(actor)).await.is_ok());
    }
}

pub async fn a_name_is_forgotten_after_a_day(store: &dyn Store) {
    assert!(insert(store, 1, named(5, 7)).await.is_ok());
    let again = insert(store, 2, named(4 + DAY, 7)).await;
    assert!(matches!(again, Err(Earlier::Same(_))));
    assert!(insert(store, 3, named(5 + DAY, 8)).await.is_ok());
    let again = insert(store, 4, named(6 + DAY, 8)).await;
    assert!(matches!(again, Err(Earlier::Same(_))), "it is kept anew");
}

pub async fn what_changed_nothing_keeps_no_name(store: &dyn Store) {
    let mut new = new_key(1);
    new.tier = "gone".parse().unwrap();
    assert_eq!(
        store.insert_key(new, named(1, 7)).await.unwrap_err().rejection(),
        ChangeRejection::UnknownTier
    );
    let id = issue(store, 2).await;
    revoke(store, id, audit(3)).await;
    let rotated = store.change_key(id, rotation(4, 0), None, named(4, 7)).await.unwrap_err();
    assert_eq!(rotated.rejection(), ChangeRejection::Revoked);
    let again = KeyChange::Revoke { reason: None };
    store.change_key(id, again, None, named(5, 7)).await.unwrap();
    assert_eq!(store.earlier(named(6, 7)).await.unwrap(), None);
    assert!(insert(store, 7, named(7, 9)).await.is_ok());
}
