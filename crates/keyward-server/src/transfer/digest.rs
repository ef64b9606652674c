//! The digest of a secret as other systems write it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use keyward::digest::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What is told of a text that is none. The text itself is not: it may be a secret.
const RULE: &str = "a digest is the SHA-256 of a secret, in 64 hex digits or 43 characters of \
                    base64; a secret itself cannot be imported";

/// The digest of a secret, read from hex of any case, or from base64 or base64url with or without
/// padding; written in hex.
///
/// Holding one proves that the text had 32 bytes, not that they are the SHA-256 of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ImportDigest(pub Digest);

impl ImportDigest {
    /// Takes a digest as a file has it.
    ///
    /// # Errors
    ///
    /// Returns what to write instead, without the text.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let base64 = || parse_base64(text).map(Digest::from_stored);
        Digest::from_hex(text).or_else(base64).map(Self).ok_or(RULE)
    }
}

fn parse_base64(text: &str) -> Option<[u8; 32]> {
    let text = text.strip_suffix('=').unwrap_or(text);
    // The two alphabets differ in two characters, which never stand together.
    let engine = if text.contains(['-', '_']) { URL_SAFE_NO_PAD } else { STANDARD_NO_PAD };
    let mut bytes = [0; 32];
    let len = engine.decode_slice(text, &mut bytes).ok()?;
    (len == bytes.len()).then_some(bytes)
}

impl Serialize for ImportDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_hex())
    }
}

impl<'de> Deserialize<'de> for ImportDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = ImportDigest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a digest")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ImportDigest, E> {
                ImportDigest::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "fbf0fff3f7fefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4";

    #[test]
    fn every_way_to_write_a_digest_is_read() {
        let base64 = "+/D/8/f+/fz7+vn49/b19PPy8fDv7u3s6+rp6Ofm5eQ";
        let url_safe = base64.replace('+', "-").replace('/', "_");
        for text in [HEX, &HEX.to_uppercase(), base64, &url_safe] {
            assert_eq!(ImportDigest::parse(text).unwrap().0.to_hex(), HEX, "{text}");
        }
        for text in [base64, &url_safe] {
            assert_eq!(ImportDigest::parse(&format!("{text}=")).unwrap().0.to_hex(), HEX, "{text}");
        }
    }

    #[test]
    fn what_is_no_digest_is_refused_without_being_repeated() {
        let secret = "kw_Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9v";
        let short = HEX.get(..62).unwrap();
        let not_hex = "g".repeat(64);
        let mixed = "+_D/8/f+/fz7+vn49/b19PPy8fDv7u3s6+rp6Ofm5eQ";
        let umlauts = "ü".repeat(32);
        for text in ["", secret, short, &not_hex, mixed, &umlauts, &"A".repeat(45)] {
            let refused = ImportDigest::parse(text).unwrap_err();
            assert!(text.is_empty() || !refused.contains(text), "{refused}");
        }
    }
}
