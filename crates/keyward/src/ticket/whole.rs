//! The store's clock, and since when the table that a crash empties has been whole.

use std::time::Duration;

use crate::time::EARLIEST;

/// Nanoseconds on the store's wall clock since the beginning of 2026, so that 36 years fit into the
/// word of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreNanos(pub u64);

impl StoreNanos {
    /// Reads microseconds since 1970, as stores count; `None` is before 2026: no clock that is
    /// right says so.
    ///
    /// ```
    /// use keyward::ticket::StoreNanos;
    ///
    /// let midnight = 1_767_225_600_000_000;
    /// assert_eq!(StoreNanos::from_unix_micros(midnight + 5), Some(StoreNanos(5_000)));
    /// assert_eq!(StoreNanos::from_unix_micros(midnight - 1), None);
    /// ```
    #[must_use]
    pub fn from_unix_micros(micros: u64) -> Option<Self> {
        micros.checked_sub(EARLIEST.0 * 1_000)?.checked_mul(1_000).map(Self)
    }

    pub(super) fn later_by(self, after: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Whether the server is the one that noted its identity when the table was last begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// It is: at most one of its processes was killed.
    Same,
    /// It is another one, or started anew: it may have been promoted.
    Other,
}

/// Since when a table of [brief](super::Keeping::Brief) rows is whole that was found empty `at`.
///
/// A crash or a promotion emptied it. Before that time nothing is granted, and every bucket counts
/// as empty then.
///
/// A server that was cut off from the others goes on granting until the lease of each of its
/// processes ends, since a commit that touches such rows alone waits for no standby. So the table
/// of its successor is whole only after that: `lease` is the longest that a process decides from
/// memory, by clocks that differ by 1 %.
///
/// ```
/// use std::time::Duration;
///
/// use keyward::ticket::{Server, StoreNanos, whole_since};
///
/// let (at, lease) = (StoreNanos(1_000), Duration::from_secs(5));
/// assert_eq!(whole_since(at, Server::Same, lease), at);
/// assert_eq!(whole_since(at, Server::Other, lease), StoreNanos(5_060_001_000));
/// ```
#[must_use]
pub fn whole_since(at: StoreNanos, server: Server, lease: Duration) -> StoreNanos {
    match server {
        Server::Same => at,
        Server::Other => at.later_by(lease + lease / 100 + Duration::from_millis(10)),
    }
}
