//! A key and the state of its owner.

use std::sync::Arc;

use crate::details::Versions;
use crate::record::Stage;
use crate::time::UnixMillis;

use super::{Key, OwnerRow};

/// A key and its owner, as of one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedKey {
    /// The key.
    pub key: Arc<Key>,
    /// Its owner, if it has one.
    pub owner: Option<OwnerRow>,
}

impl OwnedKey {
    /// The version of the key, and that of its owner.
    #[must_use]
    pub fn versions(&self) -> Versions {
        self.key.versions(self.owner.as_ref())
    }

    /// Whether its owner is suspended, and so the key with it.
    #[must_use]
    pub fn is_owner_suspended(&self) -> bool {
        self.owner.as_ref().is_some_and(OwnerRow::is_suspended)
    }

    /// Where in its life the key is at `now`.
    #[must_use]
    pub fn stage(&self, now: UnixMillis) -> Stage {
        self.key.stage(self.is_owner_suspended(), now)
    }
}
