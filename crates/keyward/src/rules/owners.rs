//! Suspending, resuming and editing owners.

use crate::audit::Verb;
use crate::details::OwnerVersion;
use crate::record::Owner;
use crate::stored::OwnerRow;

use super::change::OwnerChange;
use super::decision::{ChangeRejection, DecideError, Decided, Decision};
use super::draft::Draft;
use super::entry::{self, Subject};

/// Changes an owner, and writes one entry, unless it is so already.
pub(super) fn change(
    mut draft: Draft<'_>,
    owner: &Owner,
    change: OwnerChange,
    expected: Option<OwnerVersion>,
) -> Result<Decision, DecideError> {
    let before = draft.owner(owner)?;
    if expected.is_some_and(|expected| expected != before.version) {
        return Ok(draft.rejected(ChangeRejection::StaleOwner(before.version)));
    }
    let working = before.keys.saturating_sub(before.revoked_keys);
    let mut after = before.clone();
    let (verb, details) = match change {
        OwnerChange::Suspend => {
            after.suspended_at = after.suspended_at.or(Some(draft.audit.at));
            (Verb::SuspendOwner, entry::suspension(true, working))
        }
        OwnerChange::Resume => {
            after.suspended_at = None;
            (Verb::ResumeOwner, entry::suspension(false, working))
        }
        OwnerChange::Edit { limits } => {
            let details = entry::owner(&before.limits, &limits);
            after.limits = limits;
            (Verb::EditOwner, details)
        }
    };
    if after == before {
        return Ok(draft.unchanged(Decided::Owner(before)));
    }
    let after = OwnerRow { version: before.version.next(), ..after };
    draft.put_owner(after.clone());
    draft.record(verb, Subject::Owner(owner), details)?;
    Ok(draft.done(Decided::Owner(after)))
}
