//! Keys on their way from one store to another: whole, but for the texts of their secrets.

use thiserror::Error;

use crate::details::{Metadata, Reason, Version};
use crate::digest::Digest;
use crate::limit::Limits;
use crate::network::Networks;
use crate::record::{KEY_ID_MAX, KeyId, KeyName, KeyState, Owner, Scopes};
use crate::stored::{FormerSecret, Key, StoredSecret, Unkept};
use crate::tier::TierName;
use crate::time::UnixMillis;

/// Most secrets of one key that are carried along: the present one and those that it had before.
pub const COPY_SECRETS_MAX: usize = 100;

/// Highest id that a copy may bring along: 2^52 - 1, half of all that there are. New keys get ids
/// above the highest, so as many are left for them, whatever was imported.
pub const COPY_ID_MAX: u64 = KEY_ID_MAX / 2;

/// Everything about a key that can be carried to another store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCopy {
    /// Its identity, at most [`COPY_ID_MAX`]; on import, `None` takes the next one that is free.
    pub id: Option<KeyId>,
    /// What people call it.
    pub name: KeyName,
    /// Its tier, which the other store must have, unless the key is revoked.
    pub tier: TierName,
    /// Whether its tier is gone, which is so for revoked keys alone; one of that name that the
    /// other store has is another one.
    pub tier_gone: bool,
    /// To whom it belongs.
    pub owner: Option<Owner>,
    /// What it may do.
    pub scopes: Scopes,
    /// Where it may be used from.
    pub networks: Networks,
    /// Its own limits.
    pub limits: Option<Limits>,
    /// What somebody noted about it.
    pub metadata: Metadata,
    /// What was decided about it.
    pub state: KeyState,
    /// Why it was revoked.
    pub revoked_reason: Option<Reason>,
    /// When it expires.
    pub expires_at: Option<UnixMillis>,
    /// When it was issued.
    pub created_at: UnixMillis,
    /// When it was last used.
    pub last_used_at: Option<UnixMillis>,
    /// Its present secret.
    pub secret: SecretCopy,
    /// The secrets that it had before, oldest first, and until when they work.
    pub former: Vec<(SecretCopy, UnixMillis)>,
}

impl From<KeyCopy> for Unkept {
    fn from(copy: KeyCopy) -> Self {
        let secret = |it: SecretCopy| StoredSecret {
            digest: it.digest,
            hint: it.hint,
            created_at: it.created_at,
        };
        let former = copy.former.into_iter();
        Self {
            id: copy.id,
            version: Version::FIRST,
            name: copy.name,
            tier: copy.tier,
            tier_id: None,
            tier_gone: copy.tier_gone,
            owner: copy.owner,
            scopes: copy.scopes,
            networks: copy.networks,
            limits: copy.limits,
            metadata: copy.metadata,
            state: copy.state,
            revoked_reason: copy.revoked_reason,
            expires_at: copy.expires_at,
            created_at: copy.created_at,
            last_used_at: copy.last_used_at,
            secret: secret(copy.secret),
            former: former
                .map(|(it, ends_at)| FormerSecret { secret: secret(it), ends_at })
                .collect(),
        }
    }
}

/// What is kept of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretCopy {
    /// SHA-256 of its text.
    pub digest: Digest,
    /// The first characters of its text; empty if they are not known.
    pub hint: String,
    /// When the key got it.
    pub created_at: UnixMillis,
}

impl Key {
    /// The key as it is carried to another store: with the newest of its former secrets.
    #[must_use]
    pub fn copy(&self) -> KeyCopy {
        // The present one is carried along too.
        let oldest = self.former.len().saturating_sub(COPY_SECRETS_MAX - 1);
        let former = self.former.iter().skip(oldest);
        KeyCopy {
            id: Some(self.id),
            name: self.name.clone(),
            tier: self.tier.clone(),
            tier_gone: self.tier_gone,
            owner: self.owner.clone(),
            scopes: self.scopes.clone(),
            networks: self.networks.clone(),
            limits: self.limits.clone(),
            metadata: self.metadata.clone(),
            state: self.state,
            revoked_reason: self.revoked_reason.clone(),
            expires_at: self.expires_at,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            secret: self.secret.copy(),
            former: former.map(|former| (former.secret.copy(), former.ends_at)).collect(),
        }
    }
}

impl StoredSecret {
    fn copy(&self) -> SecretCopy {
        let Self { digest, hint, created_at } = self.clone();
        SecretCopy { digest, hint, created_at }
    }
}

/// Why a key was not imported.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ImportRefusal {
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
