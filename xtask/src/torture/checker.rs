//! What a history must not show, found in one pass over it; only limits are sorted.

mod facts;
mod limits;
mod register;
mod trail;
mod verdicts;
mod windows;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;

use super::history::{Effect, Operation, Outcome, What};
use facts::Facts;

pub(crate) use trail::{Entry, REQUEST};

/// What a run promises.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) buckets: Buckets,
    /// Nanoseconds until a change is known everywhere that was not when it was acknowledged.
    pub(crate) everywhere_within: u64,
}

/// Who keeps the buckets of limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buckets {
    /// Each process its own, and they begin full.
    OfEachProcess,
    /// The store, for all nodes.
    OfAll,
}

/// A promise that was broken, and the lines of the history that show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) fault: Fault,
    pub(crate) lines: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// A request was let in that began after its key was ended, and that was acknowledged.
    Accepted,
    /// A verdict shows a limit that was replaced before it began.
    OldLimit,
    /// An acknowledged change is not there any more.
    LostChange,
    /// A denial for a reason that no client gave.
    MadeUpDenial,
    OverLimit,
    /// Two keys have one id.
    SharedId,
    /// The trail has no entry of a change, or several, or one of a rejected change.
    NotOnRecord,
    /// The trail has a change after one that began when it had ended.
    OutOfOrder,
    /// A number is missing in the trail.
    Gap,
    /// An entry of the trail does not follow from the one before it.
    Chain,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted after a final response",
            Self::OldLimit => "judged by a limit that was replaced",
            Self::LostChange => "an acknowledged change is lost",
            Self::MadeUpDenial => "denied for no reason",
            Self::OverLimit => "over a limit",
            Self::SharedId => "two keys with one id",
            Self::NotOnRecord => "not once on record",
            Self::OutOfOrder => "the trail has another order",
            Self::Gap => "the trail has a gap",
            Self::Chain => "the trail's chain is broken",
        })
    }
}

/// Everything that a history shows to be broken, without the audit trail.
pub(crate) fn violations_of_history(history: &[Operation], rules: &Rules) -> Vec<Violation> {
    let facts = Facts::of(history, rules);
    let mut found = verdicts::violations(history, &facts);
    found.extend(windows::violations(history, &facts, rules));
    found.extend(shared_ids(history));
    found
}

/// Whether a history that goes on shows one of the violations that nothing later excuses.
pub(crate) fn is_caught(history: &[Operation], rules: &Rules) -> bool {
    let of_verdicts = verdicts::violations(history, &Facts::of(history, rules));
    let is_let_in = of_verdicts.iter().any(|it| it.fault == Fault::Accepted);
    is_let_in || !shared_ids(history).is_empty()
}

/// Everything that a history and the audit trail after it show to be broken.
pub(crate) fn violations(history: &[Operation], trail: &[Entry], rules: &Rules) -> Vec<Violation> {
    let facts = Facts::of(history, rules);
    let mut found = violations_of_history(history, rules);
    found.extend(trail::violations(history, &facts, trail));
    found
}

fn shared_ids(history: &[Operation]) -> Vec<Violation> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for (line, operation) in (1..).zip(history) {
        if let What::Change(change) = &operation.what
            && let Effect::Issue { id: Some(id), .. } = change.effect
            && change.outcome != Outcome::Rejected
            && !seen.insert(id)
        {
            found.push(Violation { fault: Fault::SharedId, lines: vec![line] });
        }
    }
    found
}
