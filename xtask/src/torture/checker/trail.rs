//! On record: the audit trail has each acknowledged change once, in an order that clients saw.

use std::collections::HashMap;

use super::facts::Facts;
use super::{Fault, Violation};
use crate::torture::history::{Change, Operation, Outcome, What};

/// An entry of the audit trail.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) verb: String,
    pub(crate) request: String,
}

/// What the `X-Request-Id` of each change of a run begins with.
pub(crate) const REQUEST: &str = "torture-";

/// The verb of an entry that says that the store went back in time.
const DIVERGED: &str = "diverged";

/// Compares a history with the whole trail, its oldest entry first.
pub(crate) fn violations(history: &[Operation], facts: &Facts, trail: &[Entry]) -> Vec<Violation> {
    let mut found = Vec::new();
    let breaks = trail.windows(2).filter(|pair| match pair {
        // An entry of a loss has a number above all that was lost.
        [before, after] if after.verb == DIVERGED => after.id <= before.id,
        [before, after] => before.id + 1 != after.id,
        _ => false,
    });
    found.extend(breaks.map(|_| Violation { fault: Fault::Gap, lines: Vec::new() }));
    let mut entries: HashMap<u64, Vec<&Entry>> = HashMap::new();
    for entry in trail {
        let number = entry.request.strip_prefix(REQUEST).and_then(|it| it.parse().ok());
        number.into_iter().for_each(|number| entries.entry(number).or_default().push(entry));
    }
    for (line, operation) in (1..).zip(history) {
        let What::Change(change) = &operation.what else { continue };
        let of_it = entries.get(&change.request).map_or(&[][..], Vec::as_slice);
        let fits = of_it.iter().all(|entry| entry.verb == change.effect.verb());
        let least = usize::from(has_to_be_there(operation, change, facts));
        let most = usize::from(change.outcome != Outcome::Rejected);
        if !fits || !(least..=most).contains(&of_it.len()) {
            found.push(Violation { fault: Fault::NotOnRecord, lines: vec![line] });
        }
    }
    found.extend(out_of_order(history, &entries));
    found
}

/// Whether a change has an entry for sure. One that was asked for before may have changed nothing.
fn has_to_be_there(operation: &Operation, change: &Change, facts: &Facts) -> bool {
    let is_sure = !facts.may_be_unrecorded(operation);
    change.outcome.is_done()
        && !change.again
        && is_sure
        && !facts.unsure.contains(&change.effect.subject())
}

/// Entries of changes that ended before the change of an earlier entry began.
fn out_of_order(history: &[Operation], entries: &HashMap<u64, Vec<&Entry>>) -> Vec<Violation> {
    let mut changes: Vec<(u64, usize, &Operation)> = Vec::new();
    for (line, operation) in (1..).zip(history) {
        if let What::Change(change) = &operation.what
            && let Some(entry) = entries.get(&change.request).and_then(|of_it| of_it.first())
            && change.outcome != Outcome::Unknown
        {
            changes.push((entry.id, line, operation));
        }
    }
    changes.sort_unstable_by_key(|(id, ..)| *id);
    let mut latest: Option<(u64, usize)> = None;
    let mut found = Vec::new();
    for (_, line, operation) in changes {
        if let Some((begin, earlier)) = latest
            && operation.end < begin
        {
            found.push(Violation { fault: Fault::OutOfOrder, lines: vec![line, earlier] });
        }
        if latest.is_none_or(|(begin, _)| begin < operation.begin) {
            latest = Some((operation.begin, line));
        }
    }
    found
}
