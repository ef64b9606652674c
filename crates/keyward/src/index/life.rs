//! The stage of a key's life by itself, in one word; its owner's state counts in addition to it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::record::{KeyState, Stage};
use crate::time::UnixMillis;

/// State and expiry in one word, so that a request reads both at once and a revocation is one
/// store: 0 is revoked; else the low 63 bits are the expiry in milliseconds (all ones is never)
/// and the top bit says suspended.
///
/// Written with `Release` and read with `Acquire`: a client that learned of a revocation, through a
/// response that was sent after it, meets it.
#[derive(Debug)]
pub(super) struct Life(AtomicU64);

const REVOKED: u64 = 0;
const SUSPENDED: u64 = 1 << 63;
const NEVER: u64 = SUSPENDED - 1;
/// The row cannot be read. As a state it is suspended, with an expiry that no key has.
const WITHHELD: u64 = SUSPENDED;

impl Life {
    pub(super) fn new(state: KeyState, expires_at: Option<UnixMillis>) -> Self {
        // An expiry at 0 becomes 1, which is as long ago and is not the word for revoked.
        let expires = expires_at.map_or(NEVER, |at| at.0.clamp(1, NEVER));
        Self(AtomicU64::new(match state {
            KeyState::Revoked { .. } => REVOKED,
            KeyState::Active => expires,
            KeyState::Suspended => expires | SUSPENDED,
        }))
    }

    pub(super) fn revoke(&self) {
        self.0.store(REVOKED, Ordering::Release);
    }

    /// Withholds every verdict but that the key is revoked.
    pub(super) fn withhold(&self) {
        let unless_revoked = |word| (word != REVOKED).then_some(WITHHELD);
        // An error is that it is revoked, and stays so.
        let (Ok(_) | Err(_)) =
            self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, unless_revoked);
    }

    pub(super) fn is_withheld(&self) -> bool {
        self.0.load(Ordering::Acquire) == WITHHELD
    }

    /// Stays what `before` became for ever.
    pub(super) fn inherit(&self, before: &Self) {
        if before.0.load(Ordering::Acquire) == REVOKED {
            self.revoke();
        }
    }

    pub(super) fn expires_at(&self) -> Option<UnixMillis> {
        let expires = self.0.load(Ordering::Acquire) & NEVER;
        Some(UnixMillis(expires)).filter(|at| at.0 != NEVER && at.0 != REVOKED)
    }

    pub(super) fn stage(&self, now: UnixMillis) -> Stage {
        let word = self.0.load(Ordering::Acquire);
        let expires = word & NEVER;
        if word == REVOKED {
            Stage::Revoked
        } else if word & SUSPENDED != 0 {
            Stage::Suspended
        } else if expires != NEVER && expires <= now.0 {
            Stage::Expired
        } else {
            Stage::Active
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(state: KeyState, expires_at: Option<u64>) -> Life {
        Life::new(state, expires_at.map(UnixMillis))
    }

    #[test]
    fn expiry_is_the_first_instant_that_fails() {
        let ends = life(KeyState::Active, Some(1_000));
        assert_eq!(ends.stage(UnixMillis(999)), Stage::Active);
        assert_eq!(ends.stage(UnixMillis(1_000)), Stage::Expired);
        let never = life(KeyState::Active, None);
        assert_eq!(never.stage(UnixMillis(u64::MAX)), Stage::Active);
        let long_ago = life(KeyState::Active, Some(0));
        assert_eq!(long_ago.stage(UnixMillis(1)), Stage::Expired);
    }

    #[test]
    fn revoked_outweighs_all_and_suspended_outweighs_expired() {
        let suspended = life(KeyState::Suspended, Some(5));
        assert_eq!(suspended.stage(UnixMillis(9)), Stage::Suspended);
        suspended.revoke();
        assert_eq!(suspended.stage(UnixMillis(1)), Stage::Revoked);
    }

    #[test]
    fn a_withheld_key_is_not_active_and_a_revoked_one_stays_revoked() {
        let withheld = life(KeyState::Active, None);
        withheld.withhold();
        assert!(withheld.is_withheld());
        assert_eq!(withheld.stage(UnixMillis(1)), Stage::Suspended);
        assert_eq!(withheld.expires_at(), None);
        let suspended = life(KeyState::Suspended, Some(0));
        assert!(!suspended.is_withheld());
        suspended.revoke();
        suspended.withhold();
        assert_eq!(suspended.stage(UnixMillis(1)), Stage::Revoked);
    }

    #[test]
    fn what_takes_the_place_of_a_revoked_key_is_revoked() {
        let (before, after) = (life(KeyState::Active, None), life(KeyState::Active, None));
        before.revoke();
        after.inherit(&before);
        assert_eq!(after.stage(UnixMillis(1)), Stage::Revoked);
    }
}
