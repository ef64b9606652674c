//! Owners: what all keys of one share.

use thiserror::Error;

use crate::audit::Audit;
use crate::details::OwnerVersion;
use crate::limit::Limits;
use crate::record::Owner;
use crate::rules::{Change, ChangeRejection, Decided, OwnerChange};
use crate::store::StoreError;
use crate::stored::OwnerRow;
use crate::time::ReadClock;

use super::{ChangeError, Gate, unexpected, unfit};

/// Why an owner was not edited.
#[derive(Debug, Error)]
pub enum EditOwnerError {
    /// The owner is not in the version that was expected. Read it again.
    #[error("the owner has changed since")]
    Stale,
    /// It is not known whether the change survives. Repeat it.
    #[error("the owner could not be edited")]
    Store(#[from] StoreError),
}

impl Gate {
    /// Gives an owner other limits, which all of its keys share, on top of the limits of each. When
    /// this returns, that is durable, and the next request of every key of the owner is judged by
    /// it. The owner may have no key yet. `expected` is the version that it has to be in; `None`
    /// is any. Returns the owner as it is now.
    ///
    /// A limit whose name was there keeps its use; one with a new name begins full.
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
    /// use keyward::details::OwnerVersion;
    /// use keyward::key::Prefix;
    /// use keyward::limit::{Limit, Limits};
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let clock = || Now::new(at, SteadyNanos(0));
    /// let limit = Limit::new("requests", 10.try_into()?, Duration::from_secs(1), 20.try_into()?)?;
    /// let limits = Limits::of(Some(limit));
    /// let edit = |limits, expected| {
    ///     gate.edit_owner("acme".parse().unwrap(), limits, expected, Audit::program(at), &clock)
    /// };
    /// let owner = edit(limits, None).await?;
    /// assert!(owner.is_limited());
    /// // The owner is not in its first version any more.
    /// assert!(edit(Limits::of(None), Some(OwnerVersion(0))).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`EditOwnerError`] if the owner is in another version, or if it is not known
    /// whether the change survives.
    pub async fn edit_owner(
        &self,
        owner: Owner,
        limits: Limits,
        expected: Option<OwnerVersion>,
        audit: Audit,
        clock: ReadClock<'_>,
    ) -> Result<OwnerRow, EditOwnerError> {
        let change = Change::Owner { owner, change: OwnerChange::Edit { limits }, expected };
        match self.run(change, audit, clock).await.map_err(ChangeError::into_store)?.outcome {
            Ok(Decided::Owner(row)) => Ok(row),
            Ok(
                other @ (Decided::Issued { .. }
                | Decided::Changed { .. }
                | Decided::Imported { .. }
                | Decided::PutTier { .. }
                | Decided::DeletedTier(_)
                | Decided::AcceptedClock
                | Decided::Diverged),
            ) => Err(unexpected(&other).into()),
            Err(rejection) => Err(not_edited(rejection)),
        }
    }
}

fn not_edited(rejection: ChangeRejection) -> EditOwnerError {
    match rejection {
        ChangeRejection::StaleOwner(_) => EditOwnerError::Stale,
        other @ (ChangeRejection::Earlier(_)
        | ChangeRejection::UnknownKey
        | ChangeRejection::UnknownTier
        | ChangeRejection::OwnerSuspended
        | ChangeRejection::StaleKey(_)
        | ChangeRejection::StaleTier
        | ChangeRejection::Revoked
        | ChangeRejection::Expired
        | ChangeRejection::TierUsed(_)
        | ChangeRejection::TooManyTiers) => unfit(other).into(),
    }
}
