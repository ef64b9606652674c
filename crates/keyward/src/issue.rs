//! What a key is issued from, and what issuing it yields.

use crate::digest::Digest;
use crate::key::Secret;
use crate::record::{KeyId, KeyName, KeyState, Record, Scopes};
use crate::tier::TierName;
use crate::time::UnixMillis;

/// What somebody asks a key to be.
///
/// There is no `Default`: forgetting the expiry must not mean "never".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// What people will call it.
    pub name: KeyName,
    /// The tier that sets its limits.
    pub tier: TierName,
    /// What it may do where a scope is asked for.
    pub scopes: Scopes,
    /// The first instant at which it no longer works; `None` is never.
    pub expires_at: Option<UnixMillis>,
}

impl NewKey {
    /// The record of the key, once the store has given it an id.
    #[must_use]
    pub fn record(&self, id: KeyId) -> Record {
        Record {
            id,
            name: self.name.clone(),
            scopes: self.scopes.clone(),
            state: KeyState::Active,
            expires_at: self.expires_at,
        }
    }
}

/// A new key as the store is asked to keep it: everything but its secret.
#[derive(Clone, Debug)]
pub struct NewRecord {
    /// What was asked for.
    pub key: NewKey,
    /// SHA-256 of the secret.
    pub digest: Digest,
    /// The first characters of the secret.
    pub hint: String,
}

/// A key that was just issued. It is the only value that ever holds both a key's id and its
/// secret; dropping it wipes the secret.
#[derive(Debug)]
pub struct Issued {
    /// The key's identity.
    pub key_id: KeyId,
    /// What the caller will present; to be shown now or never.
    pub secret: Secret,
    /// What was asked for.
    pub key: NewKey,
    /// The first characters of the secret.
    pub hint: String,
    /// When it was issued.
    pub created_at: UnixMillis,
}
