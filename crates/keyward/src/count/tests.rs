//! Counts and counters.

use super::*;

const HOUR: u64 = 3_600_000;

#[test]
fn requests_around_a_full_hour_land_on_their_side_of_it() {
    let counters = Counters::default();
    assert_eq!(counters.add(Outcome::Allowed, UnixMillis(5 * HOUR - 1)), Added::First);
    assert_eq!(counters.add(Outcome::Limited, UnixMillis(5 * HOUR)), Added::First);
    assert_eq!(counters.add(Outcome::Limited, UnixMillis(5 * HOUR + 1)), Added::More);
    let taken: Vec<_> = counters.take(UnixMillis(5 * HOUR + 2)).collect();
    let expected = [
        (UnixHour(4), Counts::from([(Outcome::Allowed, 1)])),
        (UnixHour(5), Counts::from([(Outcome::Limited, 2)])),
    ];
    assert_eq!(taken, expected);
    assert_eq!(counters.take(UnixMillis(5 * HOUR + 2)).count(), 0);
}

/// The flush read the clock just before the full hour, or the clock was set back a little.
#[test]
fn what_was_counted_since_the_clock_was_read_is_of_the_hour_that_began() {
    let counters = Counters::default();
    let one = Counts::from([(Outcome::Allowed, 1)]);
    for (read, other) in [(1, 5), (60_000, 5), (60_001, 3), (HOUR, 3)] {
        assert_eq!(counters.add(Outcome::Allowed, UnixMillis(other * HOUR)), Added::First);
        let taken: Vec<_> = counters.take(UnixMillis(5 * HOUR - read)).collect();
        assert_eq!(taken, [(UnixHour(u32::try_from(other).unwrap()), one)], "{read}");
    }
}

#[test]
fn only_an_allowed_request_is_a_use() {
    let counters = Counters::default();
    let _ = counters.add(Outcome::Revoked, UnixMillis(9));
    assert_eq!(counters.last_used_at(), None);
    let _ = counters.add(Outcome::Allowed, UnixMillis(7));
    let _ = counters.add(Outcome::Allowed, UnixMillis(6));
    assert_eq!(counters.last_used_at(), Some(UnixMillis(7)));
}

#[test]
fn each_outcome_but_introspected_has_a_counter_of_its_own() {
    let counters = Counters::default();
    for (times, outcome) in (1..).zip(Outcome::ALL) {
        for _ in 0..times {
            let added = counters.add(outcome, UnixMillis(1));
            assert_eq!(added == Added::Apart, outcome == Outcome::Introspected, "{outcome:?}");
        }
    }
    let (_, mut counts) = counters.take(UnixMillis(2)).next().unwrap();
    assert_eq!(counts[Outcome::Introspected], 0);
    counts[Outcome::Introspected] = Outcome::ALL.len() as u64;
    assert_eq!(counts, Outcome::ALL.into_iter().zip(1..).collect());
    assert_eq!(counts[Outcome::OutOfNetwork], 4);
    let sum = counts.requests();
    assert_eq!(sum, (1..=Outcome::ALL.len() as u64).sum::<u64>());
    let others = counts[Outcome::Allowed] + counts[Outcome::Introspected];
    assert_eq!(counts.denied(), sum - others);
}

#[test]
fn each_outcome_has_a_word_of_its_own_that_columns_and_fields_may_have() {
    let in_word = |b: u8| b.is_ascii_lowercase() || b == b'_';
    for (at, outcome) in Outcome::ALL.into_iter().enumerate() {
        assert_eq!((outcome.at(), Outcome::WORDS[at]), (at, outcome.as_str()));
        assert!(outcome.as_str().bytes().all(in_word), "{outcome:?}");
        assert!(!Outcome::WORDS[..at].contains(&outcome.as_str()), "{outcome:?}");
    }
}

#[test]
fn counts_add_up_and_never_turn_over() {
    let mut counts = Counts::from([(Outcome::Revoked, 1), (Outcome::Revoked, 2)]);
    counts.add(&Counts::from([(Outcome::Revoked, u64::MAX), (Outcome::Limited, 1)]));
    assert_eq!((counts[Outcome::Revoked], counts[Outcome::Limited]), (u64::MAX, 1));
    assert_eq!((counts.denied(), counts.requests()), (u64::MAX, u64::MAX));
}

#[test]
fn a_counter_that_is_full_is_empty_again() {
    let counters = Counters::default();
    for n in 1..=2 * COUNTER_FULL {
        let expected = match n % COUNTER_FULL {
            0 => Added::Full,
            1 => Added::First,
            _ => Added::More,
        };
        assert_eq!(counters.add(Outcome::Limited, UnixMillis(1)), expected);
    }
    assert_eq!(counters.take(UnixMillis(1)).count(), 0);
}
