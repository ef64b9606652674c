//! Whether a clock can be right: expiry follows it, so that a machine that has lost the time would
//! accept expired keys.

use anyhow::{Context as _, ensure};
use keyward::UnixMillis;
use keyward::time::EARLIEST;
use keyward_api::clock::doubt;
use keyward_axum::Guard;

use keyward_api::shapes::Time;

/// Whether the clock that says `now` was ever set.
pub(crate) fn is_set(now: UnixMillis) -> bool {
    EARLIEST <= now
}

/// Fails if the clock was never set.
pub(crate) fn check_set(now: UnixMillis) -> anyhow::Result<()> {
    let says = Time(now).to_text();
    ensure!(is_set(now), "the clock says {says}, and keys whose time is over would work: set it");
    Ok(())
}

/// Takes the clock for right, on record, if this start got `--clock-is-right` and there is a doubt.
///
/// That counts once: if the previous start got it too, it was meant for the doubt of that start,
/// and a later doubt stays.
pub(crate) async fn settle(guard: &Guard, told_right: bool) -> anyhow::Result<()> {
    let now = guard.now();
    let store = guard.gate().store();
    let noting = || store.note_clock_is_right(told_right);
    if !told_right || !now.is_in_doubt() {
        noting().await.context("noting whether the clock was called right")?;
        return Ok(());
    }
    // Noted first that it was: a start that ends in between would otherwise take it twice.
    if noting().await.context("noting that the clock was called right")? {
        tracing::warn!(
            "{}; --clock-is-right was given to the start before this one, and counts once: start \
             without it, and if the clock is right, then with it",
            doubt(now)
        );
        return Ok(());
    }
    guard.accept_clock(guard.program()).await.context("taking the clock for right")?;
    tracing::warn!("Took the clock for right, as was asked for: {}", doubt(now));
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
