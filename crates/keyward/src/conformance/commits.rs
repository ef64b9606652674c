//! Promises about changes of every kind.

use crate::audit::{Audit, Chain, ChainDigest, ChangeId, Mark};
use crate::change::KeyChange;
use crate::details::{OwnerVersion, Versions};
use crate::record::KeyId;
use crate::rules::{Change, ChangeRejection, Decided, OwnerChange, Progress, TierBefore};
use crate::store::StoreError;

use super::Store;
use super::sample::{
    audit, copy, details, id, issue, keys, limit, new_key, owner, revoke, tier, trail, verbs,
};

/// Makes a change, and returns the newest change as of it.
async fn newest(store: &dyn Store, change: Change) -> u64 {
    store.commit(change, audit(50)).await.unwrap().newest.change.0
}

fn suspend(key: u64) -> Change {
    Change::Key { id: id(key), change: KeyChange::Suspend, expected: None }
}

pub async fn each_change_says_which_is_the_newest(store: &dyn Store) {
    assert_eq!(newest(store, suspend(1)).await, 0, "there is no key and no change");
    assert_eq!(newest(store, Change::Issue(Box::new(new_key(1)))).await, 1);
    assert_eq!(newest(store, suspend(1)).await, 2);
    assert_eq!(newest(store, suspend(1)).await, 2, "nothing was written");
    assert_eq!(newest(store, suspend(9)).await, 2, "it was rejected");
    let keys = [copy(2), copy(3), copy(2)].map(Into::into).to_vec();
    let import = |dry_run| Change::Import { keys: keys.clone(), dry_run };
    assert_eq!(newest(store, import(true)).await, 2);
    assert_eq!(newest(store, import(false)).await, 4, "an entry for each key");
    assert_eq!(newest(store, Change::AcceptClock).await, 5);
    let last = trail(store).await.pop().unwrap();
    assert_eq!(last.id, ChangeId(5));
    let committed = store.commit(suspend(9), audit(50)).await.unwrap();
    assert_eq!(committed.newest, Mark { change: last.id, digest: last.digest });
}

pub async fn no_number_is_given_again_that_a_node_knows_of(store: &dyn Store) {
    assert_eq!(issue(store, 1).await, id(1));
    let (change, digest) = (ChangeId(40), ChainDigest([0xab; 32]));
    let known = Progress { change, digest, key: Some(id(9)), tier: None };
    assert_eq!(newest(store, Change::Diverged(known)).await, 41);
    assert_eq!(issue(store, 2).await, id(10));
    let entries = trail(store).await;
    let [_, lost, issued] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((lost.verb.as_str(), issued.id), ("diverged", ChangeId(42)));
    assert_eq!((lost.key_id, &lost.tier, &lost.owner), (None, &None, &None));
    let mut chain = Chain::default();
    entries.iter().try_for_each(|entry| chain.follow(entry)).unwrap();
}

/// A change brings what its node knows of the trail, which is made up of other entries after the
/// store went back in time.
pub async fn a_change_follows_what_its_node_knows(store: &dyn Store) {
    for number in 1..=3 {
        issue(store, number).await;
    }
    let entries = trail(store).await;
    let mark = |at: usize| Mark { change: entries[at].id, digest: entries[at].digest };
    let other = |number| Mark { change: ChangeId(number), digest: ChainDigest([0xab; 32]) };
    let commit = async |after, change| {
        let audit = Audit { after: Some(after), ..audit(50) };
        store.commit(change, audit).await
    };
    for after in [Mark::START, mark(0), mark(1), mark(2)] {
        assert!(commit(after, Change::AcceptClock).await.unwrap().outcome.is_ok());
    }
    let before = trail(store).await;
    for lost in [other(1), other(3), other(before.len() as u64), other(99)] {
        let issue = Change::Issue(Box::new(new_key(9)));
        let import = Change::Import { keys: vec![copy(9)], dry_run: false };
        for change in [issue, import, suspend(1), suspend(9), Change::AcceptClock] {
            match commit(lost, change).await {
                Err(StoreError::WentBack(told)) => assert_eq!(told, lost),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(trail(store).await, before);
    // Others that are made together with it are made, whatever entry they bring.
    let together = [mark(0), other(2), mark(1), mark(2), other(3), mark(2)];
    let audit_after = |after| Audit { after: Some(after), ..audit(50) };
    let commits = together.map(|after| (after, store.commit(suspend(1), audit_after(after))));
    let mut commits = commits.into_iter().collect::<Vec<_>>();
    std::future::poll_fn(|context| {
        commits.retain_mut(|(after, commit)| match commit.as_mut().poll(context) {
            std::task::Poll::Pending => true,
            std::task::Poll::Ready(made) => {
                assert_eq!(made.is_err(), after.digest.0 == [0xab; 32], "{after:?}: {made:?}");
                false
            }
        });
        if commits.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    let digest = ChainDigest([0xab; 32]);
    let known = Progress { change: ChangeId(99), digest, key: None, tier: None };
    let lost = commit(known.mark(), Change::Diverged(known)).await.unwrap();
    assert_eq!(lost.newest.change, ChangeId(100), "a loss is put on record for it");
}

pub async fn what_is_rejected_writes_nothing(store: &dyn Store) {
    let key = issue(store, 1).await;
    let before = (details(store, key).await, trail(store).await);
    let other = Versions { key: before.0.key.version.next(), owner: OwnerVersion(0) };
    let (name, limits) = (tier("basic", Vec::new()).name, tier("a", vec![limit(5)]).limits);
    let absent = TierBefore::Exactly(None);
    let stale = OwnerVersion(7);
    let change = KeyChange::Suspend;
    let org = owner("org_1");
    let changes = [
        Change::Key { id: key, change, expected: Some(other) },
        Change::PutTier { name: name.clone(), limits, before: absent.clone() },
        Change::DeleteTier { name: name.clone(), before: absent },
        Change::DeleteTier { name, before: TierBefore::Any },
        Change::Owner { owner: org, change: OwnerChange::Suspend, expected: Some(stale) },
    ];
    let mut told = Vec::new();
    for change in changes {
        told.push(store.commit(change, audit(60)).await.unwrap().outcome.unwrap_err());
    }
    let present = Versions { key: before.0.key.version, owner: OwnerVersion(0) };
    let expected = [
        ChangeRejection::StaleKey(present),
        ChangeRejection::StaleTier,
        ChangeRejection::StaleTier,
        ChangeRejection::TierUsed(1),
        ChangeRejection::StaleOwner(OwnerVersion(0)),
    ];
    assert_eq!(told, expected);
    assert_eq!((details(store, key).await, trail(store).await), before);
}

pub async fn an_owner_keeps_its_limits_whether_it_has_keys_or_not(store: &dyn Store) {
    let limits = tier("a", vec![limit(5)]).limits;
    let edit = |limits| Change::Owner {
        owner: owner("org_1"),
        change: OwnerChange::Edit { limits },
        expected: None,
    };
    store.make(edit(limits.clone()), audit(1)).await.unwrap();
    let mut new = new_key(1);
    new.owner = Some(owner("org_1"));
    let key = store.insert_key(new, audit(2)).await.unwrap().key.id;
    let kept = store.find_key(key).await.unwrap().unwrap().owner.unwrap();
    assert_eq!((kept.limits, kept.version, kept.keys), (limits, OwnerVersion(1), 1));
    let none = tier("a", Vec::new()).limits;
    let Decided::Owner(row) = store.make(edit(none.clone()), audit(3)).await.unwrap() else {
        panic!("an owner was edited")
    };
    assert_eq!((row.limits, row.version), (none, OwnerVersion(2)));
    assert_eq!(verbs(store).await, ["edit-owner", "issue", "edit-owner"]);
}

/// Twenty changes that begin before any of them ends, as a store may join them.
pub async fn changes_that_are_made_together_are_one_after_the_other(store: &dyn Store) {
    let mut changes: Vec<_> = (1..=20)
        .map(|number| {
            let mut new = new_key(number);
            new.owner = Some(owner("org_1"));
            store.commit(Change::Issue(Box::new(new)), audit(number))
        })
        .collect();
    let mut newest = Vec::new();
    let mut ids = Vec::new();
    std::future::poll_fn(|context| {
        changes.retain_mut(|change| match change.as_mut().poll(context) {
            std::task::Poll::Pending => true,
            std::task::Poll::Ready(committed) => {
                let committed = committed.unwrap();
                let Ok(Decided::Issued { key, .. }) = committed.outcome else {
                    panic!("a key was issued")
                };
                newest.push(committed.newest.change.0);
                ids.push(key.id.get());
                false
            }
        });
        if changes.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    newest.sort_unstable();
    ids.sort_unstable();
    let all: Vec<_> = (1..=20).collect();
    assert_eq!((&newest, &ids), (&all, &all));
    let mut chain = Chain::default();
    trail(store).await.iter().for_each(|entry| chain.follow(entry).unwrap());
    let first = keys(store).await.remove(0);
    assert_eq!(first.owner.unwrap().keys, 20);
}

pub async fn a_key_comes_with_its_owner(store: &dyn Store) {
    let plain = issue(store, 1).await;
    let mut new = new_key(2);
    new.owner = Some(owner("org_1"));
    let theirs = store.insert_key(new, audit(2)).await.unwrap();
    let found = async |id: KeyId| store.find_key(id).await.unwrap().unwrap();
    assert_eq!(found(plain).await.owner, None);
    assert_eq!(found(theirs.key.id).await, theirs);
    store.set_owner_suspended(owner("org_1"), true, audit(3)).await.unwrap();
    revoke(store, theirs.key.id, audit(4)).await;
    let row = found(theirs.key.id).await.owner.unwrap();
    assert_eq!((row.suspended_at, row.keys, row.revoked_keys), (Some(audit(3).at), 1, 1));
}
