//! Writing and deleting tiers.

use super::*;

#[test]
fn a_tier_is_written_and_keeps_its_identity() {
    let mut rows = Rows::default();
    let Decided::PutTier { tier: gold, is_new } = rows.done(put_tier("gold", 5), &audit(1)) else {
        panic!()
    };
    assert!(is_new);
    let told =
        r#"{"before":null,"after":[{"name":"requests","amount":5,"per_secs":60,"burst":5}]}"#;
    assert_eq!(rows.told(), ("put-tier", told));
    rows.unchanged(put_tier("gold", 5), &audit(2));
    let Decided::PutTier { tier: edited, is_new } = rows.done(put_tier("gold", 6), &audit(3))
    else {
        panic!()
    };
    assert!(!is_new);
    assert_eq!((edited.id, edited.limits), (gold.id, limits(6)));
}

#[test]
fn a_tier_goes_with_revoked_keys_alone_and_comes_back_as_another() {
    let mut rows = Rows::new_with(&["basic"]);
    rows.done(issue(key(1)), &audit(1));
    rows.done(issue(key(2)), &audit(2));
    assert_eq!(rows.rejected(delete_tier("basic"), &audit(3)), ChangeRejection::TierUsed(2));
    rows.done(revoke(1), &audit(3));
    rows.done(revoke(2), &audit(3));
    let first = rows.tier("basic").unwrap().id;
    let decision = rows.decide(delete_tier("basic"), &audit(4)).unwrap();
    // One row, and none of the keys that have the tier.
    assert_eq!((decision.writes.tiers.len(), decision.writes.keys.len()), (1, 0));
    rows.done(delete_tier("basic"), &audit(4));
    let told =
        r#"{"before":[{"name":"requests","amount":100,"per_secs":60,"burst":100}],"after":null}"#;
    assert_eq!(rows.told(), ("delete-tier", told));
    assert_eq!(rows.rejected(delete_tier("basic"), &audit(5)), ChangeRejection::UnknownTier);
    rows.done(put_tier("basic", 1), &audit(6));
    assert_ne!(rows.tier("basic").unwrap().id, first);
    assert_eq!(rows.keys[&id(1)].tier_id, Some(first));
}

#[test]
fn a_tier_has_to_be_what_is_expected() {
    let mut rows = Rows::new_with(&["basic"]);
    let put = |before| Change::PutTier { name: tier("basic"), limits: limits(7), before };
    let delete = |before| Change::DeleteTier { name: tier("basic"), before };
    for before in [None, Some(limits(99))] {
        let before = TierBefore::Exactly(before);
        assert_eq!(rows.rejected(put(before.clone()), &audit(1)), ChangeRejection::StaleTier);
        assert_eq!(rows.rejected(delete(before), &audit(1)), ChangeRejection::StaleTier);
    }
    rows.done(put(TierBefore::Exactly(Some(limits(100)))), &audit(2));
    rows.done(delete(TierBefore::Exactly(Some(limits(7)))), &audit(3));
    assert_eq!(
        rows.rejected(delete(TierBefore::Exactly(None)), &audit(4)),
        ChangeRejection::UnknownTier
    );
    rows.done(put(TierBefore::Exactly(None)), &audit(5));
}

#[test]
fn tiers_are_bounded_and_those_that_are_gone_do_not_count() {
    let rows = Rows::default();
    let mut facts = Facts::new(rows.progress);
    // The rows stay empty, so that only applied writes decide.
    let mut decide = |change| {
        let decision = rows.decide_with(change, &audit(1), &mut facts).unwrap();
        facts.apply(&decision.writes);
        decision.outcome.map(drop)
    };
    for number in 0..TIERS_MAX {
        decide(put_tier(&format!("t{number}"), 1)).unwrap();
    }
    assert_eq!(decide(put_tier("one-more", 1)), Err(ChangeRejection::TooManyTiers));
    decide(put_tier("t0", 2)).unwrap();
    decide(delete_tier("t7")).unwrap();
    decide(put_tier("one-more", 1)).unwrap();
    assert_eq!(decide(put_tier("t7", 1)), Err(ChangeRejection::TooManyTiers));
}
