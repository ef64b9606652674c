//! A clock that no setting of the wall clock moves.

#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since a start. They go on while the machine is suspended, where the system can tell:
/// a machine that wakes must not take the lease of its memory, or an hour in which limits
/// refilled, for shorter than it was.
#[derive(Debug)]
pub(super) struct Steady {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    origin: u64,
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    origin: std::time::Instant,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Steady {
    pub(super) fn start() -> Self {
        Self { origin: nanos_since_boot() }
    }

    #[inline]
    pub(super) fn nanos(&self) -> u64 {
        nanos_since_boot().saturating_sub(self.origin)
    }
}

/// `CLOCK_BOOTTIME`, which costs what `CLOCK_MONOTONIC` costs: neither enters the kernel.
/// [`std::time::Instant`] is the latter here, and stops while the machine is suspended.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[inline]
fn nanos_since_boot() -> u64 {
    let at = clock_gettime(ClockId::Boottime);
    let [seconds, nanos] = [at.tv_sec, at.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
    // Saturates after 584 years.
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[expect(clippy::disallowed_methods, reason = "this is the edge where time comes in")]
impl Steady {
    pub(super) fn start() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    pub(super) fn nanos(&self) -> u64 {
        let elapsed = std::time::Instant::now().saturating_duration_since(self.origin);
        // Saturates after 584 years.
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// The first number of `/proc/uptime`, which the kernel takes from the same clock and cuts to
    /// hundredths of a second.
    fn uptime() -> u64 {
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds = text.split(' ').next().unwrap();
        seconds.replace('.', "").parse::<u64>().unwrap() * 10_000_000
    }

    #[test]
    fn it_counts_the_time_in_which_the_machine_was_suspended() {
        let (before, at, after) = (uptime(), nanos_since_boot(), uptime());
        assert!(before <= at && at <= after + 10_000_000, "{before} <= {at} <= {after}");
    }

    #[test]
    fn it_begins_at_its_start() {
        let steady = Steady::start();
        let (first, second) = (steady.nanos(), steady.nanos());
        assert!(first <= second);
        assert!(second < nanos_since_boot());
    }
}
