//! A store in memory, for tests and examples: it keeps the contract of [`Store`], except that
//! nothing survives.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::count::Counts;
use crate::issue::NewRecord;
use crate::limit::Limit;
use crate::record::{KeyId, KeyState};
use crate::store::{
    Audit, AuditEntry, ChangeId, KeyDetails, Store, StoreError, StoredSecret, TierRecord,
    TierWritten, UsageBatch,
};
use crate::tier::TierName;
use crate::time::UnixHour;

/// Keys that are forgotten when the store is dropped.
#[derive(Debug)]
pub struct MemoryStore {
    /// Guards everything together, so that a change and its audit entry are one. Held for one
    /// operation, never while waiting; a panic inside is a bug of a test.
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    tiers: Vec<TierRecord>,
    /// The key with id `n` is at `n - 1`, with its digest.
    keys: Vec<(StoredSecret, KeyDetails)>,
    usage: BTreeMap<(KeyId, UnixHour), Counts>,
    batches: HashMap<[u8; 16], u64>,
    audit: Vec<AuditEntry>,
    broken: bool,
}

impl Default for MemoryStore {
    fn default() -> Self {
        let tier = |name: &str, amount| {
            let amount = NonZeroU32::new(amount).expect("the amounts below are not zero");
            let limit = Limit::new("requests", amount, Duration::from_secs(60), amount);
            let name = name.parse().expect("the names below are names");
            TierRecord { name, limits: vec![limit.expect("the limits below are in bounds")] }
        };
        let tiers = [tier("basic", 100), tier("pro", 1_000), tier("enterprise", 10_000)];
        let tables = Tables { tiers: tiers.into(), ..Tables::default() };
        Self { tables: Mutex::new(tables) }
    }
}

impl MemoryStore {
    /// Makes every call fail from now on, or work again: for testing what happens then.
    pub fn set_broken(&self, broken: bool) {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).broken = broken;
    }

    fn tables(&self) -> Result<MutexGuard<'_, Tables>, StoreError> {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if tables.broken {
            return Err(StoreError::Unavailable("the store was told to be broken".into()));
        }
        Ok(tables)
    }
}

/// What an audit entry says about a change.
struct Change {
    verb: &'static str,
    key_id: Option<KeyId>,
    tier: Option<TierName>,
}

impl Tables {
    fn record(&mut self, audit: Audit, change: Change) -> ChangeId {
        let id = ChangeId(self.audit.len() as u64 + 1);
        self.audit.push(AuditEntry {
            id,
            at: audit.at,
            actor: audit.actor.as_str().to_owned(),
            verb: change.verb.to_owned(),
            key_id: change.key_id,
            tier: change.tier,
            request_id: audit.request_id,
        });
        id
    }

    fn key(&mut self, id: KeyId) -> Option<&mut (StoredSecret, KeyDetails)> {
        self.keys.iter_mut().find(|(_, details)| details.record.id == id)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn tiers(&self) -> Result<Vec<TierRecord>, StoreError> {
        Ok(self.tables()?.tiers.clone())
    }

    async fn put_tier(&self, tier: TierRecord, audit: Audit) -> Result<TierWritten, StoreError> {
        let mut tables = self.tables()?;
        let change = Change { verb: "put-tier", key_id: None, tier: Some(tier.name.clone()) };
        let there = tables.tiers.iter_mut().find(|there| there.name == tier.name);
        let created = there.is_none();
        match there {
            Some(there) => there.limits = tier.limits,
            None => tables.tiers.push(tier),
        }
        Ok(TierWritten { change: tables.record(audit, change), created })
    }

    async fn secrets(&self, after: u64, max: u32) -> Result<Vec<StoredSecret>, StoreError> {
        let tables = self.tables()?;
        let behind = tables.keys.iter().filter(|(secret, _)| after < secret.position);
        Ok(behind.take(max as usize).map(|(secret, _)| secret.clone()).collect())
    }

    async fn insert_key(&self, new: NewRecord, audit: Audit) -> Result<KeyId, StoreError> {
        let mut tables = self.tables()?;
        let position = tables.keys.len() as u64 + 1;
        let id = KeyId::new(position).expect("a length that fits memory fits an id");
        let record = new.key.record(id);
        let tier = new.key.tier;
        let secret = StoredSecret {
            position,
            digest: new.digest,
            record: record.clone(),
            tier: tier.clone(),
        };
        let details =
            KeyDetails { record, tier, hint: new.hint, created_at: audit.at, last_used_at: None };
        tables.keys.push((secret, details));
        tables.record(audit, Change { verb: "issue", key_id: Some(id), tier: None });
        Ok(id)
    }

    async fn revoke(
        &self,
        id: KeyId,
        audit: Audit,
    ) -> Result<Option<Vec<StoredSecret>>, StoreError> {
        let mut tables = self.tables()?;
        let Some((secret, details)) = tables.key(id) else { return Ok(None) };
        let revoked_before = matches!(details.record.state, KeyState::Revoked { .. });
        if !revoked_before {
            details.record.state = KeyState::Revoked { at: audit.at };
            secret.record.state = details.record.state;
        }
        let secrets = vec![secret.clone()];
        if !revoked_before {
            tables.record(audit, Change { verb: "revoke", key_id: Some(id), tier: None });
        }
        Ok(Some(secrets))
    }

    async fn find_key(&self, id: KeyId) -> Result<Option<KeyDetails>, StoreError> {
        Ok(self.tables()?.key(id).map(|(_, details)| details.clone()))
    }

    async fn list_keys(
        &self,
        before: Option<KeyId>,
        max: u32,
    ) -> Result<Vec<KeyDetails>, StoreError> {
        let tables = self.tables()?;
        let details = tables.keys.iter().rev().map(|(_, details)| details);
        let below = details.filter(|details| before.is_none_or(|id| details.record.id < id));
        Ok(below.take(max as usize).cloned().collect())
    }

    async fn add_usage(&self, batch: UsageBatch) -> Result<(), StoreError> {
        let mut tables = self.tables()?;
        let latest = tables.batches.entry(batch.writer).or_default();
        if batch.number <= *latest {
            return Ok(());
        }
        *latest = batch.number;
        for row in batch.rows {
            let sum = tables.usage.entry((row.key_id, row.hour)).or_default();
            sum.add(&row.counts);
            if let Some((_, details)) = tables.key(row.key_id) {
                details.last_used_at = details.last_used_at.max(row.last_used_at);
            }
        }
        Ok(())
    }

    async fn usage(
        &self,
        id: KeyId,
        from: UnixHour,
        max: u32,
    ) -> Result<Vec<(UnixHour, Counts)>, StoreError> {
        let tables = self.tables()?;
        let hours = tables.usage.range((id, from)..=(id, UnixHour(u32::MAX)));
        Ok(hours.take(max as usize).map(|((_, hour), counts)| (*hour, *counts)).collect())
    }

    async fn audit_entries(
        &self,
        after: ChangeId,
        max: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let tables = self.tables()?;
        let behind = tables.audit.iter().filter(|entry| after < entry.id);
        Ok(behind.take(max as usize).cloned().collect())
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.set_broken(true);
        Ok(())
    }
}
