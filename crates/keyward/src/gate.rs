//! The gate: every decision and every change passes here, and in this order — the store first,
//! then the index, then the answer.
//!
//! So a crash leaves at worst a key on record that nobody holds, never one that works and is not
//! on record; and a revocation that was answered is both durable and in force.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use crate::digest::Digest;
use crate::index::{Entry, Index};
use crate::issue::{Issued, NewKey, NewRecord};
use crate::key::{Prefix, RandomError, Secret};
use crate::limit::{Limits, TooManyLimitsError};
use crate::record::KeyId;
use crate::store::{
    Audit, ChangeId, Store, StoreError, StoredSecret, TierRecord, TierWritten, UsageBatch,
};
use crate::tier::{Tier, TierName};
use crate::time::{Now, SteadyNanos, UnixMillis};
use crate::usage::{BATCH_ROWS_MAX, Collector, Usage};
use crate::verify::{Verdict, verify};

/// Most tiers. Each key names one of them, so this is far more than people can tell apart.
pub const TIERS_MAX: usize = 1_000;
/// Secrets read at once while the gate opens.
const OPEN_PAGE: u32 = 16_384;

/// Keys in memory, in agreement with a store.
///
/// There is one gate for one store. It offers steps and never loops on its own: whoever embeds it
/// calls [`Gate::flush`] regularly, and says what time it is.
pub struct Gate {
    index: Index,
    usage: Usage,
    store: Arc<dyn Store>,
    prefix: Prefix,
    /// Locked for one look-up or one change of a tier, never while waiting and never by a request
    /// that is only verified.
    tiers: Mutex<Tiers>,
    /// Held during a flush, so that flushes queue up: when one returns, all that was counted
    /// before it began is in the store.
    outbox: async_lock::Mutex<Outbox>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("index", &self.index).field("store", &self.store).finish()
    }
}

/// Why no key was issued.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// There is no such tier.
    #[error("there is no such tier")]
    UnknownTier {
        /// The tiers that there are, in the order in which they were made.
        known: Vec<TierName>,
    },
    /// No secret could be made.
    #[error("no secret could be made")]
    Random(#[from] RandomError),
    /// The key could not be kept, or it is not known whether it was; nobody holds its secret.
    #[error("the key could not be kept")]
    Store(#[from] StoreError),
}

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

/// What one flush did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flushed {
    /// Rows that the store now has.
    pub rows: usize,
    /// Whether more may be waiting; then flush again.
    pub more: bool,
}

/// Every tier, by name.
type Tiers = BTreeMap<TierName, Place>;

/// A tier among the others.
struct Place {
    tier: Arc<Tier>,
    /// Its number in the order in which tiers were made.
    number: usize,
    /// The change that set its limits.
    change: ChangeId,
}

/// What is on its way to the store.
struct Outbox {
    collector: Collector,
    writer: [u8; 16],
    number: u64,
    /// Taken from memory and not known to be in the store. It is sent again, under the same
    /// number, until it is.
    pending: Option<UsageBatch>,
}

impl Gate {
    /// Opens the gate: reads every tier and every key from the store into memory.
    ///
    /// Keys issued from now on have texts that begin with `prefix`.
    ///
    /// # Errors
    ///
    /// Returns [`OpenError`] if the store cannot be read whole: a gate that knows half of its keys
    /// does not open.
    pub async fn open(store: Arc<dyn Store>, prefix: Prefix) -> Result<Self, OpenError> {
        let mut writer = [0; 16];
        getrandom::fill(&mut writer).map_err(RandomError::from)?;
        let outbox = Outbox { collector: Collector::default(), writer, number: 0, pending: None };
        let mut tiers = Tiers::new();
        for TierRecord { name, limits } in store.tiers().await? {
            let limits = Limits::new(limits).map_err(|error| inconsistent(&name, &error))?;
            let tier = Arc::new(Tier::new(name.clone(), limits));
            tiers.insert(name, Place { tier, number: tiers.len(), change: ChangeId(0) });
        }
        let gate = Self {
            index: Index::default(),
            usage: Usage::default(),
            store,
            prefix,
            tiers: Mutex::new(tiers),
            outbox: async_lock::Mutex::new(outbox),
        };
        gate.load().await?;
        Ok(gate)
    }

    async fn load(&self) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let page = self.store.secrets(after, OPEN_PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.position;
            for secret in page {
                self.index.insert(self.entry(secret)?);
            }
        }
    }

    /// Decides about one request; see [`verify()`].
    ///
    /// # Errors
    ///
    /// Returns [`Denied`](crate::verify::Denied), the reason for the refusal.
    pub fn verify(&self, text: &str, scope: Option<&str>, now: Now) -> Verdict {
        verify(&self.index, &self.usage, text, scope, now)
    }

    /// Issues a key. When this returns, it is durable and works.
    ///
    /// # Errors
    ///
    /// Returns [`IssueError`]; whatever the reason, nobody holds a key that works.
    pub async fn issue(&self, key: NewKey, audit: Audit) -> Result<Issued, IssueError> {
        let tier = self
            .tier(&key.tier)
            .ok_or_else(|| IssueError::UnknownTier { known: self.tier_names() })?;
        let secret = Secret::generate(&self.prefix)?;
        let digest = Digest::of_secret(&secret);
        let hint = secret.hint();
        let created_at = audit.at;
        let new = NewRecord { key: key.clone(), digest, hint: hint.clone() };
        let key_id = self.store.insert_key(new, audit).await?;
        self.index.insert(Entry::new(digest, key.record(key_id), tier));
        Ok(Issued { key_id, secret, key, hint, created_at })
    }

    /// Revokes a key. When this returns `true`, that is durable, and no request that begins later
    /// is accepted with any of its secrets. Returns `false` if there is no such key; revoking
    /// twice is fine.
    ///
    /// The future must run to its end once it was started: dropped half-way, the key may be
    /// revoked in the store and still work until the next start.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether the revocation survives. Repeat it.
    pub async fn revoke(&self, id: KeyId, audit: Audit) -> Result<bool, StoreError> {
        let Some(secrets) = self.store.revoke(id, audit).await? else { return Ok(false) };
        // All that work are stopped first, whatever else turns out to be wrong with one of them.
        secrets.iter().for_each(|secret| self.index.stop(&secret.digest));
        for secret in secrets {
            self.index.revoke(self.entry(secret)?);
        }
        Ok(true)
    }

    /// Writes a tier, new or not. When this returns, the next request of every key in it is judged
    /// by the new limits. Returns whether the tier is new.
    ///
    /// Like [`Gate::revoke`], this must run to its end.
    ///
    /// # Errors
    ///
    /// Returns [`PutTierError`] if the tier is out of bounds, or if it is not known whether it was
    /// kept. Then the old limits stay in force.
    pub async fn put_tier(
        &self,
        tier: TierRecord,
        audit: Audit,
        now: SteadyNanos,
    ) -> Result<bool, PutTierError> {
        let limits = Limits::new(tier.limits.clone())?;
        let name = tier.name.clone();
        if self.tier(&name).is_none() && TIERS_MAX <= self.tiers().len() {
            return Err(PutTierError::TooManyTiers);
        }
        let TierWritten { change, created } = self.store.put_tier(tier, audit).await?;
        self.set_limits(name, limits, change, now);
        Ok(created)
    }

    /// Puts limits in force, unless a later change was faster.
    fn set_limits(&self, name: TierName, limits: Limits, change: ChangeId, now: SteadyNanos) {
        let mut tiers = self.tiers();
        match tiers.get_mut(&name) {
            None => {
                let tier = Arc::new(Tier::new(name.clone(), limits));
                let number = tiers.len();
                tiers.insert(name, Place { tier, number, change });
            }
            Some(place) if place.change < change => {
                let limits = limits.succeeding(&place.tier.limits(), now);
                place.tier.set_limits(limits);
                place.change = change;
            }
            Some(_) => {}
        }
    }

    /// Moves one batch of usage from memory to the store.
    ///
    /// It may be dropped, fail, and be called again: nothing is lost and nothing counts twice.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store did not take the batch, which then waits for the next
    /// flush.
    pub async fn flush(&self, now: UnixMillis) -> Result<Flushed, StoreError> {
        let mut outbox = self.outbox.lock().await;
        // A batch that is sent again says nothing about what was counted since.
        let again = outbox.pending.is_some();
        let batch = outbox.fill(&self.usage, &self.index, now);
        let Some(batch) = batch else { return Ok(Flushed { rows: 0, more: false }) };
        let rows = batch.rows.len();
        self.store.add_usage(batch).await?;
        outbox.pending = None;
        Ok(Flushed { rows, more: again || BATCH_ROWS_MAX <= rows })
    }

    /// The keys in memory.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// What is counted and not flushed yet.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// The store, for reading what memory does not hold. Changes go through the gate.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The names of all tiers, in the order in which they were made.
    #[must_use]
    pub fn tier_names(&self) -> Vec<TierName> {
        let tiers = self.tiers();
        let mut places: Vec<_> = tiers.iter().collect();
        places.sort_by_key(|(_, place)| place.number);
        places.into_iter().map(|(name, _)| name.clone()).collect()
    }

    fn entry(&self, secret: StoredSecret) -> Result<Entry, StoreError> {
        let StoredSecret { position: _, digest, record, tier: name } = secret;
        let tier = self.tier(&name).ok_or_else(|| {
            let (id, name) = (record.id, name.as_str());
            StoreError::Inconsistent(format!("key {id} has the tier `{name}`, which is not there"))
        })?;
        Ok(Entry::new(digest, record, tier))
    }

    fn tier(&self, name: &TierName) -> Option<Arc<Tier>> {
        self.tiers().get(name).map(|place| Arc::clone(&place.tier))
    }

    /// A panic while this is held leaves a map that is whole, so a poisoned lock is taken.
    fn tiers(&self) -> MutexGuard<'_, Tiers> {
        self.tiers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a gate did not open.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The operating system gave no randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The store could not be read.
    #[error("the keys could not be read")]
    Store(#[from] StoreError),
}

fn inconsistent(tier: &TierName, error: &TooManyLimitsError) -> StoreError {
    StoreError::Inconsistent(format!("tier `{}`: {error}", tier.as_str()))
}

impl Outbox {
    /// The batch to send: the one that is pending, or a new one if anything was counted.
    fn fill(&mut self, usage: &Usage, index: &Index, now: UnixMillis) -> Option<UsageBatch> {
        if self.pending.is_none() {
            let rows = self.collector.take(usage, index, now);
            if rows.is_empty() {
                return None;
            }
            self.number += 1;
            self.pending = Some(UsageBatch { writer: self.writer, number: self.number, rows });
        }
        self.pending.clone()
    }
}

#[cfg(test)]
mod tests;
