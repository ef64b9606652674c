//! Values for tests that do not care which.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use keyward::audit::{Actor, Audit, AuditEntry};
use keyward::change::{KeyChange, KeyEdit};
use keyward::count::{Counts, Outcome};
use keyward::details::{KeyDetails, Metadata, Versions};
use keyward::digest::Digest;
use keyward::issue::NewKey;
use keyward::limit::{Limit, Limits};
use keyward::network::Networks;
use keyward::query::{AuditFilter, AuditQuery, Bucket, Hours, KeyFilter, KeyOrder, KeyQuery};
use keyward::record::{KeyState, Owner, Scopes};
use keyward::rules::{Change, Decided, Imported, OwnerChange, Rejection, TierBefore};
use keyward::store::{KeyStore, Page, Reports, StoreError, UsageBatch};
use keyward::stored::{OwnedKey, OwnerRow, StoredSecret, TierId, TierRow, Unkept};
use keyward::tier::TierName;
use keyward::time::UnixHour;
use keyward::transfer::{KeyCopy, SecretCopy};
use keyward::usage::UsageRow;
use keyward::{KeyId, UnixMillis};
use keyward_store::{Loss, OpenError, OpenOptions, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

/// A store with everything that is promised of it, and its changes in the words of these tests.
#[async_trait]
pub(crate) trait Store: KeyStore + Reports {
    /// Makes a change that nothing is the matter with, whatever comes of it.
    async fn make(&self, change: Change, audit: Audit) -> Result<Decided, Error> {
        Ok(self.commit(change, audit).await?.outcome?)
    }

    async fn put_tier(&self, tier: TierRow, audit: Audit) -> Result<bool, Error> {
        let TierRow { name, limits, .. } = tier;
        let put = Change::PutTier { name, limits, before: TierBefore::Any };
        match self.make(put, audit).await? {
            Decided::PutTier { is_new, .. } => Ok(is_new),
            other => panic!("{other:?}"),
        }
    }

    async fn delete_tier(&self, name: TierName, audit: Audit) -> Result<(), Error> {
        let delete = Change::DeleteTier { name, before: TierBefore::Any };
        self.make(delete, audit).await.map(drop)
    }

    async fn insert_key(&self, new: Unkept, audit: Audit) -> Result<OwnedKey, Error> {
        match self.make(Change::Issue(Box::new(new)), audit).await? {
            Decided::Issued { key, owner } => Ok(OwnedKey { key, owner }),
            other => panic!("{other:?}"),
        }
    }

    async fn change_key(
        &self,
        id: KeyId,
        change: KeyChange,
        expected: Option<Versions>,
        audit: Audit,
    ) -> Result<OwnedKey, Error> {
        let change = Change::Key { id, change, expected: expected.map(Into::into) };
        match self.make(change, audit).await? {
            Decided::Changed { key, owner } => Ok(OwnedKey { key, owner }),
            other => panic!("{other:?}"),
        }
    }

    async fn set_owner_suspended(
        &self,
        owner: Owner,
        suspended: bool,
        audit: Audit,
    ) -> Result<OwnerRow, Error> {
        let change = if suspended { OwnerChange::Suspend } else { OwnerChange::Resume };
        match self.make(Change::Owner { owner, change, expected: None }, audit).await? {
            Decided::Owner(row) => Ok(row),
            other => panic!("{other:?}"),
        }
    }

    async fn import_keys(
        &self,
        keys: Vec<KeyCopy>,
        dry_run: bool,
        audit: Audit,
    ) -> Result<Vec<Imported>, Error> {
        let keys = keys.into_iter().map(Unkept::from).collect();
        match self.make(Change::Import { keys, dry_run }, audit).await? {
            Decided::Imported { keys, .. } => Ok(keys),
            other => panic!("{other:?}"),
        }
    }

    async fn accept_clock(&self, audit: Audit) -> Result<(), Error> {
        self.make(Change::AcceptClock, audit).await.map(drop)
    }

    /// All keys, the first first.
    async fn load_keys(&self) -> Result<Vec<OwnedKey>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let (mut owners, mut all) = (HashMap::new(), Vec::new());
        while let Some(page) = snapshot.next(3).await? {
            match page {
                Page::Tiers(_) => {}
                Page::Owners(rows) => {
                    owners.extend(rows.into_iter().map(|row| (row.owner.clone(), row)));
                }
                Page::Keys(keys) => all.extend(keys.into_iter().map(|key| {
                    let owner = key.owner.as_ref().and_then(|name| owners.get(name)).cloned();
                    OwnedKey { key: key.into(), owner }
                })),
            }
        }
        Ok(all)
    }
}

impl<S: KeyStore + Reports> Store for S {}

/// Why a change was not made.
#[derive(Debug)]
pub(crate) enum Error {
    Rejected(Rejection),
    Store(StoreError),
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Error {
    /// What speaks against the change.
    #[track_caller]
    pub(crate) fn rejection(self) -> Rejection {
        match self {
            Self::Rejected(rejection) => rejection,
            Self::Store(error) => panic!("{error:?}"),
        }
    }

    /// What is wrong with the store.
    #[track_caller]
    pub(crate) fn of_store(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Rejected(rejection) => panic!("{rejection:?}"),
        }
    }
}

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
pub(crate) fn new_key(number: u64) -> Unkept {
    let secret = StoredSecret { hint: format!("kw_{number}"), ..stored_secret(number) };
    NewKey::plain("a".parse().unwrap(), "basic".parse().unwrap(), None).with_secret(secret)
}

pub(crate) fn stored_secret(number: u64) -> StoredSecret {
    let SecretCopy { digest, hint, created_at } = secret(number);
    StoredSecret { digest, hint, created_at }
}

/// Issues a key whose secret no other number has.
pub(crate) async fn issue(store: &dyn Store, number: u64) -> KeyId {
    insert(store, new_key(number), audit(number)).await
}

/// Issues a key that nothing speaks against.
pub(crate) async fn insert(store: &dyn Store, new: Unkept, audit: Audit) -> KeyId {
    store.insert_key(new, audit).await.unwrap().key.id
}

/// Changes a key in a way that nothing speaks against.
pub(crate) async fn change(
    store: &dyn Store,
    id: KeyId,
    change: KeyChange,
    audit: Audit,
) -> OwnedKey {
    store.change_key(id, change, None, audit).await.unwrap()
}

pub(crate) async fn revoke(store: &dyn Store, id: KeyId, audit: Audit) -> OwnedKey {
    change(store, id, KeyChange::Revoke { reason: None }, audit).await
}

/// All keys, the first first.
pub(crate) async fn keys(store: &dyn Store) -> Vec<OwnedKey> {
    store.load_keys().await.unwrap()
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

/// All tiers, as [`tier`] would say.
pub(crate) async fn tiers(store: &dyn Store) -> Vec<TierRow> {
    let rows = store.tiers().await.unwrap();
    rows.into_iter().map(|row| tier(row.name.as_str(), row.limits.list().to_vec())).collect()
}

/// How many keys that are not revoked each tier has.
pub(crate) async fn uses(store: &dyn Store) -> Vec<(TierName, u64)> {
    store.tiers().await.unwrap().into_iter().map(|row| (row.name, row.keys)).collect()
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

/// A tier to write, or one without keys that was written as the `id`th.
pub(crate) fn tier(name: &str, limits: Vec<Limit>) -> TierRow {
    let (id, limits) = (TierId::new(1).unwrap(), Limits::new(limits).unwrap());
    TierRow { id, name: name.parse().unwrap(), limits, keys: 0, is_gone: false }
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
    store.find_key(id).await.unwrap().unwrap().details()
}

/// Gives a key another secret, which no other number has.
pub(crate) async fn rotate(
    store: &dyn Store,
    id: KeyId,
    number: u64,
    grace: u64,
    at: u64,
) -> OwnedKey {
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
