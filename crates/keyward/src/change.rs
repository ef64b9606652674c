//! The changes of an existing key.

use std::time::Duration;

use crate::audit::Verb;
use crate::details::{NotesEdit, Reason};
use crate::digest::Digest;
use crate::limit::Limits;
use crate::network::Networks;
use crate::record::{KeyName, Owner, Scopes};
use crate::tier::TierName;
use crate::time::UnixMillis;

/// How long a replaced secret works by default.
pub const GRACE_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest time that a replaced secret works.
pub const GRACE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The changes wanted of a key. `None` leaves a field as it is.
///
/// ```
/// use keyward::change::KeyEdit;
///
/// // Another name and no expiry; all else stays.
/// let edit = KeyEdit {
///     name: Some("rain-bot".parse()?),
///     expires_at: Some(None),
///     ..KeyEdit::default()
/// };
/// assert_eq!((edit.tier, edit.owner), (None, None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyEdit {
    /// Another name.
    pub name: Option<KeyName>,
    /// Another tier.
    pub tier: Option<TierName>,
    /// Another owner, or none.
    pub owner: Option<Option<Owner>>,
    /// Scopes that replace all that it has.
    pub scopes: Option<Scopes>,
    /// Networks that replace all that it has.
    pub networks: Option<Networks>,
    /// Other limits of its own, or its tier's.
    pub limits: Option<Option<Limits>>,
    /// Other notes of operators.
    pub notes: NotesEdit,
    /// Another expiry, or none.
    pub expires_at: Option<Option<UnixMillis>>,
}

/// A change of one key.
///
/// ```
/// use keyward::audit::Verb;
/// use keyward::change::{KeyChange, KeyEdit};
///
/// let edit = KeyEdit { tier: Some("pro".parse()?), ..KeyEdit::default() };
/// assert_eq!(KeyChange::Edit(Box::new(edit)).verb(), Verb::Edit);
/// let revoke = KeyChange::Revoke { reason: Some("leaked".parse()?) };
/// assert!(revoke.is_revocation() && !revoke.is_rotation());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub enum KeyChange {
    /// Change fields.
    Edit(Box<KeyEdit>),
    /// Deny its requests until it is resumed.
    Suspend,
    /// Accept it again.
    Resume,
    /// Give it another secret.
    Rotate {
        /// SHA-256 of the new secret.
        digest: Digest,
        /// The first characters of the new secret.
        hint: String,
        /// How long the present secret still works; at most [`GRACE_MAX`], to which the gate cuts
        /// it, and at most as long as the key. The grace of earlier secrets ends.
        grace: Duration,
    },
    /// Deny its requests for ever.
    Revoke {
        /// The reason, if one was given.
        reason: Option<Reason>,
    },
}

impl KeyChange {
    /// The change within its bounds: no grace is longer than [`GRACE_MAX`].
    pub(crate) fn bounded(mut self) -> Self {
        if let Self::Rotate { grace, .. } = &mut self {
            *grace = GRACE_MAX.min(*grace);
        }
        self
    }

    /// Whether it revokes the key: then a key that is revoked is as was asked.
    #[must_use]
    pub const fn is_revocation(&self) -> bool {
        match self {
            Self::Revoke { .. } => true,
            Self::Edit(_) | Self::Suspend | Self::Resume | Self::Rotate { .. } => false,
        }
    }

    /// Whether it gives the key another secret.
    #[must_use]
    pub const fn is_rotation(&self) -> bool {
        match self {
            Self::Rotate { .. } => true,
            Self::Edit(_) | Self::Suspend | Self::Resume | Self::Revoke { .. } => false,
        }
    }

    /// Its verb in the audit trail.
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self {
            Self::Edit(_) => Verb::Edit,
            Self::Suspend => Verb::Suspend,
            Self::Resume => Verb::Resume,
            Self::Rotate { .. } => Verb::Rotate,
            Self::Revoke { .. } => Verb::Revoke,
        }
    }
}
