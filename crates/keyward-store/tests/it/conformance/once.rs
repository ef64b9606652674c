//! What is promised of requests that are made once.

use keyward::audit::{Actor, Audit};
use keyward::change::{ChangeRefusal, Changed, KeyChange};
use keyward::once::{Earlier, Once};
use keyward::store::Inserted;

use crate::sample::{Store, audit, issue, new_key, owner, revoke, rotation, verbs};

super::promises!(
    a_request_issues_one_key,
    a_request_rotates_once,
    an_earlier_request_is_told_whatever_else_speaks_against_it,
    each_actor_has_names_of_its_own,
    a_name_is_forgotten_after_a_day,
    what_changed_nothing_keeps_no_name,
);

/// A day, as long as a name is kept.
const DAY: u64 = 24 * 60 * 60 * 1_000;

/// A change at this time, which asks for `request` under the name `a`.
fn named(at: u64, request: u8) -> Audit {
    let once = Once { name: "a".parse().unwrap(), request: [request; 32] };
    Audit { once: Some(once), ..audit(at) }
}

async fn insert(store: &dyn Store, number: u64, audit: Audit) -> Inserted {
    let told = store.earlier(audit.clone()).await.unwrap();
    let inserted = store.insert_key(new_key(number), audit).await.unwrap();
    // What is told beforehand is what the change itself finds.
    let found = match inserted {
        Inserted::Earlier(earlier) => Some(earlier),
        Inserted::Done { .. } | Inserted::UnknownTier | Inserted::OwnerSuspended => None,
    };
    assert_eq!(told, found);
    inserted
}

async fn a_request_issues_one_key(store: &dyn Store) {
    let Inserted::Done { id, .. } = insert(store, 1, named(1, 7)).await else {
        panic!("it is the first")
    };
    assert_eq!(insert(store, 2, named(2, 7)).await, Inserted::Earlier(Earlier::Same(id)));
    assert_eq!(insert(store, 3, named(3, 8)).await, Inserted::Earlier(Earlier::Other));
    assert_eq!(verbs(store).await, ["issue"]);
    assert!(matches!(insert(store, 4, audit(4)).await, Inserted::Done { .. }), "it has no name");
}

async fn a_request_rotates_once(store: &dyn Store) {
    let id = issue(store, 1).await;
    let rotate = async |number, audit| match store
        .change_key(id, rotation(number, 0), None, audit)
        .await
        .unwrap()
    {
        Changed::Done(key) => Ok(key.version.get()),
        Changed::Refused(refusal) => Err(refusal),
    };
    assert_eq!(rotate(2, named(2, 7)).await, Ok(2));
    let same = ChangeRefusal::Earlier(Earlier::Same(id));
    assert_eq!(rotate(3, named(3, 7)).await, Err(same));
    assert_eq!(rotate(4, named(4, 8)).await, Err(ChangeRefusal::Earlier(Earlier::Other)));
    assert_eq!(verbs(store).await, ["issue", "rotate"]);
}

async fn an_earlier_request_is_told_whatever_else_speaks_against_it(store: &dyn Store) {
    let Inserted::Done { id, .. } = insert(store, 1, named(1, 7)).await else {
        panic!("it is the first")
    };
    revoke(store, id, audit(2)).await;
    let mut new = new_key(3);
    new.key.owner = Some(owner("acme"));
    store.set_owner_suspended(owner("acme"), true, audit(3)).await.unwrap();
    let again = store.insert_key(new, named(4, 7)).await.unwrap();
    assert_eq!(again, Inserted::Earlier(Earlier::Same(id)));
    let rotated = store.change_key(id, rotation(5, 0), None, named(5, 7)).await.unwrap();
    let Changed::Refused(refusal) = rotated else { panic!("the key is revoked") };
    assert_eq!(refusal, ChangeRefusal::Earlier(Earlier::Same(id)));
}

async fn each_actor_has_names_of_its_own(store: &dyn Store) {
    let by = |actor| Audit { actor, ..named(1, 7) };
    for (number, actor) in (1..).zip([
        Actor::AdminKey,
        Actor::Person("ada@example.com".to_owned()),
        Actor::Person("grace@example.com".to_owned()),
    ]) {
        assert!(matches!(insert(store, number, by(actor)).await, Inserted::Done { .. }));
    }
}

async fn a_name_is_forgotten_after_a_day(store: &dyn Store) {
    assert!(matches!(insert(store, 1, named(5, 7)).await, Inserted::Done { .. }));
    let again = insert(store, 2, named(4 + DAY, 7)).await;
    assert!(matches!(again, Inserted::Earlier(Earlier::Same(_))));
    assert!(matches!(insert(store, 3, named(5 + DAY, 8)).await, Inserted::Done { .. }));
    let again = insert(store, 4, named(6 + DAY, 8)).await;
    assert!(matches!(again, Inserted::Earlier(Earlier::Same(_))), "it is kept anew");
}

async fn what_changed_nothing_keeps_no_name(store: &dyn Store) {
    let mut new = new_key(1);
    new.key.tier = "gone".parse().unwrap();
    assert_eq!(store.insert_key(new, named(1, 7)).await.unwrap(), Inserted::UnknownTier);
    let id = issue(store, 2).await;
    revoke(store, id, audit(3)).await;
    let rotated = store.change_key(id, rotation(4, 0), None, named(4, 7)).await.unwrap();
    assert!(matches!(rotated, Changed::Refused(ChangeRefusal::Revoked)));
    let again = KeyChange::Revoke { reason: None };
    let revoked = store.change_key(id, again, None, named(5, 7)).await.unwrap();
    assert!(matches!(revoked, Changed::Done(_)));
    assert_eq!(store.earlier(named(6, 7)).await.unwrap(), None);
    assert!(matches!(insert(store, 7, named(7, 9)).await, Inserted::Done { .. }));
}
