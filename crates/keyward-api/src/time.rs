//! Points in time as texts, of Keyward and of other programs.

use jiff::Timestamp;
use jiff::civil::{self, DateTime};
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use keyward::UnixMillis;

/// The last millisecond of the year 9999, where RFC 3339 ends.
const MILLIS_MAX: i64 = 253_402_300_799_999;

/// Reads a time as most databases write it: `2024-05-01 12:34:56.123456`, with or
/// without a fraction, with a space or a `T`, with `Z` or an offset. Without either it is UTC.
///
/// Fractions of a millisecond are cut off. `None` if it is no time, or one before 1970.
#[must_use]
pub fn parse_time(text: &str) -> Option<UnixMillis> {
    let civil = || Some(millis_of(text.parse().ok()?, Offset::UTC));
    u64::try_from(timestamp_millis(text).or_else(civil)?).ok().map(UnixMillis)
}

/// Reads a time in RFC 3339, with any offset, from 1970 to the end of 9999.
///
/// Fractions of a millisecond are cut off, and a time that an offset moves beyond 9999 becomes its
/// end. `None` if it is no such time, or has no offset.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<UnixMillis> {
    u64::try_from(timestamp_millis(text)?).ok().map(UnixMillis)
}

fn timestamp_millis(text: &str) -> Option<i64> {
    text.parse().map(Timestamp::as_millisecond).ok().or_else(|| last_days(text))
}

/// A `Timestamp` is in the year 9999 with any offset, so it has no room for the last times of that
/// year. But many programs write these for "for ever".
fn last_days(text: &str) -> Option<i64> {
    let pieces = Pieces::parse(text).ok()?;
    let millis = millis_of(pieces.date().to_datetime(pieces.time()?), pieces.to_numeric_offset()?);
    (Timestamp::MAX.as_millisecond() < millis).then_some(millis)
}

fn millis_of(civil: DateTime, offset: Offset) -> i64 {
    let since = civil.duration_since(civil::date(1970, 1, 1).to_datetime(civil::Time::midnight()));
    let millis = since.as_millis() - i128::from(offset.seconds()) * 1_000;
    i64::try_from(millis).unwrap_or(i64::MAX).min(MILLIS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, millis: Option<u64>) {
        assert_eq!(parse_time(text), millis.map(UnixMillis), "{text}");
    }

    #[test]
    fn times_are_read_in_every_form_that_is_in_use() {
        check("2024-05-01 12:34:56.123456", Some(1_714_566_896_123));
        check("2024-05-01 12:34:56", Some(1_714_566_896_000));
        check("2024-05-01T12:34:56", Some(1_714_566_896_000));
        check("2024-05-01T12:34:56Z", Some(1_714_566_896_000));
        check("2024-05-01 14:34:56.5+02:00", Some(1_714_566_896_500));
        check("2024-05-01", Some(1_714_521_600_000));
        check("1970-01-01 00:00:00", Some(0));
    }

    #[test]
    fn times_are_read_to_the_end_of_9999() {
        let (last, end) = (Some(253_402_300_799_000), Some(253_402_300_799_999));
        check("9999-12-30T21:59:59Z", Some(253_402_207_199_000));
        check("9999-12-31T23:59:59Z", last);
        check("9999-12-31T23:59:59.999Z", end);
        check("9999-12-31T23:59:59.9999999Z", end);
        check("9999-12-31T23:59:59+01:00", Some(253_402_297_199_000));
        check("9999-12-31T23:59:59-01:00", end);
        check("9999-12-31 23:59:59", last);
        check("9999-12-31", Some(253_402_214_400_000));
        for text in ["10000-01-01T00:00:00Z", "+010000-01-01T00:00:00Z", "9999-12-32T00:00:00Z"] {
            check(text, None);
        }
        assert_eq!(parse_timestamp("9999-12-31T23:59:59Z"), last.map(UnixMillis));
        assert_eq!(parse_timestamp("9999-12-31T23:59:59"), None);
    }

    #[test]
    fn an_offset_is_not_left_out_for_a_time_before_1970() {
        check("1970-01-01T00:00:00+05:00", None);
        check("1970-01-01T05:00:00+05:00", Some(0));
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in ["", "yesterday", "1714566896", "2024-13-01 00:00:00", "1969-12-31 23:59:59"] {
            check(text, None);
        }
    }
}
