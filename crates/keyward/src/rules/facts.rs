//! The facts before a change is decided.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::audit::{ChainDigest, ChangeId};
use crate::digest::Digest;
use crate::once::OnceName;
use crate::record::{KeyId, Owner};
use crate::stored::{Key, OwnerRow, TierRow};
use crate::tier::TierName;
use crate::time::UnixMillis;

use super::lookup::{Lookup, OnceRow, Progress};
use super::writes::{KeyWrite, OnceWrite, Writes};

/// Most owners that are known from one change to the next: at 200 bytes each some 200 KB. An import
/// brings far more, and those of the next one are others.
const OWNERS_KEPT_MAX: usize = 1_024;

/// The results of look-ups, and of writes since. They grow with each look-up.
///
/// Facts are as of one transaction: in a batch they stay true for the next change after
/// [`Facts::apply`], and are to be dropped when something is rolled back.
#[derive(Clone)]
pub struct Facts {
    progress: Progress,
    keys: HashMap<KeyId, Presence>,
    /// Which keys have, or had, the secrets with these digests. Hashing them like any other key of
    /// a table reveals nothing: they are digests already.
    holders: HashMap<[u8; 32], Option<KeyId>>,
    tiers: HashMap<TierName, Option<TierRow>>,
    tier_count: Option<u64>,
    owners: HashMap<Owner, Option<OwnerRow>>,
    requests: HashMap<(String, OnceName), Option<OnceRow>>,
    reading: Option<Option<UnixMillis>>,
    /// The digests of entries, with the ends of the trail before each change of a batch.
    entries: HashMap<u64, Option<ChainDigest>>,
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts").field("progress", &self.progress).finish_non_exhaustive()
    }
}

/// The knowledge about a key.
#[derive(Clone)]
enum Presence {
    Absent,
    /// It is there; no more is known.
    There,
    Whole(Arc<Key>),
}

impl Facts {
    /// Only the progress of the store is known.
    #[must_use]
    pub fn new(progress: Progress) -> Self {
        Self {
            progress,
            keys: HashMap::new(),
            holders: HashMap::new(),
            tiers: HashMap::new(),
            tier_count: None,
            owners: HashMap::new(),
            requests: HashMap::new(),
            reading: None,
            entries: HashMap::new(),
        }
    }

    /// How far the store has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Takes the result of [`Lookup::Key`].
    pub fn learn_key(&mut self, id: KeyId, key: Option<Key>) {
        let presence = key.map_or(Presence::Absent, |key| Presence::Whole(Arc::new(key)));
        self.keys.insert(id, presence);
    }

    /// Takes the result of [`Lookup::Id`].
    pub fn learn_id(&mut self, id: KeyId, is_there: bool) {
        let presence = if is_there { Presence::There } else { Presence::Absent };
        self.keys.entry(id).or_insert(presence);
    }

    /// Takes the result of [`Lookup::Digest`].
    pub fn learn_holder(&mut self, digest: &Digest, holder: Option<KeyId>) {
        self.holders.insert(*digest.as_bytes(), holder);
    }

    /// Takes the result of [`Lookup::Tier`].
    pub fn learn_tier(&mut self, name: TierName, tier: Option<TierRow>) {
        self.tiers.insert(name, tier);
    }

    /// Takes the result of [`Lookup::TierCount`].
    pub fn learn_tier_count(&mut self, count: u64) {
        self.tier_count = Some(count);
    }

    /// Takes the result of [`Lookup::Owner`].
    pub fn learn_owner(&mut self, owner: Owner, row: Option<OwnerRow>) {
        self.owners.insert(owner, row);
    }

    /// Takes the result of [`Lookup::Once`], however old.
    pub fn learn_once(&mut self, actor: String, name: OnceName, row: Option<OnceRow>) {
        self.requests.insert((actor, name), row);
    }

    /// Takes the result of [`Lookup::Reading`].
    pub fn learn_reading(&mut self, reading: Option<UnixMillis>) {
        self.reading = Some(reading);
    }

    /// Takes the result of [`Lookup::Entry`].
    pub fn learn_entry(&mut self, change: ChangeId, digest: Option<ChainDigest>) {
        self.entries.insert(change.0, digest);
    }

    /// Forgets the facts that one change alone needs, such as keys and digests, and keeps the
    /// progress of the store, tiers and up to 1 024 owners, which the next changes of a batch need
    /// again.
    pub fn forget_keys(&mut self) {
        if OWNERS_KEPT_MAX < self.owners.len() {
            self.owners.clear();
        }
        self.keys.clear();
        self.holders.clear();
        self.requests.clear();
        self.reading = None;
        self.entries.clear();
    }

    /// Whether something need not be looked up.
    #[must_use]
    pub fn knows(&self, lookup: &Lookup) -> bool {
        match lookup {
            Lookup::Key(id) => self.key(*id).is_some(),
            Lookup::Id(id) => self.is_there(*id).is_some(),
            Lookup::Digest(digest) => self.holder(digest).is_some(),
            Lookup::Tier(name) => self.tier(name).is_some(),
            Lookup::TierCount => self.tier_count.is_some(),
            Lookup::Owner(owner) => self.owner(owner).is_some(),
            Lookup::Once { actor, name } => self.once(actor, name).is_some(),
            Lookup::Reading => self.reading.is_some(),
            Lookup::Entry(change) => self.entry(*change).is_some(),
        }
    }

    /// Brings them to the state after these writes. An unknown fact stays unknown: it is looked up
    /// when it is needed.
    pub fn apply(&mut self, writes: &Writes) {
        writes.tiers.iter().for_each(|row| self.put_tier(row.clone()));
        writes.owners.iter().for_each(|row| self.put_owner(row.clone()));
        writes.keys.iter().for_each(|write| self.put_key(write));
        if let Some(OnceWrite { actor, row, .. }) = &writes.once {
            let named = (actor.clone(), row.once.name.clone());
            self.requests.insert(named, Some(row.clone()));
        }
        if writes.reading.is_some() {
            self.reading = Some(writes.reading);
        }
        let Progress { change, digest, .. } =
            std::mem::replace(&mut self.progress, writes.progress);
        if change != self.progress.change {
            self.entries.insert(change.0, Some(digest));
        }
    }

    fn put_tier(&mut self, row: TierRow) {
        let was_there = self.tiers.get(&row.name).map(Option::is_some);
        self.tier_count = match (self.tier_count, was_there) {
            (Some(count), Some(false)) if !row.is_gone => Some(count.saturating_add(1)),
            (Some(count), Some(true)) if row.is_gone => Some(count.saturating_sub(1)),
            (count, Some(_)) => count,
            (_, None) => None,
        };
        self.tiers.insert(row.name.clone(), Some(row).filter(|row| !row.is_gone));
    }

    fn put_owner(&mut self, row: OwnerRow) {
        self.owners.insert(row.owner.clone(), Some(row));
    }

    fn put_key(&mut self, write: &KeyWrite) {
        let key = write.key();
        if let Some(presence) = self.keys.get_mut(&key.id) {
            *presence = Presence::Whole(Arc::clone(key));
        }
        let former = write.replaced().map(|(_, former)| &former.secret);
        for secret in former.chain([&key.secret]) {
            if let Some(holder) = self.holders.get_mut(secret.digest.as_bytes()) {
                *holder = Some(key.id);
            }
        }
    }

    /// A key, if it is known whether there is one.
    pub(super) fn key(&self, id: KeyId) -> Option<Option<&Arc<Key>>> {
        match self.keys.get(&id)? {
            Presence::Absent => Some(None),
            Presence::There => None,
            Presence::Whole(key) => Some(Some(key)),
        }
    }

    /// Whether there is a key, if that is known. No key has an id above the highest.
    pub(super) fn is_there(&self, id: KeyId) -> Option<bool> {
        match self.keys.get(&id) {
            Some(Presence::Absent) => Some(false),
            Some(Presence::There | Presence::Whole(_)) => Some(true),
            None => (self.progress.key < Some(id)).then_some(false),
        }
    }

    pub(super) fn holder(&self, digest: &Digest) -> Option<Option<KeyId>> {
        self.holders.get(digest.as_bytes()).copied()
    }

    pub(super) fn tier(&self, name: &TierName) -> Option<Option<&TierRow>> {
        self.tiers.get(name).map(Option::as_ref)
    }

    pub(super) fn tier_count(&self) -> Option<u64> {
        self.tier_count
    }

    pub(super) fn owner(&self, owner: &Owner) -> Option<Option<&OwnerRow>> {
        self.owners.get(owner).map(Option::as_ref)
    }

    pub(super) fn once(&self, actor: &str, name: &OnceName) -> Option<Option<&OnceRow>> {
        self.requests.get(&(actor.to_owned(), name.clone())).map(Option::as_ref)
    }

    /// The digest of an entry, if it is known whether there is one. None has a number above the
    /// newest.
    pub(super) fn entry(&self, change: ChangeId) -> Option<Option<ChainDigest>> {
        let Progress { change: newest, digest, .. } = self.progress;
        match change.cmp(&newest) {
            Ordering::Less => self.entries.get(&change.0).copied(),
            Ordering::Equal => Some(Some(digest)),
            Ordering::Greater => Some(None),
        }
    }

    pub(super) fn reading(&self) -> Option<Option<UnixMillis>> {
        self.reading
    }
}
