//! The edge where time comes in.

mod steady;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use keyward::time::{Now, SteadyNanos, UnixMillis};

use steady::Steady;

/// Says what time it is.
///
/// ```
/// use keyward_http::Clock;
/// use keyward_http::keyward::time::{Now, SteadyNanos, UnixMillis};
///
/// /// A clock of a simulation, which stands at the beginning of 2026.
/// #[derive(Debug)]
/// struct Standing;
///
/// impl Clock for Standing {
///     fn now(&self) -> Now {
///         Now::new(UnixMillis(1_767_225_600_000), SteadyNanos(0))
///     }
/// }
///
/// assert_eq!(Standing.now(), Standing.now());
/// ```
pub trait Clock: fmt::Debug + Send + Sync {
    /// One reading. It is called once a request, so it must be quick and never wait.
    fn now(&self) -> Now;

    /// Follows the wall clock if it was set; called by upkeep about once a second.
    fn sync(&self) {}
}

/// The clock of the operating system.
///
/// A reading takes one look at the steady clock: on Linux that is `CLOCK_BOOTTIME`, which goes on
/// while the machine is suspended, elsewhere the clock of [`std::time::Instant`]. The wall clock is
/// looked at only in [`Clock::sync`]. So setting the wall clock moves expiry within about a second,
/// and never touches a limit. Setting it back is noticed; see
/// [`Gate::judge`](keyward::Gate::judge).
///
/// ```
/// use keyward_http::{Clock as _, SystemClock};
///
/// let clock = SystemClock::start();
/// let (first, second) = (clock.now(), clock.now());
/// assert!(first.steady <= second.steady);
/// ```
#[derive(Debug)]
pub struct SystemClock {
    steady: Steady,
    /// Wall-clock milliseconds at the start of `steady`. Relaxed: one number, and a reading just
    /// before or just after it moves are both right.
    origin_unix_ms: AtomicU64,
}

impl SystemClock {
    /// Starts the clock.
    ///
    /// ```
    /// use keyward_http::{Clock as _, SystemClock};
    /// use keyward_http::keyward::time::EARLIEST;
    ///
    /// let now = SystemClock::start().now();
    /// assert!(EARLIEST < now.unix);
    /// ```
    #[must_use]
    pub fn start() -> Self {
        let clock = Self { steady: Steady::start(), origin_unix_ms: AtomicU64::new(0) };
        clock.sync();
        clock
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let nanos = self.steady.nanos();
        let unix = self.origin_unix_ms.load(Ordering::Relaxed) + nanos / 1_000_000;
        Now::new(UnixMillis(unix), SteadyNanos(nanos))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the edge where time comes in")]
    fn sync(&self) {
        // A wall clock before 1970 is not a clock, and is read as 1970. No service should run at
        // that time, and a gate that has known a later time does not believe it.
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let since_epoch = since_epoch.unwrap_or_default();
        let unix_ms = since_epoch.as_millis();
        let elapsed_ms = self.steady.nanos() / 1_000_000;
        let origin = u64::try_from(unix_ms).unwrap_or(u64::MAX).saturating_sub(elapsed_ms);
        self.origin_unix_ms.store(origin, Ordering::Relaxed);
    }
}
