//! Tests of the bucket: its guarantee, its promise to those who wait, and changes under way.

use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::time::{Now, UnixMillis};

const SECOND: u64 = 1_000_000_000;

fn limit(amount: u32, per_secs: u64, burst: u32) -> Limit {
    let number = |number| NonZeroU32::new(number).unwrap();
    Limit::new("requests", number(amount), Duration::from_secs(per_secs), number(burst)).unwrap()
}

fn limits(amount: u32, per_secs: u64, burst: u32) -> Limits {
    Limits::new(vec![limit(amount, per_secs, burst)]).unwrap()
}

fn take(limits: &Limits, meter: &Meter, at: u64) -> Result<Standing, Exceeded> {
    match limits.take(meter, SteadyNanos(at)) {
        Ok(standing) => Ok(standing.expect("there is a limit")),
        Err(TakeError::Exceeded(exceeded)) => Err(exceeded),
        Err(TakeError::Retired) => panic!("nothing takes the place of these meters"),
    }
}

fn reading(at: u64) -> Now {
    Now::new(UnixMillis(0), SteadyNanos(at))
}

#[test]
fn a_burst_passes_and_the_next_request_waits_one_interval() {
    let (limits, meter) = (limits(100, 60, 100), Meter::default());
    for remaining in (0..100).rev() {
        assert_eq!(take(&limits, &meter, 5).unwrap().remaining, remaining);
    }
    let exceeded = take(&limits, &meter, 5).unwrap_err();
    assert_eq!(exceeded.retry_after, Duration::from_millis(600));
    assert_eq!(exceeded.standing.remaining, 0);
    assert_eq!(exceeded.standing.full_after, Duration::from_secs(60));
    assert!(take(&limits, &meter, 5 + SECOND * 6 / 10 - 1).is_err());
    assert!(take(&limits, &meter, 5 + SECOND * 6 / 10).is_ok());
}

#[test]
fn a_refused_request_consumes_nothing() {
    let (limits, meter) = (limits(1, 60, 1), Meter::default());
    assert!(take(&limits, &meter, 0).is_ok());
    let told: Vec<_> = (0..1_000).map(|_| take(&limits, &meter, SECOND).unwrap_err()).collect();
    assert!(told.iter().all(|exceeded| exceeded.retry_after == Duration::from_secs(59)));
    assert!(take(&limits, &meter, 60 * SECOND).is_ok());
}

#[test]
fn steady_callers_below_the_rate_are_never_refused() {
    // One request each `spacing` percent of the fair interval, for ten thousand requests.
    let accepted = |spacing: u64| {
        let (limits, meter) = (limits(100, 60, 100), Meter::default());
        let at = |n: u64| n * 600_000_000 * spacing / 100;
        (0..10_000).filter(|n| take(&limits, &meter, at(*n)).is_ok()).count()
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
    let (limits, meter) = (limits(50, 60, 50), Meter::default());
    let accepted = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    if take(&limits, &meter, 7).is_ok() {
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
    let (day, meter) = (limits(10, 86_400, 10), Meter::default());
    while take(&day, &meter, SECOND).is_ok() {}
    let minute = limits(100, 60, 100).succeeding(&day, SteadyNanos(2 * SECOND));
    let exceeded = take(&minute, &meter, 2 * SECOND).unwrap_err();
    assert_eq!(exceeded.retry_after, Duration::from_millis(600));
    assert!(take(&minute, &meter, 2 * SECOND + SECOND * 6 / 10).is_ok());
}

#[test]
fn a_request_that_overlaps_a_change_never_refills_the_bucket() {
    let (old, meter) = (limits(100, 60, 100), Meter::default());
    let new = limits(5, 86_400, 5).succeeding(&old, SteadyNanos(SECOND));
    while take(&new, &meter, SECOND).is_ok() {}
    // It read the old limits before the change and arrives now.
    assert!(take(&old, &meter, SECOND).is_err());
    assert!(take(&new, &meter, SECOND).is_err());
}

#[test]
fn a_meter_that_takes_over_goes_on_where_the_other_stood() {
    let (limits, before) = (limits(100, 60, 100), Meter::default());
    for _ in 0..40 {
        assert!(take(&limits, &before, 5).is_ok());
    }
    let after = Meter::default();
    after.take_over(&before, None);
    assert_eq!(take(&limits, &after, 5).unwrap().remaining, 59);
    assert_eq!(limits.take(&before, SteadyNanos(5)), Err(TakeError::Retired));
}

/// A reading from before would forget what was taken until then.
#[test]
fn the_clock_is_read_when_nothing_is_taken_from_the_meter_any_more() {
    let (before, after) = (Meter::default(), Meter::default());
    let (old, new) = (limits(100, 60, 100), limits(10, 60, 10));
    after.take_over(
        &before,
        Some((&new, &|| {
            assert_eq!(old.take(&before, SteadyNanos(5)), Err(TakeError::Retired));
            reading(5)
        })),
    );
    assert!(take(&new, &after, 5).is_ok());
}

#[test]
fn a_closed_meter_gives_nothing_until_it_is_opened() {
    let (limits, meter) = (limits(100, 60, 100), Meter::closed());
    assert_eq!(limits.take(&meter, SteadyNanos(5)), Err(TakeError::Retired));
    meter.open();
    assert_eq!(take(&limits, &meter, 5).unwrap().remaining, 99);
}

#[test]
fn other_limits_take_over_what_was_used_and_their_own_edition() {
    let (day, before) = (limits(10, 86_400, 10), Meter::default());
    while take(&day, &before, SECOND).is_ok() {}
    let mut minute = limits(100, 60, 100);
    for _ in 0..3 {
        minute = limits(100, 60, 100).succeeding(&minute, SteadyNanos(SECOND));
    }
    let after = Meter::default();
    after.take_over(&before, Some((&minute, &|| reading(2 * SECOND))));
    let exceeded = take(&minute, &after, 2 * SECOND).unwrap_err();
    assert_eq!(exceeded.retry_after, Duration::from_millis(600), "an empty bucket is the worst");
    // Used under this edition, so that an older one does not count as an older reading of it.
    let again = Meter::default();
    again.take_over(&after, Some((&day, &|| reading(2 * SECOND))));
    assert!(take(&day, &again, 2 * SECOND).is_ok(), "a minute fills no bucket of a day");
}

#[test]
fn no_request_is_taken_from_two_meters() {
    let limits = limits(100_000, 86_400, 100_000);
    let meters: Vec<_> = (0..2_000).map(|_| Meter::closed()).collect();
    meters[0].open();
    let (accepted, present) = (AtomicU32::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    // Found first and taken from later, as requests do.
                    let meter = &meters[present.load(Ordering::Acquire)];
                    match limits.take(meter, SteadyNanos(7)) {
                        Ok(_) => drop(accepted.fetch_add(1, Ordering::Relaxed)),
                        Err(TakeError::Retired) => {}
                        Err(TakeError::Exceeded(_)) => return,
                    }
                }
            });
        }
        scope.spawn(|| {
            for (at, pair) in (1..).zip(meters.windows(2)) {
                pair[1].take_over(&pair[0], None);
                present.store(at, Ordering::Release);
                thread::yield_now();
            }
        });
    });
    assert_eq!(accepted.into_inner(), 100_000);
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
    let (limits, meter) = (limits(100, 60, 100), Meter::default());
    assert!(take(&limits, &meter, ARRIVAL_MAX + 1).is_err());
}

proptest! {
    /// The guarantee, replayed over every span between two accepted requests, with readings of
    /// the clock that come out of order as they do from several threads.
    #[test]
    fn no_span_of_time_holds_more_than_burst_and_rate(
        amount in 1_u32..1_000, per_secs in 1_u64..100, burst in 1_u32..50,
        steps in prop::collection::vec((0_u64..3 * SECOND, 0_u64..SECOND), 1..300),
    ) {
        let (limits, meter) = (limits(amount, per_secs, burst), Meter::default());
        let mut at = 10 * SECOND;
        let mut accepted = Vec::new();
        for (step, late) in steps {
            at += step;
            let read = at - late;
            if take(&limits, &meter, read).is_ok() {
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
        let (limits, meter) = (limits(amount, per_secs, burst), Meter::default());
        let mut at = 0;
        for step in steps {
            at += step;
            if let Err(exceeded) = take(&limits, &meter, at) {
                let wait = u64::try_from(exceeded.retry_after.as_nanos()).unwrap();
                prop_assert!(take(&limits, &meter, at + wait - 1).is_err());
                at += wait;
                prop_assert!(take(&limits, &meter, at).is_ok());
            }
        }
    }
}
