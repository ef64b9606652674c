//! Values for tests that do not care which.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use keyward::audit::{Actor, Audit, AuditEntry};
use keyward::change::{Changed, KeyChange, KeyEdit};
use keyward::count::{Counts, Outcome};
use keyward::details::{KeyDetails, Metadata, StoredKey};
use keyward::digest::Digest;
use keyward::issue::{NewKey, NewRecord};
use keyward::limit::Limit;
use keyward::network::Networks;
use keyward::query::{AuditFilter, AuditQuery, Bucket, Hours, KeyFilter, KeyOrder, KeyQuery};
use keyward::record::{KeyState, Owner, Scopes};
use keyward::store::{Inserted, KeyStore, Reports, TierRecord, UsageBatch};
use keyward::time::UnixHour;
use keyward::transfer::{KeyCopy, SecretCopy};
use keyward::usage::UsageRow;
use keyward::{KeyId, UnixMillis};
use keyward_store::{Loss, OpenError, OpenOptions, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

/// A store with everything that is promised of it.
pub(crate) trait Store: KeyStore + Reports {}

impl<S: KeyStore + Reports> Store for S {}

pub(crate) fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, "a test", UnixMillis(1)).unwrap()
}

/// Opens a copy that lies beside no ledger, as the operator who made it knows.
pub(crate) fn open_alone(path: &Path) -> SqliteStore {
    let error = SqliteStore::open(path, "a test", UnixMillis(1)).unwrap_err();
    let OpenError::Lost { loss: loss @ Loss::Ledger { .. }, .. } = error else {
        panic!("{error}");
    };
    let after_restore = Some(loss.change());
    let options = OpenOptions { holder: "a test", now: UnixMillis(1), after_restore, ledger: true };
    SqliteStore::open_with(path, &options).unwrap().0
}

/// A store, and a connection beside it that nobody expects.
pub(crate) fn opened() -> (TempDir, SqliteStore, Connection) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keyward.db");
    let store = open(&path);
    let raw = Connection::open(&path).unwrap();
    (directory, store, raw)
}

pub(crate) fn id(id: u64) -> KeyId {
    KeyId::new(id).unwrap()
}

pub(crate) fn audit(at: u64) -> Audit {
    let request_id = Some(format!("request-{at}"));
    Audit { actor: Actor::AdminKey, at: UnixMillis(at), address: None, request_id, once: None }
}

/// A digest that no other number has.
pub(crate) fn digest(number: u64) -> Digest {
    let mut bytes = [0x5a; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Digest::from_stored(bytes)
}

/// A key in `basic` with neither scopes nor expiry, and a secret that no other number has.
pub(crate) fn new_key(number: u64) -> NewRecord {
    let key = NewKey::plain("a".parse().unwrap(), "basic".parse().unwrap(), None);
    NewRecord { key, digest: digest(number), hint: format!("kw_{number}") }
}

/// Issues a key whose secret no other number has.
pub(crate) async fn issue(store: &dyn Store, number: u64) -> KeyId {
    insert(store, new_key(number), audit(number)).await
}

/// Issues a key that nothing speaks against.
pub(crate) async fn insert(store: &dyn Store, new: NewRecord, audit: Audit) -> KeyId {
    match store.insert_key(new, audit).await.unwrap() {
        Inserted::Done { id, .. } => id,
        refused => panic!("{refused:?}"),
    }
}

/// Changes a key in a way that nothing speaks against.
pub(crate) async fn change(
    store: &dyn Store,
    id: KeyId,
    change: KeyChange,
    audit: Audit,
) -> StoredKey {
    match store.change_key(id, change, None, audit).await.unwrap() {
        Changed::Done(key) => *key,
        Changed::Refused(refusal) => panic!("{refusal}"),
    }
}

pub(crate) async fn revoke(store: &dyn Store, id: KeyId, audit: Audit) -> StoredKey {
    change(store, id, KeyChange::Revoke { reason: None }, audit).await
}

/// All keys, the first first.
pub(crate) async fn keys(store: &dyn Store) -> Vec<StoredKey> {
    store.load_keys(None, 10_000).await.unwrap()
}

/// The first entries of the trail.
pub(crate) async fn trail(store: &dyn Store) -> Vec<AuditEntry> {
    let max = NonZeroU32::new(10_000).unwrap();
    let filter = AuditFilter::default();
    let query = AuditQuery { filter, after: None, descending: false, max };
    store.audit_entries(query).await.unwrap().entries
}

/// Usage of a key from an hour on.
pub(crate) async fn usage(store: &dyn Store, id: KeyId, from: u32) -> Vec<(UnixHour, Counts)> {
    let hours = Hours { from: UnixHour(from), to: UnixHour(u32::MAX) };
    store.usage(id, hours, Bucket::Hour, 10).await.unwrap()
}

/// A list of everything that fits, the first first.
pub(crate) fn query(filter: KeyFilter) -> KeyQuery {
    KeyQuery {
        filter,
        order: KeyOrder::Created,
        descending: false,
        after: None,
        max: 100,
        now: UnixMillis(1_000),
    }
}

pub(crate) fn limit(amount: u32) -> Limit {
    let amount = NonZeroU32::new(amount).unwrap();
    Limit::new("requests", amount, Duration::from_secs(60), amount).unwrap()
}

pub(crate) fn tier(name: &str, limits: Vec<Limit>) -> TierRecord {
    TierRecord { name: name.parse().unwrap(), limits }
}

/// One row in which a key was allowed in once, at the beginning of the hour.
pub(crate) fn used(id: KeyId, hour: u32) -> UsageRow {
    let hour = UnixHour(hour);
    let counts = Counts::from([(Outcome::Allowed, 1)]);
    UsageRow { key_id: id, hour, counts, last_used_at: Some(hour.start()) }
}

pub(crate) fn batch(writer: u8, number: u64, rows: Vec<UsageRow>) -> UsageBatch {
    UsageBatch { writer: [writer; 16], number, rows, reading: None }
}

/// A key as operators see it.
pub(crate) async fn details(store: &dyn Store, id: KeyId) -> KeyDetails {
    store.find_key(id).await.unwrap().unwrap()
}

/// Gives a key another secret, which no other number has.
pub(crate) async fn rotate(
    store: &dyn Store,
    id: KeyId,
    number: u64,
    grace: u64,
    at: u64,
) -> StoredKey {
    change(store, id, rotation(number, grace), audit(at)).await
}

pub(crate) fn rotation(number: u64, grace: u64) -> KeyChange {
    let (digest, hint) = (digest(number), format!("kw_{number:04}"));
    KeyChange::Rotate { digest, hint, grace: Duration::from_millis(grace) }
}

/// What is asked for when a key is to be edited.
pub(crate) fn edit(change: impl FnOnce(&mut KeyEdit)) -> KeyChange {
    let mut edit = KeyEdit::default();
    change(&mut edit);
    KeyChange::Edit(Box::new(edit))
}

/// The verbs of the trail, the first first.
pub(crate) async fn verbs(store: &dyn Store) -> Vec<String> {
    trail(store).await.into_iter().map(|entry| entry.verb).collect()
}

pub(crate) fn owner(name: &str) -> Owner {
    name.parse().unwrap()
}

/// A key on its way from elsewhere, whose secret no other number has.
pub(crate) fn copy(number: u64) -> KeyCopy {
    KeyCopy {
        id: None,
        name: "a".parse().unwrap(),
        tier: "basic".parse().unwrap(),
        tier_gone: false,
        owner: None,
        scopes: Scopes::default(),
        networks: Networks::default(),
        limits: None,
        metadata: Metadata::default(),
        state: KeyState::Active,
        revoked_reason: None,
        expires_at: None,
        created_at: UnixMillis(number),
        last_used_at: None,
        secret: secret(number),
        former: Vec::new(),
    }
}

pub(crate) fn secret(number: u64) -> SecretCopy {
    let hint = format!("kw_{number:04}");
    SecretCopy { digest: digest(number), hint, created_at: UnixMillis(number) }
}
