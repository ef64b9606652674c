//! A store that knows nothing but rows: it looks up, asks, and writes.

use std::collections::{BTreeMap, HashMap};

use super::super::*;
use super::{audit, put_tier};
use crate::audit::{AuditEntry, Chain, ChainDigest, ChangeId};
use crate::digest::Digest;
use crate::once::OnceName;
use crate::record::{KeyId, Owner};
use crate::stored::{Key, OwnerRow, TierRow};
use crate::time::UnixMillis;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rows {
    pub(super) keys: BTreeMap<KeyId, Key>,
    pub(super) tiers: Vec<TierRow>,
    pub(super) owners: BTreeMap<Owner, OwnerRow>,
    pub(super) once: HashMap<(String, OnceName), OnceRow>,
    pub(super) reading: Option<UnixMillis>,
    pub(super) entries: Vec<AuditEntry>,
    pub(super) progress: Progress,
}

impl Default for Rows {
    fn default() -> Self {
        let digest = ChainDigest::START;
        Self {
            keys: BTreeMap::new(),
            tiers: Vec::new(),
            owners: BTreeMap::new(),
            once: HashMap::new(),
            reading: None,
            entries: Vec::new(),
            progress: Progress { change: ChangeId(0), digest, key: None, tier: None },
        }
    }
}

impl Rows {
    /// With these tiers, and nothing in the trail.
    pub(super) fn new_with(tiers: &[&str]) -> Self {
        let mut rows = Self::default();
        for name in tiers {
            rows.done(put_tier(name, 100), &audit(0));
        }
        rows.entries.clear();
        (rows.progress.change, rows.progress.digest) = (ChangeId(0), ChainDigest::START);
        rows
    }

    /// Decides with nothing known before.
    pub(super) fn decide(&self, change: Change, audit: &Audit) -> Result<Decision, DecideError> {
        self.decide_with(change, audit, &mut Facts::new(self.progress))
    }

    /// Looks up unknown facts, in two rounds at most, and decides.
    pub(super) fn decide_with(
        &self,
        change: Change,
        audit: &Audit,
        facts: &mut Facts,
    ) -> Result<Decision, DecideError> {
        for _round in 0..2 {
            for lookup in needs(&change, audit, facts) {
                self.look(lookup, facts);
            }
        }
        let left = needs(&change, audit, facts);
        assert!(left.is_empty(), "a third round for {left:?}");
        decide(change, audit, facts)
    }

    /// Makes a change that no rule rejects.
    pub(super) fn done(&mut self, change: Change, audit: &Audit) -> Decided {
        let Decision { writes, outcome } = self.decide(change, audit).unwrap();
        self.write(&writes);
        outcome.unwrap()
    }

    /// The rejection of a change, which writes nothing.
    pub(super) fn rejected(&self, change: Change, audit: &Audit) -> ChangeRejection {
        let Decision { writes, outcome } = self.decide(change, audit).unwrap();
        assert!(writes.is_empty());
        let mut after = self.clone();
        after.write(&writes);
        assert_eq!(after, *self);
        outcome.unwrap_err()
    }

    /// Makes a change that changes nothing.
    pub(super) fn unchanged(&mut self, change: Change, audit: &Audit) -> Decided {
        let before = self.clone();
        let decided = self.done(change, audit);
        assert_eq!(before, *self);
        decided
    }

    pub(super) fn fault(&self, change: Change, audit: &Audit) -> DecideError {
        self.decide(change, audit).unwrap_err()
    }

    /// The verb and the details of the newest entry.
    pub(super) fn told(&self) -> (&str, &str) {
        let entry = self.entries.last().unwrap();
        (&entry.verb, entry.details.as_deref().unwrap())
    }

    pub(super) fn tier(&self, name: &str) -> Option<&TierRow> {
        self.tiers.iter().find(|tier| tier.name.as_str() == name && !tier.is_gone)
    }

    pub(super) fn look(&self, lookup: Lookup, facts: &mut Facts) {
        match lookup {
            Lookup::Key(id) => facts.learn_key(id, self.keys.get(&id).cloned()),
            Lookup::Id(id) => facts.learn_id(id, self.keys.contains_key(&id)),
            Lookup::Digest(digest) => facts.learn_holder(&digest, self.holder(&digest)),
            Lookup::Tier(name) => {
                let tier = self.tier(name.as_str()).cloned();
                facts.learn_tier(name, tier);
            }
            Lookup::TierCount => {
                let there = self.tiers.iter().filter(|tier| !tier.is_gone);
                facts.learn_tier_count(there.count() as u64);
            }
            Lookup::Owner(owner) => {
                let row = self.owners.get(&owner).cloned();
                facts.learn_owner(owner, row);
            }
            Lookup::Once { actor, name } => {
                let row = self.once.get(&(actor.clone(), name.clone())).cloned();
                facts.learn_once(actor, name, row);
            }
            Lookup::Reading => facts.learn_reading(self.reading),
            Lookup::Entry(change) => {
                let entry = self.entries.iter().find(|entry| entry.id == change);
                facts.learn_entry(change, entry.map(|entry| entry.digest));
            }
        }
    }

    fn holder(&self, digest: &Digest) -> Option<KeyId> {
        let has = |key: &&Key| {
            let former = key.former.iter().map(|former| &former.secret);
            former.chain([&key.secret]).any(|secret| secret.digest == *digest)
        };
        self.keys.values().find(has).map(|key| key.id)
    }

    pub(super) fn write(&mut self, writes: &Writes) {
        for tier in &writes.tiers {
            match self.tiers.iter_mut().find(|there| there.id == tier.id) {
                Some(there) => *there = tier.clone(),
                None => self.tiers.push(tier.clone()),
            }
        }
        for owner in &writes.owners {
            self.owners.insert(owner.owner.clone(), owner.clone());
        }
        for write in &writes.keys {
            self.write_key(write);
        }
        if let Some(OnceWrite { actor, row, .. }) = &writes.once {
            self.once.insert((actor.clone(), row.once.name.clone()), row.clone());
        }
        self.reading = writes.reading.or(self.reading);
        self.entries.extend_from_slice(&writes.entries);
        self.progress = writes.progress;
        self.check();
    }

    /// Writes former secrets as a store does that has a table of them.
    fn write_key(&mut self, write: &KeyWrite) {
        let key = write.key();
        let before = self.keys.get(&key.id);
        let mut former = before.map_or(Vec::new(), |before| before.former.clone());
        match write {
            KeyWrite::Add(_) => assert!(before.is_none()),
            KeyWrite::Put { before: known, .. } => assert_eq!(before, Some(&**known)),
        }
        for ended in write.ended() {
            let digest = ended.secret.digest;
            let there = former.iter_mut().find(|former| former.secret.digest == digest);
            there.unwrap().ends_at = ended.ends_at;
        }
        for (number, replaced) in write.replaced() {
            former.push(replaced.clone());
            assert_eq!(former.len(), number);
        }
        assert_eq!(former, key.former);
        self.keys.insert(key.id, Key::clone(key));
    }

    /// The invariants of all rows at all times.
    fn check(&self) {
        let mut chain = Chain::default();
        self.entries.iter().for_each(|entry| chain.follow(entry).unwrap());
        for tier in &self.tiers {
            let has = |key: &&Key| key.tier_id == Some(tier.id) && !key.is_revoked();
            assert_eq!(tier.keys, self.keys.values().filter(has).count() as u64, "{tier:?}");
        }
        for row in self.owners.values() {
            let theirs = || self.keys.values().filter(|key| key.owner.as_ref() == Some(&row.owner));
            let revoked = theirs().filter(|key| key.is_revoked()).count() as u64;
            assert_eq!((row.keys, row.revoked_keys), (theirs().count() as u64, revoked), "{row:?}");
        }
        for key in self.keys.values() {
            assert!(key.owner.as_ref().is_none_or(|owner| self.owners.contains_key(owner)));
            let tier = self.tiers.iter().find(|tier| Some(tier.id) == key.tier_id);
            let is_there = tier.is_some_and(|tier| !tier.is_gone && tier.name == key.tier);
            assert!(is_there || key.is_revoked(), "{key:?}");
        }
    }
}
