//! A change that was made, and what its caller wants to know of it.

use crate::audit::Mark;
use crate::rules::{ChangeRejection, Decided, Imported};
use crate::store::StoreError;
use crate::stored::{OwnedKey, OwnerRow};

use super::change_error::{ChangeError, unexpected, unfit};

/// The outcome of a change that was run.
#[derive(Clone, Debug)]
pub struct Made {
    /// The newest change as of its transaction, also if nothing was written.
    pub newest: Mark,
    /// The state now, or the reason why nothing was changed.
    pub outcome: Result<Decided, ChangeRejection>,
    /// Whether every gate over the store judges by it; `None` if there is one. Always `true`,
    /// except of a change that gives more than there was (an issued, imported or resumed key, a
    /// resumed owner) while another gate is silent or late: such a change waits for 250 ms at most.
    pub everywhere: Option<bool>,
}

impl Made {
    /// The key as it is after a change of a key.
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
    /// use keyward::rules::Change;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// let id = gate.issue(key, Audit::program(at)).await?.key_id;
    /// let suspend = Change::Key { id, change: KeyChange::Suspend, expected: None };
    /// let clock = || Now::new(at, SteadyNanos(0));
    /// let made = gate.run(suspend, Audit::program(at), &clock).await?;
    /// // There is no other gate over this store.
    /// assert_eq!(made.everywhere, None);
    /// assert_eq!(made.into_key()?.key.state.as_str(), "suspended");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError::Rejected`] if nothing was changed, and [`ChangeError::Store`] if it
    /// was another kind of change.
    pub fn into_key(self) -> Result<OwnedKey, ChangeError> {
        match self.outcome? {
            Decided::Changed { key, owner } => Ok(OwnedKey { key, owner }),
            other => Err(unexpected(&other).into()),
        }
    }

    /// The owner as it is after a change of an owner, if no version of it was expected.
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
    /// use keyward::rules::{Change, OwnerChange};
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let (owner, change) = ("acme".parse()?, OwnerChange::Suspend);
    /// let suspend = Change::Owner { owner, change, expected: None };
    /// let clock = || Now::new(at, SteadyNanos(0));
    /// let made = gate.run(suspend, Audit::program(at), &clock).await?;
    /// assert_eq!(made.into_owner()?.suspended_at, Some(at));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it was another kind of change.
    pub fn into_owner(self) -> Result<OwnerRow, StoreError> {
        match self.outcome {
            Ok(Decided::Owner(row)) => Ok(row),
            Ok(other) => Err(unexpected(&other)),
            Err(rejection) => Err(unfit(rejection)),
        }
    }

    /// What became of each key of an import.
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
    /// use keyward::rules::Change;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let import = Change::Import { keys: Vec::new(), dry_run: false };
    /// let clock = || Now::new(at, SteadyNanos(0));
    /// let made = gate.run(import, Audit::program(at), &clock).await?;
    /// assert!(made.into_imported()?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it was another kind of change.
    pub fn into_imported(self) -> Result<Vec<Imported>, StoreError> {
        match self.outcome {
            Ok(Decided::Imported { keys, owners: _ }) => Ok(keys),
            Ok(other) => Err(unexpected(&other)),
            Err(rejection) => Err(unfit(rejection)),
        }
    }
}
