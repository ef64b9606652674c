//! How many keys there are, and how many expire soon.
//!
//! Both are counted in memory, by a look at every key: for a million keys some 50 ms of a thread of
//! its own. So they are counted when a page is asked for, and kept for a minute.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyward::index::Census;
use keyward::time::SteadyNanos;
use keyward_axum::Guard;

use super::Source;
use super::page::Page;

/// How long a count is shown.
const KEPT_FOR: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The times within which keys expire, with their words.
const WITHIN: [(&str, u32); 3] = [("1d", 1), ("7d", 7), ("30d", 30)];

/// The keys of a guard. A clone shares the count.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    guard: Guard,
    /// A panic inside leaves the count before it.
    counted: Arc<Mutex<Option<(SteadyNanos, Census)>>>,
    /// Held while keys are counted, so that pages that are asked for at the same time share it.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Keys {
    pub(crate) fn new(guard: Guard) -> Self {
        Self { guard, counted: Arc::default(), turn: Arc::default() }
    }

    /// Counts the keys, unless that was done within the last minute.
    pub(super) async fn refresh(&self) {
        let _turn = self.turn.lock().await;
        let now = self.guard.now();
        let is_fresh =
            |at: SteadyNanos| u128::from(now.steady.0.saturating_sub(at.0)) < KEPT_FOR.as_nanos();
        if self.last().is_some_and(|(at, _)| is_fresh(at)) {
            return;
        }
        let guard = self.guard.clone();
        let within = WITHIN.map(|(_, days)| DAY * days);
        let counting = move || guard.gate().index().census(now.unix, &within);
        // A panic is logged where it happens, and leaves the count before it.
        if let Ok(census) = tokio::task::spawn_blocking(counting).await {
            let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            *counted = Some((now.steady, census));
        }
    }

    fn last(&self) -> Option<(SteadyNanos, Census)> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Source for Keys {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let census = self.last().map(|(_, census)| census);
        let states = census.iter().flat_map(|census| {
            let Census { active, suspended, expired, revoked, .. } = census;
            [
                ([("state", "active")], *active),
                ([("state", "suspended")], *suspended),
                ([("state", "expired")], *expired),
                ([("state", "revoked")], *revoked),
            ]
        });
        page.gauge(("keyward_keys", "Keys that there are, counted once a minute."), states)?;
        let expiring = census.iter().flat_map(|census| &census.expiring);
        let expiring = WITHIN.iter().zip(expiring);
        page.gauge(
            ("keyward_keys_expiring", "Active keys that expire within this time."),
            expiring.map(|((word, _), count)| ([("within", *word)], *count)),
        )
    }
}

#[cfg(test)]
mod tests {
    use keyward_axum::testing;

    use super::*;

    #[tokio::test]
    async fn keys_are_counted_once_a_minute() {
        let (guard, clock) = testing::guard().await;
        let keys = Keys::new(guard.clone());
        let active = async || {
            keys.refresh().await;
            keys.last().unwrap().1.active
        };
        assert_eq!(active().await, 0);
        testing::issue(&guard, "weather-bot").await;
        clock.advance(KEPT_FOR - Duration::from_nanos(1));
        assert_eq!(active().await, 0);
        clock.advance(Duration::from_nanos(1));
        assert_eq!(active().await, 1);
    }
}
