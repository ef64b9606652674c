//! Whether the clock can be right: expiry and the audit trail follow it.

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use keyward::UnixMillis;

use super::Check;
use crate::clock::is_set;
use keyward_api::shapes::Time;

/// A time at which no present version is in use any more.
const LATEST: Timestamp = Timestamp::constant(4_102_444_800, 0);
/// A `Date` header is up to a second old when it is written, and another one underway.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(3);
/// From this difference on, keys end noticeably early or late.
const SKEW_FAIL: SignedDuration = SignedDuration::from_secs(60);

/// A clock that has gone back by more than this is no longer trusted by a server.
const BEHIND_MAX_MS: i64 = 60_000;

/// From this difference to the database on, both clocks should be looked at.
#[cfg(feature = "postgres")]
const APART_WARN_MS: u64 = 1_000;
/// From this difference on, a node is not ready.
#[cfg(feature = "postgres")]
const APART_FAIL_MS: u64 = 30_000;

const SYNCHRONISE: &str = "synchronise the clock, such as with `timedatectl set-ntp true`";

/// Looks at the clock of this machine.
pub(super) fn check(now: Timestamp) -> Check {
    let found = format!("it says {now:.0}");
    let unix = UnixMillis(u64::try_from(now.as_millisecond()).unwrap_or(0));
    if is_set(unix) && now < LATEST {
        return Check::ok("clock", found);
    }
    Check::fail("clock", found, SYNCHRONISE)
}

/// Compares with the latest time at which a server used the database.
pub(super) fn compare(now: Timestamp, latest: Option<UnixMillis>) -> Check {
    let what = "latest reading";
    let Some(latest) = latest else {
        return Check::ok(what, "no reading of the clock is stored yet");
    };
    let text = Time(latest).to_text();
    let behind = i64::try_from(latest.0).unwrap_or(i64::MAX).saturating_sub(now.as_millisecond());
    if behind <= BEHIND_MAX_MS {
        return Check::ok(what, format!("the clock read {text} before"));
    }
    let found = format!("the clock reads {now:.0}, and read {text} before");
    let advice = "set the clock right; if it is right, start once with \
                  `keyward serve --clock-is-right`";
    Check::fail(what, found, advice)
}

/// Compares with the clock of the database's server, which read `at` between these two times of the
/// local clock.
#[cfg(feature = "postgres")]
pub(super) fn of_database(before: UnixMillis, at: UnixMillis, after: UnixMillis) -> Check {
    let what = "database clock";
    // The nearest point at which both could have read the same.
    let ours = UnixMillis(at.0.clamp(before.0, after.0.max(before.0)));
    let apart = ours.0.abs_diff(at.0);
    let direction = if ours.0 < at.0 { "later" } else { "earlier" };
    let found = format!("the database's is {apart} ms {direction} than this machine's");
    match apart {
        0..APART_WARN_MS => Check::ok(what, "both clocks agree"),
        APART_WARN_MS..APART_FAIL_MS => Check::warn(what, found, SYNCHRONISE),
        APART_FAIL_MS.. => Check::fail(what, found, SYNCHRONISE),
    }
}

/// Compares with the clock of the server, as in its `Date` header, which was written between these
/// two times of the local clock.
pub(super) fn skew(date: &str, before: Timestamp, after: Timestamp) -> Option<Check> {
    let theirs = DateTimeParser::new().parse_timestamp(date).ok()?;
    // The nearest point at which both could have read the same.
    let ours = theirs.clamp(before, after.max(before));
    let apart = ours.duration_since(theirs);
    let seconds = apart.as_secs().abs();
    let found = match apart.is_negative() {
        _ if apart.abs() <= SKEW_MAX => return Some(Check::ok("clock skew", "both clocks agree")),
        true => format!("the server's is {seconds} s later than this machine's"),
        false => format!("the server's is {seconds} s earlier than this machine's"),
    };
    let check = if SKEW_FAIL < apart.abs() { Check::fail } else { Check::warn };
    Some(check("clock skew", found, SYNCHRONISE.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::line;
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_is_noticed() {
        let shown = |now: &str| line(&check(now.parse().unwrap()));
        let all =
            ["1970-01-01T00:00:07Z", "2026-11-24T09:30:00.5Z", "2100-01-01T00:00:00Z"].map(shown);
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn a_clock_that_was_set_back_is_noticed() {
        let now = "2026-11-24T09:30:00Z".parse().unwrap();
        let shown = |behind: i64| {
            let latest = 1_795_512_600_000_i64 + behind;
            line(&compare(now, Some(UnixMillis(u64::try_from(latest).unwrap()))))
        };
        let all = [-3_600_000, 60_000, 60_001, i64::MAX - 1_795_512_600_000];
        insta::assert_snapshot!(all.map(shown).join("\n"));
    }

    fn shown(before: &str, after: &str) -> String {
        let (before, after) = (before.parse().unwrap(), after.parse().unwrap());
        line(&skew("Tue, 24 Nov 2026 09:30:00 GMT", before, after).unwrap())
    }

    #[test]
    fn clocks_that_differ_are_noticed() {
        let all = [
            "2026-11-24T09:30:02.9Z",
            "2026-11-24T09:29:58Z",
            "2026-11-24T09:30:10Z",
            "2026-11-24T09:29:50Z",
            "2026-11-24T10:30:00Z",
        ];
        insta::assert_snapshot!(all.map(|now| shown(now, now)).join("\n"));
        assert_eq!(skew("yesterday", Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH), None);
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_database_with_another_clock_is_noticed() {
        let shown = |before, at, after| {
            line(&of_database(UnixMillis(before), UnixMillis(at), UnixMillis(after)))
        };
        let all = [
            shown(50_000, 50_999, 50_000),
            shown(50_000, 51_000, 50_000),
            shown(50_000, 20_001, 50_000),
            shown(50_000, 80_000, 50_000),
            // A slow response is no other clock.
            shown(10_000, 40_000, 60_000),
            shown(10_000, 9_500, 60_000),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn a_slow_server_has_no_other_clock() {
        let agree = "ok clock skew: both clocks agree";
        assert_eq!(shown("2026-11-24T09:29:00Z", "2026-11-24T09:30:00Z"), agree);
        assert_eq!(shown("2026-11-24T09:30:00Z", "2026-11-24T09:31:00Z"), agree);
        assert_eq!(shown("2026-11-24T09:29:00Z", "2026-11-24T09:31:00Z"), agree);
        // A clock that was set back meanwhile is compared with its first reading.
        assert_eq!(shown("2026-11-24T09:30:00Z", "2026-11-24T09:00:00Z"), agree);
        let behind = shown("2026-11-24T09:30:04Z", "2026-11-24T09:31:00Z");
        assert!(behind.contains("is 4 s earlier"), "{behind}");
        let ahead = shown("2026-11-24T09:29:00Z", "2026-11-24T09:29:56Z");
        assert!(ahead.contains("is 4 s later"), "{ahead}");
    }
}
