//! The rules of change, without I/O: the facts that a change needs, and its effects.
//!
//! A store looks up what [`needs`] names and puts it into [`Facts`], until there is nothing left to
//! look up, which takes at most two rounds. Then [`decide`] returns the writes, all for one
//! transaction: rows, and audit entries that are sealed already. No store knows what a suspension
//! is.
//!
//! No change needs rows, or writes any, in proportion to the keys of an owner or a tier.

mod lookup;

mod change;

mod writes;

mod facts;

mod decision;

mod entry;

mod draft;

mod keys;

mod imports;

mod tiers;

mod owners;

mod clock;

mod diverged;

use crate::audit::{Audit, Mark};

pub use change::{Change, OwnerChange, TierBefore};
pub use decision::{ChangeRejection, Committed, DecideError, Decided, Decision, Imported};
pub use entry::{Subject, seal};
pub use facts::Facts;
pub use lookup::{Lookup, OnceRow, Progress};
pub use writes::{KeyWrite, OnceWrite, Writes};

use draft::Draft;

/// The look-ups without which the change cannot be decided; empty if all is known. Their results
/// may need more, once: call this again after looking up.
#[must_use]
pub fn needs(change: &Change, audit: &Audit, facts: &Facts) -> Vec<Lookup> {
    let mut wanted = match change {
        Change::Issue(key) => keys::needs_of_issue(key, audit),
        Change::Key { id, change, .. } => keys::needs_of_change(*id, change, audit, facts),
        Change::Import { keys, .. } => imports::needs(keys),
        Change::PutTier { name, .. } => vec![Lookup::Tier(name.clone()), Lookup::TierCount],
        Change::DeleteTier { name, .. } => vec![Lookup::Tier(name.clone())],
        Change::Owner { owner, .. } => vec![Lookup::Owner(owner.clone())],
        Change::AcceptClock => vec![Lookup::Reading],
        Change::Diverged(_) => Vec::new(),
    };
    wanted.extend(known_entry(change, audit).map(|known| Lookup::Entry(known.change)));
    wanted.retain(|lookup| !facts.knows(lookup));
    wanted
}

/// The effects of a change, and the outcome for its caller. A change that is rejected, or that
/// changes nothing, writes nothing.
///
/// # Errors
///
/// Returns [`DecideError`] if it cannot be decided: something that [`needs`] names was not looked
/// up, or the facts contradict each other.
pub fn decide(change: Change, audit: &Audit, facts: &Facts) -> Result<Decision, DecideError> {
    if let Some(known) = known_entry(&change, audit) {
        let lookup = Lookup::Entry(known.change);
        let digest = facts.entry(known.change).ok_or(DecideError::Unknown(lookup))?;
        if digest != Some(known.digest) {
            return Err(DecideError::WentBack(known));
        }
    }
    let draft = Draft::new(audit, facts);
    match change {
        Change::Issue(key) => keys::issue(draft, *key),
        Change::Key { id, change, expected } => keys::change(draft, id, change, expected),
        Change::Import { keys, dry_run } => imports::import(draft, keys, dry_run),
        Change::PutTier { name, limits, before } => tiers::put(draft, name, limits, &before),
        Change::DeleteTier { name, before } => tiers::delete(draft, &name, &before),
        Change::Owner { owner, change, expected } => {
            owners::change(draft, &owner, change, expected)
        }
        Change::AcceptClock => clock::accept(draft),
        Change::Diverged(known) => diverged::record(draft, known),
    }
}

/// The entry without which nothing is changed: the request comes from a node that does not know of
/// a loss yet. The trail lacks it when the loss is put on record, which is what that is for; and no
/// trail has the entry before its first.
fn known_entry(change: &Change, audit: &Audit) -> Option<Mark> {
    match change {
        Change::Issue(_)
        | Change::Key { .. }
        | Change::Import { .. }
        | Change::PutTier { .. }
        | Change::DeleteTier { .. }
        | Change::Owner { .. }
        | Change::AcceptClock => audit.after.filter(|known| *known != Mark::START),
        Change::Diverged(_) => None,
    }
}

#[cfg(test)]
mod tests;
