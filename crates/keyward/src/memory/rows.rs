//! The rows, how they are looked up, and how they are written. The meaning of a change is the
//! rules'.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use crate::audit::{Audit, AuditEntry, ChainDigest, ChangeId};
use crate::count::Counts;
use crate::digest::Digest;
use crate::key::Prefix;
use crate::limit::{Limit, Limits};
use crate::once::{Earlier, OnceName, forgotten_at};
use crate::record::{KeyId, Owner};
use crate::rules::{
    self, Change, Committed, DecideError, Decision, Facts, KeyWrite, Lookup, OnceRow, OnceWrite,
    Progress, Writes,
};
use crate::store::{LeakReport, Revisions};
use crate::stored::{Key, OwnedKey, OwnerRow, StoredSecret, TierId, TierRow};
use crate::tier::TierName;
use crate::time::{UnixHour, UnixMillis};

/// Most prefixes that are reported.
const PREFIXES_MAX: usize = 1_000;

#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) progress: Progress,
    /// Deleted tiers included.
    pub(super) tiers: BTreeMap<TierId, TierRow>,
    pub(super) owners: BTreeMap<Owner, OwnerRow>,
    pub(super) keys: BTreeMap<KeyId, Arc<Key>>,
    /// Whose secrets these are, or were.
    holders: HashMap<[u8; 32], KeyId>,
    /// Requests that changed a key, by actor and name.
    requests: HashMap<(String, OnceName), OnceRow>,
    /// Of the wall clock.
    pub(super) reading: Option<UnixMillis>,
    pub(super) trail: Vec<AuditEntry>,
    pub(super) usage: BTreeMap<(KeyId, UnixHour), Counts>,
    /// The latest batch of each writer.
    pub(super) batches: HashMap<[u8; 16], u64>,
    /// Whether the operator stated at the latest start that the clock is right.
    pub(super) told_clock_is_right: bool,
    /// Secrets that were reported, by their digests.
    pub(super) leaks: BTreeMap<[u8; 32], LeakReport>,
    /// When limits were changed.
    pub(super) revisions: Revisions,
}

impl Default for Rows {
    fn default() -> Self {
        let tiers = [(1, "basic", 100), (2, "pro", 1_000), (3, "enterprise", 10_000)];
        let tiers = tiers.map(|(id, name, amount)| new_tier(id, name, amount));
        let tier = tiers.last().map(|tier| tier.id);
        let (change, digest) = (ChangeId(0), ChainDigest::START);
        Self {
            progress: Progress { change, digest, key: None, tier },
            tiers: tiers.map(|tier| (tier.id, tier)).into(),
            owners: BTreeMap::new(),
            keys: BTreeMap::new(),
            holders: HashMap::new(),
            requests: HashMap::new(),
            reading: None,
            trail: Vec::new(),
            usage: BTreeMap::new(),
            batches: HashMap::new(),
            told_clock_is_right: false,
            leaks: BTreeMap::new(),
            revisions: Revisions::default(),
        }
    }
}

fn new_tier(id: u64, name: &str, amount: u32) -> TierRow {
    let amount = NonZeroU32::new(amount).expect("the amounts above are not zero");
    let limit = Limit::new("requests", amount, Duration::from_secs(60), amount);
    TierRow {
        id: TierId::new(id).expect("the ids above are not zero"),
        name: name.parse().expect("the names above are names"),
        limits: Limits::of(Some(limit.expect("the limits above are in bounds"))),
        keys: 0,
        is_gone: false,
    }
}

impl Rows {
    pub(super) fn commit(
        &mut self,
        change: Change,
        audit: &Audit,
    ) -> Result<Committed, DecideError> {
        self.commit_from(self.progress, change, audit)
    }

    /// The same, and goes on with the ids after these.
    pub(super) fn commit_from(
        &mut self,
        progress: Progress,
        change: Change,
        audit: &Audit,
    ) -> Result<Committed, DecideError> {
        let mut facts = Facts::new(progress);
        loop {
            let wanted = rules::needs(&change, audit, &facts);
            if wanted.is_empty() {
                break;
            }
            wanted.into_iter().for_each(|lookup| self.look_up(lookup, &mut facts));
        }
        let Decision { writes, outcome } = rules::decide(change, audit, &facts)?;
        if !writes.is_empty() {
            self.write(writes);
        }
        Ok(Committed { newest: self.progress.mark(), outcome })
    }

    fn look_up(&self, lookup: Lookup, facts: &mut Facts) {
        match lookup {
            Lookup::Key(id) => {
                facts.learn_key(id, self.key(id).map(Arc::unwrap_or_clone));
            }
            Lookup::Id(id) => facts.learn_id(id, self.keys.contains_key(&id)),
            Lookup::Digest(digest) => {
                facts.learn_holder(&digest, self.holders.get(digest.as_bytes()).copied());
            }
            Lookup::Tier(name) => {
                let tier = self.tier(&name).cloned();
                facts.learn_tier(name, tier);
            }
            Lookup::TierCount => facts.learn_tier_count(self.present_tiers().count() as u64),
            Lookup::Owner(owner) => {
                let row = self.owners.get(&owner).cloned();
                facts.learn_owner(owner, row);
            }
            Lookup::Once { actor, name } => {
                let row = self.requests.get(&(actor.clone(), name.clone())).cloned();
                facts.learn_once(actor, name, row);
            }
            Lookup::Reading => facts.learn_reading(self.reading),
            Lookup::Entry(change) => facts.learn_entry(change, self.link(change)),
        }
    }

    /// The digest of an entry of the trail.
    pub(super) fn link(&self, change: ChangeId) -> Option<ChainDigest> {
        let at = self.trail.binary_search_by_key(&change, |entry| entry.id).ok()?;
        self.trail.get(at).map(|entry| entry.digest)
    }

    fn write(&mut self, writes: Writes) {
        self.note_revisions(&writes);
        let Writes { tiers, owners, keys, once, reading, entries, progress } = writes;
        self.tiers.extend(tiers.into_iter().map(|tier| (tier.id, tier)));
        self.owners.extend(owners.into_iter().map(|row| (row.owner.clone(), row)));
        keys.iter().for_each(|write| self.write_key(write));
        if let Some(OnceWrite { actor, row, forgotten_at }) = once {
            self.requests.retain(|_, row| forgotten_at.is_none_or(|forgotten| forgotten < row.at));
            self.requests.insert((actor, row.once.name.clone()), row);
        }
        self.reading = reading.or(self.reading);
        self.trail.extend(entries);
        self.progress = progress;
    }

    fn write_key(&mut self, write: &KeyWrite) {
        let key = write.key();
        let digests = secrets(key).map(|secret| (*secret.digest.as_bytes(), key.id));
        self.holders.extend(digests);
        self.keys.insert(key.id, Arc::clone(key));
    }

    /// The tier of this name that is not gone.
    fn tier(&self, name: &TierName) -> Option<&TierRow> {
        self.present_tiers().find(|tier| tier.name == *name)
    }

    pub(super) fn present_tiers(&self) -> impl Iterator<Item = &TierRow> {
        self.tiers.values().filter(|tier| !tier.is_gone)
    }

    /// The earlier request of this name, if there was one that changed something.
    pub(super) fn earlier(&self, audit: &Audit) -> Option<Earlier> {
        let once = audit.once.as_ref()?;
        let named = (audit.actor.as_text().into_owned(), once.name.clone());
        let row = self.requests.get(&named)?;
        let is_kept = forgotten_at(audit.at).is_none_or(|forgotten| forgotten < row.at);
        is_kept.then(|| Earlier::of(&row.once.request, row.key, once))
    }

    /// A key as it is now.
    pub(super) fn key(&self, id: KeyId) -> Option<Arc<Key>> {
        self.keys.get(&id).map(|key| self.joined(key))
    }

    /// A key with the state of its tier's row: deleting a tier leaves the rows of keys alone.
    fn joined(&self, key: &Arc<Key>) -> Arc<Key> {
        let mut key = Arc::clone(key);
        if key.tier_id.is_some_and(|id| self.tiers.get(&id).is_some_and(|tier| tier.is_gone)) {
            Arc::make_mut(&mut key).tier_gone = true;
        }
        key
    }

    /// The keys with ids above `after`, lowest first.
    pub(super) fn keys_after(&self, after: Option<KeyId>) -> impl Iterator<Item = Arc<Key>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.keys.range((from, Bound::Unbounded)).map(|(_, key)| self.joined(key))
    }

    pub(super) fn owned(&self, key: Arc<Key>) -> OwnedKey {
        let owner = key.owner.as_ref().and_then(|owner| self.owners.get(owner)).cloned();
        OwnedKey { key, owner }
    }

    pub(super) fn find_digest(
        &self,
        digest: Digest,
    ) -> Option<(Digest, Option<UnixMillis>, OwnedKey)> {
        let key = self.key(*self.holders.get(digest.as_bytes())?)?;
        let former = key.former.iter().find(|former| former.secret.digest == digest);
        let ends_at = former.map(|former| former.ends_at);
        Some((digest, ends_at, self.owned(key)))
    }

    pub(super) fn find_owner(&self, owner: &Owner) -> Option<&OwnerRow> {
        self.owners.get(owner)
    }

    /// An owner, if it has limits.
    pub(super) fn limited_owner(&self, owner: &Owner) -> Option<&OwnerRow> {
        self.owners.get(owner).filter(|row| row.is_limited())
    }

    /// The owners after this one that have limits and no key, in order.
    pub(super) fn limited_without_keys(
        &self,
        after: Option<&Owner>,
    ) -> impl Iterator<Item = &OwnerRow> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.owners.range::<Owner, _>((from, Bound::Unbounded)).map(|(_, row)| row);
        rows.filter(|row| row.is_limited() && row.keys == 0)
    }

    /// The owners after this one that are suspended, in order.
    pub(super) fn suspended_owners(&self, after: Option<&Owner>) -> impl Iterator<Item = Owner> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.owners.range::<Owner, _>((from, Bound::Unbounded));
        rows.filter(|(_, row)| row.is_suspended()).map(|(owner, _)| owner.clone())
    }

    /// The prefixes of keys' secrets, in order.
    pub(super) fn prefixes(&self) -> Vec<String> {
        let secrets = self.keys.values().flat_map(|key| secrets(key));
        let prefixes = secrets.filter_map(|secret| Prefix::of_hint(&secret.hint));
        let mut prefixes: Vec<_> = prefixes.map(|prefix| prefix.as_str().to_owned()).collect();
        prefixes.sort();
        prefixes.dedup();
        prefixes.truncate(PREFIXES_MAX);
        prefixes
    }
}

/// The secrets that a key has or had.
fn secrets(key: &Key) -> impl Iterator<Item = &StoredSecret> {
    key.former.iter().map(|former| &former.secret).chain([&key.secret])
}
