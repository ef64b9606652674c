//! Why a change was not made.

use thiserror::Error;

use crate::key::RandomError;
use crate::rules::{ChangeRejection, Decided};
use crate::store::StoreError;

/// Why something was not changed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use keyward::Gate;
/// use keyward::audit::Audit;
/// use keyward::change::KeyChange;
/// use keyward::gate::ChangeError;
/// use keyward::key::Prefix;
/// use keyward::memory::MemoryStore;
/// use keyward::record::KeyId;
/// use keyward::rules::ChangeRejection;
/// use keyward::time::{Now, SteadyNanos, UnixMillis};
///
/// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
/// let at = UnixMillis(1_767_225_600_000);
/// let (id, clock) = (KeyId::new(7).unwrap(), || Now::new(at, SteadyNanos(0)));
/// let changed = gate.change(id, KeyChange::Resume, None, Audit::program(at), &clock).await;
/// let error = changed.unwrap_err();
/// assert!(matches!(error, ChangeError::Rejected(ChangeRejection::UnknownKey)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Error)]
pub enum ChangeError {
    /// The change does not fit what there is, which is as it was.
    #[error(transparent)]
    Rejected(#[from] ChangeRejection),
    /// The clock is in doubt, so the end of a grace is unknown. Without a grace, a key is rotated
    /// all the same.
    #[error("the clock is in doubt, and the end of a grace would be unknown")]
    ClockInDoubt,
    /// No secret could be made.
    #[error("no secret could be made")]
    Random(#[from] RandomError),
    /// It is not known whether the change survives. Repeat it.
    #[error("the change could not be kept")]
    Store(#[from] StoreError),
}

impl ChangeError {
    /// The error of a change that nothing but the store can fail, such as an import.
    ///
    /// ```
    /// use keyward::gate::ChangeError;
    /// use keyward::store::StoreError;
    ///
    /// let error = ChangeError::Store(StoreError::Unavailable("the disk is full".into()));
    /// assert!(matches!(error.into_store(), StoreError::Unavailable(_)));
    /// ```
    #[must_use]
    pub fn into_store(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            other @ (Self::Rejected(_) | Self::ClockInDoubt | Self::Random(_)) => {
                StoreError::Inconsistent(other.to_string())
            }
        }
    }
}

/// The store decided something that was not asked for.
pub(super) fn unexpected(decided: &Decided) -> StoreError {
    StoreError::Inconsistent(format!("another change was decided: {decided:?}"))
}

/// The store rejected a change for a reason that such a change cannot have.
pub(super) fn unfit(rejection: ChangeRejection) -> StoreError {
    StoreError::Inconsistent(format!("a change was rejected for another one's reason: {rejection}"))
}
