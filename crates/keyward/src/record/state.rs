//! The operator's decision about a key, and the stage of its life that follows from it.

use crate::time::UnixMillis;

/// An operator's decision about a key. Whether it expired is a matter of time, not of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Works until it expires.
    Active,
    /// Is denied until an operator resumes it.
    Suspended,
    /// Is denied for ever.
    Revoked {
        /// When it was revoked.
        at: UnixMillis,
    },
}

impl KeyState {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Revoked { .. } => "revoked",
        }
    }

    /// When the key was revoked, if it was.
    #[must_use]
    pub const fn revoked_at(self) -> Option<UnixMillis> {
        match self {
            Self::Revoked { at } => Some(at),
            Self::Active | Self::Suspended => None,
        }
    }

    /// Whether the key is revoked, which is for ever.
    #[must_use]
    pub const fn is_revoked(self) -> bool {
        self.revoked_at().is_some()
    }
}

/// Where in its life a key is at some instant: its own state, its owner's, and the time together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It works.
    Active,
    /// It or its owner is suspended.
    Suspended,
    /// It is revoked.
    Revoked,
    /// It has expired, and is neither of the above.
    Expired,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 4] = [Self::Active, Self::Suspended, Self::Revoked, Self::Expired];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }

    /// Whether the key's life has ended: only another expiry makes it work again, if at all.
    #[must_use]
    pub const fn is_over(self) -> bool {
        match self {
            Self::Active | Self::Suspended => false,
            Self::Revoked | Self::Expired => true,
        }
    }
}
