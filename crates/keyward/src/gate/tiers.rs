//! Tiers: their limits in memory, in agreement with the store.

use std::future::poll_fn;
use std::sync::{Arc, PoisonError};
use std::task::Poll;

use thiserror::Error;

use crate::audit::Audit;
use crate::details::StoredKey;
use crate::limit::{Limits, LimitsError};
use crate::store::{StoreError, TierDeleted, TierRecord};
use crate::tier::{TIERS_MAX, Tier, TierName};
use crate::time::ReadClock;

use super::Gate;

/// Why a tier was not written.
#[derive(Debug, Error)]
pub enum PutTierError {
    /// The tier was given too many limits, or two of one name.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// The tier is not what it was to be before.
    #[error("the tier has changed since")]
    Stale,
    /// There are [`TIERS_MAX`] tiers already.
    #[error("there are 1000 tiers already")]
    TooManyTiers,
    /// The tier could not be kept, or it is not known whether it was.
    #[error("the tier could not be kept")]
    Store(#[from] StoreError),
}

/// What a tier has to be for a change of it to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TierBefore {
    /// Whatever it is.
    Any,
    /// Exactly this; `None` is that there is no such tier.
    Exactly(Option<TierRecord>),
}

impl Gate {
    /// Writes a tier, new or not. When this returns, the next request of every key in it is judged
    /// by the new limits. Returns whether the tier is new.
    ///
    /// Like [`Gate::change`], this must run to its end.
    ///
    /// # Errors
    ///
    /// Returns [`PutTierError`] if the tier is out of bounds, or if it is not known whether it was
    /// kept. Then the old limits stay in force.
    pub async fn put_tier(
        &self,
        tier: TierRecord,
        audit: Audit,
        clock: ReadClock<'_>,
    ) -> Result<bool, PutTierError> {
        self.put_tier_if(tier, TierBefore::Any, audit, clock).await
    }

    /// As [`Gate::put_tier`], if the tier is what is expected.
    ///
    /// # Errors
    ///
    /// As [`Gate::put_tier`], and [`PutTierError::Stale`] if it is not.
    pub async fn put_tier_if(
        &self,
        tier: TierRecord,
        before: TierBefore,
        audit: Audit,
        clock: ReadClock<'_>,
    ) -> Result<bool, PutTierError> {
        let limits = Limits::new(tier.limits.clone())?;
        let name = tier.name.clone();
        let _alone = self.order.alone().await;
        if !self.is_tier_as(&name, before).await? {
            return Err(PutTierError::Stale);
        }
        let there = self.tier(&name);
        if there.is_none() && TIERS_MAX <= self.tiers().len() {
            return Err(PutTierError::TooManyTiers);
        }
        let created = self.store.put_tier(tier, audit).await?;
        match there {
            // As it is: writing it again makes no other edition of it.
            Some(tier) if *tier.limits() == limits => {}
            Some(tier) if tier.set_limits(&limits, clock) => {}
            Some(tier) => self.lay_out_anew(&tier, limits, clock).await,
            None => self.tiers().push(Arc::new(Tier::new(name, limits))),
        }
        Ok(created)
    }

    /// Puts limits in force for which the buckets of the tier's keys have to be laid out anew, a
    /// shard of the index at a time, while requests go on. Until then a key is judged by the limits
    /// that its buckets fit.
    async fn lay_out_anew(&self, before: &Arc<Tier>, limits: Limits, clock: ReadClock<'_>) {
        let after = Arc::new(Tier::new(before.name().clone(), limits));
        for tier in self.tiers().iter_mut().filter(|tier| Arc::ptr_eq(tier, before)) {
            *tier = Arc::clone(&after);
        }
        let mut shard = 0;
        let found = |entry| self.usage.enqueue(entry);
        while let Some(()) = self.index.move_keys(shard, (before, &after), clock, found) {
            shard += 1;
            if shard.is_multiple_of(SHARDS_AT_ONCE) {
                give_way().await;
            }
        }
    }

    /// Deletes a tier that no key has but those that are revoked. These go on showing its name, and
    /// a new tier of that name is not theirs.
    ///
    /// Like [`Gate::change`], this must run to its end.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether the tier is gone.
    pub async fn delete_tier(
        &self,
        name: TierName,
        audit: Audit,
    ) -> Result<TierDeleted, StoreError> {
        let deleted = self.delete_tier_if(name, TierBefore::Any, audit).await?;
        Ok(deleted.unwrap_or(TierDeleted::Unknown))
    }

    /// As [`Gate::delete_tier`], if the tier is what is expected; `None` if it is not.
    ///
    /// # Errors
    ///
    /// As [`Gate::delete_tier`].
    pub async fn delete_tier_if(
        &self,
        name: TierName,
        before: TierBefore,
        audit: Audit,
    ) -> Result<Option<TierDeleted>, StoreError> {
        let _alone = self.order.alone().await;
        if !self.is_tier_as(&name, before).await? {
            return Ok(None);
        }
        let deleted = self.store.delete_tier(name.clone(), audit).await?;
        if deleted == TierDeleted::Done {
            self.tiers().retain(|tier| *tier.name() != name);
        }
        Ok(Some(deleted))
    }

    /// Whether a tier is what is expected. Nobody changes a tier meanwhile.
    async fn is_tier_as(&self, name: &TierName, before: TierBefore) -> Result<bool, StoreError> {
        let TierBefore::Exactly(expected) = before else { return Ok(true) };
        let tiers = self.store.tiers().await?;
        Ok(tiers.into_iter().find(|tier| tier.name == *name) == expected)
    }

    /// The names of all tiers, in the order in which they were made.
    #[must_use]
    pub fn tier_names(&self) -> Vec<TierName> {
        self.tiers().iter().map(|tier| tier.name().clone()).collect()
    }

    /// Learns from the store which tiers there are, if one of these keys has one that is unknown:
    /// writing it failed as far as was known here, and the store kept it all the same.
    pub(super) async fn learn_tiers<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a StoredKey>,
    ) -> Result<(), StoreError> {
        if keys.into_iter().all(|key| key.tier_gone || self.tier(&key.tier).is_some()) {
            return Ok(());
        }
        let stored = self.store.tiers().await?;
        let mut tiers = self.tiers();
        for tier in stored {
            // Those that are known keep what their keys share.
            if tiers.iter().all(|there| *there.name() != tier.name) {
                tiers.push(known(tier)?);
            }
        }
        Ok(())
    }

    /// What stands in the index for a tier that is gone. Its keys are revoked, so its limits never
    /// count; those that show the same name share it.
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

/// A tier for memory, as the store has it.
pub(super) fn known(TierRecord { name, limits }: TierRecord) -> Result<Arc<Tier>, StoreError> {
    match Limits::new(limits) {
        Ok(limits) => Ok(Arc::new(Tier::new(name, limits))),
        Err(error) => Err(StoreError::Inconsistent(format!("tier `{}`: {error}", name.as_str()))),
    }
}
