//! Tests of the bucket: its guarantee, its promise to waiting callers, and several at once.

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::bucket::ARRIVAL_MAX;
use super::*;
use crate::time::SteadyNanos;

mod several;

const SECOND: u64 = 1_000_000_000;

fn named(name: &str, amount: u32, per_secs: u64, burst: u32) -> Limit {
    let number = |number| NonZeroU32::new(number).unwrap();
    Limit::new(name, number(amount), Duration::from_secs(per_secs), number(burst)).unwrap()
}

fn limit(amount: u32, per_secs: u64, burst: u32) -> Limit {
    named("requests", amount, per_secs, burst)
}

/// The buckets of one key.
struct Key {
    limits: Limits,
    era: Era,
    words: Vec<AtomicU64>,
    lock: Mutex<()>,
}

/// Why nothing was taken.
#[derive(Debug, PartialEq)]
enum Asked {
    Exceeded(Exceeded),
    TooCostly,
}

impl Key {
    fn new(list: Vec<Limit>) -> Self {
        let words = list.iter().map(|_| AtomicU64::new(0)).collect();
        Self { limits: Limits::new(list).unwrap(), era: Era::FIRST, words, lock: Mutex::new(()) }
    }

    fn of(amount: u32, per_secs: u64, burst: u32) -> Self {
        Self::new(vec![limit(amount, per_secs, burst)])
    }

    fn buckets(&self) -> Buckets<'_> {
        let limits = &self.limits;
        Buckets { limits, told: limits, era: self.era, words: &self.words }
    }

    fn ask(&self, owner: Option<&SharedBuckets>, cost: u32, at: u64) -> Result<Standings, Asked> {
        let (cost, mut told) = (Cost::new(cost).unwrap(), Standings::NONE);
        let taken = self.buckets().take(&self.lock, owner, cost, SteadyNanos(at), &mut told);
        match taken {
            Ok(()) => Ok(told),
            Err(TakeError::Exceeded(retry_after)) => {
                Err(Asked::Exceeded(Exceeded { standings: told, retry_after }))
            }
            Err(TakeError::TooCostly) => Err(Asked::TooCostly),
        }
    }

    fn take(&self, at: u64) -> Result<Standing, Exceeded> {
        match self.ask(None, 1, at) {
            Ok(standings) => Ok(standings.shown().expect("there is a limit")),
            Err(Asked::Exceeded(exceeded)) => Err(exceeded),
            Err(Asked::TooCostly) => panic!("every bucket holds one"),
        }
    }

    /// The same buckets under the next edition of a tier's limits.
    fn under(self, list: Vec<Limit>, generation: usize, since: u64) -> Self {
        let era = Era::new(generation, SteadyNanos(since));
        Self { limits: Limits::new(list).unwrap(), era, ..self }
    }
}

#[test]
fn a_burst_passes_and_the_next_request_waits_one_interval() {
    let key = Key::of(100, 60, 100);
    for remaining in (0..100).rev() {
        assert_eq!(key.take(5).unwrap().remaining, remaining);
    }
    let exceeded = key.take(5).unwrap_err();
    assert_eq!(exceeded.retry_after, Duration::from_millis(600));
    assert_eq!(exceeded.standing().unwrap().remaining, 0);
    assert_eq!(exceeded.standing().unwrap().full_after, Duration::from_secs(60));
    assert!(key.take(5 + SECOND * 6 / 10 - 1).is_err());
    assert!(key.take(5 + SECOND * 6 / 10).is_ok());
}

#[test]
fn a_refused_request_consumes_nothing() {
    let key = Key::of(1, 60, 1);
    assert!(key.take(0).is_ok());
    let told: Vec<_> = (0..1_000).map(|_| key.take(SECOND).unwrap_err()).collect();
    assert!(told.iter().all(|exceeded| exceeded.retry_after == Duration::from_secs(59)));
    assert!(key.take(60 * SECOND).is_ok());
}

#[test]
fn steady_callers_below_the_rate_are_never_refused() {
    // One request each `spacing` percent of the fair interval, for ten thousand requests.
    let accepted = |spacing: u64| {
        let key = Key::of(100, 60, 100);
        let at = |n: u64| n * 600_000_000 * spacing / 100;
        (0..10_000).filter(|n| key.take(at(*n)).is_ok()).count()
    };
    assert_eq!(accepted(500), 10_000); // 0.2 times the limit
    assert_eq!(accepted(112), 10_000); // 0.9 times
    assert_eq!(accepted(100), 10_000); // exactly the limit
    // 1.1 times: the burst, and then one for each interval that has passed.
    let ends = 9_999 * 600_000_000_u64 * 91 / 100;
    assert_eq!(accepted(91) as u64, 100 + ends / 600_000_000);
}

#[test]
fn parallel_requests_get_exactly_the_burst() {
    let key = Key::of(50, 60, 50);
    let accepted = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    if key.take(7).is_ok() {
                        accepted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(accepted.into_inner(), 50);
}

#[test]
fn a_looser_limit_counts_at_once() {
    let key = Key::of(10, 86_400, 10);
    while key.take(SECOND).is_ok() {}
    let key = key.under(vec![limit(100, 60, 100)], 1, 2 * SECOND);
    let exceeded = key.take(2 * SECOND).unwrap_err();
    assert_eq!(exceeded.retry_after, Duration::from_millis(600));
    assert!(key.take(2 * SECOND + SECOND * 6 / 10).is_ok());
}

#[test]
fn a_request_that_overlaps_a_change_never_refills_the_bucket() {
    let key = Key::of(5, 86_400, 5).under(vec![limit(5, 86_400, 5)], 1, SECOND);
    while key.take(SECOND).is_ok() {}
    // It read the old limits before the change and arrives now.
    let key = key.under(vec![limit(100, 60, 100)], 0, 0);
    assert!(key.take(SECOND).is_err());
    let key = key.under(vec![limit(5, 86_400, 5)], 1, SECOND);
    assert!(key.take(SECOND).is_err());
}

/// As long as it is not set since when the new limits are in force.
#[test]
fn an_unforgiving_edition_gives_nothing_back() {
    let key = Key::of(10, 86_400, 10);
    while key.take(SECOND).is_ok() {}
    let key = key.under(vec![limit(100, 60, 100)], 1, SteadyNanos::NEVER.0);
    let exceeded = key.take(2 * SECOND).unwrap_err();
    assert!(Duration::from_secs(86_000) < exceeded.retry_after);
}

#[test]
fn a_meter_is_a_bucket_by_itself() {
    let (meter, limit) = (Meter::default(), limit(2, 60, 2));
    let take = |at| meter.take(&limit, SteadyNanos(at));
    assert_eq!((take(5).unwrap().remaining, take(5).unwrap().remaining), (1, 0));
    assert_eq!(take(5).unwrap_err().retry_after, Duration::from_secs(30));
    assert_eq!(take(5 + 30 * SECOND).unwrap().remaining, 0);
}

#[test]
fn limits_are_bounded() {
    let new = |name: &str, amount, per, burst| {
        let number = |number| NonZeroU32::new(number).unwrap();
        Limit::new(name, number(amount), per, number(burst)).map(|_| ())
    };
    let secs = Duration::from_secs;
    assert_eq!(new("", 1, secs(1), 1), Err(LimitError::Name));
    assert_eq!(new(&"n".repeat(25), 1, secs(1), 1), Err(LimitError::Name));
    assert_eq!(new("a\"b", 1, secs(1), 1), Err(LimitError::Name));
    assert_eq!(new("requests", 1_000_000_001, secs(1), 1), Err(LimitError::Amount));
    assert_eq!(new("requests", 1, Duration::from_millis(999), 1), Err(LimitError::Per));
    assert_eq!(new("requests", 1, Duration::from_millis(1_500), 1), Err(LimitError::Per));
    assert_eq!(new("requests", 1, PER_MAX + secs(1), 1), Err(LimitError::Per));
    assert_eq!(new("requests", 1, PER_MAX, 1), Ok(()));
    assert_eq!(new("requests", 1, PER_MAX, 2), Err(LimitError::Burst));
    assert_eq!(new("requests", 1_000_000_000, secs(1), u32::MAX), Ok(()));
}

#[test]
fn time_beyond_the_meter_refuses() {
    let key = Key::of(100, 60, 100);
    assert!(key.take(ARRIVAL_MAX + 1).is_err());
}

proptest! {
    /// The guarantee, replayed over every span between two accepted requests, with readings of
    /// the clock that come out of order as they do from several threads.
    #[test]
    fn no_span_of_time_holds_more_than_burst_and_rate(
        amount in 1_u32..1_000, per_secs in 1_u64..100, burst in 1_u32..50,
        steps in prop::collection::vec((0_u64..3 * SECOND, 0_u64..SECOND), 1..300),
    ) {
        let key = Key::of(amount, per_secs, burst);
        let mut at = 10 * SECOND;
        let mut accepted = Vec::new();
        for (step, late) in steps {
            at += step;
            let read = at - late;
            if key.take(read).is_ok() {
                accepted.push(read);
            }
        }
        accepted.sort_unstable();
        let interval = (per_secs * SECOND).div_ceil(u64::from(amount));
        for (first, from) in accepted.iter().enumerate() {
            for (count, to) in (1..).zip(&accepted[first..]) {
                let allowed = u64::from(burst) + (to - from) / interval;
                prop_assert!(count <= allowed, "{count} in {} ns", to - from);
            }
        }
    }

    #[test]
    fn waiting_exactly_as_told_is_enough(
        amount in 1_u32..1_000_000, per_secs in 1_u64..100_000, burst in 1_u32..50,
        steps in prop::collection::vec(0_u64..3 * SECOND, 1..100),
    ) {
        let key = Key::of(amount, per_secs, burst);
        let mut at = 0;
        for step in steps {
            at += step;
            if let Err(exceeded) = key.take(at) {
                let wait = u64::try_from(exceeded.retry_after.as_nanos()).unwrap();
                prop_assert!(key.take(at + wait - 1).is_err());
                at += wait;
                prop_assert!(key.take(at).is_ok());
            }
        }
    }
}
