//! Tiers: named plans that many keys share.

use std::str::FromStr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use compact_str::CompactString;
use thiserror::Error;

use crate::limit::Limits;
use crate::time::{ReadClock, SteadyNanos};

/// Most characters of a tier's name.
pub const TIER_NAME_LEN_MAX: usize = 24;

/// Most tiers. Each key names one of them, so this is far more than people can tell apart.
pub const TIERS_MAX: usize = 1_000;

/// What a tier is called: 1 to [`TIER_NAME_LEN_MAX`] of `a-z`, `0-9`, `_` and `-`, beginning with
/// a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TierName(CompactString);

/// Says that a text cannot name a tier.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a tier's name has 1 to 24 characters of a-z, 0-9, `_` and `-`, beginning with a letter")]
pub struct ParseTierNameError;

impl FromStr for TierName {
    type Err = ParseTierNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
        let begins_with_letter = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if TIER_NAME_LEN_MAX < text.len() || !begins_with_letter || !text.bytes().all(fits) {
            return Err(ParseTierNameError);
        }
        Ok(Self(text.into()))
    }
}

impl TierName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A tier as the index holds it: one for all of its keys, so that a change reaches them at once.
#[derive(Debug)]
pub struct Tier {
    name: TierName,
    /// Swapped whole, so that a request sees the old limits or the new ones and never a mixture;
    /// reading takes no lock.
    limits: ArcSwap<Limits>,
}

impl Tier {
    /// A tier with its first limits.
    #[must_use]
    pub fn new(name: TierName, limits: Limits) -> Self {
        Self { name, limits: ArcSwap::from_pointee(limits) }
    }

    /// What the tier is called.
    #[must_use]
    pub fn name(&self) -> &TierName {
        &self.name
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> arc_swap::Guard<Arc<Limits>> {
        self.limits.load()
    }

    /// Puts other limits in force; those who used up the ones before wait no longer than these
    /// ask for.
    ///
    /// Changes of one tier must come one after the other.
    pub(crate) fn set_limits(&self, limits: Limits, clock: ReadClock<'_>) {
        let before = self.limits.load_full();
        // First without forgiving anybody anything. Whoever finds these limits here takes by
        // them, so the reading that follows is behind all that the ones before allowed.
        let unforgiving = limits.clone().succeeding(&before, SteadyNanos::NEVER);
        self.limits.store(Arc::new(unforgiving));
        self.limits.store(Arc::new(limits.succeeding(&before, clock().steady)));
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
