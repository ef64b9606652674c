//! A change while it is decided: the known facts, and its writes so far.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::audit::{Audit, AuditEntry, Mark, Verb};
use crate::digest::Digest;
use crate::once::{Earlier, forgotten_at};
use crate::record::{KeyId, Owner};
use crate::stored::{Key, OwnerRow, TierId, TierRow};
use crate::tier::TierName;
use crate::time::UnixMillis;

use super::decision::{ChangeRejection, DecideError, Decided, Decision};
use super::entry::{self, Subject};
use super::facts::Facts;
use super::lookup::{Lookup, OnceRow, Progress};
use super::writes::{KeyWrite, OnceWrite, Writes};

/// A draft sees its own writes so far as if they were stored.
pub(super) struct Draft<'a> {
    pub(super) audit: &'a Audit,
    facts: &'a Facts,
    tiers: HashMap<TierName, TierRow>,
    owners: HashMap<Owner, OwnerRow>,
    holders: HashMap<[u8; 32], KeyId>,
    ids: HashSet<KeyId>,
    keys: Vec<KeyWrite>,
    once: Option<OnceWrite>,
    reading: Option<UnixMillis>,
    entries: Vec<AuditEntry>,
    progress: Progress,
}

impl<'a> Draft<'a> {
    pub(super) fn new(audit: &'a Audit, facts: &'a Facts) -> Self {
        Self {
            audit,
            facts,
            tiers: HashMap::new(),
            owners: HashMap::new(),
            holders: HashMap::new(),
            ids: HashSet::new(),
            keys: Vec::new(),
            once: None,
            reading: None,
            entries: Vec::new(),
            progress: facts.progress(),
        }
    }

    /// Makes room for so many keys.
    pub(super) fn reserve(&mut self, keys: usize) {
        self.ids.reserve(keys);
        self.holders.reserve(keys);
        self.keys.reserve(keys);
        self.entries.reserve(keys);
    }

    /// A key as it was before the change.
    pub(super) fn key(&self, id: KeyId) -> Result<Option<Arc<Key>>, DecideError> {
        let known = self.facts.key(id).ok_or(DecideError::Unknown(Lookup::Key(id)))?;
        Ok(known.map(Arc::clone))
    }

    pub(super) fn is_there(&self, id: KeyId) -> Result<bool, DecideError> {
        if self.ids.contains(&id) {
            return Ok(true);
        }
        self.facts.is_there(id).ok_or(DecideError::Unknown(Lookup::Id(id)))
    }

    /// The key that has, or had, a secret.
    pub(super) fn holder(&self, digest: &Digest) -> Result<Option<KeyId>, DecideError> {
        if let Some(holder) = self.holders.get(digest.as_bytes()) {
            return Ok(Some(*holder));
        }
        self.facts.holder(digest).ok_or(DecideError::Unknown(Lookup::Digest(*digest)))
    }

    pub(super) fn tier(&self, name: &TierName) -> Result<Option<&TierRow>, DecideError> {
        if let Some(tier) = self.tiers.get(name) {
            return Ok(Some(tier));
        }
        self.facts.tier(name).ok_or_else(|| DecideError::Unknown(Lookup::Tier(name.clone())))
    }

    pub(super) fn tier_count(&self) -> Result<u64, DecideError> {
        self.facts.tier_count().ok_or(DecideError::Unknown(Lookup::TierCount))
    }

    /// The row of an owner; a new one if none is stored.
    pub(super) fn owner(&self, owner: &Owner) -> Result<OwnerRow, DecideError> {
        if let Some(row) = self.owners.get(owner) {
            return Ok(row.clone());
        }
        let known = self.facts.owner(owner);
        let known = known.ok_or_else(|| DecideError::Unknown(Lookup::Owner(owner.clone())))?;
        Ok(known.cloned().unwrap_or_else(|| OwnerRow::new(owner.clone())))
    }

    /// The row of the owner of a key, if it has one.
    pub(super) fn owner_of<I>(&self, key: &Key<I>) -> Result<Option<OwnerRow>, DecideError> {
        key.owner.as_ref().map(|owner| self.owner(owner)).transpose()
    }

    pub(super) fn reading(&self) -> Result<Option<UnixMillis>, DecideError> {
        self.facts.reading().ok_or(DecideError::Unknown(Lookup::Reading))
    }

    /// The earlier request of the same name and actor, if it is kept still.
    pub(super) fn earlier(&self) -> Result<Option<Earlier>, DecideError> {
        let Some(once) = &self.audit.once else { return Ok(None) };
        let actor = self.audit.actor.as_text();
        let known = self.facts.once(&actor, &once.name).ok_or_else(|| {
            DecideError::Unknown(Lookup::Once {
                actor: actor.into_owned(),
                name: once.name.clone(),
            })
        })?;
        Ok(known.and_then(|row| row.earlier(self.audit)))
    }

    /// The id that the next new key gets.
    pub(super) fn next_key(&self) -> Result<KeyId, DecideError> {
        let last = self.progress.key.map_or(0, KeyId::get);
        last.checked_add(1).and_then(KeyId::new).ok_or(DecideError::NoNumberLeft("key"))
    }

    /// The id that the next new tier gets.
    pub(super) fn next_tier(&self) -> Result<TierId, DecideError> {
        let last = self.progress.tier.map_or(0, TierId::get);
        last.checked_add(1).and_then(TierId::new).ok_or(DecideError::NoNumberLeft("tier"))
    }

    /// The newest entry so far.
    pub(super) fn newest(&self) -> Mark {
        self.progress.mark()
    }

    /// Gives no number again up to these.
    pub(super) fn skip_to(&mut self, Progress { change, digest: _, key, tier }: Progress) {
        self.progress.change = self.progress.change.max(change);
        self.progress.key = self.progress.key.max(key);
        self.progress.tier = self.progress.tier.max(tier);
    }

    /// Writes a tier.
    pub(super) fn put_tier(&mut self, tier: TierRow) {
        self.progress.tier = self.progress.tier.max(Some(tier.id));
        self.tiers.insert(tier.name.clone(), tier);
    }

    /// Writes an owner.
    pub(super) fn put_owner(&mut self, row: OwnerRow) {
        self.owners.insert(row.owner.clone(), row);
    }

    /// Writes a key, and counts it where it belongs.
    pub(super) fn put_key(&mut self, write: KeyWrite) -> Result<(), DecideError> {
        let (before, after) = match &write {
            KeyWrite::Add(key) => (None, key),
            KeyWrite::Put { before, after } => (Some(&**before), after),
        };
        self.count_in_tiers(before, after)?;
        self.count_in_owners(before, after)?;
        let former = write.replaced().map(|(_, former)| &former.secret);
        let digests = former.chain([&after.secret]).map(|secret| *secret.digest.as_bytes());
        self.holders.extend(digests.map(|digest| (digest, after.id)));
        self.ids.insert(after.id);
        self.progress.key = self.progress.key.max(Some(after.id));
        self.keys.push(write);
        Ok(())
    }

    /// Keeps the name of the request, if it has one, as that of a change of this key.
    pub(super) fn keep_once(&mut self, key: KeyId) {
        let Audit { actor, at, once, .. } = self.audit;
        let Some(once) = once else { return };
        self.once = Some(OnceWrite {
            actor: actor.as_text().into_owned(),
            row: OnceRow { once: once.clone(), key, at: *at },
            forgotten_at: forgotten_at(*at),
        });
    }

    /// Writes the latest reading of the wall clock.
    pub(super) fn put_reading(&mut self, reading: UnixMillis) {
        self.reading = Some(reading);
    }

    /// Writes an entry.
    pub(super) fn record(
        &mut self,
        verb: Verb,
        subject: Subject<'_>,
        details: String,
    ) -> Result<(), DecideError> {
        let entry = entry::seal(&self.progress, self.audit, verb, subject, details)?;
        (self.progress.change, self.progress.digest) = (entry.id, entry.digest);
        self.entries.push(entry);
        Ok(())
    }

    /// Decides that all of it is written.
    pub(super) fn done(self, decided: Decided) -> Decision {
        let mut tiers: Vec<_> = self.tiers.into_values().collect();
        tiers.sort_unstable_by_key(|tier| tier.id);
        let mut owners: Vec<_> = self.owners.into_values().collect();
        owners.sort_unstable_by(|a, b| a.owner.cmp(&b.owner));
        let Self { keys, once, reading, entries, progress, .. } = self;
        let writes = Writes { tiers, owners, keys, once, reading, entries, progress };
        Decision { writes, outcome: Ok(decided) }
    }

    /// Decides that nothing is written: all is as was asked.
    pub(super) fn unchanged(self, decided: Decided) -> Decision {
        Decision { writes: Writes::none(self.facts.progress()), outcome: Ok(decided) }
    }

    /// Decides against the change.
    pub(super) fn rejected(self, rejection: ChangeRejection) -> Decision {
        Decision { writes: Writes::none(self.facts.progress()), outcome: Err(rejection) }
    }

    /// Counts a key in its tier, unless it is revoked.
    fn count_in_tiers(&mut self, before: Option<&Key>, after: &Key) -> Result<(), DecideError> {
        let (left, joined) = (before.and_then(tier_that_counts), tier_that_counts(after));
        if left == joined {
            return Ok(());
        }
        if let Some(name) = left
            && let Some(mut tier) = self.tier(name)?.cloned()
        {
            tier.keys = tier.keys.saturating_sub(1);
            self.put_tier(tier);
        }
        if let Some(name) = joined
            && let Some(mut tier) = self.tier(name)?.cloned()
        {
            tier.keys = tier.keys.saturating_add(1);
            self.put_tier(tier);
        }
        Ok(())
    }

    /// Counts a key of an owner.
    fn count_in_owners(&mut self, before: Option<&Key>, after: &Key) -> Result<(), DecideError> {
        let belongs = |key: &Key| Some((key.owner.clone()?, key.is_revoked()));
        let (left, joined) = (before.and_then(belongs), belongs(after));
        if left == joined {
            return Ok(());
        }
        if let Some((owner, is_revoked)) = left {
            let mut row = self.owner(&owner)?;
            row.keys = row.keys.saturating_sub(1);
            row.revoked_keys = row.revoked_keys.saturating_sub(u64::from(is_revoked));
            self.put_owner(row);
        }
        if let Some((owner, is_revoked)) = joined {
            let mut row = self.owner(&owner)?;
            row.keys = row.keys.saturating_add(1);
            row.revoked_keys = row.revoked_keys.saturating_add(u64::from(is_revoked));
            self.put_owner(row);
        }
        Ok(())
    }
}

/// The tier in which a key counts: a tier that only revoked keys have is not used.
fn tier_that_counts(key: &Key) -> Option<&TierName> {
    (!key.is_revoked()).then_some(&key.tier)
}
