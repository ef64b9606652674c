//! Rows as a store keeps them: keys, owners and tiers, each in one shape.

mod owned;

use std::num::NonZeroU64;

use crate::details::{Notes, OwnerVersion, Reason, Version, Versions};
use crate::digest::Digest;
use crate::limit::Limits;
use crate::network::Networks;
use crate::record::{KeyId, KeyName, KeyState, Owner, Scopes, Stage};
use crate::tier::TierName;
use crate::time::UnixMillis;

pub use owned::OwnedKey;

/// A key: everything that is kept of it. The state of its owner is the owner's, in an [`OwnerRow`].
///
/// `I` is the type of its identity: that of an [`Unkept`] key, which is to be issued or imported,
/// may be `None`, which asks for the next free one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key<I = KeyId> {
    /// Its identity.
    pub id: I,
    /// How often it was changed, and 1. A change of its owner does not count.
    pub version: Version,
    /// What people call it.
    pub name: KeyName,
    /// The name of its tier.
    pub tier: TierName,
    /// The row of its tier. `None` is a key without an id, or a revoked one that was imported with
    /// a tier that was not there.
    pub tier_id: Option<TierId>,
    /// Whether its tier is gone, which happens to revoked keys alone. A tier of the same name that
    /// is there is another one.
    pub tier_gone: bool,
    /// To whom it belongs.
    pub owner: Option<Owner>,
    /// Its scopes.
    pub scopes: Scopes,
    /// Where it may be used from.
    pub networks: Networks,
    /// Its own limits, which replace its tier's; an empty list is no limit.
    pub limits: Option<Limits>,
    /// The operators' notes about it.
    pub notes: Notes,
    /// The operator's decision about the key itself.
    pub state: KeyState,
    /// Why it was revoked.
    pub revoked_reason: Option<Reason>,
    /// The first instant at which it no longer works; `None` is never.
    pub expires_at: Option<UnixMillis>,
    /// When it was issued.
    pub created_at: UnixMillis,
    /// When it was last allowed in, as far as usage was flushed; a use is not on record that is
    /// less than [`LAST_USED_STEP`](crate::usage::LAST_USED_STEP) later than this.
    pub last_used_at: Option<UnixMillis>,
    /// Its present secret.
    pub secret: StoredSecret,
    /// The secrets that it had before, oldest first.
    pub former: Vec<FormerSecret>,
}

/// A key that no store has yet.
pub type Unkept = Key<Option<KeyId>>;

impl<I> Key<I> {
    /// The same key with another identity.
    #[must_use]
    pub fn with_id<J>(self, id: J) -> Key<J> {
        Key {
            id,
            version: self.version,
            name: self.name,
            tier: self.tier,
            tier_id: self.tier_id,
            tier_gone: self.tier_gone,
            owner: self.owner,
            scopes: self.scopes,
            networks: self.networks,
            limits: self.limits,
            notes: self.notes,
            state: self.state,
            revoked_reason: self.revoked_reason,
            expires_at: self.expires_at,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            secret: self.secret,
            former: self.former,
        }
    }

    /// Whether the key is revoked, which is final.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        match self.state {
            KeyState::Revoked { .. } => true,
            KeyState::Active | KeyState::Suspended => false,
        }
    }

    /// When the key got its present secret, if that is not its first one.
    #[must_use]
    pub fn rotated_at(&self) -> Option<UnixMillis> {
        self.former.last().map(|_| self.secret.created_at)
    }

    /// When the grace of the secret before the present one ends, or ended.
    #[must_use]
    pub fn grace_until(&self) -> Option<UnixMillis> {
        self.former.last().map(|former| former.ends_at)
    }

    /// Where in its life the key is at `now`, if that is the state of its owner.
    #[must_use]
    pub fn stage(&self, owner_suspended: bool, now: UnixMillis) -> Stage {
        match self.state {
            KeyState::Revoked { .. } => Stage::Revoked,
            KeyState::Suspended => Stage::Suspended,
            KeyState::Active if owner_suspended => Stage::Suspended,
            KeyState::Active if self.expires_at.is_some_and(|at| at <= now) => Stage::Expired,
            KeyState::Active => Stage::Active,
        }
    }
}

impl Key {
    /// A key that is active, has no owner and no scopes, and never expires: the base for building
    /// others. Nothing is known of its past.
    #[must_use]
    pub fn plain(id: KeyId, name: KeyName, tier: TierName, digest: Digest) -> Self {
        let created_at = UnixMillis(0);
        Self {
            id,
            version: Version::FIRST,
            name,
            tier,
            tier_id: None,
            tier_gone: false,
            owner: None,
            scopes: Scopes::default(),
            networks: Networks::default(),
            limits: None,
            notes: Notes::default(),
            state: KeyState::Active,
            revoked_reason: None,
            expires_at: None,
            created_at,
            last_used_at: None,
            secret: StoredSecret { digest, hint: String::new(), created_at },
            former: Vec::new(),
        }
    }

    /// The version of the key, and that of its owner, if it has one.
    #[must_use]
    pub fn versions(&self, owner: Option<&OwnerRow>) -> Versions {
        let owner = owner.map_or(OwnerVersion::default(), |owner| owner.version);
        Versions { key: self.version, owner }
    }
}

/// The stored form of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    /// SHA-256 of its text.
    pub digest: Digest,
    /// The first characters of its text; empty if they are not known.
    pub hint: String,
    /// When the key got it.
    pub created_at: UnixMillis,
}

/// A secret that was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerSecret {
    /// The secret.
    pub secret: StoredSecret,
    /// The first instant at which it no longer works.
    pub ends_at: UnixMillis,
}

/// An owner. A store has a row for each owner that has or had keys, was ever suspended, or has
/// limits; rows stay for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerRow {
    /// The owner.
    pub owner: Owner,
    /// How often it was suspended, resumed or edited.
    pub version: OwnerVersion,
    /// Since when it is suspended, and so all of its keys, in addition to their own state.
    pub suspended_at: Option<UnixMillis>,
    /// What all of its keys share, on top of the limits of each; an empty list is no limit.
    pub limits: Limits,
    /// How many keys it has, revoked ones too.
    pub keys: u64,
    /// How many of them are revoked.
    pub revoked_keys: u64,
}

impl OwnerRow {
    /// An owner without keys, limits or a suspension.
    #[must_use]
    pub fn new(owner: Owner) -> Self {
        Self {
            owner,
            version: OwnerVersion::default(),
            suspended_at: None,
            limits: Limits::of(None),
            keys: 0,
            revoked_keys: 0,
        }
    }

    /// Whether it is suspended.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspended_at.is_some()
    }

    /// Whether it appears in lists: it has keys or limits, or is suspended.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.is_suspended() || 0 < self.keys || self.is_limited()
    }

    /// Whether its keys share any limit.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        !self.limits.list().is_empty()
    }
}

/// A key with the state of its owner, as shown to operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The key.
    pub key: Key,
    /// Its owner, if it has one.
    pub owner: Option<OwnerRow>,
}

impl Owned {
    /// Where in its life the key is at `now`.
    #[must_use]
    pub fn stage(&self, now: UnixMillis) -> Stage {
        self.key.stage(self.owner.as_ref().is_some_and(OwnerRow::is_suspended), now)
    }
}

/// The identity of a tier, which counts up from 1 and is never given twice. A tier that is deleted
/// and made again under the same name is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TierId(NonZeroU64);

impl TierId {
    /// Accepts anything but 0.
    #[must_use]
    pub fn new(id: u64) -> Option<Self> {
        NonZeroU64::new(id).map(Self)
    }

    /// The id as a number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

/// A tier. The row of one that was deleted stays, for revoked keys go on showing its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierRow {
    /// Its identity.
    pub id: TierId,
    /// Its name. Of the tiers of one name at most one is not deleted.
    pub name: TierName,
    /// Its limits. An empty list is no limit.
    pub limits: Limits,
    /// How many keys have it that are not revoked.
    pub keys: u64,
    /// Whether it was deleted.
    pub is_gone: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_tiers_count_up_from_1() {
        assert_eq!(TierId::new(0), None);
        assert_eq!(TierId::new(7).map(TierId::get), Some(7));
    }
}
