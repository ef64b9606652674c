//! Tiers: their limits in memory, in agreement with the store.

use std::future::poll_fn;
use std::sync::{Arc, PoisonError};
use std::task::Poll;

use thiserror::Error;

use crate::audit::Audit;
use crate::limit::{Limits, Revision};
use crate::rules::{Change, ChangeRejection, Decided, TierBefore};
use crate::store::{Page, Revisions, StoreError};
use crate::stored::{Key, TierRow};
use crate::tier::{TIERS_MAX, Tier, TierName};
use crate::time::ReadClock;

use super::{ChangeError, Gate, OPEN_PAGE, no_clock, unexpected, unfit};

/// Why a tier was not written.
#[derive(Debug, Error)]
pub enum PutTierError {
    /// The tier is not as expected before.
    #[error("the tier has changed since")]
    Stale,
    /// There are [`TIERS_MAX`] tiers already.
    #[error("there are 1000 tiers already")]
    TooManyTiers,
    /// The tier could not be kept, or it is not known whether it was.
    #[error("the tier could not be kept")]
    Store(#[from] StoreError),
}

/// Why a tier was not deleted.
#[derive(Debug, Error)]
pub enum DeleteTierError {
    /// There is no such tier.
    #[error("there is no such tier")]
    Unknown,
    /// So many keys that are not revoked have it.
    #[error("{0} keys have the tier")]
    Used(u64),
    /// The tier is not as expected before.
    #[error("the tier has changed since")]
    Stale,
    /// It is not known whether the tier is gone.
    #[error("it is not known whether the tier is gone")]
    Store(#[from] StoreError),
}

impl Gate {
    /// Writes a tier, new or not, if it is as expected before. When this returns, the next request
    /// of every key in it is judged by the new limits. Returns whether the tier is new.
    ///
    /// Like [`Gate::run`], this must run to its end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::audit::Audit;
    /// use keyward::gate::TierBefore;
    /// use keyward::key::Prefix;
    /// use keyward::limit::Limits;
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let clock = || Now::new(at, SteadyNanos(0));
    /// let put = |name: &str, before| {
    ///     let (name, limits) = (name.parse().unwrap(), Limits::of(None));
    ///     gate.put_tier(name, limits, before, Audit::program(at), &clock)
    /// };
    /// // A new tier, without a limit.
    /// assert!(put("internal", TierBefore::Exactly(None)).await?);
    /// assert!(!put("internal", TierBefore::Any).await?, "it is not new any more");
    /// assert!(put("internal", TierBefore::Exactly(None)).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`PutTierError`] if there are too many tiers or this one is not as expected, or if
    /// it is not known whether it was kept. Then the old limits stay in force.
    pub async fn put_tier(
        &self,
        name: TierName,
        limits: Limits,
        before: TierBefore,
        audit: Audit,
        clock: ReadClock<'_>,
    ) -> Result<bool, PutTierError> {
        let change = Change::PutTier { name, limits, before };
        match self.run(change, audit, clock).await.map_err(ChangeError::into_store)?.outcome {
            Ok(Decided::PutTier { tier: _, is_new }) => Ok(is_new),
            Ok(other) => Err(unexpected(&other).into()),
            Err(rejection) => Err(not_put(rejection)),
        }
    }

    /// Deletes a tier that only revoked keys have, if it is as expected. These keys go on showing
    /// its name, and a new tier of that name is not theirs.
    ///
    /// Like [`Gate::run`], this must run to its end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::audit::Audit;
    /// use keyward::gate::TierBefore;
    /// use keyward::issue::NewKey;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::UnixMillis;
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// gate.issue(key, Audit::program(at)).await?;
    /// let delete = |name: &str| {
    ///     gate.delete_tier(name.parse().unwrap(), TierBefore::Any, Audit::program(at))
    /// };
    /// delete("pro").await?;
    /// // A key that is not revoked has the other.
    /// assert!(delete("basic").await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`DeleteTierError`] if the tier was not deleted, or if that is not known.
    pub async fn delete_tier(
        &self,
        name: TierName,
        before: TierBefore,
        audit: Audit,
    ) -> Result<(), DeleteTierError> {
        let change = Change::DeleteTier { name, before };
        match self.run(change, audit, &no_clock).await.map_err(ChangeError::into_store)?.outcome {
            Ok(Decided::DeletedTier(_)) => Ok(()),
            Ok(other) => Err(unexpected(&other).into()),
            Err(rejection) => Err(not_deleted(rejection)),
        }
    }

    /// Puts the limits of a tier in force as the store has them.
    pub(super) async fn put_in_memory(
        &self,
        row: &TierRow,
        revision: Revision,
        clock: ReadClock<'_>,
    ) {
        let limits = row.limits.clone();
        match self.tier(&row.name) {
            // As it is: writing it again makes no other edition of it.
            Some(tier) if tier.terms() == (&limits, revision) => {}
            Some(tier) if tier.set_limits(&limits, revision, clock) => {}
            Some(tier) => self.lay_out_anew(&tier, (limits, revision), clock).await,
            None => self.tiers().push(known(row, revision)),
        }
    }

    /// Puts limits in force for which the buckets of the tier's keys have to be laid out anew, a
    /// shard of the index at a time, while requests go on. Until then a key is judged by the limits
    /// that its buckets fit.
    async fn lay_out_anew(
        &self,
        before: &Arc<Tier>,
        (limits, revision): (Limits, Revision),
        clock: ReadClock<'_>,
    ) {
        let after = Arc::new(Tier::of_revision(before.name().clone(), limits, revision));
        for tier in self.tiers().iter_mut().filter(|tier| Arc::ptr_eq(tier, before)) {
            *tier = Arc::clone(&after);
        }
        let mut shard = 0;
        while let Some(()) = self.index.move_keys(shard, (before, &after), clock) {
            shard += 1;
            if shard.is_multiple_of(SHARDS_AT_ONCE) {
                give_way().await;
            }
        }
    }

    /// The names of all tiers, in the order in which they were made.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let names: Vec<_> = gate.tier_names().iter().map(|name| name.as_str().to_owned()).collect();
    /// assert_eq!(names, ["basic", "pro", "enterprise"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn tier_names(&self) -> Vec<TierName> {
        self.tiers().iter().map(|tier| tier.name().clone()).collect()
    }

    /// Learns from the store which tiers there are, if one of these keys has one that is unknown:
    /// writing it failed as far as was known here, and the store kept it all the same.
    pub(super) async fn learn_tiers<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a Key>,
    ) -> Result<(), StoreError> {
        if keys.into_iter().all(|key| key.tier_gone || self.tier(&key.tier).is_some()) {
            return Ok(());
        }
        let mut snapshot = self.store.snapshot().await?;
        while let Some(Page::Tiers(rows)) = snapshot.next(OPEN_PAGE).await? {
            self.know_tiers(&rows, &snapshot.revisions());
        }
        Ok(())
    }

    /// Takes in tiers that are unknown here. The known tiers keep the state that their keys share.
    pub(super) fn know_tiers(&self, rows: &[TierRow], revisions: &Revisions) {
        let mut tiers = self.tiers();
        for row in rows.iter().filter(|row| !row.is_gone) {
            if tiers.iter().all(|there| *there.name() != row.name) {
                tiers.push(known(row, revisions.of_tier(row.id)));
            }
        }
    }

    /// The entry of the index for a deleted tier. Its keys are revoked, so its limits never count;
    /// keys that show the same name share it.
    pub(super) fn gone_tier(&self, name: &TierName) -> Arc<Tier> {
        let mut gone = self.gone_tiers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tier) = gone.iter().find(|tier| tier.name() == name) {
            return Arc::clone(tier);
        }
        let tier = Arc::new(Tier::new(name.clone(), Limits::of(None)));
        // As many as there can be tiers; beyond that each key has one of its own.
        if gone.len() < TIERS_MAX {
            gone.push(Arc::clone(&tier));
        }
        tier
    }

    pub(super) fn tier(&self, name: &TierName) -> Option<Arc<Tier>> {
        self.tiers().iter().find(|tier| tier.name() == name).map(Arc::clone)
    }
}

/// Shards that are laid out anew before other tasks of the same thread have their turn: of a
/// million keys, this takes a few milliseconds.
const SHARDS_AT_ONCE: usize = 8;

/// Lets other tasks of this thread have their turn.
async fn give_way() {
    let mut has_waited = false;
    poll_fn(|context| {
        if has_waited {
            return Poll::Ready(());
        }
        has_waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn not_put(rejection: ChangeRejection) -> PutTierError {
    match rejection {
        ChangeRejection::StaleTier => PutTierError::Stale,
        ChangeRejection::TooManyTiers => PutTierError::TooManyTiers,
        other @ (ChangeRejection::Earlier(_)
        | ChangeRejection::UnknownKey
        | ChangeRejection::UnknownTier
        | ChangeRejection::OwnerSuspended
        | ChangeRejection::StaleKey(_)
        | ChangeRejection::StaleOwner(_)
        | ChangeRejection::Revoked
        | ChangeRejection::Expired
        | ChangeRejection::TierUsed(_)) => PutTierError::Store(unfit(other)),
    }
}

fn not_deleted(rejection: ChangeRejection) -> DeleteTierError {
    match rejection {
        ChangeRejection::StaleTier => DeleteTierError::Stale,
        ChangeRejection::UnknownTier => DeleteTierError::Unknown,
        ChangeRejection::TierUsed(keys) => DeleteTierError::Used(keys),
        other @ (ChangeRejection::Earlier(_)
        | ChangeRejection::UnknownKey
        | ChangeRejection::OwnerSuspended
        | ChangeRejection::StaleKey(_)
        | ChangeRejection::StaleOwner(_)
        | ChangeRejection::Revoked
        | ChangeRejection::Expired
        | ChangeRejection::TooManyTiers) => DeleteTierError::Store(unfit(other)),
    }
}

/// A tier for memory, as the store has it.
fn known(row: &TierRow, revision: Revision) -> Arc<Tier> {
    Arc::new(Tier::of_revision(row.name.clone(), row.limits.clone(), revision))
}
