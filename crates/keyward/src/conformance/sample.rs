//! Values for promises that do not care which.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::audit::{Actor, Audit, AuditEntry};
use crate::change::{KeyChange, KeyEdit};
use crate::count::{Counts, Outcome};
use crate::details::{Notes, Version};
use crate::digest::Digest;
use crate::issue::NewKey;
use crate::limit::{Limit, Limits};
use crate::network::Networks;
use crate::query::{AuditFilter, AuditQuery, Bucket, Hours, KeyFilter, KeyOrder, KeyQuery};
use crate::record::{KeyId, KeyState, Owner, Scopes};
use crate::store::UsageBatch;
use crate::stored::{FormerSecret, OwnedKey, StoredSecret, TierId, TierRow, Unkept};
use crate::tier::TierName;
use crate::time::{UnixHour, UnixMillis};
use crate::usage::UsageRow;

use super::Store;

pub fn id(id: u64) -> KeyId {
    KeyId::new(id).unwrap()
}

pub fn audit(at: u64) -> Audit {
    let request_id = Some(format!("request-{at}"));
    Audit { actor: Actor::AdminKey, request_id, ..Audit::program(UnixMillis(at)) }
}

/// A digest that no other number has.
pub fn digest(number: u64) -> Digest {
    let mut bytes = [0x5a; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Digest::from_stored(bytes)
}

/// A key in `basic` with neither scopes nor expiry, and a secret that no other number has.
pub fn new_key(number: u64) -> Unkept {
    let secret = StoredSecret { hint: format!("kw_{number}"), ..secret(number) };
    NewKey::plain("a".parse().unwrap(), "basic".parse().unwrap(), None).with_secret(secret)
}

/// Issues a key whose secret no other number has.
pub async fn issue(store: &dyn Store, number: u64) -> KeyId {
    insert(store, new_key(number), audit(number)).await
}

/// Issues a key, which no rule rejects.
pub async fn insert(store: &dyn Store, new: Unkept, audit: Audit) -> KeyId {
    store.insert_key(new, audit).await.unwrap().key.id
}

/// Changes a key in a way that no rule rejects.
pub async fn change(store: &dyn Store, id: KeyId, change: KeyChange, audit: Audit) -> OwnedKey {
    store.change_key(id, change, None, audit).await.unwrap()
}

pub async fn revoke(store: &dyn Store, id: KeyId, audit: Audit) -> OwnedKey {
    change(store, id, KeyChange::Revoke { reason: None }, audit).await
}

/// All keys, the first first.
pub async fn keys(store: &dyn Store) -> Vec<OwnedKey> {
    store.load_keys().await.unwrap()
}

/// The first entries of the trail.
pub async fn trail(store: &dyn Store) -> Vec<AuditEntry> {
    let max = NonZeroU32::new(10_000).unwrap();
    let filter = AuditFilter::default();
    let query = AuditQuery { filter, after: None, descending: false, max };
    store.audit_entries(query).await.unwrap().entries
}

/// Usage of a key from an hour on.
pub async fn usage(store: &dyn Store, id: KeyId, from: u32) -> Vec<(UnixHour, Counts)> {
    let hours = Hours { from: UnixHour(from), to: UnixHour(u32::MAX) };
    store.usage(id, hours, Bucket::Hour, 10).await.unwrap()
}

/// All tiers, as [`tier`] would say.
pub async fn tiers(store: &dyn Store) -> Vec<TierRow> {
    let rows = store.tiers().await.unwrap();
    rows.into_iter().map(|row| tier(row.name.as_str(), row.limits.list().to_vec())).collect()
}

/// How many keys that are not revoked each tier has.
pub async fn uses(store: &dyn Store) -> Vec<(TierName, u64)> {
    store.tiers().await.unwrap().into_iter().map(|row| (row.name, row.keys)).collect()
}

/// A list of everything that fits, the first first.
pub fn query(filter: KeyFilter) -> KeyQuery {
    KeyQuery {
        filter,
        order: KeyOrder::Created,
        descending: false,
        after: None,
        max: 100,
        now: UnixMillis(1_000),
    }
}

pub fn limit(amount: u32) -> Limit {
    let amount = NonZeroU32::new(amount).unwrap();
    Limit::new("requests", amount, Duration::from_secs(60), amount).unwrap()
}

/// A tier to write, or one without keys that was written as the `id`th.
pub fn tier(name: &str, limits: Vec<Limit>) -> TierRow {
    let (id, limits) = (TierId::new(1).unwrap(), Limits::new(limits).unwrap());
    TierRow { id, name: name.parse().unwrap(), limits, keys: 0, is_gone: false }
}

/// One row in which a key was allowed in once, at the beginning of the hour.
pub fn used(id: KeyId, hour: u32) -> UsageRow {
    let hour = UnixHour(hour);
    let counts = Counts::from([(Outcome::Allowed, 1)]);
    UsageRow { key_id: id, hour, counts, last_used_at: Some(hour.start()) }
}

pub fn batch(writer: u8, number: u64, rows: Vec<UsageRow>) -> UsageBatch {
    UsageBatch { writer: [writer; 16], number, rows, reading: None }
}

/// A key as operators see it.
pub async fn details(store: &dyn Store, id: KeyId) -> OwnedKey {
    store.find_key(id).await.unwrap().unwrap()
}

/// Gives a key another secret, which no other number has.
pub async fn rotate(store: &dyn Store, id: KeyId, number: u64, grace: u64, at: u64) -> OwnedKey {
    change(store, id, rotation(number, grace), audit(at)).await
}

pub fn rotation(number: u64, grace: u64) -> KeyChange {
    let (digest, hint) = (digest(number), format!("kw_{number:04}"));
    KeyChange::Rotate { digest, hint, grace: Duration::from_millis(grace) }
}

/// A request to edit a key.
pub fn edit(change: impl FnOnce(&mut KeyEdit)) -> KeyChange {
    let mut edit = KeyEdit::default();
    change(&mut edit);
    KeyChange::Edit(Box::new(edit))
}

/// The verbs of the trail, the first first.
pub async fn verbs(store: &dyn Store) -> Vec<String> {
    trail(store).await.into_iter().map(|entry| entry.verb).collect()
}

pub fn owner(name: &str) -> Owner {
    name.parse().unwrap()
}

/// A key on its way from elsewhere, whose secret no other number has.
pub fn copy(number: u64) -> Unkept {
    Unkept {
        id: None,
        version: Version::FIRST,
        name: "a".parse().unwrap(),
        tier: "basic".parse().unwrap(),
        tier_id: None,
        tier_gone: false,
        owner: None,
        scopes: Scopes::default(),
        networks: Networks::default(),
        limits: None,
        notes: Notes::default(),
        state: KeyState::Active,
        revoked_reason: None,
        expires_at: None,
        created_at: UnixMillis(number),
        last_used_at: None,
        secret: secret(number),
        former: Vec::new(),
    }
}

/// A secret that was replaced.
pub fn former(secret: StoredSecret, ends_at: UnixMillis) -> FormerSecret {
    FormerSecret { secret, ends_at }
}

pub fn secret(number: u64) -> StoredSecret {
    let hint = format!("kw_{number:04}");
    StoredSecret { digest: digest(number), hint, created_at: UnixMillis(number) }
}
