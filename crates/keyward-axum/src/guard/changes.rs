//! Changes through a guard: each is a task of its own, so that it runs to its end even if the
//! caller goes away.

use std::time::Duration;

use keyward::audit::Audit;
use keyward::change::KeyChange;
use keyward::details::{OwnerVersion, Reason, Versions};
use keyward::gate::{
    ChangeError, DeleteTierError, EditOwnerError, IssueError, PutTierError, TierBefore,
};
use keyward::issue::{Issued, NewKey, Rotated};
use keyward::limit::Limits;
use keyward::record::{KeyId, Owner};
use keyward::rules::{Change, Committed, Imported};
use keyward::store::StoreError;
use keyward::stored::{OwnedKey, OwnerRow, Unkept};
use keyward::tier::TierName;
use tokio::task::{JoinError, JoinHandle};

use super::Guard;

impl Guard {
    /// Makes a change of any kind; see [`Gate::run`](keyward::Gate::run).
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError`] if it is not known whether the change survives, or if it would end a
    /// grace period at a time that is not known. A rejected change is in [`Committed::outcome`].
    pub async fn run(&self, change: Change, audit: Audit) -> Result<Committed, ChangeError> {
        self.to_end(move |at| async move {
            let clock = || at.clock().now();
            at.gate().run(change, audit, &clock).await
        })
        .await
    }

    /// Issues a key; see [`Gate::issue`](keyward::Gate::issue).
    ///
    /// # Errors
    ///
    /// Returns [`IssueError`] if no key was issued.
    pub async fn issue(&self, key: NewKey, audit: Audit) -> Result<Issued, IssueError> {
        self.to_end(move |at| async move { at.gate().issue(key, audit).await }).await
    }

    /// Changes a key; see [`Gate::change`](keyward::Gate::change).
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError`] if the key was not changed, or if that is not known.
    pub async fn change(
        &self,
        id: KeyId,
        change: KeyChange,
        expected: Option<Versions>,
        audit: Audit,
    ) -> Result<OwnedKey, ChangeError> {
        self.to_end(move |at| async move {
            let clock = || at.clock().now();
            at.gate().change(id, change, expected, audit, &clock).await
        })
        .await
    }

    /// Gives a key another secret; see [`Gate::rotate`](keyward::Gate::rotate).
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError`]; then there is no new secret that works.
    pub async fn rotate(
        &self,
        id: KeyId,
        grace: Duration,
        expected: Option<Versions>,
        audit: Audit,
    ) -> Result<Rotated, ChangeError> {
        self.to_end(move |at| async move {
            let clock = || at.clock().now();
            at.gate().rotate(id, grace, expected, audit, &clock).await
        })
        .await
    }

    /// Revokes a key; see [`Gate::revoke`](keyward::Gate::revoke).
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether the revocation survives.
    pub async fn revoke(
        &self,
        id: KeyId,
        reason: Option<Reason>,
        audit: Audit,
    ) -> Result<bool, StoreError> {
        self.to_end(move |at| async move { at.gate().revoke(id, reason, audit).await }).await
    }

    /// Suspends or resumes an owner with all keys; see
    /// [`Gate::set_owner_suspended`](keyward::Gate::set_owner_suspended).
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether the change survives.
    pub async fn set_owner_suspended(
        &self,
        owner: Owner,
        suspended: bool,
        audit: Audit,
    ) -> Result<OwnerRow, StoreError> {
        self.to_end(move |at| async move {
            at.gate().set_owner_suspended(owner, suspended, audit).await
        })
        .await
    }

    /// Gives an owner other limits, which all of its keys share; see
    /// [`Gate::edit_owner`](keyward::Gate::edit_owner).
    ///
    /// # Errors
    ///
    /// Returns [`EditOwnerError`] if the owner was not edited, or if that is not known.
    pub async fn edit_owner(
        &self,
        owner: Owner,
        limits: Limits,
        expected: Option<OwnerVersion>,
        audit: Audit,
    ) -> Result<OwnerRow, EditOwnerError> {
        self.to_end(move |at| async move {
            let clock = || at.clock().now();
            at.gate().edit_owner(owner, limits, expected, audit, &clock).await
        })
        .await
    }

    /// Adds keys of another system; see [`Gate::import`](keyward::Gate::import).
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known which were added.
    pub async fn import(
        &self,
        keys: Vec<Unkept>,
        dry_run: bool,
        audit: Audit,
    ) -> Result<Vec<Imported>, StoreError> {
        self.to_end(move |at| async move { at.gate().import(keys, dry_run, audit).await }).await
    }

    /// Writes a tier; see [`Gate::put_tier`](keyward::Gate::put_tier).
    ///
    /// # Errors
    ///
    /// Returns [`PutTierError`] if the tier was not written.
    pub async fn put_tier(
        &self,
        name: TierName,
        limits: Limits,
        before: TierBefore,
        audit: Audit,
    ) -> Result<bool, PutTierError> {
        self.to_end(move |at| async move {
            let clock = || at.clock().now();
            at.gate().put_tier(name, limits, before, audit, &clock).await
        })
        .await
    }

    /// Deletes a tier; see [`Gate::delete_tier`](keyward::Gate::delete_tier).
    ///
    /// # Errors
    ///
    /// Returns [`DeleteTierError`] if the tier was not deleted, or if that is not known.
    pub async fn delete_tier(
        &self,
        name: TierName,
        before: TierBefore,
        audit: Audit,
    ) -> Result<(), DeleteTierError> {
        self.to_end(move |at| async move { at.gate().delete_tier(name, before, audit).await }).await
    }

    /// Takes the wall clock for right, on record, where it is in doubt; see
    /// [`Gate::accept_clock`](keyward::Gate::accept_clock). Only a person can know that it is
    /// right.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether that survives.
    pub async fn accept_clock(&self, audit: Audit) -> Result<bool, StoreError> {
        self.to_end(move |at| async move {
            let clock = || at.clock().now();
            at.gate().accept_clock(audit, &clock).await
        })
        .await
    }

    /// Runs a change as a task of its own, so that a client that disconnects half-way cannot leave
    /// the store changed and memory unchanged.
    async fn to_end<F, T, E>(&self, change: impl FnOnce(Self) -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        finished(tokio::spawn(change(self.clone()))).await?
    }
}

/// Waits for a change that runs as a task of its own.
pub(crate) async fn finished<T>(change: JoinHandle<T>) -> Result<T, StoreError> {
    change.await.map_err(|error: JoinError| StoreError::Unavailable(Box::new(error)))
}
