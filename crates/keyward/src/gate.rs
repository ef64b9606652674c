//! The gate: every decision and every change passes here, and in this order — the store first, then
//! the index, then the caller.
//!
//! So a crash leaves at worst a key on record that no caller holds, never one that works and is not
//! on record; and an acknowledged revocation is both durable and in force.

mod change_error;
mod clock;
mod cluster;
mod flush;
mod keys;
mod made;
mod order;
mod owners;
mod run;
mod tell;
mod tiers;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use crate::audit::Mark;
use crate::carried::Carried;
use crate::count::Counts;
use crate::index::{Held, Index};
use crate::key::{Prefix, RandomError};
use crate::store::{KeyStore, Page, Revisions, Snapshot, StoreError, Unreadable};
use crate::stored::OwnerRow;
use crate::tier::Tier;
use crate::time::{Now, UnixMillis};
use crate::usage::Usage;
use crate::verify::{Asked, Caller, Verdict, verify};

pub use crate::rules::TierBefore;
pub use crate::tier::TIERS_MAX;
pub use change_error::ChangeError;
pub use cluster::{Expelling, KeptUp, Standing, TICKET_WAITS, TicketCounts};
pub use flush::{Flushed, Flushes};
pub use keys::IssueError;
pub use made::Made;
pub use owners::EditOwnerError;
pub use tiers::{DeleteTierError, PutTierError};

use change_error::{unexpected, unfit};
use cluster::{Node, unjudgeable};
use flush::{FlushCounts, Outbox};
use order::Order;
use run::no_clock;

/// Keys read at once while the gate opens.
const OPEN_PAGE: u32 = 16_384;

/// Keys in memory, in agreement with a store.
///
/// There is one gate for one store, or one in each process where several share a store: these wait
/// for each other and need [`Gate::keep_up`], [`Gate::settle`] and [`Gate::tidy`]. It offers steps
/// and never loops on its own: the program that embeds it calls [`Gate::follow`] and
/// [`Gate::flush`] regularly, and passes the time.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use keyward::{Asked, Denied, Gate};
/// use keyward::audit::Audit;
/// use keyward::issue::NewKey;
/// use keyward::key::Prefix;
/// use keyward::memory::MemoryStore;
/// use keyward::time::{Now, SteadyNanos, UnixMillis};
///
/// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
/// let at = UnixMillis(1_767_225_600_000);
/// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
/// let issued = gate.issue(key, Audit::program(at)).await?;
///
/// // The program passes each reading of its clock.
/// let now = Now::new(at, SteadyNanos(0));
/// let caller = gate.verify(&Asked::of(issued.secret.expose()), now).unwrap();
/// assert_eq!(caller.name(), "weather-bot");
/// assert_eq!(gate.verify(&Asked::of("wrong"), now).unwrap_err(), Denied::Unknown);
///
/// gate.revoke(issued.key_id, None, Audit::program(at)).await?;
/// let denied = gate.verify(&Asked::of(issued.secret.expose()), now).unwrap_err();
/// assert_eq!(denied.as_str(), "revoked");
/// # Ok(())
/// # }
/// ```
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
    flushed: FlushCounts,
    /// Where several gates share the store; `None` where this one has it to itself.
    node: Option<Box<Node>>,
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
    /// assert_eq!(gate.tier_names().len(), 3);
    ///
    /// // A store that cannot be read whole opens no gate.
    /// let store = MemoryStore::default();
    /// store.set_broken(true);
    /// assert!(Gate::open(Arc::new(store), Prefix::default()).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`OpenError`] if the store cannot be read whole: a gate that knows half of its keys
    /// does not open.
    pub async fn open(store: Arc<dyn KeyStore>, prefix: Prefix) -> Result<Self, OpenError> {
        let latest = store.latest_reading().await?;
        let (node, carried) = match store.cluster() {
            Some(_) => (Some(Box::new(Node::new())), Carried::of_store_since(latest)),
            None => (None, Carried::since(latest)),
        };
        let gate = Self {
            index: Index::default(),
            usage: Usage::default(),
            store,
            prefix,
            tiers: Mutex::new(Vec::new()),
            gone_tiers: Mutex::new(Vec::new()),
            order: Order::default(),
            carried,
            outbox: async_lock::Mutex::new(Outbox::new(latest)?),
            usage_edition: AtomicU64::new(0),
            flushed: FlushCounts::default(),
            node,
        };
        gate.enter().await?;
        Ok(gate)
    }

    /// Reads everything, and returns the newest change that is in it. On a cluster, the rows that
    /// cannot be read come in addition; elsewhere, nothing opens.
    async fn load(&self) -> Result<(Mark, Vec<Unreadable>), StoreError> {
        let mut snapshot = self.store.snapshot().await?;
        let newest = snapshot.newest();
        // Held until their keys share them.
        let (mut owners, mut unreadable) = (Vec::new(), Vec::new());
        let mut loading = self.index.loading();
        while let Some(page) = snapshot.next(OPEN_PAGE).await? {
            unreadable.extend(snapshot.unreadable());
            let revisions = self.revisions(&mut *snapshot);
            match page {
                Page::Tiers(rows) => self.know_tiers(&rows, &revisions),
                Page::Owners(rows) => {
                    let load =
                        |row: &OwnerRow| self.load_owner(row, revisions.of_owner(&row.owner));
                    owners.extend(rows.iter().map(load));
                }
                Page::Keys(keys) => {
                    // In the order of their ids.
                    let last = self.node.as_deref().zip(keys.last());
                    last.into_iter().for_each(|(node, key)| node.know_key(key.id));
                    for key in &keys {
                        match self.load_key(&mut loading, key, revisions.of_key(key.id)) {
                            Err(_) if self.node.is_some() => unreadable.push(unjudgeable(key)),
                            loaded => loaded?,
                        }
                    }
                }
            }
        }
        unreadable.extend(snapshot.unreadable());
        loading.finish();
        Ok((newest, unreadable))
    }

    /// When the limits of the rows in the last page were changed. Nothing that a gate has to itself
    /// goes by it.
    fn revisions(&self, snapshot: &mut dyn Snapshot) -> Revisions {
        if self.node.is_some() { snapshot.revisions() } else { Revisions::default() }
    }

    /// Decides about one request; see [`verify()`]. Where the wall clock was set back, it is judged
    /// by both of the readings that may be right; see [`Gate::judge`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::{Asked, Denied, Gate};
    /// use keyward::audit::Audit;
    /// use keyward::issue::NewKey;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::record::Scopes;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// let key = NewKey { scopes: Scopes::new(vec!["articles:read".parse()?])?, ..key };
    /// let issued = gate.issue(key, Audit::program(at)).await?;
    /// let now = Now::new(at, SteadyNanos(0));
    ///
    /// let asked = Asked { scopes: &["articles:read"], ..Asked::of(issued.secret.expose()) };
    /// assert!(gate.verify(&asked, now).is_ok());
    /// let asked = Asked { scopes: &["articles:write"], ..asked };
    /// assert!(matches!(gate.verify(&asked, now), Err(Denied::OutOfScope(_))));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Denied`](crate::verify::Denied), the reason for the denial.
    pub fn verify(&self, asked: &Asked<'_>, now: Now) -> Verdict {
        verify(&self.index, &self.usage, asked, self.carried.judge(now))
    }

    /// The keys in memory.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::audit::Audit;
    /// use keyward::digest::Digest;
    /// use keyward::issue::NewKey;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::UnixMillis;
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// let issued = gate.issue(key, Audit::program(at)).await?;
    /// let found = gate.index().find(&Digest::of_secret(&issued.secret));
    /// assert_eq!(found.map(|found| found.id), Some(issued.key_id));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The counts that are not flushed yet.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::{Asked, Gate};
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let now = Now::new(UnixMillis(1_767_225_600_000), SteadyNanos(0));
    /// gate.verify(&Asked::of("a key that was never issued"), now).unwrap_err();
    /// assert_eq!(gate.usage().unknown(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// The counts of a caller's key in the hour of `at` that are not on their way to the store yet;
    /// the caller's own request is among them.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::{Asked, Gate};
    /// use keyward::audit::Audit;
    /// use keyward::issue::NewKey;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// let issued = gate.issue(key, Audit::program(at)).await?;
    /// let asked = Asked::of(issued.secret.expose());
    /// let caller = gate.verify(&asked, Now::new(at, SteadyNanos(0))).unwrap();
    /// assert_eq!(gate.counted(&caller, at).requests(), 1);
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::audit::Audit;
    /// use keyward::issue::NewKey;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::UnixMillis;
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// let issued = gate.issue(key, Audit::program(at)).await?;
    /// let found = gate.store().find_key(issued.key_id).await?.unwrap();
    /// assert_eq!(found.key.name.as_str(), "weather-bot");
    /// # Ok(())
    /// # }
    /// ```
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
