//! Suspending, resuming and editing owners.

use super::*;

#[test]
fn an_owner_is_suspended_with_one_row() {
    let mut rows = Rows::new_with(&["basic"]);
    for number in 1..=4 {
        rows.done(issue(key_of(number, "org")), &audit(number));
    }
    rows.done(revoke(4), &audit(5));
    rows.done(change(3, KeyChange::Suspend), &audit(6));
    let decision = rows.decide(suspend("org"), &audit(7)).unwrap();
    assert_eq!((decision.writes.owners.len(), decision.writes.keys.len()), (1, 0));
    let Decided::Owner(row) = rows.done(suspend("org"), &audit(7)) else { panic!() };
    assert_eq!((row.suspended_at, row.version), (Some(UnixMillis(7)), OwnerVersion(1)));
    // Of four keys one is revoked; a suspended one counts.
    let told = r#"{"before":{"state":"active"},"after":{"state":"suspended"},"keys":3}"#;
    assert_eq!(rows.told(), ("suspend-owner", told));
    rows.unchanged(suspend("org"), &audit(8));
    rows.done(resume("org"), &audit(9));
    let told = r#"{"before":{"state":"suspended"},"after":{"state":"active"},"keys":3}"#;
    assert_eq!(rows.told(), ("resume-owner", told));
    rows.unchanged(resume("org"), &audit(10));
    assert_eq!(rows.owners[&owner("org")].version, OwnerVersion(2));
    assert_eq!(rows.keys[&id(1)].version, Version::FIRST);
}

#[test]
fn an_owner_without_keys_can_be_suspended_and_have_limits() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.unchanged(resume("org"), &audit(1));
    rows.unchanged(of_owner("org", OwnerChange::Edit { limits: Limits::of(None) }), &audit(1));
    assert_eq!(rows.owners.len(), 0);
    rows.done(suspend("org"), &audit(2));
    rows.done(of_owner("org", OwnerChange::Edit { limits: limits(5) }), &audit(3));
    let told = r#"{"before":{"limits":[]},"after":{"limits":[{"name":"requests","amount":5,"per_secs":60,"burst":5}]}}"#;
    assert_eq!(rows.told(), ("edit-owner", told));
    rows.unchanged(of_owner("org", OwnerChange::Edit { limits: limits(5) }), &audit(4));
    let row = &rows.owners[&owner("org")];
    assert_eq!((row.keys, row.version, &row.limits), (0, OwnerVersion(2), &limits(5)));
    assert!(row.is_suspended());
}

#[test]
fn an_owner_has_to_be_in_the_version_that_is_expected() {
    let mut rows = Rows::default();
    let suspend_if = |version| Change::Owner {
        owner: owner("org"),
        change: OwnerChange::Suspend,
        expected: Some(OwnerVersion(version)),
    };
    assert_eq!(
        rows.rejected(suspend_if(1), &audit(1)),
        ChangeRejection::StaleOwner(OwnerVersion(0))
    );
    rows.done(suspend_if(0), &audit(2));
    assert_eq!(
        rows.rejected(suspend_if(0), &audit(3)),
        ChangeRejection::StaleOwner(OwnerVersion(1))
    );
    rows.unchanged(suspend_if(1), &audit(4));
}
