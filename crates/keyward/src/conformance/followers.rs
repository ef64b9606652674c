//! Promises to readers of snapshots, and to followers.

use crate::audit::ChangeId;
use crate::change::KeyChange;
use crate::store::{Changes, Page, Snapshot};
use crate::stored::{Key, OwnerRow, TierRow};

use super::Store;
use super::sample::{
    audit, change, copy, edit, id, insert, issue, keys, limit, new_key, owner, revoke, rotate,
    tier, trail,
};

/// Everything that is left of a snapshot.
async fn rest(snapshot: &mut dyn Snapshot, max: u32) -> (Vec<TierRow>, Vec<OwnerRow>, Vec<Key>) {
    let (mut tiers, mut owners, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(page) = snapshot.next(max).await.unwrap() {
        match page {
            Page::Tiers(rows) => {
                assert!(owners.is_empty() && keys.is_empty(), "tiers come first");
                tiers.extend(rows);
            }
            Page::Owners(rows) => {
                assert!(keys.is_empty(), "owners come before keys");
                owners.extend(rows);
            }
            Page::Keys(rows) => keys.extend(rows),
        }
    }
    (tiers, owners, keys)
}

/// One of everything that a snapshot has.
async fn live(store: &dyn Store) {
    store.put_tier(tier("gold", vec![limit(5)]), audit(10)).await.unwrap();
    for (number, name) in [(1, "org_2"), (2, "org_1"), (3, "org_1")] {
        let mut new = new_key(number);
        (new.owner, new.tier) = (Some(owner(name)), "gold".parse().unwrap());
        insert(store, new, audit(number)).await;
    }
    rotate(store, id(1), 11, 10, 20).await;
    rotate(store, id(1), 12, 10, 21).await;
    for number in 1..=3 {
        revoke(store, id(number), audit(30)).await;
    }
    store.delete_tier("gold".parse().unwrap(), audit(31)).await.unwrap();
    store.put_tier(tier("gold", vec![limit(6)]), audit(32)).await.unwrap();
    store.set_owner_suspended(owner("org_3"), true, audit(33)).await.unwrap();
    issue(store, 4).await;
}

pub async fn a_snapshot_has_everything_in_order(store: &dyn Store) {
    live(store).await;
    for max in [0, 1, 2, 1_000] {
        let mut snapshot = store.snapshot().await.unwrap();
        let head = trail(store).await.last().map(|entry| (entry.id, entry.digest));
        assert_eq!(Some((snapshot.newest().change, snapshot.newest().digest)), head);
        let (tiers, owners, keys) = rest(&mut *snapshot, max).await;
        let told: Vec<_> = tiers.iter().map(|row| (row.name.as_str(), row.is_gone)).collect();
        let basic = [("basic", false), ("pro", false), ("enterprise", false)];
        assert_eq!(told[..3], basic);
        assert_eq!(told[3..], [("gold", true), ("gold", false)]);
        assert_eq!((tiers[3].keys, tiers[0].keys), (0, 1));
        let told: Vec<_> = owners.iter().map(|row| (row.owner.as_str(), row.keys)).collect();
        assert_eq!(told, [("org_1", 2), ("org_2", 1), ("org_3", 0)]);
        assert_eq!((owners[0].revoked_keys, owners[2].is_suspended()), (2, true));
        let ids: Vec<_> = keys.iter().map(|key| (key.id.get(), key.tier_gone)).collect();
        assert_eq!(ids, [(1, true), (2, true), (3, true), (4, false)]);
        assert_eq!(keys[0].tier_id, Some(tiers[3].id));
        let former: Vec<_> = keys[0].former.iter().map(|it| it.ends_at.0).collect();
        assert_eq!(former, [21, 31]);
        for key in &keys {
            let found = store.find_key(key.id).await.unwrap().unwrap();
            assert_eq!(*found.key, *key);
        }
    }
}

/// Changes made before its first page, and between two pages, are not in it.
pub async fn a_snapshot_is_of_one_instant(store: &dyn Store) {
    for number in 1..=3 {
        issue(store, number).await;
    }
    let mut snapshot = store.snapshot().await.unwrap();
    let before = keys(store).await;
    let rename = || edit(|edit| edit.name = Some("later".parse().unwrap()));
    change(store, id(1), rename(), audit(50)).await;
    store.put_tier(tier("gold", Vec::new()), audit(51)).await.unwrap();
    assert!(
        matches!(snapshot.next(1_000).await.unwrap(), Some(Page::Tiers(rows)) if rows.len() == 3)
    );
    change(store, id(3), rename(), audit(52)).await;
    revoke(store, id(2), audit(53)).await;
    issue(store, 4).await;
    store.set_owner_suspended(owner("org_1"), true, audit(54)).await.unwrap();
    assert_eq!(snapshot.newest().change, ChangeId(3));
    let (_, owners, keys) = rest(&mut *snapshot, 2).await;
    let before: Vec<_> = before.iter().map(|key| Key::clone(&key.key)).collect();
    assert_eq!((owners, keys), (vec![], before));
    // Another one has it all, and followers are told the changes between the two.
    let mut later = store.snapshot().await.unwrap();
    let (tiers, owners, keys) = rest(&mut *later, 2).await;
    let told = store.changes(snapshot.newest().change, 1_000).await.unwrap();
    assert_eq!(told.tiers, tiers[3..]);
    assert_eq!((&told.owners, &told.keys), (&owners, &keys));
}

/// Several at a time, some of which are not read to their end.
pub async fn a_snapshot_may_be_dropped_at_any_time(store: &dyn Store) {
    issue(store, 1).await;
    let mut kept = store.snapshot().await.unwrap();
    for pages in 0..4 {
        let mut dropped = store.snapshot().await.unwrap();
        for _ in 0..pages {
            dropped.next(1).await.unwrap();
        }
        drop(dropped);
        issue(store, 2 + pages).await;
    }
    assert_eq!(rest(&mut *kept, 1).await.2.len(), 1);
}

fn ids(changes: &Changes) -> Vec<u64> {
    changes.keys.iter().map(|key| key.id.get()).collect()
}

pub async fn followers_are_told_state_and_not_operations(store: &dyn Store) {
    let none = store.changes(ChangeId(0), 10).await.unwrap();
    assert_eq!((none.until, none.newest), (ChangeId(0), ChangeId(0)));
    assert!(none.tiers.is_empty() && none.owners.is_empty() && none.keys.is_empty());
    live(store).await;
    let newest = trail(store).await.last().unwrap().id;
    let all = store.changes(ChangeId(0), 1_000).await.unwrap();
    let mut snapshot = store.snapshot().await.unwrap();
    let (tiers, owners, keys) = rest(&mut *snapshot, 10).await;
    // The tiers of a new store are no changes.
    assert_eq!((all.tiers, all.owners, all.keys), (tiers[3..].to_vec(), owners, keys));
    assert_eq!((all.until, all.newest), (newest, newest));
    let end = store.changes(newest, 10).await.unwrap();
    assert_eq!((end.until, end.newest), (newest, newest));
    assert!(end.tiers.is_empty() && end.owners.is_empty() && end.keys.is_empty());
}

pub async fn followers_go_on_where_they_were(store: &dyn Store) {
    let (first, second) = (issue(store, 1).await, issue(store, 2).await);
    store.import_keys(vec![copy(3), copy(4)], false, audit(3)).await.unwrap();
    change(store, first, KeyChange::Suspend, audit(5)).await;
    store.set_owner_suspended(owner("org_1"), true, audit(6)).await.unwrap();
    store.accept_clock(audit(7)).await.unwrap();
    let steps =
        [(0, 2, vec![1, 2], 2), (2, 2, vec![3, 4], 4), (4, 2, vec![1], 6), (6, 2, vec![], 7)];
    for (after, max, expected, until) in steps {
        let told = store.changes(ChangeId(after), max).await.unwrap();
        assert_eq!((ids(&told), told.until), (expected, ChangeId(until)), "after {after}");
        assert_eq!(told.newest, ChangeId(7));
        assert_eq!(told.owners.len(), usize::from(after == 4));
    }
    let one = store.changes(ChangeId(0), 0).await.unwrap();
    assert_eq!((ids(&one), one.until), (vec![1], ChangeId(1)), "at least one entry is looked at");
    let ahead = store.changes(ChangeId(99), 10).await.unwrap();
    assert_eq!((ids(&ahead), ahead.until, ahead.newest), (vec![], ChangeId(7), ChangeId(7)));
    // As it is now, whichever entry is looked at.
    let told = store.changes(ChangeId(1), 1).await.unwrap();
    revoke(store, second, audit(8)).await;
    let again = store.changes(ChangeId(1), 1).await.unwrap();
    assert_eq!((told.keys[0].version.get(), again.keys[0].version.get()), (1, 2));
}
