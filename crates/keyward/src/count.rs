//! Counting the outcomes of a key's requests, between two flushes.

use std::iter;
use std::ops::{Index, IndexMut};
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::time::{UnixHour, UnixMillis};

/// Most outcomes that counters, tables and pages are laid out for.
pub const OUTCOMES_MAX: usize = 10;

/// Declares [`Outcome`] and what follows from it, so that nothing is left out of
/// [`Outcome::ALL`]: each with its word and with what a description of the API says about it.
macro_rules! outcomes {
    ($($(#[$doc:meta])+ $name:ident: $word:literal, $description:literal;)+) => {
        /// The outcome of a request whose key is known.
        ///
        /// ```
        /// use keyward::count::Outcome;
        ///
        /// assert_eq!(Outcome::ALL.map(Outcome::as_str), Outcome::WORDS);
        /// assert!(Outcome::Allowed.is_allowed() && !Outcome::OutOfScope.is_allowed());
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Outcome {
            $($(#[$doc])+ $name,)+
        }

        impl Outcome {
            /// All of them, in the order of columns and fields.
            pub const ALL: [Self; [$(Self::$name),+].len()] = [$(Self::$name),+];

            /// The words of all of them, in the order of [`Outcome::ALL`].
            pub const WORDS: [&'static str; Self::ALL.len()] = [$($word),+];

            /// Its one word: the name of a column of a database, of a field of JSON and of a
            /// column of a table for people.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// The description of a count of it in the API's document.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$name => $description,)+
                }
            }
        }
    };
}

outcomes! {
    /// It reached the handler.
    Allowed: "allowed", "Let in.";
    /// Its limit was reached.
    Limited: "limited", "Refused, because there were too many.";
    /// Its key lacks the scope that was asked for.
    OutOfScope: "out_of_scope", "Refused, because the key has not the scope.";
    /// Its key may not be used from its address.
    OutOfNetwork: "out_of_network",
        "Refused, because the key may not be used from that address.";
    /// Its key is suspended.
    Suspended: "suspended", "Refused, because the key or its owner was suspended.";
    /// Its key is revoked.
    Revoked: "revoked", "Refused, because the key was revoked.";
    /// Its key has expired, or its secret was replaced and the grace of that has ended.
    Expired: "expired",
        "Refused, because the key had expired, or its secret was replaced and its grace over.";
    /// Its key works, and that was asked about, with nothing to let in.
    Introspected: "introspected", "Questions about the key (RFC 7662) while it worked.";
}

const _: () = assert!(Outcome::ALL.len() <= OUTCOMES_MAX, "there is room for ten outcomes");

impl Outcome {
    /// Its position in [`Outcome::ALL`].
    const fn at(self) -> usize {
        self as usize
    }

    /// Whether the request was let in.
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        match self {
            Self::Allowed => true,
            Self::Limited
            | Self::OutOfScope
            | Self::OutOfNetwork
            | Self::Suspended
            | Self::Revoked
            | Self::Expired
            | Self::Introspected => false,
        }
    }

    /// Whether the request was denied.
    #[must_use]
    pub const fn is_denied(self) -> bool {
        !self.is_allowed() && !matches!(self, Self::Introspected)
    }
}

/// How many requests had each outcome: `counts[Outcome::Allowed]`.
///
/// Adding stops at the largest number.
///
/// ```
/// use keyward::count::{Counts, Outcome};
///
/// let mut counts = Counts::from([(Outcome::Allowed, 3)]);
/// counts[Outcome::Limited] += 1;
/// assert_eq!((counts.requests(), counts.denied()), (4, 1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Outcome::ALL.len()]);

impl Counts {
    /// Adds other counts to these.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum = sum.saturating_add(more);
        }
    }

    /// Each outcome with its count, in the order of [`Outcome::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().zip(self.0)
    }

    /// The sum of all outcomes.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The sum of the outcomes that are denials.
    #[must_use]
    pub fn denied(&self) -> u64 {
        self.iter()
            .filter(|(outcome, _)| outcome.is_denied())
            .fold(0, |sum, (_, count)| sum.saturating_add(count))
    }
}

impl Index<Outcome> for Counts {
    type Output = u64;

    #[expect(clippy::indexing_slicing, reason = "there is an element for each outcome")]
    fn index(&self, outcome: Outcome) -> &u64 {
        &self.0[outcome.at()]
    }
}

impl IndexMut<Outcome> for Counts {
    #[expect(clippy::indexing_slicing, reason = "there is an element for each outcome")]
    fn index_mut(&mut self, outcome: Outcome) -> &mut u64 {
        &mut self.0[outcome.at()]
    }
}

/// The counts that are named; one that is named twice is added up.
impl<const N: usize> From<[(Outcome, u64); N]> for Counts {
    fn from(named: [(Outcome, u64); N]) -> Self {
        named.into_iter().collect()
    }
}

impl FromIterator<(Outcome, u64)> for Counts {
    fn from_iter<I: IntoIterator<Item = (Outcome, u64)>>(named: I) -> Self {
        let mut counts = Self::default();
        for (outcome, count) in named {
            counts[outcome] = counts[outcome].saturating_add(count);
        }
        counts
    }
}

/// How much later than a flush's reading of the clock a request may be counted, by its own reading,
/// and still be distinguished from the rest of the hour before.
const AHEAD: Duration = Duration::from_secs(60);

/// The denials, which come after `allowed`, the first outcome, and before `introspected`, the last.
const DENIALS: usize = Outcome::ALL.len() - 2;
const _: () = assert!(Outcome::Allowed.at() == 0 && Outcome::Introspected.at() == DENIALS + 1);

/// Requests that fill the counter of a denial.
pub(crate) const COUNTER_FULL: u64 = 1 << 16;

/// The counts of one key that no flush has taken yet.
///
/// There are two banks, one for even hours and one for odd, so that counts around a full hour land
/// in the right one without a lock. This holds as long as the counters are taken at least once in
/// the first 59 minutes of each hour; upkeep does it each second. While a store is out of order for
/// longer, counts of several hours meet in a bank: none is lost, and all count for the last two of
/// those hours.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    banks: [Bank; 2],
    /// When the key was last allowed in; 0 is never. Of two requests at the same time the later
    /// one may be forgotten until the next: a locked operation is not worth that.
    last_used_ms: AtomicU64,
}

/// Each is added to by requests and emptied by the flush. Relaxed, since no other memory depends on
/// them. A `u32` lasts for an hour of a million requests a second; denials are counted in 16 bits,
/// and the content of a full counter is kept elsewhere.
#[derive(Debug, Default)]
struct Bank {
    allowed: AtomicU32,
    denied: [AtomicU16; DENIALS],
}

impl Bank {
    fn take(&self) -> Counts {
        // Most are zero, and looking costs less than swapping.
        let allowed = match self.allowed.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.allowed.swap(0, Ordering::Relaxed),
        };
        let denied = self.denied.each_ref().map(|counter| match counter.load(Ordering::Relaxed) {
            0 => 0,
            _ => counter.swap(0, Ordering::Relaxed),
        });
        counts_of(allowed, denied)
    }

    fn read(&self) -> Counts {
        let denied = self.denied.each_ref().map(|counter| counter.load(Ordering::Relaxed));
        counts_of(self.allowed.load(Ordering::Relaxed), denied)
    }
}

fn counts_of(allowed: u32, denied: [u16; DENIALS]) -> Counts {
    let all = iter::once(u64::from(allowed)).chain(denied.map(u64::from));
    Outcome::ALL.into_iter().zip(all).collect()
}

/// What became of a counter by counting one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It was empty before: the key must be put where the next flush finds it.
    First,
    /// It was not.
    More,
    /// It was full, and is empty again: [`COUNTER_FULL`] requests must be kept elsewhere.
    Full,
    /// There is none here: the request must be counted elsewhere.
    Apart,
}

impl Counters {
    /// Counts one request.
    #[must_use]
    #[inline]
    pub(crate) fn add(&self, outcome: Outcome, at: UnixMillis) -> Added {
        if outcome == Outcome::Introspected {
            return Added::Apart;
        }
        let bank = self.bank(at.hour());
        if let Some(counter) = outcome.at().checked_sub(1).and_then(|at| bank.denied.get(at)) {
            return match counter.fetch_add(1, Ordering::Relaxed) {
                0 => Added::First,
                u16::MAX => Added::Full,
                _ => Added::More,
            };
        }
        if self.last_used_ms.load(Ordering::Relaxed) < at.0 {
            self.last_used_ms.store(at.0, Ordering::Relaxed);
        }
        match bank.allowed.fetch_add(1, Ordering::Relaxed) {
            0 => Added::First,
            _ => Added::More,
        }
    }

    /// The counts of this hour that are not taken yet.
    pub(crate) fn in_hour(&self, hour: UnixHour) -> Counts {
        self.bank(hour).read()
    }

    /// Empties the counters: the counts with their hours, as seen at `now`.
    pub(crate) fn take(&self, now: UnixMillis) -> impl Iterator<Item = (UnixHour, Counts)> + use<> {
        let (this, soon) = (now.hour(), now.later_by(AHEAD).hour());
        // The bank of the hour before is the next hour's, too. Shortly before that begins it is
        // long empty, and a count in it now is by a later reading of the clock.
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
mod tests;
