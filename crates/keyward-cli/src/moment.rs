//! Points in time: how people type them, and how they are shown to people and to programs.

use jiff::{SignedDuration, Timestamp};
use keyward_api::duration::WholeSeconds;
use keyward_api::shapes::Time;

/// A point in time as the operator typed it: RFC 3339, a date in UTC, or how long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    At(Time),
    Ago(WholeSeconds),
}

impl Moment {
    /// Takes `2026-11-24T09:30:00Z`, `2026-11-24` or `7d`, which is seven days ago.
    ///
    /// # Errors
    ///
    /// Returns the fault and its remedy.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(ago) = WholeSeconds::parse(text) {
            return Ok(Self::Ago(ago));
        }
        let is_date = text.len() == "2026-11-24".len();
        let midnight = || is_date.then(|| format!("{text}T00:00:00Z"));
        let at = Time::parse(text).or_else(|| Time::parse(&midnight()?));
        at.map(Self::At).ok_or_else(|| {
            "write a time like 2026-11-24T09:30:00Z or 2026-11-24, or how long ago, like 7d"
                .to_owned()
        })
    }

    /// The point itself, in the form of the API.
    pub(crate) fn text(self, now: Timestamp) -> String {
        match self {
            Self::At(at) => at.to_text(),
            Self::Ago(ago) => rfc3339(now.checked_sub(signed(ago)).unwrap_or(Timestamp::MIN)),
        }
    }
}

fn signed(duration: WholeSeconds) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(duration.seconds()).unwrap_or(i64::MAX))
}

/// A time as the API writes it, to the millisecond.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// A relative time, for people: `3 h ago`, `in 29 d`. Incomplete units are not counted.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    let apart = at.duration_since(now);
    let seconds = apart.unsigned_abs().as_secs();
    let units = [("y", 365 * 86_400), ("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    // Up to two years are shown in days, for `in 1 y` would hide too much.
    let fits = |unit: &str, size| if unit == "y" { 2 * size <= seconds } else { size <= seconds };
    let Some((unit, size)) = units.into_iter().find(|(unit, size)| fits(unit, *size)) else {
        return "now".to_owned();
    };
    let amount = seconds / size;
    if apart.is_negative() { format!("{amount} {unit} ago") } else { format!("in {amount} {unit}") }
}

/// A time to the minute, for people.
pub(crate) fn to_the_minute(at: Timestamp) -> String {
    let text = format!("{at:.0}");
    let minute = text.rsplit_once(':').map_or(&*text, |(minute, _)| minute);
    format!("{}Z", minute.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-24T09:30:00Z".parse().unwrap()
    }

    #[test]
    fn times_are_typed_absolute_or_as_long_ago() {
        let text = |typed| Moment::parse(typed).unwrap().text(now());
        for (typed, expected) in [
            ("2026-11-24T10:30:00+01:00", "2026-11-24T09:30:00.000Z"),
            ("2026-11-01", "2026-11-01T00:00:00.000Z"),
            ("9999-12-31", "9999-12-31T00:00:00.000Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"),
            ("90m", "2026-11-24T08:00:00.000Z"),
            ("7d", "2026-11-17T09:30:00.000Z"),
        ] {
            assert_eq!(text(typed), expected, "{typed}");
        }
        for typed in ["", "yesterday", "2026-13-01", "2026-11-24T09:30:00", "7", "20261124"] {
            assert!(Moment::parse(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn times_are_told_in_their_largest_unit() {
        for (seconds, expected) in [
            (0, "now"),
            (-1, "1 s ago"),
            (-59, "59 s ago"),
            (-60, "1 min ago"),
            (-3 * 3_600 - 1_799, "3 h ago"),
            (-86_400, "1 d ago"),
            (-729 * 86_400, "729 d ago"),
            (-730 * 86_400, "2 y ago"),
            (30 * 86_400 - 1, "in 29 d"),
            (59, "in 59 s"),
        ] {
            let at = now() + SignedDuration::from_secs(seconds);
            assert_eq!(relative(at, now()), expected);
        }
        let at = now() - SignedDuration::from_millis(999);
        assert_eq!(relative(at, now()), "now");
    }
}
