//! The stored form of a secret: its SHA-256.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::key::{Presented, Secret};

/// SHA-256 of a secret's text: all that is ever stored of it.
///
/// A plain hash is enough because a secret has 256 random bits: there is nothing to guess, so a
/// slow hash would only slow every request down. Comparing two digests takes the same time, at
/// whichever byte they differ. The text that a caller presents as its key is always hashed, so that
/// an attacker who read the store gains nothing by presenting its contents; [`Digest::from_stored`]
/// and [`Digest::from_hex`] are for stores, and for operators who carry keys from one to another.
///
/// ```
/// use keyward::digest::Digest;
/// use keyward::key::Presented;
///
/// let digest = Digest::of(Presented::parse("sk-0123456789abcdef")?);
/// assert_eq!(Digest::from_hex(&digest.to_hex()), Some(digest));
/// assert_eq!(Digest::from_hex("sk-0123456789abcdef"), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes a presented text.
    #[must_use]
    pub fn of(presented: Presented<'_>) -> Self {
        Self::of_text(presented.expose())
    }

    /// Hashes a secret that was just made.
    #[must_use]
    pub fn of_secret(secret: &Secret) -> Self {
        Self::of_text(secret.expose())
    }

    /// The hasher stays where it is until its buffer is wiped: moved, as `Sha256::digest` moves it,
    /// it would leave a copy of the text.
    fn of_text(text: &str) -> Self {
        let (mut hasher, mut digest) = (Sha256::new(), [0; 32]);
        hasher.update(text.as_bytes());
        hasher.finalize_into_reset((&mut digest).into());
        Self(digest)
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

    /// The digest as 64 hexadecimal digits, for carrying it to another store.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex_digit).collect()
    }

    /// Reads 64 hexadecimal digits, of either case.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Where the digest belongs in a table. A digest is as random as any hash of it would be.
    pub(crate) fn place(&self) -> u64 {
        let [place, ..] = self.words();
        place
    }

    /// A number that distinguishes few digests, and is no part of their position.
    pub(crate) fn stripe(&self) -> u64 {
        let [.., last] = self.words();
        last
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

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

impl PartialEq for Digest {
    /// Takes the same time, at whichever byte they differ: all bits are looked at before anything
    /// is decided.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.words().into_iter().zip(other.words());
        let differing = pairs.fold(0, |differing, (one, other)| differing | (one ^ other));
        differing.ct_eq(&0).into()
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
        // An attacker who read the store and presents its contents must be denied.
        let stored = digest("a-leaked-key");
        let hex: String = stored.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_ne!(digest(&hex), stored);
    }

    #[test]
    fn nothing_formats_a_digest() {
        assert_eq!(format!("{:?}", digest("whatever")), "Digest(…)");
    }

    #[test]
    fn hex_is_64_digits_of_either_case() {
        let digest = Digest::from_hex(&"aB".repeat(32)).unwrap();
        assert_eq!(digest.as_bytes(), &[0xab; 32]);
        assert_eq!(digest.to_hex(), "ab".repeat(32));
        for text in ["", "ab", &"ab".repeat(33), &"a".repeat(63), &"g".repeat(64), &"ü".repeat(32)]
        {
            assert_eq!(Digest::from_hex(text), None, "{text}");
        }
    }
}
