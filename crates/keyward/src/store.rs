//! The contract between the decision and the storage of keys.
//!
//! [`KeyStore`] is for deciding, [`Reports`] is for operators' queries, and [`Backup`] is for
//! stores that can be copied while they are in use.

mod backup;
mod changes;
mod cluster;
mod origin;
mod reports;
mod revisions;
mod snapshot;
mod tickets;
mod unreadable;

use std::error::Error;
use std::fmt;
use std::net::IpAddr;

use async_trait::async_trait;
use thiserror::Error;

use crate::audit::{Audit, ChainDigest, ChangeId, Mark};
use crate::details::Reason;
use crate::digest::Digest;
use crate::once::Earlier;
use crate::record::KeyId;
use crate::rules::{Change, Committed, DecideError};
use crate::stored::OwnedKey;
use crate::time::{UnixHour, UnixMillis};
use crate::usage::UsageRow;

pub use backup::Backup;
pub use changes::Changes;
pub use cluster::{Cluster, Feed, NodeId, NodeRow, Registered, Renewed, ServerId, Standings};
pub use origin::{Cell, Origin, Rows};
pub use reports::Reports;
pub use revisions::Revisions;
pub use snapshot::{Page, Snapshot};
pub use tickets::Tickets;
pub use unreadable::Unreadable;

/// A secret that was reported as leaked. Its key is to be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeakReport {
    /// Of the secret, which some key has or had.
    pub digest: Digest,
    /// The reason for the audit trail.
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
    /// The rows to add.
    pub rows: Vec<UsageRow>,
    /// The latest reading of the wall clock, if it is to be kept.
    pub reading: Option<UnixMillis>,
}

/// Nothing can be said: the store broke down, or was never there.
///
/// ```
/// use keyward::store::StoreError;
///
/// // What a client is told; the cause is for the log.
/// let error = StoreError::Unavailable("the disk is full".into());
/// assert_eq!(error.to_string(), "store is unavailable");
/// assert!(std::error::Error::source(&error).is_some());
/// ```
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database cannot be reached, is full, or fails; trying later may help. If a change was
    /// under way, it may or may not have happened.
    #[error("store is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The same, and the store has logged the cause itself, once: however many requests meet it, it
    /// stays as it is until the operator acts.
    #[error("store is unavailable")]
    Logged(#[source] Box<dyn Error + Send + Sync>),
    /// The store went back in time: it lacks an entry of the trail that it once had. If a change
    /// was under way, it was not made.
    #[error("store went back in time, and lacks change {}", .0.change.0)]
    WentBack(Mark),
    /// The content of the store is invalid: a newer version wrote it, or it is damaged.
    #[error("store holds something that cannot be: {0}")]
    Inconsistent(String),
    /// The store has no such thing, whatever its state. The text says what does it instead.
    #[error("{0}")]
    Unsupported(String),
}

impl StoreError {
    /// Whether the store has logged the cause already.
    ///
    /// ```
    /// use keyward::store::StoreError;
    ///
    /// assert!(StoreError::Logged("the file was moved".into()).is_logged());
    /// assert!(!StoreError::Unavailable("the disk is full".into()).is_logged());
    /// ```
    #[must_use]
    pub fn is_logged(&self) -> bool {
        match self {
            Self::Logged(_) => true,
            Self::Unavailable(_)
            | Self::WentBack(_)
            | Self::Inconsistent(_)
            | Self::Unsupported(_) => false,
        }
    }
}

impl From<DecideError> for StoreError {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::WentBack(known) => Self::WentBack(known),
            DecideError::Unknown(_)
            | DecideError::SecretTaken
            | DecideError::NoNumberLeft(_)
            | DecideError::Entry(_) => Self::Inconsistent(error.to_string()),
        }
    }
}

/// Where keys survive: what deciding about requests and changes needs.
///
/// A store knows rows, and none of the rules: for each change it looks up what
/// [`rules::needs`](crate::rules::needs) asks for, has [`rules::decide`](crate::rules::decide)
/// decide, and writes the rows and the entries of the audit trail that this returns.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use keyward::audit::Audit;
/// use keyward::change::KeyChange;
/// use keyward::memory::MemoryStore;
/// use keyward::record::KeyId;
/// use keyward::rules::{Change, ChangeRejection};
/// use keyward::store::KeyStore;
/// use keyward::time::UnixMillis;
///
/// let store: &dyn KeyStore = &MemoryStore::default();
/// let id = KeyId::new(7).unwrap();
/// let change = Change::Key { id, change: KeyChange::Suspend, expected: None };
/// // A rejection is a decision of the rules: the store did as it was asked.
/// let committed = store.commit(change, Audit::program(UnixMillis(1_767_225_600_000))).await?;
/// assert_eq!(committed.outcome.unwrap_err(), ChangeRejection::UnknownKey);
/// assert!(store.find_key(id).await?.is_none());
/// # Ok(())
/// # }
/// ```
///
/// # Atomicity
///
/// The writes of a change are one transaction, with the look-ups that it was decided by: they are
/// there whole or not at all, and no other change comes in between. Several changes may share a
/// transaction if each is decided as if the earlier ones were written, and is left out alone when
/// it fails. A method returns `Ok` only when its writes would survive `kill -9` and power loss.
///
/// # Errors
///
/// Each method returns [`StoreError`] if the result is unknown. If a change was under way, it may
/// or may not have happened; repeating it is safe, except that issuing again makes another key,
/// unless the request is to change something [once](Audit::once).
///
/// Dropping the future of a change does not undo it and may leave it under way.
#[async_trait]
pub trait KeyStore: fmt::Debug + Send + Sync {
    /// Everything that deciding needs, as of one instant. Changes go on while it is read.
    ///
    /// A new store has the tiers `basic` (100 per 60 s), `pro` (1 000) and `enterprise` (10 000),
    /// each with a burst of the same size, and nothing else.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError>;

    /// Makes a change as the [rules](crate::rules) decide, and returns their decision. A change
    /// that is rejected, or changes nothing, writes nothing, and is `Ok`.
    ///
    /// A secret belongs to one key: a change that brings one whose digest some key has or had is
    /// not made, and is [`StoreError::Inconsistent`]. One that is to follow an entry that the trail
    /// lacks ([`Audit::after`]) is not made, and is [`StoreError::WentBack`].
    ///
    /// A store that another server may take over, with the end of the trail lost, goes on with the
    /// ids of [`Progress::on_timeline`](crate::rules::Progress::on_timeline).
    async fn commit(&self, change: Change, audit: Audit) -> Result<Committed, StoreError>;

    /// The differences since the change `after`, 0 for all: the rows that up to `max` entries of
    /// the trail name, oldest first. A `max` of 0 counts as 1.
    async fn changes(&self, after: ChangeId, max: u32) -> Result<Changes, StoreError>;

    /// One key, with the state of its owner; `None` if there is no such key.
    async fn find_key(&self, id: KeyId) -> Result<Option<OwnedKey>, StoreError>;

    /// The keys that have, or had, secrets with these digests; digests of no key are left out. The
    /// time is the end of the grace of a replaced secret; `None` means the key's present one.
    async fn find_digests(
        &self,
        digests: Vec<Digest>,
    ) -> Result<Vec<(Digest, Option<UnixMillis>, OwnedKey)>, StoreError>;

    /// The earlier request of this name and actor, if there was one that changed something.
    async fn earlier(&self, audit: Audit) -> Result<Option<Earlier>, StoreError>;

    /// Keeps reports of leaked secrets until [`KeyStore::forget_leaks`]: nothing is revoked by
    /// this. Of a secret that is reported again, the earlier report stays. No reports at all take a
    /// commit like any others, so that the time does not reveal how many there were. This is no
    /// change of a key: it writes no audit entry.
    async fn keep_leaks(&self, reports: Vec<LeakReport>) -> Result<(), StoreError>;

    /// Up to `max` of the reports that are kept.
    async fn kept_leaks(&self, max: u32) -> Result<Vec<LeakReport>, StoreError>;

    /// Forgets the reports of these secrets, whose keys are revoked.
    async fn forget_leaks(&self, digests: Vec<Digest>) -> Result<(), StoreError>;

    /// Adds counts. A batch that was added before is not added again, which the store knows from
    /// its writer and number. A writer sends a batch only when the one before it was added.
    /// `last_used_at` only moves forward, by [`LAST_USED_STEP`](crate::usage::LAST_USED_STEP) at
    /// the least, and the latest reading of the clock, which is kept with the counts, moves forward
    /// by any step. This is no change of a key: it writes no audit entry.
    async fn add_usage(&self, batch: UsageBatch) -> Result<(), StoreError>;

    /// Does a piece of the work that usage leaves, and returns whether more of it is left.
    ///
    /// Usage of the days (UTC) before that of `from` is forgotten, the oldest first; 0 forgets
    /// nothing. Counts of such a day that come later are there until the next call. A store may
    /// also add up the days before that of `now`, for its own use.
    ///
    /// A piece is small enough for other calls to wait for it. Of several programs over one store,
    /// one at a time works, and the others get `false`.
    async fn tend_usage(&self, now: UnixHour, from: UnixHour) -> Result<bool, StoreError> {
        let _ = (now, from);
        Ok(false)
    }

    /// The latest reading of the wall clock that was kept; `None` if none was.
    async fn latest_reading(&self) -> Result<Option<UnixMillis>, StoreError>;

    /// Notes whether the operator stated at this start that the clock is right, and returns whether
    /// that was so at the start before. This changes no verdict: it writes no audit entry.
    async fn note_clock_is_right(&self, told: bool) -> Result<bool, StoreError>;

    /// The newest change that was acknowledged, as it is known apart from the audit trail: the
    /// entry of that number must be in the trail, with that digest. `None` if nothing else knows.
    /// Read it before the trail, which may grow meanwhile.
    fn newest_change(&self) -> Option<(ChangeId, ChainDigest)> {
        None
    }

    /// Why the store is not as it should be although it responds, in words for its operator;
    /// `None` if all is well. Waits for nothing.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// Retries the work that [`KeyStore::trouble`] reports. There is nothing to do for a store that
    /// never has any.
    async fn mend(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Whether this program is the one that does what one of several over the same store is to do,
    /// such as checking the whole trail now and then. It may change with each call: the turn goes
    /// on to another one when the program is gone that had it.
    async fn has_turn(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    /// The contract with the other gates over the same store; `None` if a gate has the store to
    /// itself.
    fn cluster(&self) -> Option<&dyn Cluster> {
        None
    }

    /// The limits that all gates over the same store share; `None` if a gate has them to itself.
    fn tickets(&self) -> Option<&dyn Tickets> {
        None
    }

    /// Responds if the store can be read; waits for no change.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Finishes the calls made before, then rejects all others. Closing twice is fine.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward::memory::MemoryStore;
    /// use keyward::store::KeyStore as _;
    ///
    /// let store = MemoryStore::default();
    /// store.close().await?;
    /// assert!(store.ping().await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    async fn close(&self) -> Result<(), StoreError>;
}
