//! How a ledger is, for others than the thread that writes it.

use std::sync::{Arc, Mutex, PoisonError};

use keyward::audit::{ChainDigest, ChangeId};

use crate::record::Head;

/// The public state of a ledger. A clone shares it.
#[derive(Clone, Debug, Default)]
pub struct Standing(Arc<Mutex<Shared>>);

/// The lock guards both, for one read or write; no panic can leave half of it.
#[derive(Debug, Default)]
struct Shared {
    newest: Option<(ChangeId, ChainDigest)>,
    trouble: Option<String>,
}

impl Standing {
    /// The newest change that the ledger knows.
    #[must_use]
    pub fn newest(&self) -> Option<(ChangeId, ChainDigest)> {
        self.with(|shared| shared.newest)
    }

    /// Why the ledger is not as it should be.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.with(|shared| shared.trouble.clone())
    }

    /// Says how the ledger is. A trouble is logged when it comes, and when it is gone.
    pub fn set(&self, head: Head, trouble: Option<String>) {
        let newest = (head != Head::START).then_some((head.change, head.digest));
        let before = self.with(|shared| {
            shared.newest = newest;
            std::mem::replace(&mut shared.trouble, trouble.clone())
        });
        match (before, trouble) {
            (before, Some(trouble)) if before.as_ref() != Some(&trouble) => {
                tracing::error!("Changes go on being made and kept, but {trouble}");
            }
            (Some(before), None) => tracing::info!("This is mended: {before}"),
            (None | Some(_), _) => {}
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Shared) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
