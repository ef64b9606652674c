//! One key, as the index holds it.

use std::fmt;
use std::mem;
use std::net::IpAddr;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::count::{Counters, Counts};
use crate::digest::Digest;
use crate::limit::{Buckets, Era, Limits, Revision, SharedBuckets, carried};
use crate::owner::OwnerState;
use crate::record::{KeyId, KeyName, KeyState, Stage};
use crate::stored::Key;
use crate::tier::Tier;
use crate::time::{ReadClock, UnixMillis};

use super::extras::Extras;
use super::life::Life;
use super::shown::Shown;

/// One key in memory: 152 bytes, with one limit or none. Names of over 22 bytes, restrictions, and
/// the words of several limits are elsewhere.
///
/// All that a verdict about most keys touches lies here, side by side in a slot of the table: each
/// further cache line costs a verdict about one of many keys as much as all the rest.
///
/// ```
/// use std::sync::Arc;
///
/// use keyward::digest::Digest;
/// use keyward::index::Entry;
/// use keyward::key::{Prefix, Secret};
/// use keyward::limit::Limits;
/// use keyward::record::KeyId;
/// use keyward::stored::Key;
/// use keyward::tier::Tier;
///
/// let secret = Secret::generate(&Prefix::default())?;
/// let (id, tier) = (KeyId::new(1).unwrap(), "basic".parse()?);
/// let key = Key::plain(id, "weather-bot".parse()?, tier, Digest::of_secret(&secret));
/// let tier = Arc::new(Tier::new("basic".parse()?, Limits::of(None)));
/// assert_eq!(Entry::new(&key, tier).id(), id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(C)]
pub struct Entry {
    /// Never zero, so that a slot without a key takes no room more.
    id: KeyId,
    /// Of the key's present secret.
    digest: Digest,
    pub(super) life: Life,
    words: Words,
    tier: Arc<Tier>,
    /// Shared by all keys of the owner, so that suspending it is one step.
    owner: Option<triomphe::Arc<OwnerState>>,
    extras: Extras,
    counters: Counters,
    name: KeyName,
}

/// The words of a key's own buckets, one for each of its limits, in their order.
enum Words {
    One(AtomicU64),
    Several(Box<[AtomicU64]>),
}

impl Words {
    fn full(limits: usize) -> Self {
        match limits {
            1 => Self::One(AtomicU64::new(0)),
            _ => Self::of(vec![0; limits]),
        }
    }

    fn of(words: Vec<u64>) -> Self {
        match words.as_slice() {
            [one] => Self::One(AtomicU64::new(*one)),
            _ => Self::Several(words.into_iter().map(AtomicU64::new).collect()),
        }
    }

    #[inline]
    fn as_slice(&self) -> &[AtomicU64] {
        match self {
            Self::One(word) => slice::from_ref(word),
            Self::Several(words) => words,
        }
    }
}

impl Entry {
    /// An entry for the present secret of a key, with full buckets and nothing counted. It shares
    /// its owner with no other entry, and no change of the owner reaches it.
    #[must_use]
    pub fn new(key: &Key, tier: Arc<Tier>) -> Self {
        let owner = key.owner.clone().map(|name| OwnerState::new(name, false));
        Self::of_owner(key, tier, owner.map(triomphe::Arc::new))
    }

    /// As [`Entry::new`], with an owner that it shares.
    #[must_use]
    pub fn of_owner(key: &Key, tier: Arc<Tier>, owner: Option<triomphe::Arc<OwnerState>>) -> Self {
        Self::of_revision(key, tier, owner, Revision::default())
    }

    /// The same with the number of the change of the key's limits, on a cluster.
    pub(crate) fn of_revision(
        key: &Key,
        tier: Arc<Tier>,
        owner: Option<triomphe::Arc<OwnerState>>,
        revision: Revision,
    ) -> Self {
        let limits = key.limits.as_ref().unwrap_or(tier.limits()).list().len();
        Self {
            id: key.id,
            digest: key.secret.digest,
            life: Life::new(key.state, key.expires_at),
            words: Words::full(limits),
            tier,
            owner,
            extras: Extras::of(key, revision),
            counters: Counters::default(),
            name: key.name.clone(),
        }
    }

    /// The digest of the key's present secret.
    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Revokes the key.
    pub(super) fn revoke(&self) {
        self.life.revoke();
    }

    /// Withholds verdicts about the key, whose row cannot be read.
    pub(super) fn withhold(&self) {
        self.life.withhold();
    }

    /// Whether this is the very tier of the key.
    pub(super) fn is_in(&self, tier: &Arc<Tier>) -> bool {
        Arc::ptr_eq(&self.tier, tier)
    }

    /// The key's identity.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The tier of the key, whose limits hold unless it has its own.
    #[must_use]
    pub fn tier(&self) -> &Tier {
        &self.tier
    }

    /// The owner of the key.
    pub(crate) fn owner(&self) -> Option<&OwnerState> {
        self.owner.as_deref()
    }

    /// When the key expires.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixMillis> {
        self.life.expires_at()
    }

    /// The shown fields of the key, as they are now. Takes no memory.
    #[inline(always)]
    pub(crate) fn shown(&self) -> Shown {
        Shown {
            id: self.id,
            name: self.name.clone(),
            tier: self.tier.name().clone(),
            owner: self.owner().map(|owner| owner.name().clone()),
            expires_at: self.expires_at(),
            extras: self.extras.clone(),
        }
    }

    /// Whether the key may do what `asked` names.
    pub(crate) fn grants(&self, asked: &str) -> bool {
        self.extras.grants(asked)
    }

    /// The counts of the hour of `at` that no flush has taken yet.
    pub(crate) fn counted(&self, at: UnixMillis) -> Counts {
        self.counters.in_hour(at.hour())
    }

    /// A key whose row cannot be read: nothing is known of it but its id and this secret.
    pub(crate) fn unreadable(id: KeyId, digest: Digest, tier: Arc<Tier>) -> Self {
        let life = Life::new(KeyState::Active, None);
        life.withhold();
        let words = Words::full(tier.limits().list().len());
        Self {
            id,
            digest,
            life,
            words,
            tier,
            owner: None,
            extras: Extras::default(),
            counters: Counters::default(),
            name: "unreadable".parse().expect("the word is a name"),
        }
    }

    /// Whether nothing is to be said of the key, since its row cannot be read.
    pub(crate) fn is_withheld(&self) -> bool {
        self.life.is_withheld()
    }

    /// The stage of the key itself, whatever its owner's state.
    pub(crate) fn own_stage(&self, now: UnixMillis) -> Stage {
        self.life.stage(now)
    }

    #[inline]
    pub(crate) fn stage(&self, now: UnixMillis) -> Stage {
        let stage = self.life.stage(now);
        match &self.owner {
            Some(owner) if owner.is_suspended() => match stage {
                Stage::Revoked => Stage::Revoked,
                Stage::Active | Stage::Suspended | Stage::Expired => Stage::Suspended,
            },
            Some(_) | None => stage,
        }
    }

    /// Whether the key may be used from this address.
    pub(crate) fn allows(&self, address: Option<IpAddr>) -> bool {
        self.extras.allow(address)
    }

    /// The buckets of the owner, if it has any.
    #[inline]
    pub(crate) fn owner_buckets(&self) -> Option<&SharedBuckets> {
        self.owner.as_ref().map(|owner| owner.buckets()).filter(|buckets| buckets.are_set())
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    fn own_limits(&self) -> Option<&Limits> {
        self.extras.limits()
    }

    /// The key's own limits, or its tier's, and when they were changed: the later change of both,
    /// since a key that loses its own limits is judged by its tier's.
    pub(crate) fn terms(&self) -> (&Limits, Revision) {
        let (of_tier, revision) = self.tier.terms();
        (self.own_limits().unwrap_or(of_tier), revision.max(self.extras.revision()))
    }

    /// The buckets of the key's own limits, or of its tier's.
    #[inline]
    pub(crate) fn buckets(&self) -> Buckets<'_> {
        let words = self.words.as_slice();
        match self.own_limits() {
            Some(own) => Buckets { limits: own, told: own, era: Era::FIRST, words },
            None => self.tier.buckets(words, self.digest.stripe()),
        }
    }

    /// Becomes what the key is now; see [`Entry::take_over`].
    pub(super) fn change(&mut self, now: Self, clock: ReadClock<'_>) {
        let before = mem::replace(self, now);
        self.take_over(before, clock);
    }

    /// Continues the entry that this one replaces: a revoked key stays revoked, and this entry
    /// takes over the use of limits and the counts.
    ///
    /// No request is under way on either: the calling code holds the locks of their shards.
    pub(super) fn take_over(&mut self, before: Self, clock: ReadClock<'_>) {
        self.life.inherit(&before.life);
        let is_same = match (self.own_limits(), before.own_limits()) {
            (None, None) => Arc::ptr_eq(&self.tier, &before.tier),
            (Some(own), Some(others)) => own == others,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.words =
            if is_same { before.words } else { carried_to(&self.buckets(), &before, clock) };
        self.counters = before.counters;
    }

    /// Moves the key to other limits of its tier.
    ///
    /// No request is under way on it: the calling code holds the lock of its shard.
    pub(super) fn move_to(&mut self, tier: Arc<Tier>, clock: ReadClock<'_>) {
        if self.own_limits().is_none() {
            let after = tier.buckets(&[], self.digest.stripe());
            self.words = carried_to(&after, self, clock);
        }
        self.tier = tier;
    }
}

/// The words of an entry as they go on under other limits. Nothing is taken from it any more: a
/// reading of the clock from before that would give back units taken since.
fn carried_to(after: &Buckets<'_>, before: &Entry, clock: ReadClock<'_>) -> Words {
    Words::of(carried(&before.buckets(), after.limits, after.era, clock().steady))
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("id", &self.id).field("name", &self.name).finish()
    }
}
