//! Tiers: their limits in memory, in agreement with the store.

use std::sync::Arc;

use thiserror::Error;

use crate::audit::Audit;
use crate::details::StoredKey;
use crate::limit::{Limits, TooManyLimitsError};
use crate::store::{StoreError, TierDeleted, TierRecord};
use crate::tier::{Tier, TierName};
use crate::time::ReadClock;

use super::Gate;

/// Most tiers. Each key names one of them, so this is far more than people can tell apart.
pub const TIERS_MAX: usize = 1_000;

/// Why a tier was not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PutTierError {
    /// The tier was given more limits than it may have.
    #[error(transparent)]
    TooManyLimits(#[from] TooManyLimitsError),
    /// There are [`TIERS_MAX`] tiers already.
    #[error("there are 1000 tiers already")]
    TooManyTiers,
    /// The tier could not be kept, or it is not known whether it was.
    #[error("the tier could not be kept")]
    Store(#[from] StoreError),
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
        let limits = Limits::new(tier.limits.clone())?;
        let name = tier.name.clone();
        let _alone = self.order.alone().await;
        let there = self.tier(&name);
        if there.is_none() && TIERS_MAX <= self.tiers().len() {
            return Err(PutTierError::TooManyTiers);
        }
        let created = self.store.put_tier(tier, audit).await?;
        match there {
            // As it is: writing it again makes no other edition of it.
            Some(tier) if tier.limits().list() == limits.list() => {}
            Some(tier) => tier.set_limits(limits, clock),
            None => self.tiers().push(Arc::new(Tier::new(name, limits))),
        }
        Ok(created)
    }

    /// Deletes a tier that no key has.
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
        let _alone = self.order.alone().await;
        let deleted = self.store.delete_tier(name.clone(), audit).await?;
        if deleted == TierDeleted::Done {
            self.tiers().retain(|tier| *tier.name() != name);
        }
        Ok(deleted)
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
        if keys.into_iter().all(|key| self.tier(&key.tier).is_some()) {
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

    pub(super) fn tier(&self, name: &TierName) -> Option<Arc<Tier>> {
        self.tiers().iter().find(|tier| tier.name() == name).map(Arc::clone)
    }
}

/// A tier for memory, as the store has it.
pub(super) fn known(TierRecord { name, limits }: TierRecord) -> Result<Arc<Tier>, StoreError> {
    match Limits::new(limits) {
        Ok(limits) => Ok(Arc::new(Tier::new(name, limits))),
        Err(error) => Err(StoreError::Inconsistent(format!("tier `{}`: {error}", name.as_str()))),
    }
}
