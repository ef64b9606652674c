//! The shown fields of a key, from the time of a verdict.

use std::fmt;

use crate::record::{KeyId, KeyName, Owner};
use crate::tier::TierName;
use crate::time::UnixMillis;

use super::extras::Extras;

/// The shown fields of a key, as they were at one time. Cloning takes no memory.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) id: KeyId,
    pub(crate) name: KeyName,
    pub(crate) tier: TierName,
    pub(crate) owner: Option<Owner>,
    pub(crate) expires_at: Option<UnixMillis>,
    pub(super) extras: Extras,
}

impl Shown {
    /// Whether the key may do what `asked` names.
    pub(crate) fn grants(&self, asked: &str) -> bool {
        self.extras.grants(asked)
    }

    /// A JSON object, compact.
    pub(crate) fn metadata(&self) -> &str {
        self.extras.metadata()
    }

    /// The key's scopes, in the order in which they were given.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.extras.scopes()
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("id", &self.id).field("name", &self.name).finish()
    }
}
