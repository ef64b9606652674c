//! Tiers: named plans that many keys share.

use std::fmt;
use std::str::FromStr;
#[expect(clippy::disallowed_types, reason = "it is for a field of a tier, and no static")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use thiserror::Error;

use crate::limit::{Buckets, Era, GENERATIONS, Limits, Revision};
use crate::time::{ReadClock, SteadyNanos};

/// Most characters of a tier's name.
pub const TIER_NAME_LEN_MAX: usize = 24;

/// Most tiers. Each key names one of them, so this is far more than people can distinguish.
pub const TIERS_MAX: usize = 1_000;

/// The name of a tier: 1 to [`TIER_NAME_LEN_MAX`] of `a-z`, `0-9`, `_` and `-`, beginning with a
/// letter.
///
/// ```
/// use keyward::tier::TierName;
///
/// assert!("pro-2026".parse::<TierName>().is_ok());
/// assert!("Pro".parse::<TierName>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TierName {
    /// All of it, so that a copy takes no memory and shares none. Zeros follow.
    bytes: [u8; TIER_NAME_LEN_MAX],
}

/// The error of a text that cannot name a tier.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a tier's name has 1 to 24 characters of a-z, 0-9, `_` and `-`, beginning with a letter")]
pub struct ParseTierNameError;

impl FromStr for TierName {
    type Err = ParseTierNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
        let begins_with_letter = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if !begins_with_letter || !text.bytes().all(fits) {
            return Err(ParseTierNameError);
        }
        let mut bytes = [0; TIER_NAME_LEN_MAX];
        bytes.get_mut(..text.len()).ok_or(ParseTierNameError)?.copy_from_slice(text.as_bytes());
        Ok(Self { bytes })
    }
}

impl TierName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = self.bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Debug for TierName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TierName").field(&self.as_str()).finish()
    }
}

/// A tier as the index holds it: one for all of its keys, so that a change reaches them at once.
///
/// The buckets of its keys are laid out for its limits: one name for each position. Limits with
/// other names make another `Tier`, to which the keys move.
///
/// ```
/// use keyward::limit::Limits;
/// use keyward::tier::Tier;
///
/// // A tier without a limit.
/// let tier = Tier::new("internal".parse()?, Limits::of(None));
/// assert_eq!((tier.name().as_str(), tier.limits().list()), ("internal", &[][..]));
/// # Ok::<(), keyward::tier::ParseTierNameError>(())
/// ```
#[derive(Debug)]
pub struct Tier {
    name: TierName,
    /// One for each change so far. A request reads which of them is in force once, so that it sees
    /// the old limits or the new ones and never a mixture; reading takes no lock and writes
    /// nothing.
    #[expect(clippy::disallowed_types, reason = "it is a field of a tier, and no static")]
    editions: [OnceLock<Box<Edition>>; GENERATIONS],
    /// Which of them is in force. Written with `Release` after the edition itself.
    latest: AtomicUsize,
}

/// Copies of the limits that an edition keeps.
const STRIPES: usize = 16;

/// The limits of a tier, as they are in force at one time.
#[derive(Debug)]
struct Edition {
    limits: Limits,
    /// The same limits again. The state of several limits refers to them, and such references are
    /// counted: requests of different keys count on different copies.
    stripes: [Limits; STRIPES],
    /// Since when, in nanoseconds of the steady clock.
    since: AtomicU64,
    /// When they were changed, on a cluster.
    revision: Revision,
}

impl Edition {
    fn new(limits: Limits, revision: Revision, since: SteadyNanos) -> Box<Self> {
        let stripes = std::array::from_fn(|_| limits.copied());
        Box::new(Self { limits, stripes, since: AtomicU64::new(since.0), revision })
    }
}

impl Tier {
    /// A tier with its first limits.
    #[must_use]
    pub fn new(name: TierName, limits: Limits) -> Self {
        Self::of_revision(name, limits, Revision::default())
    }

    /// The same on a cluster.
    pub(crate) fn of_revision(name: TierName, limits: Limits, revision: Revision) -> Self {
        let editions: [_; GENERATIONS] = Default::default();
        let tier = Self { name, editions, latest: AtomicUsize::new(0) };
        tier.put(0, limits, revision, SteadyNanos(0));
        tier
    }

    /// The tier's name.
    ///
    /// ```
    /// use keyward::limit::Limits;
    /// use keyward::tier::Tier;
    ///
    /// assert_eq!(Tier::new("internal".parse()?, Limits::of(None)).name().as_str(), "internal");
    /// # Ok::<(), keyward::tier::ParseTierNameError>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &TierName {
        &self.name
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.edition().1.limits
    }

    /// The limits in force, and when they were changed.
    pub(crate) fn terms(&self) -> (&Limits, Revision) {
        let (_, edition) = self.edition();
        (&edition.limits, edition.revision)
    }

    /// The buckets of a key of this tier, by the limits in force. `stripe` says which copy of the
    /// limits is referred to: requests of one key name the same one.
    #[inline]
    pub(crate) fn buckets<'a>(&'a self, words: &'a [AtomicU64], stripe: u64) -> Buckets<'a> {
        let (latest, edition) = self.edition();
        let told = edition
            .stripes
            .get(usize::try_from(stripe % STRIPES as u64).unwrap_or_default())
            .unwrap_or(&edition.limits);
        let since = SteadyNanos(edition.since.load(Ordering::Acquire));
        Buckets { limits: &edition.limits, told, era: Era::new(latest, since), words }
    }

    /// Puts other limits in force with one swap, if buckets of the keys fit them; callers that used
    /// up the former ones wait no longer than these require. Returns whether it did: else the keys
    /// have to move to another `Tier`.
    ///
    /// Changes of one tier must come one after the other.
    pub(crate) fn set_limits(
        &self,
        limits: &Limits,
        revision: Revision,
        clock: ReadClock<'_>,
    ) -> bool {
        let next = self.latest.load(Ordering::Acquire) + 1;
        if GENERATIONS <= next || !limits.are_laid_out_as(self.limits()) {
            return false;
        }
        // First without giving anything back. Requests that find these limits take by them, so the
        // reading that follows is later than all requests that the former ones allowed.
        let edition = self.put(next, limits.clone(), revision, SteadyNanos::NEVER);
        self.latest.store(next, Ordering::Release);
        edition.since.store(clock().steady.0, Ordering::Release);
        true
    }

    fn put(&self, at: usize, limits: Limits, revision: Revision, since: SteadyNanos) -> &Edition {
        let place = self.editions.get(at).expect("callers name one of the GENERATIONS");
        place.get_or_init(|| Edition::new(limits, revision, since))
    }

    #[inline]
    fn edition(&self) -> (usize, &Edition) {
        let latest = self.latest.load(Ordering::Acquire);
        let edition = self.editions.get(latest).and_then(|edition| edition.get());
        (latest, edition.expect("an edition is there before it is the latest"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        let check = |text: &str, fits| assert_eq!(text.parse::<TierName>().is_ok(), fits, "{text}");
        check("basic", true);
        check("a-b_2", true);
        check(&"t".repeat(24), true);
        check(&"t".repeat(25), false);
        for text in ["", "Basic", "2x", "-a", "a b", "a'b", "ä"] {
            check(text, false);
        }
    }
}
