//! Changes, each in its own words: what was asked for and what was decided.

use std::sync::Arc;

use keyward::KeyId;
use keyward::audit::Audit;
use keyward::change::{ChangeRefusal, Changed, KeyChange};
use keyward::details::{FormerSecret, StoredKey, Versions};
use keyward::issue::NewRecord;
use keyward::limit::Limits;
use keyward::query::OwnerDetails;
use keyward::record::Owner;
use keyward::rules::{Change, Decided, Expected, Imported, OwnerChange, Rejection, TierBefore};
use keyward::store::{Inserted, StoreError, TierDeleted, TierRecord};
use keyward::stored::{Key, OwnerRow, OwnerVersion, StoredSecret};
use keyward::tier::TierName;
use keyward::transfer::{ImportedKey, KeyCopy};

use super::SqliteStore;

pub(super) async fn put_tier(
    store: &SqliteStore,
    TierRecord { name, limits }: TierRecord,
    audit: Audit,
) -> Result<bool, StoreError> {
    let limits = Limits::new(limits);
    let limits = limits.map_err(|error| StoreError::Inconsistent(error.to_string()))?;
    let put = Change::PutTier { name, limits, before: TierBefore::Any };
    match store.make(put, audit).await?.outcome {
        Ok(Decided::PutTier { is_new, .. }) => Ok(is_new),
        other => Err(unexpected(&other)),
    }
}

pub(super) async fn delete_tier(
    store: &SqliteStore,
    name: TierName,
    audit: Audit,
) -> Result<TierDeleted, StoreError> {
    let delete = Change::DeleteTier { name, before: TierBefore::Any };
    match store.make(delete, audit).await?.outcome {
        Ok(Decided::DeletedTier(_)) => Ok(TierDeleted::Done),
        Err(Rejection::UnknownTier) => Ok(TierDeleted::Unknown),
        Err(Rejection::TierUsed(keys)) => Ok(TierDeleted::Used(keys)),
        other => Err(unexpected(&other)),
    }
}

pub(super) async fn insert_key(
    store: &SqliteStore,
    NewRecord { key, digest, hint }: NewRecord,
    audit: Audit,
) -> Result<Inserted, StoreError> {
    let secret = StoredSecret { digest, hint, created_at: audit.at };
    let issue = Change::Issue(Box::new(key.with_secret(secret)));
    match store.make(issue, audit).await?.outcome {
        Ok(Decided::Issued { key, owner }) => {
            let owner_version = owner.map_or(0, |owner| owner.version.0);
            Ok(Inserted::Done { id: key.id, owner_version })
        }
        Err(Rejection::UnknownTier) => Ok(Inserted::UnknownTier),
        Err(Rejection::OwnerSuspended) => Ok(Inserted::OwnerSuspended),
        Err(Rejection::Earlier(earlier)) => Ok(Inserted::Earlier(earlier)),
        other => Err(unexpected(&other)),
    }
}

pub(super) async fn change_key(
    store: &SqliteStore,
    id: KeyId,
    change: KeyChange,
    expected: Option<Versions>,
    audit: Audit,
) -> Result<Changed, StoreError> {
    let expected = expected
        .map(|Versions { key, owner }| Expected { version: key, owner: OwnerVersion(owner) });
    let refusal = match store.make(Change::Key { id, change, expected }, audit).await?.outcome {
        Ok(Decided::Changed { key, owner }) => {
            return Ok(Changed::Done(Box::new(stored(&key, owner.as_ref()))));
        }
        Err(Rejection::UnknownKey) => ChangeRefusal::UnknownKey,
        Err(Rejection::UnknownTier) => ChangeRefusal::UnknownTier,
        Err(Rejection::StaleKey(now)) => ChangeRefusal::Stale { version: now.version },
        Err(Rejection::Revoked) => ChangeRefusal::Revoked,
        Err(Rejection::Expired) => ChangeRefusal::Expired,
        Err(Rejection::Earlier(earlier)) => ChangeRefusal::Earlier(earlier),
        other => return Err(unexpected(&other)),
    };
    Ok(Changed::Refused(refusal))
}

pub(super) async fn set_owner_suspended(
    store: &SqliteStore,
    owner: Owner,
    suspended: bool,
    audit: Audit,
) -> Result<OwnerDetails, StoreError> {
    let change = if suspended { OwnerChange::Suspend } else { OwnerChange::Resume };
    match store.make(Change::Owner { owner, change, expected: None }, audit).await?.outcome {
        Ok(Decided::Owner(row)) => Ok(OwnerDetails {
            suspended_at: row.suspended_at,
            keys: row.keys,
            revoked_keys: row.revoked_keys,
            version: row.version.0,
        }),
        other => Err(unexpected(&other)),
    }
}

pub(super) async fn import_keys(
    store: &SqliteStore,
    keys: Vec<KeyCopy>,
    dry_run: bool,
    audit: Audit,
) -> Result<Vec<ImportedKey>, StoreError> {
    let keys = keys.into_iter().map(Into::into).collect();
    let (keys, owners) = match store.make(Change::Import { keys, dry_run }, audit).await?.outcome {
        Ok(Decided::Imported { keys, owners }) => (keys, owners),
        other => return Err(unexpected(&other)),
    };
    let owner_of = |key: &Arc<Key>| {
        let name = key.owner.as_ref()?;
        let at = owners.binary_search_by(|row| row.owner.cmp(name)).ok()?;
        owners.get(at)
    };
    let imported = keys.into_iter().map(|one| match one {
        Imported::Added(key) => ImportedKey::Added(Box::new(stored(&key, owner_of(&key)))),
        Imported::Skipped(id) => ImportedKey::Skipped(id),
        Imported::Rejected(refusal) => ImportedKey::Refused(refusal),
    });
    Ok(imported.collect())
}

fn stored(key: &Key, owner: Option<&OwnerRow>) -> StoredKey {
    let record = key.record(owner);
    let former = key.former.iter();
    StoredKey {
        record,
        tier: key.tier.clone(),
        tier_gone: key.tier_gone,
        version: key.version,
        digest: key.secret.digest,
        secret_created_at: key.secret.created_at,
        former: former
            .map(|it| FormerSecret { digest: it.secret.digest, ends_at: it.ends_at })
            .collect(),
    }
}

fn unexpected(outcome: &Result<Decided, Rejection>) -> StoreError {
    StoreError::Inconsistent(format!("the rules decided {outcome:?}"))
}
