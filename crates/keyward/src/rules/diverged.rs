//! A store that went back in time, by what a node of a cluster knows.

use crate::audit::Verb;

use super::decision::{DecideError, Decided, Decision};
use super::draft::Draft;
use super::entry::{self, Subject};
use super::lookup::Progress;

/// Puts the loss on record, and goes on with numbers above all that were given.
pub(super) fn record(mut draft: Draft<'_>, known: Progress) -> Result<Decision, DecideError> {
    let details = entry::loss(known.mark(), draft.newest());
    draft.skip_to(known);
    draft.record(Verb::Diverged, Subject::Store, details)?;
    Ok(draft.done(Decided::Diverged))
}
