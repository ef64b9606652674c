//! The contract between the decision and the place where keys survive: [`KeyStore`] is what deciding
//! needs, [`Reports`] is what operators ask, and [`Backup`] is what a store may have that can be
//! copied while it is in use.

mod backup;
mod reports;

use std::error::Error;
use std::fmt;
use std::net::IpAddr;

use async_trait::async_trait;
use thiserror::Error;

use crate::audit::{Audit, ChainDigest, ChangeId};
use crate::change::{Changed, KeyChange};
use crate::details::{KeyDetails, Reason, StoredKey, Versions};
use crate::digest::Digest;
use crate::issue::NewRecord;
use crate::limit::Limit;
use crate::once::Earlier;
use crate::query::OwnerDetails;
use crate::record::{KeyId, Owner};
use crate::rules::Fault;
use crate::tier::TierName;
use crate::time::UnixMillis;
use crate::transfer::{ImportedKey, KeyCopy};
use crate::usage::UsageRow;

pub use backup::Backup;
pub use reports::Reports;

/// A tier as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierRecord {
    /// What it is called.
    pub name: TierName,
    /// What it sets. An empty list is no limit.
    pub limits: Vec<Limit>,
}

/// What became of deleting a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TierDeleted {
    /// It is gone.
    Done,
    /// There was none.
    Unknown,
    /// So many keys that are not revoked have it, and it stays.
    Used(u64),
}

/// What became of keeping a new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is kept.
    Done {
        /// Its id.
        id: KeyId,
        /// The version of its owner; 0 if it has none.
        owner_version: u64,
    },
    /// There is no such tier.
    UnknownTier,
    /// Its owner is suspended.
    OwnerSuspended,
    /// The request was made before, and is to change something once.
    Earlier(Earlier),
}

/// A secret that somebody reported as leaked. Its key is to be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeakReport {
    /// Of the secret, which some key has or had.
    pub digest: Digest,
    /// What the audit trail is to say.
    pub reason: Option<Reason>,
    /// The address that the report came from, as far as that is known.
    pub address: Option<IpAddr>,
    /// The id of the request that brought it.
    pub request_id: Option<String>,
    /// When it came.
    pub at: UnixMillis,
}

/// Usage on its way to the store. The same batch may arrive more than once and counts once.
#[derive(Clone, Debug)]
pub struct UsageBatch {
    /// Who counted: 128 random bits that a gate draws when it opens.
    pub writer: [u8; 16],
    /// Counts up from 1 for each batch of one writer.
    pub number: u64,
    /// What is to be added.
    pub rows: Vec<UsageRow>,
    /// The latest reading of the wall clock, if it is to be kept.
    pub reading: Option<UnixMillis>,
}

/// Nothing can be said: the store broke down, or was never there.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database cannot be reached, is full, or fails; trying later may help. If a change was
    /// under way, it may or may not have happened.
    #[error("store is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// What the store holds cannot be: a newer version wrote it, or it is damaged.
    #[error("store holds something that cannot be: {0}")]
    Inconsistent(String),
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        Self::Inconsistent(fault.to_string())
    }
}

/// Where keys survive: what deciding about requests and changes needs.
///
/// Every method that changes something writes an audit entry in the same transaction (one for each
/// key of an import, and one for an owner), which says what was before and after, and returns
/// `Ok` only when both would survive `kill -9` and power loss. On `Err` a change may or may not
/// have happened; repeating it is safe, except that issuing again makes another key.
///
/// A secret belongs to one key: where a change brings one whose digest some key has or had, it does
/// not happen, and is [`StoreError::Inconsistent`].
///
/// Changes that change nothing, such as suspending a key that is suspended, write no entry and
/// count up no version.
///
/// A request that is to change something [once](Audit::once) is told the earlier one of its name
/// and actor, whatever else speaks against it. Its name is kept in the transaction of the change,
/// for [`ONCE_KEPT`](crate::once::ONCE_KEPT), and not if nothing changed.
///
/// Dropping the future of a change does not undo it and may leave it under way.
#[async_trait]
pub trait KeyStore: fmt::Debug + Send + Sync {
    /// All tiers, in the order in which they were made. A new store has `basic` (100 per 60 s),
    /// `pro` (1 000) and `enterprise` (10 000), each with a burst of the same size.
    async fn tiers(&self) -> Result<Vec<TierRecord>, StoreError>;

    /// Writes a tier, new or not. Returns whether it is new.
    async fn put_tier(&self, tier: TierRecord, audit: Audit) -> Result<bool, StoreError>;

    /// Deletes a tier that no key has but those that are revoked. These go on showing its name, and
    /// a new tier of that name is not theirs.
    async fn delete_tier(&self, name: TierName, audit: Audit) -> Result<TierDeleted, StoreError>;

    /// Up to `max` keys with ids above `after`, lowest first, revoked ones too. Fewer than `max`
    /// means that there are no more.
    async fn load_keys(&self, after: Option<KeyId>, max: u32)
    -> Result<Vec<StoredKey>, StoreError>;

    /// The earlier request of this name and actor, if there was one that changed something.
    async fn earlier(&self, audit: Audit) -> Result<Option<Earlier>, StoreError>;

    /// Keeps a new key.
    async fn insert_key(&self, new: NewRecord, audit: Audit) -> Result<Inserted, StoreError>;

    /// Changes a key, if it and its owner are in the versions that are expected.
    ///
    /// Revoking again is `Done` and changes nothing; any other change of a revoked key is refused.
    /// Resuming takes back what suspending the key itself did, not what suspending its owner did.
    /// A rotation ends the grace of earlier secrets at once, and that of the present one at the
    /// sooner of `audit.at + grace` and the key's expiry.
    async fn change_key(
        &self,
        id: KeyId,
        change: KeyChange,
        expected: Option<Versions>,
        audit: Audit,
    ) -> Result<Changed, StoreError>;

    /// Suspends or resumes an owner, and so all of its keys; returns the owner as it is now. The
    /// work does not grow with the number of its keys, whose versions stay as they are. An owner
    /// without keys can be suspended: no key can be issued to it.
    async fn set_owner_suspended(
        &self,
        owner: Owner,
        suspended: bool,
        audit: Audit,
    ) -> Result<OwnerDetails, StoreError>;

    /// Adds keys that came from elsewhere, and says of each what became of it: a key that is there
    /// is skipped, else the first reason that holds, in the order of
    /// [`ImportRefusal`](crate::transfer::ImportRefusal), keeps it out. With `dry_run`, says so and
    /// adds nothing.
    async fn import_keys(
        &self,
        keys: Vec<KeyCopy>,
        dry_run: bool,
        audit: Audit,
    ) -> Result<Vec<ImportedKey>, StoreError>;

    /// One key; `None` if there is no such key.
    async fn find_key(&self, id: KeyId) -> Result<Option<KeyDetails>, StoreError>;

    /// The keys that have, or had, secrets with these digests; those that nobody has are left out.
    /// The time is the end of the grace of one that was replaced; `None` is that it is the key's
    /// present one.
    async fn find_digests(
        &self,
        digests: Vec<Digest>,
    ) -> Result<Vec<(Digest, Option<UnixMillis>, KeyDetails)>, StoreError>;

    /// Keeps reports of leaked secrets until [`KeyStore::forget_leaks`]: nothing is revoked by this.
    /// Of a secret that is reported again, the earlier report stays. No reports at all take a
    /// commit like any others, so that the time tells nobody how many there were. This is no change
    /// of a key: it writes no audit entry.
    async fn keep_leaks(&self, reports: Vec<LeakReport>) -> Result<(), StoreError>;

    /// Up to `max` of the reports that are kept.
    async fn kept_leaks(&self, max: u32) -> Result<Vec<LeakReport>, StoreError>;

    /// Forgets the reports of these secrets, whose keys are revoked.
    async fn forget_leaks(&self, digests: Vec<Digest>) -> Result<(), StoreError>;

    /// Adds counts. A batch that was added before is not added again, which the store knows from
    /// its writer and number. A writer sends a batch only when the one before it was added.
    /// `last_used_at` only moves forward, and so does the latest reading of the clock, which is
    /// kept with the counts. This is no change of a key: it writes no audit entry.
    async fn add_usage(&self, batch: UsageBatch) -> Result<(), StoreError>;

    /// The latest reading of the wall clock that was kept; `None` if none was.
    async fn latest_reading(&self) -> Result<Option<UnixMillis>, StoreError>;

    /// Puts `audit.at` in the place of the latest reading, whichever is later.
    async fn accept_clock(&self, audit: Audit) -> Result<(), StoreError>;

    /// Notes whether this start was told that the clock is right, and returns whether the start
    /// before it was. This changes nothing that is judged: it writes no audit entry.
    async fn note_clock_is_right(&self, told: bool) -> Result<bool, StoreError>;

    /// The newest change that was answered, as it is known apart from the audit trail: the entry
    /// of that number must be in the trail, with that digest. `None` if nothing else knows. Read it
    /// before the trail, which may grow meanwhile.
    fn newest_change(&self) -> Option<(ChangeId, ChainDigest)> {
        None
    }

    /// Why the store is not as it should be although it responds, in words for its operator;
    /// `None` if all is well. Waits for nothing.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// Tries again what [`KeyStore::trouble`] speaks of. There is nothing to do for a store that never
    /// has any.
    async fn mend(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Finishes what was asked before, then refuses everything. Closing twice is fine.
    async fn close(&self) -> Result<(), StoreError>;
}
