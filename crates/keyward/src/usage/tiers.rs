//! How many requests of each tier's keys were allowed, and how many met a limit.

use crate::count::{Counts, Outcome};
use crate::tier::TierName;

/// Most tiers that are counted by name; later ones are counted together.
pub const TIERS_NAMED_MAX: usize = 100;

/// Requests of a tier's keys.
///
/// ```
/// use keyward::usage::TierCounts;
///
/// assert_eq!(TierCounts::default(), TierCounts { allowed: 0, limited: 0 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierCounts {
    /// Requests that were let in.
    pub allowed: u64,
    /// Requests that a limit kept out.
    pub limited: u64,
}

impl TierCounts {
    fn add(&mut self, counts: &Counts) {
        self.allowed = self.allowed.saturating_add(counts[Outcome::Allowed]);
        self.limited = self.limited.saturating_add(counts[Outcome::Limited]);
    }
}

/// Requests by the tier that their keys had when they were taken out of memory.
///
/// ```
/// use keyward::usage::Usage;
///
/// let totals = Usage::default().tier_totals();
/// assert!(totals.named.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TierTotals {
    /// Up to [`TIERS_NAMED_MAX`] tiers, in the order in which they had a request.
    pub named: Vec<(TierName, TierCounts)>,
    /// All further ones together.
    pub other: TierCounts,
}

impl TierTotals {
    pub(super) fn add(&mut self, tier: &TierName, counts: &Counts) {
        if let Some((_, known)) = self.named.iter_mut().find(|(name, _)| name == tier) {
            known.add(counts);
        } else if self.named.len() < TIERS_NAMED_MAX {
            let mut first = TierCounts::default();
            first.add(counts);
            self.named.push((tier.clone(), first));
        } else {
            self.other.add(counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_above_the_most_are_counted_together() {
        let mut totals = TierTotals::default();
        let counts = Counts::from([(Outcome::Allowed, 2), (Outcome::Limited, 1)]);
        for _ in 0..2 {
            for number in 0..TIERS_NAMED_MAX + 3 {
                totals.add(&format!("tier-{number}").parse().unwrap(), &counts);
            }
        }
        assert_eq!(totals.named.len(), TIERS_NAMED_MAX);
        let four = TierCounts { allowed: 4, limited: 2 };
        assert!(totals.named.iter().all(|(_, counts)| *counts == four));
        assert_eq!(totals.other, TierCounts { allowed: 12, limited: 6 });
    }
}
