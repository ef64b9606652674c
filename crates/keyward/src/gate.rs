//! The gate: every decision and every change passes here, and in this order — the store first, then
//! the index, then the caller.
//!
//! So a crash leaves at worst a key on record that no caller holds, never one that works and is not
//! on record; and an acknowledged revocation is both durable and in force.

mod clock;
mod flush;
mod keys;
mod order;
mod owners;
mod run;
mod tell;
mod tiers;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use crate::carried::Carried;
use crate::count::Counts;
use crate::index::{Held, Index};
use crate::key::{Prefix, RandomError};
use crate::store::{KeyStore, Page, StoreError};
use crate::tier::Tier;
use crate::time::{Now, UnixMillis};
use crate::usage::Usage;
use crate::verify::{Asked, Caller, Verdict, verify};

pub use crate::rules::TierBefore;
pub use crate::tier::TIERS_MAX;
pub use flush::Flushed;
pub use keys::IssueError;
pub use owners::EditOwnerError;
pub use run::ChangeError;
pub use tiers::{DeleteTierError, PutTierError};

use flush::Outbox;
use order::Order;
use run::{no_clock, unexpected, unfit};

/// Keys read at once while the gate opens.
const OPEN_PAGE: u32 = 16_384;

/// Keys in memory, in agreement with a store.
///
/// There is one gate for one store. It offers steps and never loops on its own: the program that
/// embeds it calls [`Gate::follow`] and [`Gate::flush`] regularly, and passes the time.
pub struct Gate {
    index: Index,
    usage: Usage,
    store: Arc<dyn KeyStore>,
    prefix: Prefix,
    /// In the order in which they were made. Locked for one look-up or one change of a tier, never
    /// while waiting and never by a request that is only verified.
    tiers: Mutex<Vec<Arc<Tier>>>,
    /// Names of tiers that revoked keys had. Locked as above.
    gone_tiers: Mutex<Vec<Arc<Tier>>>,
    order: Order,
    carried: Carried,
    /// Held during a flush, so that flushes queue up: when one returns, all that was counted
    /// before it began is in the store.
    outbox: async_lock::Mutex<Outbox>,
    /// Goes up before and after usage is written.
    usage_edition: AtomicU64,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("index", &self.index).field("store", &self.store).finish()
    }
}

impl Gate {
    /// Opens the gate: reads every tier and every key from the store into memory.
    ///
    /// Keys issued from now on have texts that begin with `prefix`, unless they ask for another.
    ///
    /// # Errors
    ///
    /// Returns [`OpenError`] if the store cannot be read whole: a gate that knows half of its keys
    /// does not open.
    pub async fn open(store: Arc<dyn KeyStore>, prefix: Prefix) -> Result<Self, OpenError> {
        let latest = store.latest_reading().await?;
        let gate = Self {
            index: Index::default(),
            usage: Usage::default(),
            store,
            prefix,
            tiers: Mutex::new(Vec::new()),
            gone_tiers: Mutex::new(Vec::new()),
            order: Order::default(),
            carried: Carried::since(latest),
            outbox: async_lock::Mutex::new(Outbox::new(latest)?),
            usage_edition: AtomicU64::new(0),
        };
        gate.load().await?;
        Ok(gate)
    }

    async fn load(&self) -> Result<(), StoreError> {
        let mut snapshot = self.store.snapshot().await?;
        // Held until their keys share them.
        let mut owners = Vec::new();
        let mut loading = self.index.loading();
        while let Some(page) = snapshot.next(OPEN_PAGE).await? {
            match page {
                Page::Tiers(rows) => self.know_tiers(&rows),
                Page::Owners(rows) => owners.extend(rows.iter().map(|row| self.load_owner(row))),
                Page::Keys(keys) => {
                    keys.iter().try_for_each(|key| self.load_key(&mut loading, key))?;
                }
            }
        }
        loading.finish();
        Ok(())
    }

    /// Decides about one request; see [`verify()`]. Where the wall clock was set back, it is judged
    /// by both of the readings that may be right; see [`Gate::judge`].
    ///
    /// # Errors
    ///
    /// Returns [`Denied`](crate::verify::Denied), the reason for the denial.
    pub fn verify(&self, asked: &Asked<'_>, now: Now) -> Verdict {
        verify(&self.index, &self.usage, asked, self.carried.judge(now))
    }

    /// The keys in memory.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The counts that are not flushed yet.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// The counts of a caller's key in the hour of `at` that are not on their way to the store yet;
    /// the caller's own request is among them.
    #[must_use]
    pub fn counted(&self, caller: &Caller, at: UnixMillis) -> Counts {
        let counted = |held: &Held<'_>| held.entry.counted(at);
        self.index.look(caller.digest(), |held| held.map(counted).unwrap_or_default())
    }

    /// The prefix of new keys that ask for no other.
    #[must_use]
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The store, for reading data that memory does not hold. Changes go through the gate, and
    /// operators' queries through [`Reports`](crate::store::Reports).
    #[must_use]
    pub fn store(&self) -> &dyn KeyStore {
        &*self.store
    }

    /// A panic while this is held leaves a list that is whole, so a poisoned lock is taken.
    fn tiers(&self) -> MutexGuard<'_, Vec<Arc<Tier>>> {
        self.tiers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a gate did not open.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The operating system gave no randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The store could not be read.
    #[error("the keys could not be read")]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests;
