//! The decisions about requests, by door and by tier.

use std::fmt;

use keyward_axum::Guard;

use super::Source;
use super::page::Page;

/// The decisions of a guard.
#[derive(Debug)]
pub(crate) struct Verdicts(pub(crate) Guard);

impl Source for Verdicts {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        page.counter(
            ("keyward_verdicts", "Decisions about requests, by the door that asked."),
            self.0.verdicts().iter().map(|(door, outcome, count)| {
                ([("door", door.as_str()), ("outcome", outcome.as_str())], count)
            }),
        )?;
        let totals = self.0.gate().usage().tier_totals();
        let named = totals.named.iter().map(|(name, counts)| (name.as_str(), *counts));
        let all = named.chain([("other", totals.other)]);
        page.counter(
            (
                "keyward_tier_verdicts",
                "Requests of a tier's keys that were allowed and that met a limit.",
            ),
            all.flat_map(|(tier, counts)| {
                let labels = |outcome| [("tier", tier), ("outcome", outcome)];
                [(labels("allowed"), counts.allowed), (labels("limited"), counts.limited)]
            }),
        )
    }
}
