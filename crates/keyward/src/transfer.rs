//! Keys on their way from one store to another: whole, but for the texts of their secrets.

use thiserror::Error;

use crate::details::Version;
use crate::record::{KEY_ID_MAX, KeyId};
use crate::stored::{Key, Unkept};

/// Most secrets of one key that are carried along: the present one and the former ones.
pub const COPY_SECRETS_MAX: usize = 100;

/// Highest id that a copy may bring along: 2^52 - 1, half of all that there are. New keys get ids
/// above the highest, so as many are left for them after any import.
pub const COPY_ID_MAX: u64 = KEY_ID_MAX / 2;

impl Key {
    /// The key as it is carried to another store: with the newest of its former secrets, and
    /// without the parts that matter here alone, its version and the row of its tier.
    #[must_use]
    pub fn carried(mut self) -> Unkept {
        // The present one is carried along too.
        let oldest = self.former.len().saturating_sub(COPY_SECRETS_MAX - 1);
        self.former.drain(..oldest);
        (self.version, self.tier_id) = (Version::FIRST, None);
        let id = self.id;
        self.with_id(Some(id))
    }
}

/// Why a key was not imported.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ImportRejection {
    /// There is no such tier.
    #[error("there is no such tier; create it first")]
    UnknownTier,
    /// Another key has this id.
    #[error("another key has this key_id; leave it out to get the next free one")]
    IdTaken,
    /// A secret belongs to another key.
    #[error("a digest belongs to key {} already", .0.get())]
    DigestTaken(KeyId),
    /// Two secrets of the key are the same.
    #[error("a digest appears twice")]
    DigestTwice,
}
