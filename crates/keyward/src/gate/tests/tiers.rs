//! Tiers: their limits hold at once for all of their keys.

use super::*;

#[tokio::test]
async fn an_unknown_tier_is_answered_with_those_there_are() {
    let (store, gate) = open_new().await;
    let Err(IssueError::UnknownTier { known }) = gate.issue(new_key("gold"), audit()).await else {
        panic!("there is no tier `gold`")
    };
    let known: Vec<_> = known.iter().map(TierName::as_str).collect();
    assert_eq!(known, ["basic", "pro", "enterprise"]);
    assert!(verbs(&*store).await.is_empty());
}

#[tokio::test]
async fn a_changed_tier_holds_at_once_for_all_of_its_keys() {
    let (_, gate) = open_new().await;
    let (first, second) = (issue(&gate).await, issue(&gate).await);
    assert_eq!((burst(&gate, &first), burst(&gate, &second)), (100, 100));
    assert!(!gate.put_tier(tier("basic", 7), audit(), CLOCK).await.unwrap());
    assert_eq!((burst(&gate, &first), burst(&gate, &second)), (7, 7));
}

#[tokio::test]
async fn a_new_tier_can_be_given_to_keys() {
    let (store, gate) = open_new().await;
    assert!(gate.put_tier(tier("gold", 3), audit(), CLOCK).await.unwrap());
    let issued = gate.issue(new_key("gold"), audit()).await.unwrap();
    assert_eq!(burst(&gate, &issued), 3);
    assert_eq!(burst(&open(&store).await, &issued), 3);
}

#[tokio::test]
async fn the_later_of_two_changes_of_a_tier_stays_in_force() {
    let (store, gate) = open_awkward().await;
    let issued = issue(&gate).await;
    store.pause_next_answer(5);
    let (earlier, later) = tokio::join!(
        gate.put_tier(tier("basic", 1), audit(), CLOCK),
        gate.put_tier(tier("basic", 2), audit(), CLOCK),
    );
    assert!(earlier.is_ok() && later.is_ok());
    assert_eq!(burst(&gate, &issued), 2);
    assert_eq!(burst(&open(&store).await, &issued), 2);
}

#[tokio::test]
async fn tiers_are_bounded() {
    let (_, gate) = open_new().await;
    let put = |tier| gate.put_tier(tier, audit(), CLOCK);
    let mut twice = tier("basic", 1);
    twice.limits.extend(twice.limits.clone());
    assert!(matches!(put(twice).await, Err(PutTierError::TooManyLimits(_))));
    // A new store has three.
    for number in 3..TIERS_MAX {
        assert!(put(tier(&format!("t{number}"), 1)).await.unwrap());
    }
    assert!(matches!(put(tier("last", 1)).await, Err(PutTierError::TooManyTiers)));
    assert!(!put(tier("basic", 5)).await.unwrap());
}
