//! Writing and deleting tiers.

use crate::audit::Verb;
use crate::limit::Limits;
use crate::stored::TierRow;
use crate::tier::{TIERS_MAX, TierName};

use super::change::TierBefore;
use super::decision::{ChangeRejection, DecideError, Decided, Decision};
use super::draft::Draft;
use super::entry::{self, Subject};

/// Writes a tier, new or not, and its entry, unless it is so already.
pub(super) fn put(
    mut draft: Draft<'_>,
    name: TierName,
    limits: Limits,
    expected: &TierBefore,
) -> Result<Decision, DecideError> {
    let before = draft.tier(&name)?.cloned();
    if !fits(before.as_ref(), expected) {
        return Ok(draft.rejected(ChangeRejection::StaleTier));
    }
    let is_new = before.is_none();
    let details = entry::tier(before.as_ref().map(|tier| &tier.limits), Some(&limits));
    let tier = match before {
        Some(tier) if tier.limits == limits => {
            return Ok(draft.unchanged(Decided::PutTier { tier, is_new }));
        }
        Some(tier) => TierRow { limits, ..tier },
        None if TIERS_MAX as u64 <= draft.tier_count()? => {
            return Ok(draft.rejected(ChangeRejection::TooManyTiers));
        }
        None => TierRow { id: draft.next_tier()?, name, limits, keys: 0, is_gone: false },
    };
    draft.put_tier(tier.clone());
    draft.record(Verb::PutTier, Subject::Tier(&tier.name), details)?;
    Ok(draft.done(Decided::PutTier { tier, is_new }))
}

/// Deletes a tier that only revoked keys have; these go on showing its name.
pub(super) fn delete(
    mut draft: Draft<'_>,
    name: &TierName,
    expected: &TierBefore,
) -> Result<Decision, DecideError> {
    let before = draft.tier(name)?.cloned();
    if !fits(before.as_ref(), expected) {
        return Ok(draft.rejected(ChangeRejection::StaleTier));
    }
    let Some(before) = before else {
        return Ok(draft.rejected(ChangeRejection::UnknownTier));
    };
    if before.keys != 0 {
        return Ok(draft.rejected(ChangeRejection::TierUsed(before.keys)));
    }
    let details = entry::tier(Some(&before.limits), None);
    let tier = TierRow { is_gone: true, ..before };
    draft.put_tier(tier.clone());
    draft.record(Verb::DeleteTier, Subject::Tier(name), details)?;
    Ok(draft.done(Decided::DeletedTier(tier)))
}

fn fits(before: Option<&TierRow>, expected: &TierBefore) -> bool {
    match expected {
        TierBefore::Any => true,
        TierBefore::Exactly(expected) => before.map(|tier| &tier.limits) == expected.as_ref(),
    }
}
