//! What is kept, how it is shown, and how a change is written into the audit trail.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::ops::Bound;
use std::time::Duration;

use serde_json::Value;

use crate::audit::{Audit, AuditEntry, ChainDigest, ChangeId, Verb};
use crate::count::Counts;
use crate::details::{FormerSecret, KeyDetails, StoredKey, Version};
use crate::digest::Digest;
use crate::key::Prefix;
use crate::limit::Limit;
use crate::once::{Earlier, OnceName, forgotten_at};
use crate::query::OwnerDetails;
use crate::record::{KeyId, Owner, Record};
use crate::store::{LeakReport, TierRecord};
use crate::tier::TierName;
use crate::time::{UnixHour, UnixMillis};
use crate::transfer::{COPY_SECRETS_MAX, KeyCopy};

/// Most prefixes that are told.
const PREFIXES_MAX: usize = 1_000;

#[derive(Clone, Debug)]
pub(super) struct Tables {
    /// In the order in which they were made.
    pub(super) tiers: Vec<TierRecord>,
    pub(super) keys: BTreeMap<KeyId, Row>,
    /// Whose secrets these are, or were.
    pub(super) digests: HashMap<[u8; 32], KeyId>,
    /// Owners that were ever suspended.
    pub(super) owners: BTreeMap<Owner, OwnerRow>,
    pub(super) usage: BTreeMap<(KeyId, UnixHour), Counts>,
    /// The latest batch of each writer.
    pub(super) batches: HashMap<[u8; 16], u64>,
    /// Of the wall clock.
    pub(super) latest_reading: Option<UnixMillis>,
    /// Whether the latest start was told that the clock is right.
    pub(super) told_clock_is_right: bool,
    pub(super) audit: Vec<AuditEntry>,
    /// Secrets that were reported, by their digests.
    pub(super) leaks: BTreeMap<[u8; 32], LeakReport>,
    /// Requests that changed a key, by actor and name, with that key and when.
    pub(super) once: HashMap<(String, OnceName), ([u8; 32], KeyId, UnixMillis)>,
}

/// One owner, beside its keys.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OwnerRow {
    pub(super) version: u64,
    pub(super) suspended_at: Option<UnixMillis>,
}

/// One key.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) version: Version,
    pub(super) copy: KeyCopy,
}

impl Row {
    pub(super) fn is_revoked(&self) -> bool {
        self.copy.state.is_revoked()
    }

    /// The key as it is carried to another store.
    pub(super) fn carried(&self) -> KeyCopy {
        let mut copy = self.copy.clone();
        let oldest = copy.former.len().saturating_sub(COPY_SECRETS_MAX - 1);
        copy.former.drain(..oldest);
        copy
    }
}

impl Default for Tables {
    fn default() -> Self {
        let tier = |name: &str, amount| {
            let amount = NonZeroU32::new(amount).expect("the amounts below are not zero");
            let limit = Limit::new("requests", amount, Duration::from_secs(60), amount);
            let name = name.parse().expect("the names below are names");
            TierRecord { name, limits: vec![limit.expect("the limits below are in bounds")] }
        };
        Self {
            tiers: vec![tier("basic", 100), tier("pro", 1_000), tier("enterprise", 10_000)],
            keys: BTreeMap::new(),
            digests: HashMap::new(),
            owners: BTreeMap::new(),
            usage: BTreeMap::new(),
            batches: HashMap::new(),
            latest_reading: None,
            told_clock_is_right: false,
            audit: Vec::new(),
            leaks: BTreeMap::new(),
            once: HashMap::new(),
        }
    }
}

/// What was changed.
pub(super) enum Subject<'a> {
    Key(KeyId),
    Tier(&'a TierName),
    Owner(&'a Owner),
    Clock,
}

impl Tables {
    /// Writes an entry behind the newest one, and seals it.
    pub(super) fn record(
        &mut self,
        audit: &Audit,
        verb: Verb,
        subject: &Subject<'_>,
        details: &Value,
    ) {
        let last = self.audit.last();
        let mut entry = AuditEntry {
            id: ChangeId(last.map_or(0, |last| last.id.0) + 1),
            at: audit.at,
            actor: audit.actor.as_text().into_owned(),
            address: audit.address.map(|address| address.to_string()),
            verb: verb.as_str().to_owned(),
            key_id: None,
            tier: None,
            owner: None,
            request_id: audit.request_id.clone(),
            details: Some(details.to_string()),
            previous: last.map_or(ChainDigest::START, |last| last.digest),
            digest: ChainDigest::START,
        };
        match *subject {
            Subject::Key(id) => entry.key_id = Some(id.get()),
            Subject::Tier(name) => entry.tier = Some(name.as_str().to_owned()),
            Subject::Owner(owner) => entry.owner = Some(owner.as_str().to_owned()),
            Subject::Clock => {}
        }
        entry.digest = entry.seal();
        self.audit.push(entry);
    }

    /// The earlier request of this name, if there was one that changed something.
    pub(super) fn earlier(&self, audit: &Audit) -> Option<Earlier> {
        let once = audit.once.as_ref()?;
        let named = (audit.actor.as_text().into_owned(), once.name.clone());
        let (request, id, at) = self.once.get(&named)?;
        let is_kept = forgotten_at(audit.at).is_none_or(|forgotten| forgotten < *at);
        is_kept.then(|| Earlier::of(request, *id, once))
    }

    /// Keeps the name of a request that changed a key.
    pub(super) fn keep(&mut self, audit: &Audit, id: KeyId) {
        let Some(once) = &audit.once else { return };
        let named = (audit.actor.as_text().into_owned(), once.name.clone());
        let forgotten = forgotten_at(audit.at);
        self.once.retain(|_, (_, _, at)| forgotten.is_none_or(|forgotten| forgotten < *at));
        self.once.insert(named, (once.request, id, audit.at));
    }

    /// The keys with ids above `after`, lowest first.
    pub(super) fn behind(&self, after: Option<KeyId>) -> impl Iterator<Item = (&KeyId, &Row)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.keys.range((from, Bound::Unbounded))
    }

    /// An id that no key has or ever had: none is ever removed.
    pub(super) fn next_id(&self) -> KeyId {
        let last = self.keys.last_key_value().map_or(0, |(id, _)| id.get());
        KeyId::new(last + 1).expect("no test has 2^63 keys")
    }

    pub(super) fn has_tier(&self, name: &TierName) -> bool {
        self.tiers.iter().any(|tier| tier.name == *name)
    }

    /// How many keys that are not revoked have a tier.
    pub(super) fn uses_of(&self, name: &TierName) -> u64 {
        let uses = |row: &&Row| row.copy.tier == *name && !row.is_revoked();
        self.keys.values().filter(uses).count() as u64
    }

    pub(super) fn record_of(&self, id: KeyId, row: &Row) -> Record {
        let KeyCopy { name, owner, scopes, networks, limits, state, expires_at, .. } =
            row.copy.clone();
        let OwnerRow { version, suspended_at } =
            owner.as_ref().map(|owner| self.owner_row(owner)).unwrap_or_default();
        Record {
            id,
            name,
            owner,
            scopes,
            networks,
            limits,
            state,
            owner_suspended: suspended_at.is_some(),
            owner_version: version,
            expires_at,
        }
    }

    pub(super) fn owner_row(&self, owner: &Owner) -> OwnerRow {
        self.owners.get(owner).copied().unwrap_or_default()
    }

    /// An owner, whether there is anything to be told of it or not.
    pub(super) fn owner(&self, owner: &Owner) -> OwnerDetails {
        let OwnerRow { version, suspended_at } = self.owner_row(owner);
        let keys = || self.keys.values().filter(|row| row.copy.owner.as_ref() == Some(owner));
        let revoked_keys = keys().filter(|row| row.is_revoked()).count() as u64;
        OwnerDetails { suspended_at, keys: keys().count() as u64, revoked_keys, version }
    }

    pub(super) fn details(&self, id: KeyId, row: &Row) -> KeyDetails {
        let copy = &row.copy;
        let before = copy.former.last();
        KeyDetails {
            record: self.record_of(id, row),
            tier: copy.tier.clone(),
            tier_gone: copy.tier_gone,
            hint: copy.secret.hint.clone(),
            metadata: copy.metadata.clone(),
            version: row.version,
            created_at: copy.created_at,
            last_used_at: copy.last_used_at,
            rotated_at: before.map(|_| copy.secret.created_at),
            grace_until: before.map(|(_, ends_at)| *ends_at),
            revoked_reason: copy.revoked_reason.clone(),
        }
    }

    pub(super) fn stored(&self, id: KeyId, row: &Row) -> StoredKey {
        let former = row.copy.former.iter();
        StoredKey {
            record: self.record_of(id, row),
            tier: row.copy.tier.clone(),
            tier_gone: row.copy.tier_gone,
            version: row.version,
            digest: row.copy.secret.digest,
            secret_created_at: row.copy.secret.created_at,
            former: former
                .map(|(secret, ends_at)| FormerSecret { digest: secret.digest, ends_at: *ends_at })
                .collect(),
        }
    }

    pub(super) fn find_digest(
        &self,
        digest: Digest,
    ) -> Option<(Digest, Option<UnixMillis>, KeyDetails)> {
        let id = *self.digests.get(digest.as_bytes())?;
        let row = self.keys.get(&id)?;
        let former = row.copy.former.iter().find(|(secret, _)| secret.digest == digest);
        Some((digest, former.map(|(_, ends_at)| *ends_at), self.details(id, row)))
    }

    /// What the secrets of keys begin with, in order.
    pub(super) fn prefixes(&self) -> Vec<String> {
        let copies = self.keys.values().map(|row| &row.copy);
        let secrets = copies
            .flat_map(|copy| copy.former.iter().map(|(secret, _)| secret).chain([&copy.secret]));
        let prefixes = secrets.filter_map(|secret| Prefix::of_hint(&secret.hint));
        let mut prefixes: Vec<_> = prefixes.map(|prefix| prefix.as_str().to_owned()).collect();
        prefixes.sort();
        prefixes.dedup();
        prefixes.truncate(PREFIXES_MAX);
        prefixes
    }
}
