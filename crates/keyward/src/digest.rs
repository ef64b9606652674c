//! What is kept of a secret: its SHA-256.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::key::{Presented, Secret};

/// SHA-256 of a secret's text: all that is ever stored of it.
///
/// A plain hash is enough because a secret has 256 random bits: there is nothing to guess, so a
/// slow hash would only slow every request down. Comparing two digests takes the same time
/// wherever they differ. A digest is never made from stored bytes that a caller presents: the
/// only ways in are hashing a text and reading the store.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes a presented text.
    #[must_use]
    pub fn of(presented: Presented<'_>) -> Self {
        Self(Sha256::digest(presented.expose().as_bytes()).into())
    }

    /// Hashes a secret that was just made.
    #[must_use]
    pub fn of_secret(secret: &Secret) -> Self {
        Self(Sha256::digest(secret.expose().as_bytes()).into())
    }

    /// Takes a digest as the store kept it.
    #[must_use]
    pub fn from_stored(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Where the digest belongs in a table. A digest is as random as any hash of it would be.
    pub(crate) fn place(&self) -> u64 {
        let [place, ..] = self.words();
        place
    }

    fn words(&self) -> [u64; 4] {
        let (words, _) = self.0.as_chunks();
        let mut all = [0; 4];
        for (word, bytes) in all.iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
        all
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        // Four words rather than 32 bytes, for each step of a comparison costs the same.
        self.words().ct_eq(&other.words()).into()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(Presented::parse(text).unwrap())
    }

    #[test]
    fn it_is_sha_256() {
        // FIPS 180-2, appendix B.2.
        let text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        let expected = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
        let hex: String = digest(text).as_bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, expected);
    }

    #[test]
    fn a_digest_in_hex_is_just_another_text() {
        // Somebody who read the store and presents what is in it must get nowhere.
        let stored = digest("a-leaked-key");
        let hex: String = stored.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_ne!(digest(&hex), stored);
    }

    #[test]
    fn nothing_formats_a_digest() {
        assert_eq!(format!("{:?}", digest("whatever")), "Digest(…)");
    }
}
