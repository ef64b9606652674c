//! Tokens that were good a while ago, by their digests.
//!
//! This decides about no request: every token is verified each time. It only picks the tokens that
//! are still verified where an address has sent too many wrong ones.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

/// Most tokens that are remembered, the newest: as many people at one time, at 8 KiB in all.
const TOKENS_MAX: usize = 256;

/// SHA-256 of a token.
pub(super) type TokenDigest = [u8; 32];

/// The digest by which a token is remembered.
pub(super) fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token.as_bytes()).into()
}

/// The tokens that were good last.
#[derive(Default)]
pub(super) struct GoodTokens {
    /// A blocking lock, held for one look and never across `.await`. A panic inside would leave
    /// the list as it was.
    digests: Mutex<VecDeque<TokenDigest>>,
}

impl fmt::Debug for GoodTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GoodTokens").finish_non_exhaustive()
    }
}

impl GoodTokens {
    /// Whether a token was good, and is still remembered.
    pub(super) fn contain(&self, digest: &TokenDigest) -> bool {
        self.digests().contains(digest)
    }

    /// Remembers a token that was good, and forgets the oldest one if there are many.
    pub(super) fn add(&self, digest: TokenDigest) {
        let mut digests = self.digests();
        if digests.contains(&digest) {
            return;
        }
        if digests.len() == TOKENS_MAX {
            digests.pop_front();
        }
        digests.push_back(digest);
    }

    fn digests(&self) -> MutexGuard<'_, VecDeque<TokenDigest>> {
        self.digests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_remembered_each_once() {
        let tokens = GoodTokens::default();
        let numbered = |number: usize| digest(&number.to_string());
        (0..TOKENS_MAX).for_each(|number| tokens.add(numbered(number)));
        tokens.add(numbered(1));
        assert!(tokens.contain(&numbered(0)));
        tokens.add(numbered(TOKENS_MAX));
        assert!(!tokens.contain(&numbered(0)));
        assert!((1..=TOKENS_MAX).all(|number| tokens.contain(&numbered(number))));
    }
}
