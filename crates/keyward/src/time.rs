//! Points in time, as the rules of this crate see them.
//!
//! Nothing here has a clock: the caller passes the time.

use std::time::Duration;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// ```
/// use std::time::Duration;
///
/// use keyward::time::UnixMillis;
///
/// let midnight = UnixMillis(1_767_225_600_000);
/// let at = midnight.later_by(Duration::from_secs(90 * 60));
/// assert_eq!(at.hour().start(), midnight.later_by(Duration::from_secs(3_600)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The hour that this point lies in.
    #[must_use]
    pub fn hour(self) -> UnixHour {
        // Saturates in the year 491 974.
        UnixHour(u32::try_from(self.0 / 3_600_000).unwrap_or(u32::MAX))
    }

    /// The point `after` later; fractions of a millisecond count as a whole one.
    #[must_use]
    pub fn later_by(self, after: Duration) -> Self {
        let millis = after.as_nanos().div_ceil(1_000_000);
        Self(self.0.saturating_add(u64::try_from(millis).unwrap_or(u64::MAX)))
    }

    /// The first whole second, counted from 1970, that is not before this point.
    #[must_use]
    pub fn ceil_secs(self) -> u64 {
        self.0.div_ceil(1_000)
    }
}

/// The beginning of 2026, when this program was written: no clock that is right says anything
/// earlier.
pub const EARLIEST: UnixMillis = UnixMillis(1_767_225_600_000);

/// A whole hour: hours since 1970-01-01T00:00:00Z. Usage is counted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixHour(pub u32);

impl UnixHour {
    /// The instant at which the hour begins.
    #[must_use]
    pub fn start(self) -> UnixMillis {
        UnixMillis(u64::from(self.0) * 3_600_000)
    }

    /// The first hour of the day (UTC) that is so many days before the day of this hour.
    ///
    /// ```
    /// use keyward::time::UnixHour;
    ///
    /// assert_eq!(UnixHour(50).days_before(0), UnixHour(48));
    /// assert_eq!(UnixHour(50).days_before(2), UnixHour(0));
    /// assert_eq!(UnixHour(50).days_before(3), UnixHour(0));
    /// ```
    #[must_use]
    pub fn days_before(self, days: u32) -> Self {
        Self((self.0 / 24).saturating_sub(days) * 24)
    }
}

/// Nanoseconds since a start that the process chose. Never goes back, even if the wall clock is
/// set, so that setting the clock neither refills a limit nor blocks a caller.
///
/// ```
/// use keyward::time::SteadyNanos;
///
/// assert!(SteadyNanos(1) < SteadyNanos::NEVER);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SteadyNanos(pub u64);

impl SteadyNanos {
    /// Later than anything that will be.
    pub const NEVER: Self = Self(u64::MAX);
}

/// One reading of the clock, with both of its faces.
///
/// A request is judged by a single reading. Expiry follows `unix`; limits follow `steady`.
///
/// Where the wall clock was set back, it is unknown whether it is right now or was right before.
/// Then the reading holds both, `unix` and [`Now::latest`], and a request is allowed only if both
/// allow it; see [`Gate::judge`](crate::Gate::judge).
///
/// ```
/// use std::time::Duration;
///
/// use keyward::time::{Now, SteadyNanos, UnixMillis};
///
/// let now = Now::new(UnixMillis(1_767_225_600_000), SteadyNanos(0));
/// let later = now.later_by(Duration::from_secs(1));
/// assert_eq!(later.unix, UnixMillis(1_767_225_601_000));
/// assert_eq!(later.steady, SteadyNanos(1_000_000_000));
/// assert!(!later.is_in_doubt());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The time by the calendar.
    pub unix: UnixMillis,
    /// The time by a stopwatch.
    pub steady: SteadyNanos,
    /// By how much it may be later than `unix`, in milliseconds.
    doubt_ms: u64,
}

impl Now {
    /// A reading of clocks that are not in doubt.
    ///
    /// ```
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let now = Now::new(UnixMillis(1_767_225_600_000), SteadyNanos(0));
    /// assert_eq!(now.latest(), now.unix);
    /// ```
    #[must_use]
    pub const fn new(unix: UnixMillis, steady: SteadyNanos) -> Self {
        Self { unix, steady, doubt_ms: 0 }
    }

    /// The reading where it is unknown whether the time is as late as `latest`.
    #[must_use]
    pub fn or_as_late_as(self, latest: UnixMillis) -> Self {
        Self { doubt_ms: latest.0.saturating_sub(self.unix.0), ..self }
    }

    /// The latest that it may be: `unix`, unless that is in doubt.
    #[must_use]
    #[inline]
    pub fn latest(&self) -> UnixMillis {
        UnixMillis(self.unix.0.saturating_add(self.doubt_ms))
    }

    /// Whether it may be later than `unix`.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.doubt_ms != 0
    }

    /// The reading that a perfect clock would give `after` later.
    #[must_use]
    pub fn later_by(self, after: Duration) -> Self {
        let nanos = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        Self {
            unix: UnixMillis(self.unix.0.saturating_add(nanos / 1_000_000)),
            steady: SteadyNanos(self.steady.0.saturating_add(nanos)),
            doubt_ms: self.doubt_ms,
        }
    }
}

/// Reads the caller's clock, at the moment at which it is called itself: for steps that wait before
/// they need to know the time.
pub type ReadClock<'a> = &'a (dyn Fn() -> Now + Sync);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_begins_with_its_first_millisecond() {
        assert_eq!(UnixMillis(3_599_999).hour(), UnixHour(0));
        assert_eq!(UnixMillis(3_600_000).hour(), UnixHour(1));
        assert_eq!(UnixHour(1).start(), UnixMillis(3_600_000));
    }

    #[test]
    fn rounding_never_promises_too_early() {
        assert_eq!(UnixMillis(1_000).later_by(Duration::from_nanos(1)), UnixMillis(1_001));
        assert_eq!(UnixMillis(1_000).ceil_secs(), 1);
        assert_eq!(UnixMillis(1_001).ceil_secs(), 2);
    }
}
