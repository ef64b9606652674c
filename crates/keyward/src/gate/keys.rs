//! Changes of keys and owners, with the results that their callers want.

use std::time::Duration;

use thiserror::Error;

use crate::audit::Audit;
use crate::change::KeyChange;
use crate::details::{Reason, Versions};
use crate::digest::Digest;
use crate::issue::{Issued, NewKey, Rotated};
use crate::key::{Prefix, RandomError, Secret};
use crate::once::Earlier;
use crate::record::{KeyId, Owner};
use crate::rules::{Change, ChangeRejection, Decided, Imported, OwnerChange};
use crate::store::StoreError;
use crate::stored::{OwnedKey, OwnerRow, StoredSecret, Unkept};
use crate::tier::TierName;
use crate::time::ReadClock;

use super::{ChangeError, Gate, no_clock, unexpected, unfit};

/// Why no key was issued.
#[derive(Debug, Error)]
pub enum IssueError {
    /// There is no such tier.
    #[error("there is no such tier")]
    UnknownTier {
        /// The tiers that there are, in the order in which they were made.
        known: Vec<TierName>,
    },
    /// The owner is suspended; resume it first.
    #[error("the owner is suspended")]
    OwnerSuspended,
    /// The request was made before, and is to change something once.
    #[error("the request was made before")]
    Earlier(Earlier),
    /// No secret could be made.
    #[error("no secret could be made")]
    Random(#[from] RandomError),
    /// The key could not be kept, or it is not known whether it was; no caller holds its secret.
    #[error("the key could not be kept")]
    Store(#[from] StoreError),
}

impl Gate {
    /// Issues a key. When this returns, it is durable and works.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::audit::Audit;
    /// use keyward::gate::IssueError;
    /// use keyward::issue::NewKey;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::UnixMillis;
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// let issued = gate.issue(key, Audit::program(at)).await?;
    /// assert!(issued.secret.expose().starts_with("kw_"));
    ///
    /// let key = NewKey::plain("weather-bot".parse()?, "platinum".parse()?, None);
    /// let error = gate.issue(key, Audit::program(at)).await.unwrap_err();
    /// assert!(matches!(error, IssueError::UnknownTier { known } if known.len() == 3));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`IssueError`]; in each case, no caller holds a key that works.
    pub async fn issue(&self, key: NewKey, audit: Audit) -> Result<Issued, IssueError> {
        let secret = Secret::generate(key.prefix.as_ref().unwrap_or(&self.prefix))?;
        let (digest, hint, created_at) = (Digest::of_secret(&secret), secret.hint(), audit.at);
        let new = key.clone().with_secret(StoredSecret { digest, hint: hint.clone(), created_at });
        let change = Change::Issue(Box::new(new));
        let made = self.run(change, audit, &no_clock).await.map_err(ChangeError::into_store)?;
        match made.outcome {
            Ok(Decided::Issued { key: kept, owner }) => {
                let (key_id, versions) = (kept.id, kept.versions(owner.as_ref()));
                let everywhere = made.everywhere;
                Ok(Issued { key_id, secret, key, hint, created_at, versions, everywhere })
            }
            Ok(other) => Err(unexpected(&other).into()),
            Err(rejection) => Err(self.not_issued(rejection)),
        }
    }

    fn not_issued(&self, rejection: ChangeRejection) -> IssueError {
        match rejection {
            ChangeRejection::UnknownTier => IssueError::UnknownTier { known: self.tier_names() },
            ChangeRejection::OwnerSuspended => IssueError::OwnerSuspended,
            ChangeRejection::Earlier(earlier) => IssueError::Earlier(earlier),
            other @ (ChangeRejection::UnknownKey
            | ChangeRejection::StaleKey(_)
            | ChangeRejection::StaleTier
            | ChangeRejection::StaleOwner(_)
            | ChangeRejection::Revoked
            | ChangeRejection::Expired
            | ChangeRejection::TierUsed(_)
            | ChangeRejection::TooManyTiers) => IssueError::Store(unfit(other)),
        }
    }

    /// Changes a key, if it and its owner are in the versions that are expected. When this returns,
    /// the change is durable, and every request that begins later meets the key as it is now. The
    /// clock is read when the store has returned, if limits change.
    ///
    /// Like [`Gate::run`], this must run to its end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::audit::Audit;
    /// use keyward::change::KeyChange;
    /// use keyward::issue::NewKey;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// let issued = gate.issue(key, Audit::program(at)).await?;
    /// let clock = || Now::new(at, SteadyNanos(0));
    /// let id = issued.key_id;
    /// let now = gate.change(id, KeyChange::Suspend, None, Audit::program(at), &clock).await?;
    /// assert_eq!(now.key.state.as_str(), "suspended");
    ///
    /// // The version that was issued is not the present one any more.
    /// let seen = Some(issued.versions);
    /// let resumed = gate.change(id, KeyChange::Resume, seen, Audit::program(at), &clock).await;
    /// assert!(resumed.is_err());
    /// # Ok(())
    /// # }
    /// ```
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
        clock: ReadClock<'_>,
    ) -> Result<OwnedKey, ChangeError> {
        let change = Change::Key { id, change, expected };
        self.run(change, audit, clock).await?.into_key()
    }

    /// Gives a key another secret, with the prefix that it had. The present secret works for
    /// `grace` longer, or [`GRACE_MAX`](crate::change::GRACE_MAX) if that is shorter, but no longer
    /// than the key; the grace of earlier ones ends. A grace that has ended at the time of the
    /// change has ended for good, even if the wall clock is set back.
    ///
    /// Like [`Gate::run`], this must run to its end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// use keyward::Gate;
    /// use keyward::audit::Audit;
    /// use keyward::issue::NewKey;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// let issued = gate.issue(key, Audit::program(at)).await?;
    /// let clock = || Now::new(at, SteadyNanos(0));
    /// let hour = Duration::from_secs(3_600);
    /// let rotated = gate.rotate(issued.key_id, hour, None, Audit::program(at), &clock).await?;
    /// assert_eq!(rotated.grace_until, Some(at.later_by(hour)));
    /// assert_eq!(rotated.key.key.id, issued.key_id);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError`]; then no caller holds a new secret that works.
    pub async fn rotate(
        &self,
        id: KeyId,
        grace: Duration,
        expected: Option<Versions>,
        audit: Audit,
        clock: ReadClock<'_>,
    ) -> Result<Rotated, ChangeError> {
        let found = self.store.find_key(id).await?.ok_or(ChangeRejection::UnknownKey)?;
        let prefix = Prefix::of_hint(&found.key.secret.hint);
        let secret = Secret::generate(prefix.as_ref().unwrap_or(&self.prefix))?;
        let hint = secret.hint();
        let digest = Digest::of_secret(&secret);
        let change = KeyChange::Rotate { digest, hint: hint.clone(), grace };
        let at = audit.at;
        let key = self.change(id, change, expected, audit, clock).await?;
        let grace_until = key.key.grace_until().filter(|end| at < *end);
        Ok(Rotated { secret, hint, grace_until, key })
    }

    /// Revokes a key. When this returns `true`, that is durable, and no request that begins later
    /// is accepted with any of its secrets. Returns `false` if there is no such key; revoking
    /// twice is fine.
    ///
    /// Like [`Gate::run`], this must run to its end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::audit::Audit;
    /// use keyward::issue::NewKey;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::record::KeyId;
    /// use keyward::time::UnixMillis;
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// let issued = gate.issue(key, Audit::program(at)).await?;
    /// assert!(gate.revoke(issued.key_id, None, Audit::program(at)).await?);
    /// // Twice is fine, and there is no key 7.
    /// assert!(gate.revoke(issued.key_id, None, Audit::program(at)).await?);
    /// assert!(!gate.revoke(KeyId::new(7).unwrap(), None, Audit::program(at)).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether the revocation survives. Repeat it.
    pub async fn revoke(
        &self,
        id: KeyId,
        reason: Option<Reason>,
        audit: Audit,
    ) -> Result<bool, StoreError> {
        let change = Change::Key { id, change: KeyChange::Revoke { reason }, expected: None };
        let committed = self.run(change, audit, &no_clock).await;
        Ok(committed.map_err(ChangeError::into_store)?.outcome.is_ok())
    }

    /// Suspends or resumes an owner. When this returns, that is durable, and the next request of
    /// every key of the owner is judged by it, however many they are. Returns the owner as it is
    /// now.
    ///
    /// Like [`Gate::run`], this must run to its end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::audit::Audit;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::UnixMillis;
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let owner = gate.set_owner_suspended("acme".parse()?, true, Audit::program(at)).await?;
    /// assert_eq!(owner.suspended_at, Some(at));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether the change survives. Repeat it.
    pub async fn set_owner_suspended(
        &self,
        owner: Owner,
        suspended: bool,
        audit: Audit,
    ) -> Result<OwnerRow, StoreError> {
        let change = if suspended { OwnerChange::Suspend } else { OwnerChange::Resume };
        let change = Change::Owner { owner, change, expected: None };
        self.run(change, audit, &no_clock).await.map_err(ChangeError::into_store)?.into_owner()
    }

    /// Adds keys that came from elsewhere, and returns the outcome of each. When this returns, the
    /// added keys are durable and work. With `dry_run`, returns the same and adds nothing.
    ///
    /// Like [`Gate::run`], this must run to its end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::audit::Audit;
    /// use keyward::digest::Digest;
    /// use keyward::issue::NewKey;
    /// use keyward::key::{Prefix, Presented};
    /// use keyward::memory::MemoryStore;
    /// use keyward::rules::Imported;
    /// use keyward::stored::StoredSecret;
    /// use keyward::time::UnixMillis;
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let digest = Digest::of(Presented::parse("sk-0123456789abcdef")?);
    /// let secret = StoredSecret { digest, hint: "sk-0123".to_owned(), created_at: at };
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None).with_secret(secret);
    /// // First only look.
    /// for dry_run in [true, false] {
    ///     let outcomes = gate.import(vec![key.clone()], dry_run, Audit::program(at)).await?;
    ///     assert!(matches!(outcomes[..], [Imported::Added(_)]));
    /// }
    /// let outcomes = gate.import(vec![key], false, Audit::program(at)).await?;
    /// assert!(matches!(outcomes[..], [Imported::Skipped(_)]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known which were added. Repeating is safe.
    pub async fn import(
        &self,
        keys: Vec<Unkept>,
        dry_run: bool,
        audit: Audit,
    ) -> Result<Vec<Imported>, StoreError> {
        let change = Change::Import { keys, dry_run };
        self.run(change, audit, &no_clock).await.map_err(ChangeError::into_store)?.into_imported()
    }
}
