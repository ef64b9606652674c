//! The changes that can be requested.

use crate::change::KeyChange;
use crate::details::{OwnerVersion, Versions};
use crate::limit::Limits;
use crate::record::{KeyId, Owner};
use crate::stored::Unkept;
use crate::tier::TierName;

use super::lookup::Progress;

/// A change of the content of a store. Every one that changes something writes an audit entry, and
/// an import one for each key.
#[derive(Clone, Debug)]
pub enum Change {
    /// Keep a key that was just made. It gets the next free id, and its own is ignored.
    Issue(Box<Unkept>),
    /// Change a key that is there.
    Key {
        /// Which one.
        id: KeyId,
        /// The change wanted.
        change: KeyChange,
        /// The version that it has to be in; `None` is any.
        expected: Option<Versions>,
    },
    /// Add keys that came from elsewhere.
    Import {
        /// The keys, each with its own id or without one.
        keys: Vec<Unkept>,
        /// Only return the outcome that each would have.
        dry_run: bool,
    },
    /// Write a tier, new or not.
    PutTier {
        /// Its name.
        name: TierName,
        /// Its limits.
        limits: Limits,
        /// The expectation about its state before.
        before: TierBefore,
    },
    /// Delete a tier that only revoked keys have.
    DeleteTier {
        /// Its name.
        name: TierName,
        /// The expectation about its state before.
        before: TierBefore,
    },
    /// Change an owner, with or without keys.
    Owner {
        /// Which one.
        owner: Owner,
        /// The change wanted.
        change: OwnerChange,
        /// The version that it has to be in; `None` is any.
        expected: Option<OwnerVersion>,
    },
    /// Take the time of the change for the latest reading of the wall clock.
    AcceptClock,
    /// Put on record that the store lost changes, of which a node of a cluster knows: it had
    /// applied the entry of this digest, and knows of numbers up to these. None of them is given
    /// again.
    Diverged(Progress),
}

/// The expectation about a tier, without which a change of it is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TierBefore {
    /// Any state.
    Any,
    /// It sets exactly this; `None` is that there is no such tier.
    Exactly(Option<Limits>),
}

/// A change of an owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerChange {
    /// Deny requests of all its keys until it is resumed, and issue none to it.
    Suspend,
    /// Accept its keys again, those aside that are suspended themselves.
    Resume,
    /// Change fields.
    Edit {
        /// Limits that all of its keys share, which replace all that it has.
        limits: Limits,
    },
}
