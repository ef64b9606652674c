//! What is kept of a key beside what every request needs.

use std::num::NonZeroU64;
use std::str::FromStr;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::digest::Digest;
use crate::record::Record;
use crate::tier::TierName;
use crate::time::UnixMillis;

/// Most characters of a reason.
pub const REASON_CHARS_MAX: usize = 200;
/// Most bytes of a key's metadata, as compact JSON.
pub const METADATA_LEN_MAX: usize = 4 * 1024;

/// What somebody noted about a key: a JSON object of at most [`METADATA_LEN_MAX`] bytes. Keyward
/// only keeps and shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata(Box<str>);

/// Says that a text is no metadata.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseMetadataError {
    /// It is not a JSON object.
    #[error("metadata is a JSON object")]
    Form,
    /// It is longer than [`METADATA_LEN_MAX`].
    #[error("metadata has at most 4096 bytes as compact JSON")]
    TooLong,
}

impl Default for Metadata {
    /// Nothing: `{}`.
    fn default() -> Self {
        Self("{}".into())
    }
}

impl FromStr for Metadata {
    type Err = ParseMetadataError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let object: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| ParseMetadataError::Form)?;
        Self::try_from(object)
    }
}

impl TryFrom<Map<String, Value>> for Metadata {
    type Error = ParseMetadataError;

    fn try_from(object: Map<String, Value>) -> Result<Self, Self::Error> {
        let text = Value::from(object).to_string();
        if METADATA_LEN_MAX < text.len() {
            return Err(ParseMetadataError::TooLong);
        }
        Ok(Self(text.into()))
    }
}

impl Metadata {
    /// The object as compact JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The object itself.
    #[must_use]
    pub fn to_json(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

/// Counts the changes of a key from 1, so that two people who edit it do not overwrite each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(NonZeroU64);

impl Version {
    /// The version of a key that was just issued.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// Accepts anything but 0.
    #[must_use]
    pub fn new(version: u64) -> Option<Self> {
        NonZeroU64::new(version).map(Self)
    }

    /// The version as a number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The version after one more change.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Why a key was revoked, in somebody's words: 1 to [`REASON_CHARS_MAX`] characters without
/// control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

/// Says that a text is no reason.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a reason has 1 to 200 characters, none of them a control character")]
pub struct ParseReasonError;

impl FromStr for Reason {
    type Err = ParseReasonError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = !text.is_empty() && text.chars().count() <= REASON_CHARS_MAX;
        if !fits || text.chars().any(char::is_control) {
            return Err(ParseReasonError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl Reason {
    /// The reason as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A key as operators see it. Nothing in it leads back to a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDetails {
    /// Id, name, owner, restrictions, state and expiry.
    pub record: Record,
    /// The tier that sets its limits, unless it has its own.
    pub tier: TierName,
    /// The first characters of its secret; empty if they were never known.
    pub hint: String,
    /// What somebody noted about it.
    pub metadata: Metadata,
    /// How often it was changed, and 1.
    pub version: Version,
    /// When it was issued.
    pub created_at: UnixMillis,
    /// When it was last allowed in, as far as usage was flushed.
    pub last_used_at: Option<UnixMillis>,
    /// When it got its present secret, if that is not its first one.
    pub rotated_at: Option<UnixMillis>,
    /// When the grace of the secret before ends, or ended.
    pub grace_until: Option<UnixMillis>,
    /// Why it was revoked.
    pub revoked_reason: Option<Reason>,
}

/// A key with all that deciding about it needs.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// The key.
    pub record: Record,
    /// Its tier.
    pub tier: TierName,
    /// Which of its changes this is.
    pub version: Version,
    /// SHA-256 of its present secret.
    pub digest: Digest,
    /// When it got its present secret.
    pub secret_created_at: UnixMillis,
    /// The secrets that it had before, oldest first.
    pub former: Vec<FormerSecret>,
}

/// A secret that was replaced.
#[derive(Clone, Copy, Debug)]
pub struct FormerSecret {
    /// SHA-256 of it.
    pub digest: Digest,
    /// The first instant at which it no longer works.
    pub ends_at: UnixMillis,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_a_small_object() {
        let check = |text: &str, kept: Result<&str, ParseMetadataError>| {
            let parsed = text.parse::<Metadata>();
            assert_eq!(parsed.as_ref().map(Metadata::as_str), kept.as_ref().copied(), "{text}");
        };
        check("{}", Ok("{}"));
        check(r#"{ "z": 1, "a": [true] }"#, Ok(r#"{"z":1,"a":[true]}"#));
        for text in ["", "[]", "null", r#"{"a":}"#] {
            check(text, Err(ParseMetadataError::Form));
        }
        let of_len = |len: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(len - 8));
        check(&of_len(4_096), Ok(&of_len(4_096)));
        check(&of_len(4_097), Err(ParseMetadataError::TooLong));
    }

    #[test]
    fn a_reason_is_one_short_line() {
        let check = |text: &str, fits| assert_eq!(text.parse::<Reason>().is_ok(), fits, "{text}");
        check("found on a public page", true);
        check(&"ü".repeat(200), true);
        check(&"ü".repeat(201), false);
        check("", false);
        check("two\nlines", false);
    }

    #[test]
    fn versions_count_up_from_one() {
        assert_eq!(Version::new(0), None);
        assert_eq!(Version::FIRST.next(), Version::new(2).unwrap());
    }
}
