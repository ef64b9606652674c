//! One key, as the index holds it.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use triomphe::ThinArc;

use crate::count::{Counters, Counts};
use crate::digest::{Digest, Rest};
use crate::limit::{Buckets, Cost, Era, Limits, Standings, TakeError, carried};
use crate::network::Networks;
use crate::owner::OwnerState;
use crate::record::{KeyId, KeyName, Scopes, Stage};
use crate::stored::Key;
use crate::tier::Tier;
use crate::time::{ReadClock, SteadyNanos, UnixMillis};

use super::life::Life;

/// One key in memory, with one limit 160 bytes, names of over 24 bytes and restrictions aside.
/// Each further limit takes 8 bytes. Cloning shares it.
#[derive(Clone)]
pub struct Entry(ThinArc<Head, AtomicU64>);

/// What an entry is besides the words of its own buckets, one for each of its limits, in their
/// order.
pub(super) struct Head {
    /// The digest of its secret, but for the part that its slot in the table has.
    rest: Rest,
    life: Life,
    tier: Arc<Tier>,
    /// Shared by all keys of the owner, so that suspending it is one step.
    owner: Option<triomphe::Arc<OwnerState>>,
    counters: Counters,
    /// `None` for a key without any, as most are.
    extras: Option<triomphe::Arc<Extras>>,
    id: KeyId,
    name: KeyName,
}

/// An entry that is on its way into the index.
#[derive(Debug)]
pub struct NewEntry {
    pub(super) digest: Digest,
    pub(crate) entry: Entry,
}

/// What only some keys have.
#[derive(PartialEq)]
struct Extras {
    scopes: Scopes,
    networks: Networks,
    /// Its own, which replace the tier's.
    limits: Option<Limits>,
}

impl Extras {
    fn of(key: &Key) -> Option<triomphe::Arc<Self>> {
        let Key { scopes, networks, limits, .. } = key;
        if scopes.is_empty() && networks.is_empty() && limits.is_none() {
            return None;
        }
        let (scopes, networks) = (scopes.clone(), networks.clone());
        Some(triomphe::Arc::new(Self { scopes, networks, limits: limits.clone() }))
    }
}

impl Entry {
    /// An entry for the present secret of a key, with full buckets and nothing counted. It shares
    /// its owner with no other entry, and no change of the owner reaches it.
    #[must_use]
    #[expect(clippy::new_ret_no_self, reason = "what is new is on its way into the index")]
    pub fn new(key: &Key, tier: Arc<Tier>) -> NewEntry {
        let owner = key.owner.clone().map(|name| OwnerState::new(name, false));
        Self::of_owner(key, tier, owner.map(triomphe::Arc::new))
    }

    /// As [`Entry::new`], with an owner that it shares.
    #[must_use]
    pub fn of_owner(
        key: &Key,
        tier: Arc<Tier>,
        owner: Option<triomphe::Arc<OwnerState>>,
    ) -> NewEntry {
        let digest = key.secret.digest;
        let limits = key.limits.as_ref().unwrap_or(tier.limits()).list().len();
        let (_, rest) = digest.parts();
        let head = Head {
            rest,
            life: Life::new(key.state, key.expires_at),
            tier,
            owner,
            counters: Counters::default(),
            id: key.id,
            name: key.name.clone(),
            extras: Extras::of(key),
        };
        NewEntry { digest, entry: Self::with_full_buckets(head, limits) }
    }

    /// The same key under other limits of its tier, with full buckets and nothing counted.
    pub(super) fn in_tier(&self, tier: Arc<Tier>) -> Self {
        let limits = self.own_limits().unwrap_or(tier.limits()).list().len();
        let before = self.head();
        let head = Head {
            rest: before.rest,
            life: before.life.copied(),
            tier,
            owner: before.owner.clone(),
            counters: Counters::default(),
            id: before.id,
            name: before.name.clone(),
            extras: before.extras.clone(),
        };
        Self::with_full_buckets(head, limits)
    }

    fn with_full_buckets(head: Head, limits: usize) -> Self {
        let words = (0..limits).map(|_| AtomicU64::new(0));
        Self(ThinArc::from_header_and_iter(head, words))
    }

    /// Bytes of an entry without its buckets.
    #[cfg(test)]
    pub(super) const SIZE: usize = size_of::<Head>();

    pub(super) fn head(&self) -> &Head {
        &self.0.header.header
    }

    fn words(&self) -> &[AtomicU64] {
        &self.0.slice
    }

    /// Whether the rest of its digest is this.
    #[inline]
    pub(super) fn is_of(&self, rest: &Rest) -> bool {
        self.head().rest == *rest
    }

    /// Revokes the key.
    pub(super) fn revoke(&self) {
        self.head().life.revoke();
    }

    /// Whether this is the very tier of the key.
    pub(super) fn is_in(&self, tier: &Arc<Tier>) -> bool {
        Arc::ptr_eq(&self.head().tier, tier)
    }

    /// The key's identity.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.head().id
    }

    /// What people call the key.
    #[must_use]
    pub fn name(&self) -> &str {
        self.head().name.as_str()
    }

    /// The tier of the key, whose limits hold unless it has its own.
    #[must_use]
    pub fn tier(&self) -> &Tier {
        &self.head().tier
    }

    /// To whom the key belongs.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.head().owner.as_ref().map(|owner| owner.name().as_str())
    }

    /// When the key expires.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixMillis> {
        self.head().life.expires_at()
    }

    /// Whether the key may do what `asked` names.
    #[must_use]
    pub fn grants(&self, asked: &str) -> bool {
        self.head().extras.as_ref().is_some_and(|extras| extras.scopes.grants(asked))
    }

    /// The key's scopes, in the order in which they were given.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.head()
            .extras
            .iter()
            .flat_map(|extras| extras.scopes.iter())
            .map(|scope| scope.as_str())
    }

    /// What was counted in the hour of `at` and no flush has taken yet, since the key was last
    /// changed.
    #[must_use]
    pub fn counted(&self, at: UnixMillis) -> Counts {
        self.head().counters.in_hour(at.hour())
    }

    pub(crate) fn stage(&self, now: UnixMillis) -> Stage {
        let stage = self.head().life.stage(now);
        match &self.head().owner {
            Some(owner) if owner.is_suspended() => match stage {
                Stage::Revoked => Stage::Revoked,
                Stage::Active | Stage::Suspended | Stage::Expired => Stage::Suspended,
            },
            Some(_) | None => stage,
        }
    }

    /// Whether the key may be used from this address.
    pub(crate) fn allows(&self, address: Option<IpAddr>) -> bool {
        self.head().extras.as_ref().is_none_or(|extras| extras.networks.allow(address))
    }

    /// Takes the cost of one request from each of the key's limits and its owner's, or from none.
    /// `lock` is the same for all requests of the key; `told` receives the state of the limits.
    #[inline]
    pub(crate) fn take(
        &self,
        lock: &Mutex<()>,
        cost: Cost,
        now: SteadyNanos,
        told: &mut Standings,
    ) -> Result<(), TakeError> {
        let owner = self.head().owner.as_ref().map(|owner| owner.buckets());
        self.buckets().take(lock, owner, cost, now, told)
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.head().counters
    }

    fn own_limits(&self) -> Option<&Limits> {
        self.head().extras.as_ref()?.limits.as_ref()
    }

    #[inline]
    fn buckets(&self) -> Buckets<'_> {
        match self.own_limits() {
            Some(own) => Buckets { limits: own, told: own, era: Era::FIRST, words: self.words() },
            None => self.head().tier.buckets(self.words(), self.head().rest.stripe()),
        }
    }

    /// Goes on where the entry stood whose place this one takes: a key that was revoked stays so,
    /// what was taken from a limit stays taken, and what was counted is counted here.
    ///
    /// No request is under way on either: whoever calls holds the locks of their shards.
    pub(super) fn take_over(&self, before: &Self, clock: ReadClock<'_>) {
        self.head().life.inherit(&before.head().life);
        self.head().counters.take_over(&before.head().counters);
        let is_same = match (self.own_limits(), before.own_limits()) {
            (None, None) => Arc::ptr_eq(&self.head().tier, &before.head().tier),
            (Some(own), Some(others)) => own == others,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if is_same {
            for (word, before) in self.words().iter().zip(before.words()) {
                word.store(before.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            return;
        }
        // The clock is read now that nothing is taken from `before` any more: an earlier reading
        // would give back what was taken since.
        let (now, after) = (clock().steady, self.buckets());
        let carried = carried(&before.buckets(), after.limits, after.era, now);
        for (word, carried) in self.words().iter().zip(carried) {
            word.store(carried, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("id", &self.head().id)
            .field("name", &self.head().name)
            .finish()
    }
}
