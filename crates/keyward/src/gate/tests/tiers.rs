//! Tiers: their limits hold at once for all of their keys.

use super::*;
use crate::digest::Digest;

#[tokio::test]
async fn an_unknown_tier_is_answered_with_those_there_are() {
    let (store, gate) = open_new().await;
    let Err(IssueError::UnknownTier { known }) = gate.issue(new_key("gold"), audit()).await else {
        panic!("there is no tier `gold`")
    };
    let known: Vec<_> = known.iter().map(TierName::as_str).collect();
    assert_eq!(known, ["basic", "pro", "enterprise"]);
    assert!(verbs(&store).await.is_empty());
}

#[tokio::test]
async fn a_changed_tier_holds_at_once_for_all_of_its_keys() {
    let (_, gate) = open_new().await;
    let (first, second) = (issue(&gate).await, issue(&gate).await);
    assert_eq!((burst(&gate, &first), burst(&gate, &second)), (100, 100));
    assert!(!put(&gate, tier("basic", 7)).await.unwrap());
    assert_eq!((burst(&gate, &first), burst(&gate, &second)), (7, 7));
}

/// Used up under two a day, a bucket is empty at worst under a hundred a minute.
#[tokio::test]
async fn a_looser_tier_lets_those_in_who_had_used_up_the_tighter_one() {
    let (_, gate) = open_new().await;
    let two = NonZeroU32::new(2).unwrap();
    let day = Limit::new("requests", two, Duration::from_secs(86_400), two).unwrap();
    let tight = ("basic".parse().unwrap(), Limits::of(Some(day)));
    put(&gate, tight).await.unwrap();
    let issued = issue(&gate).await;
    while verify_issued(&gate, &issued).is_ok() {}
    put(&gate, tier("basic", 100)).await.unwrap();
    let wait = wait(&gate, &issued);
    assert_eq!(wait, Duration::from_millis(600));
    let later = NOW.later_by(wait);
    assert!(gate.verify(&Asked::of(issued.secret.expose()), later).is_ok());
}

/// There is room for few editions before the keys have to be laid out anew.
#[tokio::test]
async fn a_tier_written_as_it_is_stays_the_same_edition() {
    let (_, gate) = open_new().await;
    let before = gate.tier(&"basic".parse().unwrap()).unwrap();
    for _ in 0..20 {
        put(&gate, tier("basic", 100)).await.unwrap();
    }
    assert!(Arc::ptr_eq(&gate.tier(&"basic".parse().unwrap()).unwrap(), &before));
}

fn of_limits(name: &str, limits: &[(&str, u32)]) -> (TierName, Limits) {
    let limit = |(name, burst): &(&str, u32)| {
        let burst = NonZeroU32::new(*burst).unwrap();
        Limit::new(name, burst, Duration::from_secs(86_400), burst).unwrap()
    };
    (name.parse().unwrap(), Limits::new(limits.iter().map(limit).collect()).unwrap())
}

fn stands(gate: &Gate, issued: &Issued) -> Vec<(String, u32)> {
    let caller = verify_issued(gate, issued).unwrap();
    caller.standings().iter().map(|of| (of.limit.name().to_owned(), of.remaining)).collect()
}

#[track_caller]
fn check_stands(gate: &Gate, issued: &Issued, expected: &[(&str, u32)]) {
    let expected: Vec<_> =
        expected.iter().map(|(name, left)| ((*name).to_owned(), *left)).collect();
    assert_eq!(stands(gate, issued), expected);
}

#[tokio::test]
async fn names_that_a_tier_keeps_keep_what_was_used_and_new_ones_begin_full() {
    let (_, gate) = open_new().await;
    let put_basic = async |limits: &[(&str, u32)]| {
        assert!(!put(&gate, of_limits("basic", limits)).await.unwrap());
    };
    let (key, other) = (issue(&gate).await, issue(&gate).await);
    check_stands(&gate, &key, &[("requests", 99)]);
    put_basic(&[("day", 100)]).await;
    // One limit that replaces one other; at most a whole day was used.
    assert!(stands(&gate, &key)[0].1 < 100);
    put_basic(&[("a", 9), ("b", 8)]).await;
    check_stands(&gate, &key, &[("a", 8), ("b", 7)]);
    put_basic(&[("c", 7), ("b", 8), ("a", 9)]).await;
    check_stands(&gate, &key, &[("c", 6), ("b", 6), ("a", 7)]);
    check_stands(&gate, &other, &[("c", 6), ("b", 7), ("a", 8)]);
    put_basic(&[("b", 8)]).await;
    check_stands(&gate, &key, &[("b", 5)]);
    put_basic(&[]).await;
    check_stands(&gate, &key, &[]);
    put_basic(&[("b", 8), ("a", 9)]).await;
    check_stands(&gate, &key, &[("b", 7), ("a", 8)]);
    // A key that moves away and back keeps its use by name, too.
    put(&gate, of_limits("gold", &[("a", 9), ("x", 3)])).await.unwrap();
    for (tier, stands) in [("gold", [("a", 7), ("x", 2)]), ("basic", [("b", 7), ("a", 6)])] {
        let moved = KeyEdit { tier: Some(tier.parse().unwrap()), ..KeyEdit::default() };
        edit(&gate, key.key_id, moved).await;
        check_stands(&gate, &key, &stands);
    }
    let (_, own) = of_limits("own", &[("own", 2), ("a", 4)]);
    edit(&gate, key.key_id, KeyEdit { limits: Some(Some(own)), ..KeyEdit::default() }).await;
    // Three of nine in a day are a third of it, and so a little more than one of four.
    check_stands(&gate, &key, &[("own", 1), ("a", 1)]);
}

/// More editions than a word can distinguish.
#[tokio::test]
async fn however_often_a_tier_is_changed_what_was_used_stays_used() {
    let (_, gate) = open_new().await;
    let key = issue(&gate).await;
    for round in 0..40 {
        let burst = 1_000 + round;
        put(&gate, of_limits("basic", &[("a", burst)])).await.unwrap();
        let used = burst - stands(&gate, &key)[0].1;
        // The same part of a day with more requests is a few requests more.
        assert!((round..=round + 5).contains(&(used - 1)), "{used} in round {round}");
    }
}

#[tokio::test]
async fn a_tier_is_deleted_when_no_key_has_it() {
    let (store, gate) = open_new().await;
    let gold = || "gold".parse::<TierName>().unwrap();
    let delete = || gate.delete_tier(gold(), TierBefore::Any, audit());
    assert!(matches!(delete().await, Err(DeleteTierError::Unknown)));
    put(&gate, tier("gold", 3)).await.unwrap();
    let issued = gate.issue(new_key("gold"), audit()).await.unwrap();
    assert!(matches!(delete().await, Err(DeleteTierError::Used(1))));
    assert_eq!(burst(&gate, &issued), 3);
    let to_basic = KeyEdit { tier: Some("basic".parse().unwrap()), ..KeyEdit::default() };
    edit(&gate, issued.key_id, to_basic).await;
    delete().await.unwrap();
    for gate in [&gate, &open(&store).await] {
        assert!(!gate.tier_names().contains(&gold()));
        let refused = gate.issue(new_key("gold"), audit()).await;
        assert!(matches!(refused, Err(IssueError::UnknownTier { .. })));
    }
    let to_gold = KeyEdit { tier: Some(gold()), ..KeyEdit::default() };
    let to_gold = KeyChange::Edit(Box::new(to_gold));
    let refused = gate.change(issued.key_id, to_gold, None, audit(), CLOCK).await;
    assert!(matches!(refused, Err(ChangeError::Rejected(ChangeRejection::UnknownTier))));
    assert!(put(&gate, tier("gold", 4)).await.unwrap(), "it is new again");
    assert_eq!(burst(&gate, &gate.issue(new_key("gold"), audit()).await.unwrap()), 4);
}

#[tokio::test]
async fn a_tier_that_only_revoked_keys_have_goes_and_a_new_one_is_not_theirs() {
    let (store, gate) = open_new().await;
    let gold = || "gold".parse::<TierName>().unwrap();
    put(&gate, tier("gold", 3)).await.unwrap();
    let old = gate.issue(new_key("gold"), audit()).await.unwrap();
    gate.revoke(old.key_id, None, audit()).await.unwrap();
    gate.delete_tier(gold(), TierBefore::Any, audit()).await.unwrap();
    // Without the tier, and with another one of its name.
    let restarted = open(&store).await;
    put(&restarted, tier("gold", 4)).await.unwrap();
    for gate in [&gate, &restarted, &open(&store).await] {
        assert_eq!(verify_issued(gate, &old).unwrap_err(), "revoked");
        let details = details(gate, old.key_id).await;
        assert_eq!((details.key.tier.clone(), details.key.tier_gone), (gold(), true));
        assert!(gate.revoke(old.key_id, None, audit()).await.unwrap());
    }
    let digest = Digest::of_secret(&old.secret);
    let is_unlimited = |entry: &Entry| entry.tier().limits().list().is_empty();
    assert_eq!(
        restarted.index().ask(&digest, is_unlimited),
        Some(true),
        "the new tier is not its own"
    );
    let young = restarted.issue(new_key("gold"), audit()).await.unwrap();
    assert_eq!(burst(&restarted, &young), 4);
}

#[tokio::test]
async fn a_tier_is_changed_if_it_is_what_is_expected() {
    let (_, gate) = open_new().await;
    let put = |(name, limits), before| gate.put_tier(name, limits, before, audit(), CLOCK);
    let stale = |put: Result<bool, PutTierError>| matches!(put, Err(PutTierError::Stale));
    let is = |(_, limits): (TierName, Limits)| TierBefore::Exactly(Some(limits));
    let absent = || TierBefore::Exactly(None);
    assert!(stale(put(tier("gold", 3), is(tier("gold", 2))).await));
    assert!(put(tier("gold", 3), absent()).await.unwrap());
    assert!(stale(put(tier("gold", 4), absent()).await));
    assert!(stale(put(tier("gold", 4), is(tier("gold", 2))).await));
    assert!(!put(tier("gold", 4), is(tier("gold", 3))).await.unwrap());
    let delete = |before| gate.delete_tier("gold".parse().unwrap(), before, audit());
    assert!(matches!(delete(is(tier("gold", 3))).await, Err(DeleteTierError::Stale)));
    delete(is(tier("gold", 4))).await.unwrap();
    // Of two at once that saw the same, one is made.
    let both = tokio::join!(put(tier("two", 1), absent()), put(tier("two", 2), absent()));
    assert_eq!([stale(both.0), stale(both.1)].iter().filter(|stale| **stale).count(), 1);
}

/// A store and a gate that disagree about the tier `gold`: writing it seemed to fail.
async fn with_a_tier_that_only_the_store_has() -> (Arc<AwkwardStore>, Gate) {
    let (store, gate) = open_awkward().await;
    store.set_loses_answers(true);
    assert!(put(&gate, tier("gold", 3)).await.is_err());
    store.set_loses_answers(false);
    assert!(!gate.tier_names().contains(&"gold".parse().unwrap()));
    (store, gate)
}

#[tokio::test]
async fn a_key_is_changed_though_only_the_store_has_its_tier() {
    let (store, gate) = with_a_tier_that_only_the_store_has().await;
    let owner: Owner = "org_1".parse().unwrap();
    let new = NewKey { owner: Some(owner.clone()), ..new_key("basic") };
    let issued = gate.issue(new, audit()).await.unwrap();
    let suspend = async || {
        let suspend = KeyChange::Suspend;
        gate.change(issued.key_id, suspend, None, audit(), CLOCK).await
    };
    store.set_hides_tiers(true);
    let to_gold = KeyEdit { tier: Some("gold".parse().unwrap()), ..KeyEdit::default() };
    let to_gold = KeyChange::Edit(Box::new(to_gold));
    let failed = gate.change(issued.key_id, to_gold, None, audit(), CLOCK).await;
    assert!(matches!(failed, Err(ChangeError::Store(StoreError::Inconsistent(_)))));
    assert!(suspend().await.is_err());
    store.set_hides_tiers(false);
    assert!(suspend().await.is_ok());
    assert_eq!(verify_issued(&gate, &issued).unwrap_err(), "suspended");
    change(&gate, issued.key_id, KeyChange::Resume).await;
    assert_eq!(burst(&gate, &issued), 3);
    assert_eq!(gate.set_owner_suspended(owner, true, audit()).await.unwrap().keys, 1);
    assert_eq!(verify_issued(&gate, &issued).unwrap_err(), "suspended");
}

#[tokio::test]
async fn an_owner_is_suspended_though_only_the_store_has_a_tier_of_its_keys() {
    let (store, gate) = with_a_tier_that_only_the_store_has().await;
    let owner: Owner = "org_1".parse().unwrap();
    let new = || NewKey { owner: Some(owner.clone()), ..new_key("basic") };
    let keys =
        [gate.issue(new(), audit()).await.unwrap(), gate.issue(new(), audit()).await.unwrap()];
    let to_gold = KeyEdit { tier: Some("gold".parse().unwrap()), ..KeyEdit::default() };
    store.set_loses_answers(true);
    let to_gold = KeyChange::Edit(Box::new(to_gold));
    assert!(gate.change(keys[0].key_id, to_gold, None, audit(), CLOCK).await.is_err());
    store.set_loses_answers(false);
    assert_eq!(gate.set_owner_suspended(owner, true, audit()).await.unwrap().keys, 2);
    for key in &keys {
        assert_eq!(verify_issued(&gate, key).unwrap_err(), "suspended");
    }
}

#[tokio::test]
async fn a_key_is_revoked_at_once_though_its_tier_cannot_be_found() {
    let (store, gate) = with_a_tier_that_only_the_store_has().await;
    let issued = issue(&gate).await;
    let to_gold = KeyEdit { tier: Some("gold".parse().unwrap()), ..KeyEdit::default() };
    store.set_hides_tiers(true);
    let to_gold = KeyChange::Edit(Box::new(to_gold));
    assert!(gate.change(issued.key_id, to_gold, None, audit(), CLOCK).await.is_err());
    assert!(gate.revoke(issued.key_id, None, audit()).await.is_err());
    assert_eq!(verify_issued(&gate, &issued).unwrap_err(), "revoked");
}

#[tokio::test]
async fn what_is_imported_works_whatever_is_wrong_with_a_key_before_it() {
    let (from, old) = open_new().await;
    put(&old, tier("gold", 3)).await.unwrap();
    let gold = old.issue(new_key("gold"), audit()).await.unwrap();
    let basic = issue(&old).await;
    let copies = from.export_keys(None, 10).await.unwrap();

    let (store, gate) = with_a_tier_that_only_the_store_has().await;
    store.set_hides_tiers(true);
    let failed = gate.import(copies.clone(), false, audit()).await;
    assert!(matches!(failed, Err(StoreError::Inconsistent(_))));
    assert!(verify_issued(&gate, &basic).is_ok());
    assert_eq!(verify_issued(&gate, &gold).unwrap_err(), "unknown");
    store.set_hides_tiers(false);
    let again = gate.import(copies.clone(), false, audit()).await.unwrap();
    assert!(again.iter().all(|key| matches!(key, Imported::Skipped(_))));
    assert_eq!(burst(&gate, &gold), 3);

    let (_, gate) = with_a_tier_that_only_the_store_has().await;
    assert!(gate.import(copies.clone(), false, audit()).await.is_ok(), "the tier is found at once");
    assert_eq!(burst(&gate, &gold), 3);
}

#[tokio::test]
async fn a_new_tier_can_be_given_to_keys() {
    let (store, gate) = open_new().await;
    assert!(put(&gate, tier("gold", 3)).await.unwrap());
    let issued = gate.issue(new_key("gold"), audit()).await.unwrap();
    assert_eq!(burst(&gate, &issued), 3);
    assert_eq!(burst(&open(&store).await, &issued), 3);
}

#[tokio::test]
async fn the_later_of_two_changes_of_a_tier_stays_in_force() {
    let (store, gate) = open_awkward().await;
    let issued = issue(&gate).await;
    store.pause_next_answer(5);
    let (earlier, later) = tokio::join!(put(&gate, tier("basic", 1)), put(&gate, tier("basic", 2)));
    assert!(earlier.is_ok() && later.is_ok());
    assert_eq!(burst(&gate, &issued), 2);
    assert_eq!(burst(&open(&store).await, &issued), 2);
}

#[tokio::test]
async fn tiers_are_bounded() {
    let (_, gate) = open_new().await;
    let put = |tier| put(&gate, tier);
    // A new store has three.
    for number in 3..TIERS_MAX {
        assert!(put(tier(&format!("t{number}"), 1)).await.unwrap());
    }
    assert!(matches!(put(tier("last", 1)).await, Err(PutTierError::TooManyTiers)));
    assert!(!put(tier("basic", 5)).await.unwrap());
}
