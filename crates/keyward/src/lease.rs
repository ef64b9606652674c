//! How long memory may decide without the store.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::time::SteadyNanos;

/// Until when memory may decide about requests. Where several processes share a store, each has to
/// hear from it again and again: one that does not may lack a revocation that the others know.
///
/// Granted with `Release` after changes are applied, and looked at with `Acquire` before the index:
/// a verdict that sees a lease sees everything that was applied before the lease was granted.
///
/// ```
/// use keyward::lease::Lease;
/// use keyward::time::SteadyNanos;
///
/// // A store that one process has to itself needs none: it never ends.
/// let lease = Lease::default();
/// assert!(lease.holds(SteadyNanos(u64::MAX - 1)));
///
/// lease.grant(SteadyNanos(5));
/// assert!(lease.holds(SteadyNanos(4)));
/// assert!(!lease.holds(SteadyNanos(5)));
/// lease.end();
/// assert!(!lease.holds(SteadyNanos(0)));
/// ```
#[derive(Debug)]
pub struct Lease(AtomicU64);

impl Default for Lease {
    fn default() -> Self {
        Self(AtomicU64::new(SteadyNanos::NEVER.0))
    }
}

impl Lease {
    /// Whether memory may decide at `now`.
    #[inline]
    #[must_use]
    pub fn holds(&self, now: SteadyNanos) -> bool {
        now < self.until()
    }

    /// The first instant at which memory may not decide.
    #[inline]
    #[must_use]
    pub fn until(&self) -> SteadyNanos {
        SteadyNanos(self.0.load(Ordering::Acquire))
    }

    /// Lets memory decide until `until`. What it has to know before that must be applied already.
    pub fn grant(&self, until: SteadyNanos) {
        self.0.store(until.0, Ordering::Release);
    }

    /// Lets memory decide nothing until the next [`Lease::grant`].
    pub fn end(&self) {
        self.grant(SteadyNanos(0));
    }
}
