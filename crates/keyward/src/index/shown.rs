//! The shown fields of a key, from the time of a verdict.

use std::fmt;

use triomphe::Arc;

use crate::digest::Digest;
use crate::record::{KeyId, KeyName, Owner};
use crate::tier::TierName;
use crate::time::UnixMillis;

use super::entry::Extras;

/// The shown fields of a key, as they were at one time. Cloning takes no memory.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) id: KeyId,
    /// Of the secret that was the key's then.
    pub(crate) digest: Digest,
    pub(crate) name: KeyName,
    pub(crate) tier: TierName,
    pub(crate) owner: Option<Owner>,
    pub(crate) expires_at: Option<UnixMillis>,
    pub(super) extras: Option<Arc<Extras>>,
}

impl Shown {
    /// Whether the key may do what `asked` names.
    pub(crate) fn grants(&self, asked: &str) -> bool {
        self.extras.as_ref().is_some_and(|extras| extras.scopes.grants(asked))
    }

    /// The key's scopes, in the order in which they were given.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.extras.iter().flat_map(|extras| extras.scopes.iter()).map(|scope| scope.as_str())
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("id", &self.id).field("name", &self.name).finish()
    }
}
