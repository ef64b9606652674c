//! A store as the promises ask for it.

use std::collections::HashMap;

use async_trait::async_trait;

use crate::audit::Audit;
use crate::change::KeyChange;
use crate::details::Versions;
use crate::record::{KeyId, Owner};
use crate::rules::{Change, ChangeRejection, Decided, Imported, OwnerChange, TierBefore};
use crate::store::{KeyStore, Page, Reports, StoreError};
use crate::stored::{OwnedKey, OwnerRow, TierRow, Unkept};
use crate::tier::TierName;

/// A store with everything that is promised of it, and changes of it in a few words.
#[async_trait]
pub trait Store: KeyStore + Reports {
    /// Makes a change that is no fault; it may be rejected.
    async fn make(&self, change: Change, audit: Audit) -> Result<Decided, Error> {
        Ok(self.commit(change, audit).await?.outcome?)
    }

    /// Writes a tier, and returns whether it is new.
    async fn put_tier(&self, tier: TierRow, audit: Audit) -> Result<bool, Error> {
        let TierRow { name, limits, .. } = tier;
        let put = Change::PutTier { name, limits, before: TierBefore::Any };
        match self.make(put, audit).await? {
            Decided::PutTier { is_new, .. } => Ok(is_new),
            other => panic!("{other:?}"),
        }
    }

    /// Deletes a tier.
    async fn delete_tier(&self, name: TierName, audit: Audit) -> Result<(), Error> {
        let delete = Change::DeleteTier { name, before: TierBefore::Any };
        self.make(delete, audit).await.map(drop)
    }

    /// Keeps a new key.
    async fn insert_key(&self, new: Unkept, audit: Audit) -> Result<OwnedKey, Error> {
        match self.make(Change::Issue(Box::new(new)), audit).await? {
            Decided::Issued { key, owner } => Ok(OwnedKey { key, owner }),
            other => panic!("{other:?}"),
        }
    }

    /// Changes a key.
    async fn change_key(
        &self,
        id: KeyId,
        change: KeyChange,
        expected: Option<Versions>,
        audit: Audit,
    ) -> Result<OwnedKey, Error> {
        let change = Change::Key { id, change, expected };
        match self.make(change, audit).await? {
            Decided::Changed { key, owner } => Ok(OwnedKey { key, owner }),
            other => panic!("{other:?}"),
        }
    }

    /// Suspends or resumes an owner.
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

    /// Adds keys that came from elsewhere.
    async fn import_keys(
        &self,
        keys: Vec<Unkept>,
        dry_run: bool,
        audit: Audit,
    ) -> Result<Vec<Imported>, Error> {
        match self.make(Change::Import { keys, dry_run }, audit).await? {
            Decided::Imported { keys, .. } => Ok(keys),
            other => panic!("{other:?}"),
        }
    }

    /// Takes the wall clock for right.
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
pub enum Error {
    /// The rules reject it.
    Rejected(ChangeRejection),
    /// The store does not say.
    Store(StoreError),
}

impl From<ChangeRejection> for Error {
    fn from(rejection: ChangeRejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Error {
    /// The rejection of the change.
    #[track_caller]
    pub fn rejection(self) -> ChangeRejection {
        match self {
            Self::Rejected(rejection) => rejection,
            Self::Store(error) => panic!("{error:?}"),
        }
    }

    /// The error as one of the store.
    #[track_caller]
    pub fn of_store(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Rejected(rejection) => panic!("{rejection:?}"),
        }
    }
}
