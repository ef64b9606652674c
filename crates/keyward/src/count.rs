//! Counting what became of a key's requests, between two flushes.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::time::{UnixHour, UnixMillis};

/// What became of a request whose key is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It reached the handler.
    Allowed,
    /// Its limit was reached.
    Limited,
    /// Its key lacks the scope that was asked for.
    OutOfScope,
    /// Its key may not be used from where it came.
    OutOfNetwork,
    /// Its key is suspended.
    Suspended,
    /// Its key is revoked.
    Revoked,
    /// Its key has expired, or its secret was replaced and the grace of that is over.
    Expired,
}

/// How many requests of one key had each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reached the handler.
    pub allowed: u64,
    /// Refused because a limit was reached.
    pub limited: u64,
    /// Refused because the key lacks a scope.
    pub out_of_scope: u64,
    /// Refused because the key may not be used from that address.
    pub out_of_network: u64,
    /// Refused because the key was suspended.
    pub suspended: u64,
    /// Refused because the key was revoked.
    pub revoked: u64,
    /// Refused because the key had expired, or the grace of a secret that was replaced.
    pub expired: u64,
}

impl Counts {
    /// Adds other counts to these.
    pub fn add(&mut self, other: &Self) {
        self.allowed += other.allowed;
        self.limited += other.limited;
        self.out_of_scope += other.out_of_scope;
        self.out_of_network += other.out_of_network;
        self.suspended += other.suspended;
        self.revoked += other.revoked;
        self.expired += other.expired;
    }

    /// The sum of all outcomes but `allowed`.
    #[must_use]
    pub fn denied(&self) -> u64 {
        let forbidden = self.out_of_scope + self.out_of_network;
        self.limited + forbidden + self.suspended + self.revoked + self.expired
    }
}

/// How much later than the clock was read something may be counted, by another reading, and still
/// be told from what is left of the hour before.
const AHEAD: Duration = Duration::from_secs(60);

/// The counts of one key that no flush has taken yet.
///
/// There are two banks, one for even hours and one for odd, so that what is counted around a full
/// hour lands in the right one without a lock. This holds as long as the counters are taken at
/// least once in the first 59 minutes of each hour; upkeep does it each second. While a store is
/// out of order for longer, counts of several hours meet in a bank: none is lost, and all count
/// for the last two of those hours.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    banks: [Bank; 2],
    /// When the key was last allowed in; 0 is never. Only grows.
    last_used_ms: AtomicU64,
}

/// Each is added to by requests and emptied by the flush. Relaxed, since no other memory depends
/// on them; a `u32` lasts for an hour of a million requests a second.
#[derive(Debug, Default)]
struct Bank {
    allowed: AtomicU32,
    limited: AtomicU32,
    out_of_scope: AtomicU32,
    out_of_network: AtomicU32,
    suspended: AtomicU32,
    revoked: AtomicU32,
    expired: AtomicU32,
}

impl Bank {
    fn counter(&self, outcome: Outcome) -> &AtomicU32 {
        match outcome {
            Outcome::Allowed => &self.allowed,
            Outcome::Limited => &self.limited,
            Outcome::OutOfScope => &self.out_of_scope,
            Outcome::OutOfNetwork => &self.out_of_network,
            Outcome::Suspended => &self.suspended,
            Outcome::Revoked => &self.revoked,
            Outcome::Expired => &self.expired,
        }
    }

    fn take(&self) -> Counts {
        // Most are zero, and looking costs less than swapping.
        self.read(|counter| match counter.load(Ordering::Relaxed) {
            0 => 0,
            _ => counter.swap(0, Ordering::Relaxed),
        })
    }

    fn read(&self, read: impl Fn(&AtomicU32) -> u32) -> Counts {
        let read = |counter| u64::from(read(counter));
        Counts {
            allowed: read(&self.allowed),
            limited: read(&self.limited),
            out_of_scope: read(&self.out_of_scope),
            out_of_network: read(&self.out_of_network),
            suspended: read(&self.suspended),
            revoked: read(&self.revoked),
            expired: read(&self.expired),
        }
    }
}

impl Counters {
    /// Counts one request. Returns `true` if the counter was empty before: then the key must be
    /// put where the next flush finds it.
    #[must_use]
    pub(crate) fn add(&self, outcome: Outcome, at: UnixMillis) -> bool {
        if outcome == Outcome::Allowed && self.last_used_ms.load(Ordering::Relaxed) < at.0 {
            self.last_used_ms.fetch_max(at.0, Ordering::Relaxed);
        }
        self.bank(at.hour()).counter(outcome).fetch_add(1, Ordering::Relaxed) == 0
    }

    /// What was counted in this hour and is not taken yet.
    pub(crate) fn in_hour(&self, hour: UnixHour) -> Counts {
        self.bank(hour).read(|counter| counter.load(Ordering::Relaxed))
    }

    /// Whether everything that was counted is taken.
    pub(crate) fn are_empty(&self) -> bool {
        let [even, odd] = &self.banks;
        let nothing = Counts::default();
        let load = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
        even.read(load) == nothing && odd.read(load) == nothing
    }

    /// Empties the counters: what was counted, with its hour, as seen at `now`.
    pub(crate) fn take(&self, now: UnixMillis) -> impl Iterator<Item = (UnixHour, Counts)> + use<> {
        let (this, soon) = (now.hour(), now.later_by(AHEAD).hour());
        // The bank of the hour before is the next hour's, too. Shortly before that begins it is
        // long empty, and what is there now was counted by a later reading of the clock.
        let other = if soon == this { UnixHour(this.0.saturating_sub(1)) } else { soon };
        [other, this]
            .map(|hour| (hour, self.bank(hour).take()))
            .into_iter()
            .filter(|(_, counts)| *counts != Counts::default())
    }

    fn bank(&self, hour: UnixHour) -> &Bank {
        let [even, odd] = &self.banks;
        if hour.0.is_multiple_of(2) { even } else { odd }
    }

    /// When the key was last allowed in by this process.
    pub(crate) fn last_used_at(&self) -> Option<UnixMillis> {
        Some(UnixMillis(self.last_used_ms.load(Ordering::Relaxed))).filter(|at| at.0 != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn requests_around_a_full_hour_land_on_their_side_of_it() {
        let counters = Counters::default();
        assert!(counters.add(Outcome::Allowed, UnixMillis(5 * HOUR - 1)));
        assert!(counters.add(Outcome::Limited, UnixMillis(5 * HOUR)));
        assert!(!counters.add(Outcome::Limited, UnixMillis(5 * HOUR + 1)));
        let taken: Vec<_> = counters.take(UnixMillis(5 * HOUR + 2)).collect();
        let expected = [
            (UnixHour(4), Counts { allowed: 1, ..Counts::default() }),
            (UnixHour(5), Counts { limited: 2, ..Counts::default() }),
        ];
        assert_eq!(taken, expected);
        assert_eq!(counters.take(UnixMillis(5 * HOUR + 2)).count(), 0);
    }

    /// The flush read the clock just before the full hour, or the clock was set back a little.
    #[test]
    fn what_was_counted_since_the_clock_was_read_is_of_the_hour_that_began() {
        let counters = Counters::default();
        let one = Counts { allowed: 1, ..Counts::default() };
        for (read, other) in [(1, 5), (60_000, 5), (60_001, 3), (HOUR, 3)] {
            assert!(counters.add(Outcome::Allowed, UnixMillis(other * HOUR)));
            let taken: Vec<_> = counters.take(UnixMillis(5 * HOUR - read)).collect();
            assert_eq!(taken, [(UnixHour(u32::try_from(other).unwrap()), one)], "{read}");
        }
    }

    #[test]
    fn only_an_allowed_request_is_a_use() {
        let counters = Counters::default();
        let _ = counters.add(Outcome::Revoked, UnixMillis(9));
        assert_eq!(counters.last_used_at(), None);
        let _ = counters.add(Outcome::Allowed, UnixMillis(7));
        let _ = counters.add(Outcome::Allowed, UnixMillis(6));
        assert_eq!(counters.last_used_at(), Some(UnixMillis(7)));
    }

    #[test]
    fn each_outcome_has_a_counter_of_its_own() {
        let counters = Counters::default();
        let outcomes = [
            Outcome::Allowed,
            Outcome::Limited,
            Outcome::OutOfScope,
            Outcome::OutOfNetwork,
            Outcome::Suspended,
            Outcome::Revoked,
            Outcome::Expired,
        ];
        for (times, outcome) in (1..).zip(outcomes) {
            for _ in 0..times {
                let _ = counters.add(outcome, UnixMillis(1));
            }
        }
        let (_, counts) = counters.take(UnixMillis(2)).next().unwrap();
        let expected = Counts {
            allowed: 1,
            limited: 2,
            out_of_scope: 3,
            out_of_network: 4,
            suspended: 5,
            revoked: 6,
            expired: 7,
        };
        assert_eq!(counts, expected);
        assert_eq!(counts.denied(), 27);
    }
}
