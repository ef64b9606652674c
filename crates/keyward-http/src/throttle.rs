//! How often one address may do something, such as presenting wrong keys.
//!
//! Guessing a key is hopeless anyway; this keeps a confused or hostile client from filling logs and
//! counters. A key that works is never rejected because of its address.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyward::limit::{Limit, Meter};
use keyward::time::SteadyNanos;

/// Meters, at 16 bytes each. Addresses share them by a keyed hash, and two that meet share a limit.
/// Where only rejected requests are counted, a collision only changes the rejection. Where valid
/// requests are counted as well, an attacker that exhausts the limits of n addresses also exhausts
/// the limits of about n / 4096 of the other addresses while n is small: of half of them with 2 800
/// addresses, of nine in ten with 9 400.
const METERS: usize = 4_096;

/// Until when an address has to wait, in nanoseconds of the steady clock. An atomic that guards
/// nothing but itself; a panic leaves it whole.
#[derive(Default)]
struct Until(AtomicU64);

/// A bucket for each address, of a fixed size in all: how often it may fail, or try.
///
/// ```
/// use std::net::IpAddr;
/// use std::num::NonZeroU32;
/// use std::time::Duration;
///
/// use keyward_http::throttle::Throttle;
/// use keyward_http::keyward::time::SteadyNanos;
///
/// let throttle = Throttle::new(NonZeroU32::new(1));
/// let address = IpAddr::from([192, 0, 2, 1]);
/// let now = SteadyNanos(0);
/// assert_eq!(throttle.count(address, now), Ok(()));
/// assert_eq!(throttle.count(address, now), Err(Duration::from_secs(60)));
/// // Without counting:
/// assert_eq!(throttle.check(address, now), Err(Duration::from_secs(60)));
/// assert_eq!(throttle.check(address, SteadyNanos(60_000_000_000)), Ok(()));
/// ```
pub struct Throttle {
    limit: Option<Limit>,
    meters: Box<[(Meter, Until)]>,
    hasher: RandomState,
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Throttle {
    /// Allows this much a minute and address, and as much at once; `None` is no limit.
    ///
    /// ```
    /// use std::net::IpAddr;
    ///
    /// use keyward_http::throttle::Throttle;
    /// use keyward_http::keyward::time::SteadyNanos;
    ///
    /// let unlimited = Throttle::new(None);
    /// let address = IpAddr::from([192, 0, 2, 1]);
    /// assert!((0..10_000).all(|_| unlimited.count(address, SteadyNanos(0)).is_ok()));
    /// ```
    #[must_use]
    pub fn new(per_minute: Option<NonZeroU32>) -> Self {
        let limit = per_minute.and_then(|amount| {
            // More than the most that a limit can allow is as good as no limit.
            Limit::new("failures", amount, Duration::from_secs(60), amount).ok()
        });
        Self {
            limit,
            meters: (0..METERS).map(|_| Default::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Counts one more of this address.
    ///
    /// ```
    /// use std::net::IpAddr;
    /// use std::num::NonZeroU32;
    /// use std::time::Duration;
    ///
    /// use keyward_http::throttle::Throttle;
    /// use keyward_http::keyward::time::SteadyNanos;
    ///
    /// let throttle = Throttle::new(NonZeroU32::new(2));
    /// let address = IpAddr::from([192, 0, 2, 1]);
    /// assert_eq!(throttle.count(address, SteadyNanos(0)), Ok(()));
    /// assert_eq!(throttle.count(address, SteadyNanos(0)), Ok(()));
    /// assert_eq!(throttle.count(address, SteadyNanos(0)), Err(Duration::from_secs(30)));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns how long to wait, if there were too many.
    pub fn count(&self, address: IpAddr, now: SteadyNanos) -> Result<(), Duration> {
        let Some((meter, until)) = self.meter(address) else { return Ok(()) };
        let Some(limit) = &self.limit else { return Ok(()) };
        let Err(exceeded) = meter.take(limit, now) else { return Ok(()) };
        let wait = u64::try_from(exceeded.retry_after.as_nanos()).unwrap_or(u64::MAX);
        until.0.store(now.0.saturating_add(wait), Ordering::Relaxed);
        Err(exceeded.retry_after)
    }

    /// Whether this address may try again, without counting anything: for requests that are costly
    /// to check. An address has to wait once [`Throttle::count`] said so.
    ///
    /// ```
    /// use std::net::IpAddr;
    /// use std::num::NonZeroU32;
    ///
    /// use keyward_http::throttle::Throttle;
    /// use keyward_http::keyward::time::SteadyNanos;
    ///
    /// let throttle = Throttle::new(NonZeroU32::new(1));
    /// let address = IpAddr::from([192, 0, 2, 1]);
    /// // However often it is asked, nothing is counted.
    /// assert!((0..100).all(|_| throttle.check(address, SteadyNanos(0)).is_ok()));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns how long to wait, if there were too many.
    pub fn check(&self, address: IpAddr, now: SteadyNanos) -> Result<(), Duration> {
        let until = self.meter(address).map_or(0, |(_, until)| until.0.load(Ordering::Relaxed));
        let wait = until.saturating_sub(now.0);
        if wait == 0 { Ok(()) } else { Err(Duration::from_nanos(wait)) }
    }

    fn meter(&self, address: IpAddr) -> Option<&(Meter, Until)> {
        let hash = self.hasher.hash_one(network(address));
        self.meters.get(usize::try_from(hash >> 32).unwrap_or_default() % METERS)
    }
}

/// What counts as one address: of IPv6, the first 64 bits, since a host has all the rest.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SteadyNanos = SteadyNanos(0);

    #[test]
    fn an_address_may_fail_so_often_and_no_more() {
        let throttle = Throttle::new(NonZeroU32::new(3));
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        assert!((0..3).all(|_| throttle.count(address, NOW).is_ok()));
        assert_eq!(throttle.count(address, NOW), Err(Duration::from_secs(20)));
        assert_eq!(throttle.count(address, SteadyNanos(20_000_000_000)), Ok(()));
    }

    #[test]
    fn an_address_that_failed_too_often_waits_and_others_do_not() {
        let throttle = Throttle::new(NonZeroU32::new(1));
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(throttle.count(address, NOW), Ok(()));
        assert_eq!(throttle.check(address, NOW), Ok(()), "one failure is allowed");
        assert_eq!(throttle.count(address, NOW), Err(Duration::from_secs(60)));
        let at = |secs: u64| throttle.check(address, SteadyNanos(secs * 1_000_000_000));
        assert_eq!(at(59), Err(Duration::from_secs(1)));
        assert_eq!(at(60), Ok(()));
        assert!((2..9).any(|one| throttle.check([192, 0, 2, one].into(), NOW).is_ok()));
    }

    #[test]
    fn a_host_does_not_multiply_by_its_ipv6_addresses() {
        let throttle = Throttle::new(NonZeroU32::new(1));
        assert!(throttle.count("2001:db8::1".parse().unwrap(), NOW).is_ok());
        assert!(throttle.count("2001:db8::2".parse().unwrap(), NOW).is_err());
        assert_eq!(
            network("::ffff:192.0.2.1".parse().unwrap()),
            network("192.0.2.1".parse().unwrap())
        );
    }

    #[test]
    fn no_limit_is_no_limit() {
        let throttle = Throttle::new(None);
        let address = "192.0.2.1".parse().unwrap();
        assert!((0..10_000).all(|_| throttle.count(address, NOW).is_ok()));
    }
}
