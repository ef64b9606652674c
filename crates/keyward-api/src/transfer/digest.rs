//! The digest of a secret as other systems write it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use keyward::digest::Digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The fault of a text that is not a digest. It does not quote the text, which may be a secret.
const RULE: &str = "a digest is the SHA-256 of a secret, in 64 hex digits or 43 characters of \
                    base64; a secret itself cannot be imported";

/// The fault of digests that cannot be moved, which are recognized by their beginning.
const SLOW: &str = "a digest that was made slowly or with a salt (bcrypt, scrypt, Argon2, PBKDF2) \
                    cannot be moved; issue a new key";
/// The marks of such digests.
const SLOW_MARKS: [&str; 9] =
    ["$2", "$argon2", "$scrypt$", "$5$", "$6$", "$y$", "$pbkdf2", "pbkdf2", "scrypt:"];
const OCTAL: &str = "PostgreSQL wrote the digest in its old form; give `encode(COLUMN, 'hex')`";
/// Digests of other lengths, by their hex digits.
const OTHER_LENGTHS: [(usize, &str); 4] = [
    (32, "32 hex digits are no SHA-256, which has 64; if this is MD5, the key cannot be moved"),
    (40, "40 hex digits are no SHA-256, which has 64; if this is SHA-1, the key cannot be moved"),
    (56, "56 hex digits are no SHA-256, which has 64; if this is SHA-224, the key cannot be moved"),
    (96, "96 hex digits are no SHA-256, which has 64; if this is SHA-384, the key cannot be moved"),
];

/// The digest of a secret, read from hex of any case, or from base64 or base64url with or without
/// padding; written in hex.
///
/// Holding one proves that the text had 32 bytes, not that they are the SHA-256 of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportDigest(pub Digest);

impl ImportDigest {
    /// Takes a digest as a file has it.
    ///
    /// # Errors
    ///
    /// Returns the remedy, without the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let bare = without_mark(text);
        let base64 = || parse_base64(bare).map(Digest::from_stored);
        let read = Digest::from_hex(bare).or_else(base64).or_else(|| of_other_form(bare));
        read.map(Self).ok_or_else(|| problem(bare))
    }
}

/// The text without the mark that databases and programs put in front of a digest.
fn without_mark(text: &str) -> &str {
    // SQL's literal for bytes.
    let literal = text.strip_prefix(['x', 'X']).and_then(|rest| rest.strip_prefix('\''));
    if let Some(hex) = literal.and_then(|rest| rest.strip_suffix('\'')) {
        return hex;
    }
    // `\\x` is PostgreSQL's `\x` in a file of `COPY`.
    const MARKS: [&str; 8] =
        ["\\\\x", "\\x", "0x", "sha256:", "sha256-", "sha-256:", "sha256$", "{sha256}"];
    let begins =
        |mark: &str| text.get(..mark.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(mark));
    let mark = MARKS.into_iter().find(|mark| begins(mark));
    mark.and_then(|mark| text.get(mark.len()..)).unwrap_or(text)
}

/// Hex with colons between the bytes, and the bytes of a hexadecimal text, as in a column of bytes
/// into which a program put hex digits.
fn of_other_form(text: &str) -> Option<Digest> {
    let twice = || {
        let pairs = text.as_bytes().chunks_exact(2).filter(|_| text.len() == 128);
        let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Vec<u8> = pairs.map(byte).collect::<Option<_>>()?;
        Digest::from_hex(str::from_utf8(&bytes).ok()?)
    };
    let has_colons = text.len() == 95 && text.split(':').all(|byte| byte.len() == 2);
    if has_colons { Digest::from_hex(&text.replace(':', "")) } else { twice() }
}

fn problem(text: &str) -> &'static str {
    let lower = text.to_ascii_lowercase();
    if SLOW_MARKS.iter().any(|mark| lower.starts_with(mark)) {
        return SLOW;
    }
    if text.starts_with('\\') {
        return OCTAL;
    }
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let length = OTHER_LENGTHS.iter().find(|(len, _)| is_hex && *len == text.len());
    length.map_or(RULE, |(_, problem)| problem)
}

fn parse_base64(text: &str) -> Option<[u8; 32]> {
    let text = text.strip_suffix('=').unwrap_or(text);
    // The two alphabets differ in two characters, and no text has characters of both.
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
    fn the_marks_of_databases_and_programs_are_left_out() {
        let bytes = HEX.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let colons: Vec<_> = HEX.as_bytes().chunks(2).map(|c| str::from_utf8(c).unwrap()).collect();
        let base64 = "+/D/8/f+/fz7+vn49/b19PPy8fDv7u3s6+rp6Ofm5eQ=";
        for text in [
            format!(r"\x{HEX}"),
            format!(r"\\x{HEX}"),
            format!("0x{HEX}"),
            format!("0X{}", HEX.to_uppercase()),
            format!("sha256:{HEX}"),
            format!("SHA-256:{HEX}"),
            format!("sha256-{base64}"),
            format!("{{SHA256}}{base64}"),
            format!("X'{}'", HEX.to_uppercase()),
            colons.join(":"),
            format!(r"\x{bytes}"),
        ] {
            assert_eq!(ImportDigest::parse(&text).unwrap().0.to_hex(), HEX, "{text}");
        }
    }

    #[test]
    fn digests_that_cannot_move_are_told_from_texts_that_are_none() {
        for (text, problem) in [
            ("$2b$12$abcdefghijklmnopqrstuv", SLOW),
            ("$argon2id$v=19$m=65536", SLOW),
            ("pbkdf2_sha256$870000$salt$", SLOW),
            (r"\060\213+\376", OCTAL),
            (&"a".repeat(32), OTHER_LENGTHS[0].1),
            (&"a".repeat(40), OTHER_LENGTHS[1].1),
        ] {
            assert_eq!(ImportDigest::parse(text), Err(problem), "{text}");
        }
    }

    #[test]
    fn an_invalid_digest_is_rejected_and_not_repeated() {
        let secret = "kw_Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9v";
        let short = HEX.get(..62).unwrap();
        let not_hex = "g".repeat(64);
        let mixed = "+_D/8/f+/fz7+vn49/b19PPy8fDv7u3s6+rp6Ofm5eQ";
        let umlauts = "ü".repeat(32);
        for text in ["", secret, short, &not_hex, mixed, &umlauts, &"A".repeat(45)] {
            let fault = ImportDigest::parse(text).unwrap_err();
            assert!(text.is_empty() || !fault.contains(text), "{fault}");
        }
    }
}
