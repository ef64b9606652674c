//! Durations as people type them: a whole number and its unit.

use std::fmt;

/// A duration of whole seconds, such as `60s`, `15m`, `24h`, `90d` or `2w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WholeSeconds(u64);

/// Seconds of a hundred years, leap days included: the longest lifetime and the longest span of a
/// filter.
pub const CENTURY_SECS: u64 = 36_525 * 24 * 60 * 60;

const UNITS: [(char, u64); 5] =
    [('s', 1), ('m', 60), ('h', 3_600), ('d', 24 * 3_600), ('w', 7 * 24 * 3_600)];
/// A thousand years: every sum with it still is a date.
const SECONDS_MAX: u64 = 1_000 * 366 * 24 * 3_600;
/// Up to this many seconds are shown as seconds, since a limit per 60s is known as that.
const PLAIN_SECONDS_MAX: u64 = 120;

impl WholeSeconds {
    /// Parses a duration as people type it.
    ///
    /// # Errors
    ///
    /// Returns the fault and the remedy.
    pub fn parse(text: &str) -> Result<Self, String> {
        let advice = || "write a whole number and a unit, like 60s, 15m, 24h, 90d or 2w".to_owned();
        let unit = text.chars().next_back().ok_or_else(advice)?;
        let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(advice)?;
        let number = text.strip_suffix(unit).unwrap_or_default();
        // `parse` would take a plus sign.
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(advice());
        }
        let number: u64 = number.parse().map_err(|_| advice())?;
        let seconds = number.checked_mul(size).filter(|seconds| *seconds <= SECONDS_MAX);
        seconds.map(Self).ok_or_else(|| "that is longer than a thousand years".to_owned())
    }

    /// The number of seconds.
    pub fn seconds(self) -> u64 {
        self.0
    }
}

impl fmt::Display for WholeSeconds {
    /// In the largest unit up to days that leaves no remainder.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |size: &u64| PLAIN_SECONDS_MAX < self.0 && self.0.is_multiple_of(*size);
        let units = [('d', 24 * 3_600), ('h', 3_600), ('m', 60)];
        match units.into_iter().find(|(_, size)| fits(size)) {
            Some((unit, size)) => write!(f, "{}{unit}", self.0 / size),
            None => write!(f, "{}s", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, seconds) in [
            ("0s", 0),
            ("60s", 60),
            ("15m", 900),
            ("24h", 86_400),
            ("90d", 7_776_000),
            ("2w", 1_209_600),
            ("007s", 7),
        ] {
            assert_eq!(WholeSeconds::parse(text).map(WholeSeconds::seconds), Ok(seconds), "{text}");
        }
        for text in [
            "",
            "s",
            "60",
            "1.5h",
            "-1s",
            "+1s",
            " 1s",
            "1 s",
            "1S",
            "1y",
            "1ms",
            "366001d",
            "6ß",
            "99999999999999999999s",
        ] {
            assert!(WholeSeconds::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_shown_in_the_largest_unit_that_fits() {
        for (seconds, text) in [
            (0, "0s"),
            (60, "60s"),
            (120, "120s"),
            (121, "121s"),
            (180, "3m"),
            (3_600, "1h"),
            (86_400, "1d"),
            (90_000, "25h"),
            (7_776_000, "90d"),
        ] {
            assert_eq!(WholeSeconds(seconds).to_string(), text);
        }
    }
}
