//! Door keys: the credentials of the clients of doors, such as a proxy.
//!
//! A door key is no API key: it opens the doors of one installation, and callers never have it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

/// Most characters of the name of a door key.
pub const DOOR_NAME_LEN_MAX: usize = 64;
/// Most door keys at one time.
pub const DOOR_KEYS_MAX: usize = 256;

/// The name and the digest of a door key: all that a server keeps of it.
///
/// ```
/// use keyward_doors::DoorKey;
///
/// let line = format!("edge-1 {}", "0f".repeat(32));
/// let key: DoorKey = line.parse()?;
/// assert_eq!((key.name(), key.to_string()), ("edge-1", line));
/// assert!("edge-1 0f".parse::<DoorKey>().is_err());
/// # Ok::<(), keyward_doors::door_key::ParseDoorKeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DoorKey {
    name: Arc<str>,
    digest: [u8; 32],
}

/// Why a line is no door key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ParseDoorKeyError {
    /// There are not two words.
    #[error("it is not `NAME SHA256HEX`, as `keyward door-key NAME` prints it")]
    Words,
    /// The name is malformed.
    #[error("a name has 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-`")]
    Name,
    /// The digest is malformed.
    #[error("a digest is SHA-256 as 64 hexadecimal digits; never write the key itself")]
    Digest,
}

/// Why a file has no list of door keys.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DoorKeysError {
    /// A line is no door key.
    #[error("line {line}: {error}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// Its fault.
        error: ParseDoorKeyError,
    },
    /// Two lines have the same name.
    #[error("line {0}: a line before it has this name; each needs a name of its own")]
    SameName(usize),
    /// There are too many.
    #[error("there are at most 256 door keys; leave some out")]
    TooMany,
    /// There is none.
    #[error("there is no door key in it; `keyward door-key NAME` makes one")]
    None,
}

impl DoorKey {
    /// The door key with this name and text.
    ///
    /// ```
    /// use keyward_doors::DoorKey;
    ///
    /// let key = DoorKey::of("edge-1", "a-text-of-256-bits")?;
    /// // Nothing prints the text.
    /// assert!(!key.to_string().contains("a-text"));
    /// assert!(DoorKey::of("two words", "a-text-of-256-bits").is_err());
    /// # Ok::<(), keyward_doors::door_key::ParseDoorKeyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if no door key can have this name.
    pub fn of(name: &str, text: &str) -> Result<Self, ParseDoorKeyError> {
        Ok(Self { name: read_name(name)?, digest: digest_of(text.as_bytes()) })
    }

    /// What operators call it. It is no secret.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn read_name(name: &str) -> Result<Arc<str>, ParseDoorKeyError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let is_name = (1..=DOOR_NAME_LEN_MAX).contains(&name.len()) && name.bytes().all(fits);
    if is_name { Ok(name.into()) } else { Err(ParseDoorKeyError::Name) }
}

/// The hasher stays where it is until its buffer is wiped.
fn digest_of(text: &[u8]) -> [u8; 32] {
    let (mut hasher, mut digest) = (Sha256::new(), [0; 32]);
    hasher.update(text);
    hasher.finalize_into_reset((&mut digest).into());
    digest
}

/// As a line of a file of door keys.
impl fmt::Display for DoorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.name)?;
        self.digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DoorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DoorKey").field(&self.name).finish()
    }
}

impl FromStr for DoorKey {
    type Err = ParseDoorKeyError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some(digest), None) = (words.next(), words.next(), words.next()) else {
            return Err(ParseDoorKeyError::Words);
        };
        let name = read_name(name)?;
        let is_hex = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
        let mut bytes = [0; 32];
        let pairs = digest.as_bytes().chunks(2).map(|pair| {
            str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
        });
        for (byte, read) in bytes.iter_mut().zip(pairs) {
            *byte = read.filter(|_| is_hex).ok_or(ParseDoorKeyError::Digest)?;
        }
        if is_hex { Ok(Self { name, digest: bytes }) } else { Err(ParseDoorKeyError::Digest) }
    }
}

/// The door keys of an installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DoorKeys(Vec<DoorKey>);

impl DoorKeys {
    /// Reads a file of door keys: one on each line. Empty lines and comments, which begin with `#`,
    /// are skipped.
    ///
    /// ```
    /// use keyward_doors::DoorKeys;
    ///
    /// let digest = "0f".repeat(32);
    /// assert!(DoorKeys::read(&format!("# the edge\nedge-1 {digest}\n")).is_ok());
    /// let error = DoorKeys::read(&format!("edge-1 {digest}\nedge-2\n")).unwrap_err();
    /// assert!(error.to_string().starts_with("line 2: "));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the first fault, with the number of its line.
    pub fn read(text: &str) -> Result<Self, DoorKeysError> {
        let mut keys: Vec<DoorKey> = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let key: DoorKey = text.parse().map_err(|error| DoorKeysError::Line { line, error })?;
            if keys.iter().any(|before| before.name == key.name) {
                return Err(DoorKeysError::SameName(line));
            }
            keys.push(key);
        }
        match keys.len() {
            0 => Err(DoorKeysError::None),
            1..=DOOR_KEYS_MAX => Ok(Self(keys)),
            _ => Err(DoorKeysError::TooMany),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of the door key with this text. Digests are compared, so that the time taken
    /// reveals nothing of any key.
    pub(crate) fn find(&self, text: &[u8]) -> Option<Arc<str>> {
        let digest = digest_of(text);
        let is_it = |key: &&DoorKey| bool::from(key.digest.ct_eq(&digest));
        self.0.iter().find(is_it).map(|key| Arc::clone(&key.name))
    }
}

/// One key alone.
impl From<DoorKey> for DoorKeys {
    fn from(key: DoorKey) -> Self {
        Self(vec![key])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_text_alone() {
        let first = DoorKey::of("edge-1", "first").unwrap();
        let text = format!("{first}\n\n  # spare\n{}\n", DoorKey::of("edge-2", "second").unwrap());
        let keys = DoorKeys::read(&text).unwrap();
        assert_eq!(keys.find(b"first").as_deref(), Some("edge-1"));
        assert_eq!(keys.find(b"second").as_deref(), Some("edge-2"));
        for text in ["", "First", "third", &first.to_string()] {
            assert_eq!(keys.find(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_malformed_line_is_named_by_its_number() {
        let digest = "0F".repeat(32);
        let check = |text: &str, error: &str| {
            let found = DoorKeys::read(text).unwrap_err().to_string();
            assert!(found.starts_with(error), "{found}");
        };
        check(&format!("a {digest}\nb"), "line 2: it is not");
        check(&format!("a {digest} c"), "line 1: it is not");
        check(&format!("\nä {digest}"), "line 2: a name has");
        check("a 0f", "line 1: a digest is");
        check(&format!("a {}", "0g".repeat(32)), "line 1: a digest is");
        check(&format!("a {}", "ä".repeat(32)), "line 1: a digest is");
        check(&format!("a {digest}\na {digest}"), "line 2: a line before");
        check("# none\n", "there is no door key");
        let many: String = (0..=DOOR_KEYS_MAX).map(|n| format!("a{n} {digest}\n")).collect();
        check(&many, "there are at most 256");
    }
}
