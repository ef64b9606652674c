//! The carried reading against clocks that are set back, set ahead and corrected.

use super::*;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// 2027-06-01T12:00:00Z.
const JUNE: u64 = 1_811_851_200_000;
/// 2000-01-01T00:00:00Z.
const LONG_AGO: u64 = 946_684_800_000;

/// The clocks' reading `steady` milliseconds after the steady one began.
fn at(unix: u64, steady: u64) -> Now {
    Now::new(UnixMillis(unix), SteadyNanos(steady * NANOS_PER_MS))
}

/// By how much a reading may be later than it says.
fn doubt(judged: Now) -> u64 {
    judged.latest().0 - judged.unix.0
}

#[test]
fn nothing_is_doubted_before_there_was_a_reading() {
    let carried = Carried::since(None);
    assert_eq!(carried.judge(at(0, DAY)), at(0, DAY));
    assert_eq!(carried.at(SteadyNanos(7)), None);
    assert_eq!(carried.follow(at(JUNE, DAY)), at(JUNE, DAY));
    assert_eq!(carried.at(SteadyNanos(DAY * NANOS_PER_MS)), Some(UnixMillis(JUNE)));
}

#[test]
fn a_clock_that_is_set_back_is_doubted_until_it_is_right_again() {
    for back in [LONG_AGO, JUNE - 2 * HOUR, 0] {
        let carried = Carried::since(None);
        carried.follow(at(JUNE, 0));
        // An hour later it says something else, and goes on from there.
        for steady in [HOUR, HOUR + SECOND, 30 * DAY] {
            let told = at(back + steady, steady);
            assert_eq!(carried.follow(told).latest(), UnixMillis(JUNE + steady));
            assert_eq!(carried.judge(told).unix, told.unix);
        }
        let right = at(JUNE + 31 * DAY, 31 * DAY);
        assert_eq!(carried.judge(right), right);
        assert_eq!(carried.follow(right), right);
    }
}

#[test]
fn a_clock_may_be_a_minute_behind() {
    let carried = Carried::since(None);
    carried.follow(at(JUNE, 0));
    assert_eq!(doubt(carried.judge(at(JUNE - MINUTE, 0))), 0);
    assert_eq!(doubt(carried.judge(at(JUNE - MINUTE - 1, 0))), MINUTE + 1);
}

#[test]
fn a_clock_that_is_ahead_is_followed_and_doubted_when_it_comes_back() {
    let in_2036 = JUNE + 9 * 365 * DAY;
    let carried = Carried::since(None);
    carried.follow(at(JUNE, 0));
    let ahead = at(in_2036, SECOND);
    assert_eq!(carried.follow(ahead), ahead);
    let back = carried.follow(at(JUNE + 2 * SECOND, 2 * SECOND));
    assert_eq!(back.latest(), UnixMillis(in_2036 + SECOND));
    carried.accept(back);
    let later = at(JUNE + 3 * SECOND, 3 * SECOND);
    assert_eq!(carried.judge(later), later);
    assert_eq!(carried.at(later.steady), Some(later.unix));
}

#[test]
fn before_the_beginning_no_clock_is_right() {
    let carried = Carried::since(None);
    let first = EARLIEST.0 + 10 * SECOND;
    carried.follow(at(first, 0));
    assert_eq!(doubt(carried.follow(at(EARLIEST.0, 0))), 0);
    let before = at(EARLIEST.0 - 1, SECOND);
    assert!(carried.follow(before).is_in_doubt());
    assert!(carried.judge(before).is_in_doubt());
}

#[test]
fn an_earlier_start_is_gone_on_from_whenever_the_steady_clock_began() {
    for began in [0, 400 * DAY] {
        let carried = Carried::since(Some(UnixMillis(JUNE)));
        let told = carried.follow(at(JUNE - HOUR, began));
        assert_eq!(told.latest(), UnixMillis(JUNE));
        let later = carried.judge(at(JUNE, began + HOUR));
        assert_eq!(later.latest(), UnixMillis(JUNE + HOUR));
        let right = at(JUNE + HOUR, began + HOUR);
        assert_eq!(carried.follow(right), right);
    }
}

#[test]
fn small_corrections_never_add_up_to_a_doubt() {
    let carried = Carried::since(None);
    carried.follow(at(JUNE, 0));
    // A crystal that is fast by 400 parts in a million, and is corrected once an hour.
    let mut wall = JUNE;
    for hour in 1..=24 * 365 {
        let steady = hour * HOUR;
        wall += HOUR - 1_440;
        assert_eq!(doubt(carried.follow(at(wall, steady))), 0, "after {hour} hours");
    }
}

#[test]
fn large_corrections_add_up() {
    let carried = Carried::since(None);
    carried.follow(at(JUNE, 0));
    // Half a minute back each minute: sooner or later one of them is one too many.
    let doubted = (1..=10).find(|minute| {
        carried.follow(at(JUNE + minute * MINUTE / 2, minute * MINUTE)).is_in_doubt()
    });
    assert_eq!(doubted, Some(3));
}

#[test]
fn readings_at_the_ends_of_time_are_taken() {
    let carried = Carried::since(Some(UnixMillis(u64::MAX)));
    for (unix, steady) in [(0, 0), (u64::MAX, 0), (0, u64::MAX), (u64::MAX, u64::MAX)] {
        let told = Now::new(UnixMillis(unix), SteadyNanos(steady));
        let judged = carried.judge(told);
        assert!(judged.unix <= judged.latest());
        carried.follow(told);
        carried.accept(told);
    }
}
