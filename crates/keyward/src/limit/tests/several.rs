//! Several limits at once: all or none, by name, and the cost of a request.

use super::*;
use crate::time::{Now, UnixMillis};

fn told(standings: &Standings) -> Vec<(String, u32)> {
    standings.iter().map(|of| (of.limit.name().to_owned(), of.remaining)).collect()
}

fn shown(standings: &Standings) -> String {
    standings.shown().unwrap().limit.name().to_owned()
}

fn exceeded(error: Asked) -> Exceeded {
    match error {
        Asked::Exceeded(exceeded) => exceeded,
        Asked::TooCostly => panic!("it is not too costly"),
    }
}

fn owned(list: &[(&str, u32)]) -> Vec<(String, u32)> {
    list.iter().map(|(name, remaining)| ((*name).to_owned(), *remaining)).collect()
}

fn owner_of(limits: &[Limit]) -> SharedBuckets {
    let owner = SharedBuckets::default();
    let clock = || Now::new(UnixMillis(0), SteadyNanos(0));
    owner.set(&Limits::new(limits.to_vec()).unwrap(), Revision(0), &clock);
    owner
}

fn minute_and_day() -> Key {
    Key::new(vec![named("minute", 10, 60, 10), named("day", 15, 86_400, 15)])
}

#[test]
fn a_list_has_at_most_eight_limits_with_names_of_their_own() {
    let numbered = |count: u32| (0..count).map(|n| named(&format!("l{n}"), 1, 1, 1)).collect();
    assert!(Limits::new(numbered(8)).is_ok());
    assert_eq!(Limits::new(numbered(9)), Err(LimitsError::TooMany));
    let twice = vec![named("a", 1, 1, 1), named("b", 1, 1, 1), named("a", 2, 1, 1)];
    let error = Limits::new(twice).unwrap_err();
    assert_eq!(error, LimitsError::SameName(named("a", 2, 1, 1)));
    assert_eq!(error.to_string(), "two limits are called `a`; each needs a name of its own");
    assert_eq!(LimitsError::TooMany.to_string(), "there are at most 8 limits; leave some out");
}

#[test]
fn a_request_takes_from_all_or_from_none() {
    let key = minute_and_day();
    for left in (0..10).rev() {
        assert_eq!(
            told(&key.ask(None, 1, 5).unwrap()),
            owned(&[("minute", left), ("day", left + 5)])
        );
    }
    let denied = exceeded(key.ask(None, 1, 5).unwrap_err());
    assert_eq!(told(&denied.standings), owned(&[("minute", 0), ("day", 5)]));
    assert_eq!(denied.retry_after, Duration::from_secs(6));
    // A minute later only the limit of the day counts: five are left of it.
    for left in (0..5).rev() {
        let standings = key.ask(None, 1, 60 * SECOND + 5).unwrap();
        assert_eq!(told(&standings), owned(&[("minute", left + 5), ("day", left)]));
    }
    let denied = exceeded(key.ask(None, 1, 60 * SECOND + 5).unwrap_err());
    assert_eq!(told(&denied.standings), owned(&[("minute", 5), ("day", 0)]));
    assert_eq!(shown(&denied.standings), "day");
}

#[test]
fn the_tightest_is_shown_and_the_longest_wait_is_denied_by() {
    let key = minute_and_day();
    assert_eq!(shown(&key.ask(None, 1, 5).unwrap()), "minute");
    assert_eq!(shown(&key.ask(None, 9, 5).unwrap()), "minute");
    // Of the same remaining, the first.
    let key = Key::new(vec![named("b", 3, 60, 3), named("a", 3, 60, 3)]);
    assert_eq!(shown(&key.ask(None, 3, 5).unwrap()), "b");
    assert_eq!(shown(&exceeded(key.ask(None, 1, 5).unwrap_err()).standings), "b");
    // Both are reached, and the second has the longer wait.
    let key = Key::new(vec![named("minute", 2, 60, 2), named("day", 2, 86_400, 2)]);
    assert!(key.ask(None, 2, 5).is_ok());
    let denied = exceeded(key.ask(None, 1, 5).unwrap_err());
    assert_eq!(shown(&denied.standings), "day");
    assert_eq!(denied.retry_after, Duration::from_secs(43_200));
    let wait = u64::try_from(denied.retry_after.as_nanos()).unwrap();
    assert!(key.ask(None, 1, 5 + wait - 1).is_err());
    assert!(key.ask(None, 1, 5 + wait).is_ok());
}

#[test]
fn a_cost_counts_as_that_many_requests() {
    for key in [Key::of(10, 60, 10), Key::new(vec![named("a", 10, 60, 10), named("b", 9, 60, 20)])]
    {
        assert_eq!(key.ask(None, 7, 5).unwrap().shown().unwrap().remaining, 3);
        let denied = exceeded(key.ask(None, 4, 5).unwrap_err());
        assert_eq!(denied.retry_after, Duration::from_secs(6));
        assert!(key.ask(None, 4, 5 + 6 * SECOND).is_ok());
    }
}

#[test]
fn what_costs_nothing_is_judged_as_one_and_takes_nothing() {
    for key in [Key::of(2, 60, 2), Key::new(vec![named("a", 2, 60, 2), named("b", 5, 60, 5)])] {
        for _ in 0..5 {
            assert_eq!(key.ask(None, 0, 5).unwrap().shown().unwrap().remaining, 2);
        }
        assert!(key.ask(None, 2, 5).is_ok());
        let denied = exceeded(key.ask(None, 0, 5).unwrap_err());
        assert_eq!(denied.retry_after, Duration::from_secs(30));
    }
}

/// Also if the bucket is empty: waiting does not help.
#[test]
fn a_cost_above_a_burst_never_passes() {
    let owner = || Some(owner_of(&[named("all", 3, 60, 3)]));
    let keys = [
        (Key::of(2, 60, 2), None),
        (Key::new(vec![named("a", 9, 60, 9), named("b", 2, 60, 2)]), None),
        (Key::of(9, 60, 9), owner()),
        (Key::new(vec![]), owner()),
    ];
    for (key, owner) in &keys {
        let owner = owner.as_ref();
        assert_eq!(key.ask(owner, COST_MAX, 5), Err(Asked::TooCostly));
        assert_eq!(key.ask(owner, 4, 5), Err(Asked::TooCostly));
        assert!(key.ask(owner, 2, 5).is_ok(), "nothing was taken");
        assert_eq!(key.ask(owner, 4, 5), Err(Asked::TooCostly));
    }
}

/// Whatever it costs, and however many buckets there are.
#[test]
fn no_bucket_is_full_after_the_latest_time() {
    let minute = named("minute", 60, 60, 9);
    for list in [vec![minute], vec![minute, named("b", 60, 60, 8)]] {
        let (key, late) = (Key::new(list.clone()), Key::new(list));
        for cost in [2, 2] {
            assert!(key.ask(None, cost, ARRIVAL_MAX - 4 * SECOND).is_ok());
        }
        for cost in [0, 1] {
            assert!(key.ask(None, cost, ARRIVAL_MAX - 4 * SECOND).is_err());
            assert!(late.ask(None, cost, ARRIVAL_MAX).is_err());
            assert!(late.ask(None, cost, u64::MAX).is_err());
        }
        assert!(late.ask(None, 0, ARRIVAL_MAX - SECOND).is_ok(), "nothing was taken");
    }
}

#[test]
fn costs_are_bounded() {
    assert_eq!(Cost::new(COST_MAX).map(Cost::get), Some(1_000_000));
    assert_eq!(Cost::new(COST_MAX + 1), None);
    assert_eq!(Cost::product(1_000, 1_000).map(Cost::get), Ok(1_000_000));
    assert_eq!(Cost::product(1_000, 1_001), Err(ParseCostError));
    assert_eq!(Cost::product(u32::MAX, u32::MAX), Err(ParseCostError));
    assert_eq!(Cost::default().get(), 1);
    // The dearest request under the slowest limit is still a number.
    let slowest = named("slow", 1, 366 * 86_400, 1);
    assert!(Key::new(vec![slowest]).ask(None, 1, u64::MAX / 32).is_ok());
}

#[test]
fn an_owner_shares_its_limits_among_its_keys() {
    let owner = owner_of(&[named("all", 5, 60, 5)]);
    let keys = [Key::of(4, 60, 4), Key::new(vec![]), minute_and_day()];
    let told_of = |at: usize| told(&keys[at].ask(Some(&owner), 1, 5).unwrap());
    assert_eq!(told_of(0), owned(&[("requests", 3), ("owner:all", 4)]));
    assert_eq!(told_of(1), owned(&[("owner:all", 3)]));
    assert_eq!(told_of(2), owned(&[("minute", 9), ("day", 14), ("owner:all", 2)]));
    assert_eq!(told_of(0), owned(&[("requests", 2), ("owner:all", 1)]));
    assert_eq!(told_of(0), owned(&[("requests", 1), ("owner:all", 0)]));
    for key in &keys {
        let denied = exceeded(key.ask(Some(&owner), 1, 5).unwrap_err());
        assert_eq!(shown(&denied.standings), "owner:all");
        assert_eq!(denied.retry_after, Duration::from_secs(12));
    }
    // The key's own limit denies, and the owner's stays as it is.
    let later = 5 + 600 * SECOND;
    assert!(keys[0].ask(Some(&owner), 4, later).is_ok());
    assert!(keys[0].ask(Some(&owner), 1, later).is_err());
    assert_eq!(told(&keys[1].ask(Some(&owner), 1, later).unwrap()), owned(&[("owner:all", 0)]));
}

#[test]
fn other_limits_of_an_owner_keep_what_was_used_by_name() {
    let list = |list: &[Limit]| Limits::new(list.to_vec()).unwrap();
    let set = |owner: &SharedBuckets, limits: &[Limit], at| {
        owner.set(&list(limits), Revision(0), &|| Now::new(UnixMillis(0), SteadyNanos(at)));
    };
    let (a, b, c) = (named("a", 9, 60, 9), named("b", 8, 60, 8), named("c", 7, 60, 7));
    let key = Key::new(vec![]);
    let owner = owner_of(&[a, b]);
    let told_of = |owner, cost| told(&key.ask(Some(owner), cost, 5).unwrap());
    assert_eq!(told_of(&owner, 4), owned(&[("owner:a", 5), ("owner:b", 4)]));
    set(&owner, &[b, c], 5);
    assert_eq!(told_of(&owner, 1), owned(&[("owner:b", 3), ("owner:c", 6)]));
    set(&owner, &[c], 5);
    assert_eq!(told_of(&owner, 1), owned(&[("owner:c", 5)]));
    // One that replaces one other, and one that it would have emptied for a day.
    let day = named("day", 5, 86_400, 5);
    set(&owner, &[day], 5);
    assert_eq!(told_of(&owner, 4), owned(&[("owner:day", 0)]));
    set(&owner, &[c], 5);
    assert_eq!(exceeded(key.ask(Some(&owner), 1, 5).unwrap_err()).retry_after.as_secs(), 8);
    set(&owner, &[], 5);
    assert_eq!(key.ask(Some(&owner), 1, 5), Ok(Standings::NONE));
}

/// As if it had been laid out for other limits: it lets nothing through.
#[test]
fn a_word_that_is_missing_lets_nothing_through() {
    let mut key = minute_and_day();
    key.words.pop();
    assert!(matches!(key.ask(None, 1, 5), Err(Asked::Exceeded(_))));
    key.words.pop();
    assert!(matches!(key.ask(None, 1, 5), Err(Asked::Exceeded(_))));
    let mut one = Key::of(1, 60, 1);
    one.words.pop();
    assert!(matches!(one.ask(None, 1, 5), Err(Asked::Exceeded(_))));
    one.words.extend([AtomicU64::new(0), AtomicU64::new(0)]);
    assert!(one.ask(None, 1, 5).is_ok());
    assert!(one.ask(None, 1, 5).is_err());
}

#[test]
fn names_carry_what_was_used() {
    let key = minute_and_day();
    assert!(key.ask(None, 5, 5).is_ok());
    let carry = |key: &Key, list: Vec<Limit>, era| {
        let limits = Limits::new(list).unwrap();
        let words = carried(&key.buckets(), &limits, era, SteadyNanos(5));
        let words = words.into_iter().map(AtomicU64::new).collect();
        Key { limits, era, words, lock: Mutex::new(()) }
    };
    let (day, hour) = (named("day", 15, 86_400, 15), named("hour", 12, 3_600, 12));
    let moved = carry(&key, vec![day, hour], Era::new(3, SteadyNanos(5)));
    assert_eq!(told(&moved.ask(None, 1, 5).unwrap()), owned(&[("day", 9), ("hour", 11)]));
    // Used under that edition, so that an older one does not count as an older reading of it.
    let older = moved.under(vec![day, hour], 2, 5);
    assert_eq!(told(&older.ask(None, 1, 5).unwrap()), owned(&[("day", 8), ("hour", 10)]));
    // Of several that become one, only its own name counts; of one that becomes one, any does.
    let one = carry(&older, vec![named("new", 4, 60, 4)], Era::FIRST);
    assert_eq!(told(&one.ask(None, 3, 5).unwrap()), owned(&[("new", 1)]));
    let other = carry(&one, vec![named("other", 4, 60, 4)], Era::FIRST);
    assert_eq!(told(&other.ask(None, 1, 5).unwrap()), owned(&[("other", 0)]));
    // An empty bucket is the worst that it can be.
    let minute = named("minute", 60, 60, 60);
    let tight = Key::of(1, 86_400, 1);
    assert!(tight.ask(None, 1, 5).is_ok());
    let looser = carry(&tight, vec![minute], Era::FIRST);
    assert_eq!(exceeded(looser.ask(None, 1, 5).unwrap_err()).retry_after.as_secs(), 1);
}
