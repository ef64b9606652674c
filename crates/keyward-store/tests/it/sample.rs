//! Values for tests that do not care which.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use keyward::count::Counts;
use keyward::digest::Digest;
use keyward::issue::{NewKey, NewRecord};
use keyward::limit::Limit;
use keyward::record::Scopes;
use keyward::store::{Actor, Audit, Store, TierRecord, UsageBatch};
use keyward::time::UnixHour;
use keyward::usage::UsageRow;
use keyward::{KeyId, UnixMillis};
use keyward_store::SqliteStore;

pub(crate) fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, "a test", UnixMillis(1)).unwrap()
}

pub(crate) fn id(id: u64) -> KeyId {
    KeyId::new(id).unwrap()
}

pub(crate) fn audit(at: u64) -> Audit {
    Audit { actor: Actor::AdminKey, at: UnixMillis(at), request_id: Some(format!("request-{at}")) }
}

/// A digest that no other number has.
pub(crate) fn digest(number: u64) -> Digest {
    let mut bytes = [0x5a; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Digest::from_stored(bytes)
}

/// A key in `basic` with neither scopes nor expiry, and a secret that no other number has.
pub(crate) fn new_key(number: u64) -> NewRecord {
    let key = NewKey {
        name: "a".parse().unwrap(),
        tier: "basic".parse().unwrap(),
        scopes: Scopes::default(),
        expires_at: None,
    };
    NewRecord { key, digest: digest(number), hint: format!("kw_{number}") }
}

/// Issues a key whose secret no other number has.
pub(crate) async fn issue(store: &dyn Store, number: u64) -> KeyId {
    store.insert_key(new_key(number), audit(number)).await.unwrap()
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
    let counts = Counts { allowed: 1, ..Counts::default() };
    UsageRow { key_id: id, hour, counts, last_used_at: Some(hour.start()) }
}

pub(crate) fn batch(writer: u8, number: u64, rows: Vec<UsageRow>) -> UsageBatch {
    UsageBatch { writer: [writer; 16], number, rows }
}
