//! Which hours a request for usage is about: whole ones, and not too many.

use keyward::UnixMillis;
use keyward::query::{Bucket, Hours};
use keyward::time::UnixHour;

use crate::query::Parameters;
use crate::shapes::TimeText;

/// Most hours, or days, in one response: about three months, or six years.
pub const BUCKETS_MAX: u32 = 2_200;

/// The hours of `from` and `to`, rounded outwards to whole hours or days. By default `to` is now,
/// and `from` is `buckets` hours or days before `to`.
pub(super) fn hours(
    parameters: &mut Parameters<'_>,
    [from, to]: [Option<TimeText>; 2],
    bucket: Bucket,
    this_hour: UnixHour,
    buckets: u32,
) -> Hours {
    let from = from.map(|from| from.0.hour());
    let to = to.map(|to| ceil_hour(to.0));
    let hours_each = hours_in(bucket);
    let to = ceil(to.unwrap_or(UnixHour(this_hour.0.saturating_add(1))), hours_each);
    let span = hours_each * buckets;
    let from = from.map_or(to.0.saturating_sub(span), |from| from.0 / hours_each * hours_each);
    let hours = Hours { from: UnixHour(from), to };
    if to <= hours.from {
        let blamed = if parameters.given("to").is_some() { "to" } else { "from" };
        parameters.breaks(blamed, "from has to be before to");
    } else if hours_each * BUCKETS_MAX < to.0 - from {
        let rule = match bucket {
            Bucket::Hour => "from is at most 2200 hours before to",
            Bucket::Day => "from is at most 2200 days before to",
        };
        parameters.breaks("from", rule);
    }
    hours
}

fn hours_in(bucket: Bucket) -> u32 {
    match bucket {
        Bucket::Hour => 1,
        Bucket::Day => 24,
    }
}

/// The first hour that does not begin before this point.
fn ceil_hour(at: UnixMillis) -> UnixHour {
    let hour = at.hour();
    if hour.start() == at { hour } else { UnixHour(hour.0.saturating_add(1)) }
}

fn ceil(hour: UnixHour, hours_each: u32) -> UnixHour {
    UnixHour(hour.0.div_ceil(hours_each).saturating_mul(hours_each))
}

#[cfg(test)]
mod tests {
    use keyward_http::input::Query;

    use super::*;
    use crate::query::Parameter as _;

    /// Hour 1 000 began on 1970-02-11 at 16:00.
    fn read(query: &str, bucket: Bucket) -> Option<(u32, u32)> {
        let query = Query::parse(Some(query));
        let mut parameters = Parameters::of(&query);
        let span = ["from", "to"].map(|name| TimeText::read(&mut parameters, name));
        let hours = hours(&mut parameters, span, bucket, UnixHour(1_000), 100);
        parameters.finish(&["from", "to"]).ok().map(|()| (hours.from.0, hours.to.0))
    }

    #[test]
    fn what_is_not_said_ends_now() {
        assert_eq!(read("", Bucket::Hour), Some((901, 1_001)));
        assert_eq!(read("", Bucket::Day), Some((0, 1_008)));
        assert_eq!(read("from=1970-02-11T00:00:00Z", Bucket::Hour), Some((984, 1_001)));
        assert_eq!(read("to=1970-02-11T00:00:00Z", Bucket::Hour), Some((884, 984)));
    }

    #[test]
    fn parts_of_hours_and_days_are_whole_ones() {
        let query = "from=1970-02-10T01:30:00Z&to=1970-02-11T00:00:00.001Z";
        assert_eq!(read(query, Bucket::Hour), Some((961, 985)));
        assert_eq!(read(query, Bucket::Day), Some((960, 1_008)));
    }

    #[test]
    fn a_span_ends_after_its_beginning_and_is_not_too_long() {
        let from_to = |from: &str, to: &str| read(&format!("from={from}&to={to}"), Bucket::Hour);
        let (day, next) = ("1970-02-11T00:00:00Z", "1970-02-12T00:00:00Z");
        assert!(from_to(day, next).is_some());
        assert!(from_to(day, day).is_none() && from_to(next, day).is_none());
        assert!(from_to("1970-01-01T00:00:00Z", "1970-04-02T16:00:00Z").is_some());
        assert!(from_to("1970-01-01T00:00:00Z", "1970-04-02T16:00:00.001Z").is_none());
        assert!(read("from=1971-01-01T00:00:00Z", Bucket::Hour).is_none());
        assert!(read("to=1970-01-01T00:00:00Z", Bucket::Hour).is_none());
    }
}
