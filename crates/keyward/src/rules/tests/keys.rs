//! Issuing and changing keys.

use super::*;

fn key_in(decided: Decided) -> (Key, Option<OwnerVersion>) {
    match decided {
        Decided::Issued { key, owner } | Decided::Changed { key, owner } => {
            (Key::clone(&key), owner.map(|owner| owner.version))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_issued_key_has_the_next_id_and_counts() {
    let mut rows = Rows::new_with(&["basic"]);
    let (first, none) = key_in(rows.done(issue(key(1)), &audit(5)));
    assert_eq!((first.id, first.version, none), (id(1), Version::FIRST, None));
    assert_eq!(first.tier_id, rows.tier("basic").map(|tier| tier.id));
    let with_id = Unkept { id: Some(id(90)), ..key_of(2, "org") };
    let (second, version) = key_in(rows.done(issue(with_id), &audit(6)));
    assert_eq!((second.id, version), (id(2), Some(OwnerVersion(0))));
    assert_eq!(rows.tier("basic").unwrap().keys, 2);
    assert_eq!(rows.owners[&owner("org")].keys, 1);
    assert_eq!(rows.keys[&id(2)], second);
}

#[test]
fn a_key_needs_a_tier_and_an_owner_that_is_not_suspended() {
    let mut rows = Rows::new_with(&["basic", "gold"]);
    rows.done(delete_tier("gold"), &audit(1));
    let in_gold = Unkept { tier: tier("gold"), ..key(1) };
    assert_eq!(rows.rejected(issue(in_gold), &audit(2)), ChangeRejection::UnknownTier);
    rows.done(suspend("org"), &audit(3));
    assert_eq!(rows.rejected(issue(key_of(1, "org")), &audit(4)), ChangeRejection::OwnerSuspended);
    rows.done(resume("org"), &audit(5));
    rows.done(issue(key_of(1, "org")), &audit(6));
}

#[test]
fn a_secret_belongs_to_one_key_for_ever() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.done(issue(key(1)), &audit(1));
    rows.done(rotate(1, 2, 10), &audit(2));
    for number in [1, 2] {
        assert_eq!(rows.fault(issue(key(number)), &audit(3)), DecideError::SecretTaken);
        assert_eq!(rows.fault(rotate(1, number, 0), &audit(3)), DecideError::SecretTaken);
    }
    assert_eq!(rows.keys.len(), 1);
}

#[test]
fn an_edit_changes_what_it_names_and_moves_counts() {
    let mut rows = Rows::new_with(&["basic", "pro"]);
    rows.done(issue(key_of(1, "org")), &audit(1));
    let wanted = |edit: &mut KeyEdit| {
        edit.name = Some("b".parse().unwrap());
        edit.tier = Some(tier("pro"));
        edit.owner = Some(Some(owner("other")));
        edit.limits = Some(Some(limits(7)));
        edit.expires_at = Some(Some(UnixMillis(99)));
    };
    let (edited, version) = key_in(rows.done(edit(1, wanted), &audit(2)));
    assert_eq!((edited.version.get(), version), (2, Some(OwnerVersion(0))));
    assert_eq!(edited.tier_id, rows.tier("pro").map(|tier| tier.id));
    assert_eq!((rows.tier("basic").unwrap().keys, rows.tier("pro").unwrap().keys), (0, 1));
    assert_eq!((rows.owners[&owner("org")].keys, rows.owners[&owner("other")].keys), (0, 1));
    let before = rows.entries.len();
    rows.unchanged(edit(1, wanted), &audit(3));
    assert_eq!(rows.entries.len(), before);
    let (edited, version) = key_in(rows.done(edit(1, |it| it.owner = Some(None)), &audit(4)));
    assert_eq!((edited.owner, version, rows.owners[&owner("other")].keys), (None, None, 0));
    let gone = edit(1, |edit| edit.tier = Some(tier("gone")));
    assert_eq!(rows.rejected(gone, &audit(5)), ChangeRejection::UnknownTier);
    assert_eq!(rows.rejected(edit(9, |_| ()), &audit(5)), ChangeRejection::UnknownKey);
}

#[test]
fn a_key_may_be_given_to_an_owner_that_is_suspended() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.done(issue(key(1)), &audit(1));
    rows.done(suspend("org"), &audit(2));
    let given = edit(1, |edit| edit.owner = Some(Some(owner("org"))));
    let Decided::Changed { key, owner: Some(row) } = rows.done(given, &audit(3)) else { panic!() };
    assert!(row.is_suspended());
    assert_eq!((key.state, row.keys), (KeyState::Active, 1));
}

#[test]
fn a_version_is_that_of_the_key_and_of_its_owner() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.done(issue(key_of(1, "org")), &audit(1));
    let suspend_if = |version: u64, owner: u64| Change::Key {
        id: id(1),
        change: KeyChange::Suspend,
        expected: Some(Versions {
            key: Version::new(version).unwrap(),
            owner: OwnerVersion(owner),
        }),
    };
    let stale = |version: u64, owner: u64| {
        let key = Version::new(version).unwrap();
        ChangeRejection::StaleKey(Versions { key, owner: OwnerVersion(owner) })
    };
    rows.done(suspend("org"), &audit(2));
    assert_eq!(rows.rejected(suspend_if(1, 0), &audit(3)), stale(1, 1));
    assert_eq!(rows.rejected(suspend_if(2, 1), &audit(3)), stale(1, 1));
    rows.done(suspend_if(1, 1), &audit(3));
    assert_eq!(rows.rejected(suspend_if(1, 1), &audit(4)), stale(2, 1));
    rows.unchanged(suspend_if(2, 1), &audit(4));
}

#[test]
fn states_change_and_revoking_is_final() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.done(issue(key_of(1, "org")), &audit(1));
    rows.done(change(1, KeyChange::Suspend), &audit(2));
    rows.unchanged(change(1, KeyChange::Suspend), &audit(3));
    rows.done(change(1, KeyChange::Resume), &audit(4));
    rows.unchanged(change(1, KeyChange::Resume), &audit(5));
    let reason = Some("found in public".parse().unwrap());
    rows.done(change(1, KeyChange::Revoke { reason: reason.clone() }), &audit(6));
    let now = rows.keys[&id(1)].clone();
    assert_eq!((now.state, now.revoked_reason), (KeyState::Revoked { at: UnixMillis(6) }, reason));
    assert_eq!(rows.tier("basic").unwrap().keys, 0);
    assert_eq!(rows.owners[&owner("org")].revoked_keys, 1);
    rows.unchanged(revoke(1), &audit(7));
    let others = [
        change(1, KeyChange::Suspend),
        change(1, KeyChange::Resume),
        edit(1, |edit| edit.name = Some("b".parse().unwrap())),
        edit(1, |edit| edit.tier = Some(tier("gone"))),
        rotate(1, 2, 0),
    ];
    for other in others {
        assert_eq!(rows.rejected(other, &audit(8)), ChangeRejection::Revoked);
    }
}

#[test]
fn a_rotation_ends_the_grace_of_earlier_secrets() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.done(issue(key(1)), &audit(1));
    rows.done(rotate(1, 2, 100), &audit(10));
    rows.done(rotate(1, 3, 5), &audit(20));
    rows.done(rotate(1, 4, 0), &audit(50));
    let now = &rows.keys[&id(1)];
    let ends: Vec<_> = now.former.iter().map(|former| former.ends_at.0).collect();
    assert_eq!(ends, [20, 25, 50]);
    assert_eq!(now.former[0].secret, secret(1, 1));
    assert_eq!((now.secret.created_at, now.version.get()), (UnixMillis(50), 4));
    assert_eq!((now.rotated_at(), now.grace_until()), (Some(UnixMillis(50)), Some(UnixMillis(50))));
}

#[test]
fn no_grace_is_longer_than_the_key_and_none_follows_it() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.done(issue(Unkept { expires_at: Some(UnixMillis(30)), ..key(1) }), &audit(1));
    rows.done(rotate(1, 2, 100), &audit(10));
    assert_eq!(rows.keys[&id(1)].grace_until(), Some(UnixMillis(30)));
    assert_eq!(rows.rejected(rotate(1, 3, 0), &audit(30)), ChangeRejection::Expired);
}

#[test]
fn a_request_of_one_name_changes_a_key_once() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.done(issue(key(1)), &once(1, "one", 1));
    let same = ChangeRejection::Earlier(Earlier::Same(id(1)));
    assert_eq!(rows.rejected(issue(key(1)), &once(2, "one", 1)), same);
    // Even where other reasons reject it.
    assert_eq!(rows.rejected(revoke(77), &once(2, "one", 1)), same);
    assert_eq!(
        rows.rejected(issue(key(2)), &once(2, "one", 2)),
        ChangeRejection::Earlier(Earlier::Other)
    );
    let other_actor = Audit { actor: Actor::GitHub, ..once(2, "one", 2) };
    rows.done(issue(key(2)), &other_actor);
    // A request that changes nothing is not kept.
    rows.unchanged(change(1, KeyChange::Resume), &once(3, "two", 3));
    rows.done(change(1, KeyChange::Suspend), &once(4, "two", 4));
    assert_eq!(rows.rejected(revoke(1), &once(5, "two", 4)), same);
}

#[test]
fn the_name_of_a_request_is_kept_for_a_day() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.done(issue(key(1)), &once(1_000, "one", 1));
    let later = 999 + DAY;
    let earlier = ChangeRejection::Earlier(Earlier::Other);
    assert_eq!(rows.rejected(issue(key(2)), &once(later, "one", 2)), earlier);
    let decision = rows.decide(issue(key(2)), &once(later + 1, "one", 2)).unwrap();
    assert_eq!(decision.writes.once.unwrap().forgotten_at, Some(UnixMillis(1_000)));
    decision.outcome.unwrap();
}
