//! The contract between the decision and the place where keys survive.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use thiserror::Error;

use crate::count::Counts;
use crate::digest::Digest;
use crate::issue::NewRecord;
use crate::limit::Limit;
use crate::record::{KeyId, Record};
use crate::tier::TierName;
use crate::time::{UnixHour, UnixMillis};
use crate::usage::UsageRow;

/// Who made a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// Whoever holds the admin key.
    AdminKey,
    /// The program that embeds this library, on its own account.
    Program,
}

impl Actor {
    /// The word by which the store and the audit trail know the actor.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AdminKey => "admin-key",
            Self::Program => "program",
        }
    }
}

/// Who asked for a change, and when: what its audit entry says beside the change itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Who made the change.
    pub actor: Actor,
    /// When it was asked for.
    pub at: UnixMillis,
    /// The id of the request that asked for it, if it came in a request.
    pub request_id: Option<String>,
}

/// The number of a change, which is that of its audit entry. Later changes have higher ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeId(pub u64);

/// One entry of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number.
    pub id: ChangeId,
    /// When the change was asked for.
    pub at: UnixMillis,
    /// [`Actor::as_str`] of who made it.
    pub actor: String,
    /// What was done: `issue`, `revoke` or `put-tier`.
    pub verb: String,
    /// The key that it was done to, if it was a key.
    pub key_id: Option<KeyId>,
    /// The tier that it was done to, if it was a tier.
    pub tier: Option<TierName>,
    /// The id of the request that asked for it.
    pub request_id: Option<String>,
}

/// A tier as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierRecord {
    /// What it is called.
    pub name: TierName,
    /// What it sets. An empty list is no limit.
    pub limits: Vec<Limit>,
}

/// What became of writing a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierWritten {
    /// The number of the change.
    pub change: ChangeId,
    /// Whether there was no such tier before.
    pub created: bool,
}

/// One secret of a key, with all that deciding about it needs.
#[derive(Clone, Debug)]
pub struct StoredSecret {
    /// Its place in the order of [`Store::secrets`].
    pub position: u64,
    /// SHA-256 of the secret.
    pub digest: Digest,
    /// The key that it belongs to.
    pub record: Record,
    /// The key's tier.
    pub tier: TierName,
}

/// A key as operators see it. Nothing in it leads back to a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDetails {
    /// Id, name, scopes, state and expiry.
    pub record: Record,
    /// The tier that sets its limits.
    pub tier: TierName,
    /// The first characters of its secret.
    pub hint: String,
    /// When it was issued.
    pub created_at: UnixMillis,
    /// When it was last allowed in, as far as usage was flushed.
    pub last_used_at: Option<UnixMillis>,
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
}

/// Nothing can be said: the store broke down, or was never there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database cannot be reached, is full, or fails; trying later may help. If a change was
    /// under way, it may or may not have happened.
    #[error("store is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// What the store holds cannot be: a newer version wrote it, or it is damaged.
    #[error("store holds something that cannot be: {0}")]
    Inconsistent(String),
}

/// Where keys survive.
///
/// Every method that changes something writes an audit entry in the same transaction, and
/// returns `Ok` only when both would survive `kill -9` and power loss. On `Err` a change may or
/// may not have happened; repeating it is safe, except that issuing again makes another key.
///
/// Dropping the future of a change does not undo it and may leave it under way.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// All tiers, in the order in which they were made. A new store has `basic` (100 per 60 s),
    /// `pro` (1 000) and `enterprise` (10 000), each with a burst of the same size.
    async fn tiers(&self) -> Result<Vec<TierRecord>, StoreError>;

    /// Writes a tier, new or not, as `put-tier`.
    async fn put_tier(&self, tier: TierRecord, audit: Audit) -> Result<TierWritten, StoreError>;

    /// Up to `max` secrets behind `after` (0 is the beginning), in the order of their positions,
    /// those of revoked keys too. Fewer than `max` means that there are no more.
    async fn secrets(&self, after: u64, max: u32) -> Result<Vec<StoredSecret>, StoreError>;

    /// Keeps a new key, as `issue`. Its tier exists.
    async fn insert_key(&self, new: NewRecord, audit: Audit) -> Result<KeyId, StoreError>;

    /// Revokes a key, as `revoke`, and returns all of its secrets; `None` if there is no such key.
    /// Revoking again changes nothing, writes no audit entry and returns the same. The key, its
    /// usage and its audit trail stay.
    async fn revoke(
        &self,
        id: KeyId,
        audit: Audit,
    ) -> Result<Option<Vec<StoredSecret>>, StoreError>;

    /// One key; `None` if there is no such key.
    async fn find_key(&self, id: KeyId) -> Result<Option<KeyDetails>, StoreError>;

    /// Up to `max` keys with ids below `before`, highest first. Fewer than `max` means that there
    /// are no more.
    async fn list_keys(
        &self,
        before: Option<KeyId>,
        max: u32,
    ) -> Result<Vec<KeyDetails>, StoreError>;

    /// Adds counts. A batch that was added before is not added again, which the store knows from
    /// its writer and number. A writer sends a batch only when the one before it was added.
    /// `last_used_at` only moves forward. This is no change of a key: it writes no audit entry.
    async fn add_usage(&self, batch: UsageBatch) -> Result<(), StoreError>;

    /// Usage of a key in up to `max` hours from `from` on, oldest first.
    async fn usage(
        &self,
        id: KeyId,
        from: UnixHour,
        max: u32,
    ) -> Result<Vec<(UnixHour, Counts)>, StoreError>;

    /// Up to `max` audit entries behind `after`, oldest first.
    async fn audit_entries(&self, after: ChangeId, max: u32)
    -> Result<Vec<AuditEntry>, StoreError>;

    /// Finishes what was asked before, then refuses everything. Closing twice is fine.
    async fn close(&self) -> Result<(), StoreError>;
}
