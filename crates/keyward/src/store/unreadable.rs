//! Rows that a program cannot read.

use crate::digest::Digest;
use crate::record::KeyId;
use crate::tier::TierName;

/// A row that this program cannot read, such as one that a later program wrote. Nothing is decided
/// about its keys, and all others are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// A key.
    Key {
        /// Its id.
        id: KeyId,
        /// The digests of its present and its former secrets, as far as they can be read.
        digests: Vec<Digest>,
    },
    /// A tier.
    Tier(TierName),
}

impl Unreadable {
    /// The digests of a key.
    pub(crate) fn digests(&self) -> &[Digest] {
        match self {
            Self::Key { digests, .. } => digests,
            Self::Tier(_) => &[],
        }
    }
}
