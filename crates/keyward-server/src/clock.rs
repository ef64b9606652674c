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
    ensure!(is_set(now), "the clock says {says}, and expired keys would work: set it");
    Ok(())
}

/// Accepts the clock, on record, if this start got `--clock-is-right` and there is a doubt.
///
/// The flag counts once: if the previous start got it too, it was meant for the doubt of that
/// start, and a later doubt stays.
pub(crate) async fn settle(guard: &Guard, is_right: bool) -> anyhow::Result<()> {
    let now = guard.now();
    let store = guard.gate().store();
    let noting = || store.note_clock_is_right(is_right);
    if !is_right || !now.is_in_doubt() {
        noting().await.context("noting whether the clock was called right")?;
        return Ok(());
    }
    // Noted first: otherwise a start that ends in between would leave it to count twice.
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
    fn a_clock_that_was_never_set_is_rejected() {
        let last = EARLIEST.0 - 1;
        let error = check_set(UnixMillis(last)).unwrap_err().to_string();
        insta::assert_snapshot!(error, @"the clock says 2025-12-31T23:59:59.999Z, and expired keys would work: set it");
        assert!(check_set(UnixMillis(0)).is_err());
        assert!(check_set(EARLIEST).is_ok());
    }
}
