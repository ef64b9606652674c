//! Whether a clock can be right: expiry follows it, so that a machine which forgot the time would
//! let in keys whose time is over.

use anyhow::ensure;
use keyward::UnixMillis;

use crate::shapes::Time;

/// 2026, when this program was written; no clock that is right says anything earlier.
const EARLIEST: UnixMillis = UnixMillis(1_767_225_600_000);

/// Whether somebody has set the clock that says `now`.
pub(crate) fn is_set(now: UnixMillis) -> bool {
    EARLIEST <= now
}

/// Refuses to serve by a clock that nobody has set.
pub(crate) fn check_set(now: UnixMillis) -> anyhow::Result<()> {
    let says = Time(now).to_text();
    ensure!(is_set(now), "the clock says {says}, and keys whose time is over would work: set it");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_a_clock_that_nobody_has_set_nothing_is_served() {
        let last = EARLIEST.0 - 1;
        let refused = check_set(UnixMillis(last)).unwrap_err().to_string();
        insta::assert_snapshot!(refused, @"the clock says 2025-12-31T23:59:59.999Z, and keys whose time is over would work: set it");
        assert!(check_set(UnixMillis(0)).is_err());
        assert!(check_set(EARLIEST).is_ok());
    }
}
