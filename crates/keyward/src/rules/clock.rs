//! Taking the wall clock for right.

use crate::audit::Verb;

use super::decision::{DecideError, Decided, Decision};
use super::draft::Draft;
use super::entry::{self, Subject};

/// Takes the time of the change for the latest reading, whichever is later, on record.
pub(super) fn accept(mut draft: Draft<'_>) -> Result<Decision, DecideError> {
    let at = draft.audit.at;
    let details = entry::clock(draft.reading()?, at);
    draft.put_reading(at);
    draft.record(Verb::AcceptClock, Subject::Clock, details)?;
    Ok(draft.done(Decided::AcceptedClock))
}
