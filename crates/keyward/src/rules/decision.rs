//! The decision about a change, and its result for the caller.

use std::sync::Arc;

use thiserror::Error;

use crate::audit::Mark;
use crate::details::{OwnerVersion, Versions};
use crate::once::Earlier;
use crate::record::KeyId;
use crate::stored::{Key, OwnerRow, TierRow};
use crate::transfer::ImportRejection;

use super::lookup::Lookup;
use super::writes::Writes;

/// The effects of a change.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What to write; nothing if the change is rejected.
    pub writes: Writes,
    /// The outcome for the caller and for the index, when it is written.
    pub outcome: Result<Decided, ChangeRejection>,
}

/// The outcome of a change that a store was asked to make, after its transaction.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The newest change as of the transaction, also if nothing was written.
    pub newest: Mark,
    /// The state now, or the reason why nothing was changed.
    pub outcome: Result<Decided, ChangeRejection>,
}

/// The state when a change is written.
#[derive(Clone, Debug)]
pub enum Decided {
    /// A key was issued.
    Issued {
        /// The key.
        key: Arc<Key>,
        /// Its owner.
        owner: Option<OwnerRow>,
    },
    /// A key is as was asked, whether it was before or not.
    Changed {
        /// The key.
        key: Arc<Key>,
        /// Its owner.
        owner: Option<OwnerRow>,
    },
    /// Keys were imported; each has its outcome.
    Imported {
        /// One for each key, in their order.
        keys: Vec<Imported>,
        /// The owners of the added keys, each once.
        owners: Vec<OwnerRow>,
    },
    /// A tier is as was asked, whether it was before or not.
    PutTier {
        /// The tier.
        tier: TierRow,
        /// Whether there was none of that name.
        is_new: bool,
    },
    /// A tier is gone.
    DeletedTier(TierRow),
    /// An owner is as was asked, whether it was before or not.
    Owner(OwnerRow),
    /// The time of the change is the latest reading of the wall clock.
    AcceptedClock,
    /// The loss is on record, and the next numbers are above all that were given.
    Diverged,
}

/// What became of a key on import.
#[derive(Clone, Debug)]
pub enum Imported {
    /// It was added.
    Added(Arc<Key>),
    /// It was there: a key with all of these secrets, even if other fields differ.
    Skipped(KeyId),
    /// It was not added.
    Rejected(ImportRejection),
}

/// Why a change was not made. Everything is as it was.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ChangeRejection {
    /// The request was made before, and is to change something once.
    #[error("the request was made before")]
    Earlier(Earlier),
    /// There is no such key.
    #[error("there is no such key")]
    UnknownKey,
    /// There is no such tier.
    #[error("there is no such tier")]
    UnknownTier,
    /// The owner is suspended; resume it first.
    #[error("the owner is suspended")]
    OwnerSuspended,
    /// The key or its owner is not in the version that was expected, but in this one.
    #[error("the key has changed since")]
    StaleKey(Versions),
    /// The tier is not as expected before.
    #[error("the tier has changed since")]
    StaleTier,
    /// The owner is not in the version that was expected, but in this one.
    #[error("the owner has changed since")]
    StaleOwner(OwnerVersion),
    /// The key is revoked, which is final.
    #[error("the key is revoked")]
    Revoked,
    /// The key has expired, and a new secret would expire with it. Give it another expiry first.
    #[error("the key has expired")]
    Expired,
    /// So many keys that are not revoked have the tier.
    #[error("{0} keys have the tier")]
    TierUsed(u64),
    /// There are [`TIERS_MAX`](crate::tier::TIERS_MAX) tiers already.
    #[error("there are 1000 tiers already")]
    TooManyTiers,
}

/// Nothing can be decided: the store, or what it holds, is not as it has to be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DecideError {
    /// The store did not look up what deciding has to know.
    #[error("the store did not look up {0:?}")]
    Unknown(Lookup),
    /// The digest of the new secret is that of one that a key has, or had.
    #[error("the new secret is one that there is, or was")]
    SecretTaken,
    /// The trail lacks an entry that it is known to have had, and which the change was to follow.
    #[error("the database went back in time, and lacks change {}", .0.change.0)]
    WentBack(Mark),
    /// Every number is given.
    #[error("there is no number left for another {0}")]
    NoNumberLeft(&'static str),
    /// The entry of the audit trail cannot be written as JSON.
    #[error("an audit entry cannot be written: {0}")]
    Entry(String),
}
