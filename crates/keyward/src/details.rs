//! The details of a key that requests do not need.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::de::IgnoredAny;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::json;
use crate::text::{self, TextError};

/// Most characters of a reason.
pub const REASON_CHARS_MAX: usize = 200;
/// Most bytes of a key's metadata, as compact JSON.
pub const METADATA_LEN_MAX: usize = 4 * 1024;

/// Notes of an operator about a key: a JSON object of at most [`METADATA_LEN_MAX`] bytes.
///
/// Keyward only keeps and shows it, so each number in a text that is parsed comes back as that
/// number; `1.50` comes back as `1.5`.
///
/// ```
/// use keyward::details::Metadata;
///
/// let metadata: Metadata = r#"{ "ticket": "OPS-17" }"#.parse()?;
/// assert_eq!(metadata.as_str(), r#"{"ticket":"OPS-17"}"#);
/// assert!("[]".parse::<Metadata>().is_err());
/// # Ok::<(), keyward::details::ParseMetadataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata(Box<str>);

/// The error of a text that is no metadata.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ParseMetadataError {
    /// It is not a JSON object.
    #[error("metadata is a JSON object")]
    Form,
    /// A number in it would come back as another one.
    #[error("a number in metadata has more digits than a double keeps; write it as a text")]
    Inexact,
    /// It is longer than [`METADATA_LEN_MAX`].
    #[error("metadata has at most 4096 bytes as compact JSON")]
    TooLong,
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
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
            json::from_str(text).map_err(|_| ParseMetadataError::Form)?;
        if json::first_inexact_number(text).is_some() {
            return Err(ParseMetadataError::Inexact);
        }
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
    /// Takes a text that was that of [`Metadata::as_str`], as a store keeps it.
    ///
    /// # Errors
    ///
    /// Returns [`ParseMetadataError`] if it is no object, or too long. That it is compact, and its
    /// numbers exact, is not looked at again: there may be a million of them to read.
    pub fn from_stored(text: &str) -> Result<Self, ParseMetadataError> {
        if METADATA_LEN_MAX < text.len() {
            return Err(ParseMetadataError::TooLong);
        }
        match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) if text.starts_with('{') => Ok(Self(text.into())),
            Ok(_) | Err(_) => Err(ParseMetadataError::Form),
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_str() == "{}"
    }

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

/// The facts about a key that operators note and no request needs.
///
/// A new fact is a field here and in [`NotesEdit`]; the request for a key, the stored key, its edit
/// and its entries in the audit trail have it then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Notes {
    /// A JSON object of any content.
    pub metadata: Metadata,
}

/// The changes wanted of [`Notes`]. `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotesEdit {
    /// Metadata that replace all that the key has.
    pub metadata: Option<Metadata>,
}

impl NotesEdit {
    /// Makes the changes.
    pub fn apply(self, notes: &mut Notes) {
        let Self { metadata } = self;
        replace(&mut notes.metadata, metadata);
    }
}

impl From<Metadata> for Notes {
    /// Metadata and no other fact.
    fn from(metadata: Metadata) -> Self {
        Self { metadata }
    }
}

impl From<Metadata> for NotesEdit {
    /// Other metadata, and all else as it is.
    fn from(metadata: Metadata) -> Self {
        Self { metadata: Some(metadata) }
    }
}

/// Replaces a field if another value is wanted.
pub(crate) fn replace<T>(field: &mut T, wanted: Option<T>) {
    if let Some(wanted) = wanted {
        *field = wanted;
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

/// Counts the changes of an owner from 0: an owner that was never suspended, resumed or edited.
/// Issuing keys to it does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnerVersion(pub u64);

impl OwnerVersion {
    /// The version after one more change.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Which of its changes a key is in, its owner's included: a suspension of the owner changes the
/// key's state and leaves its own version as it is.
///
/// As text it is `7`, or `7.2` if the owner has a version.
///
/// ```
/// use keyward::details::{OwnerVersion, Version, Versions};
///
/// let versions = Versions::from(Version::FIRST);
/// assert_eq!(versions.to_string(), "1");
/// assert_eq!(Versions { owner: OwnerVersion(2), ..versions }.to_string(), "1.2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The key's own.
    pub key: Version,
    /// Its owner's: how often that was suspended, resumed or edited; 0 for a key without an owner.
    pub owner: OwnerVersion,
}

impl From<Version> for Versions {
    /// Of a key whose owner, if it has one, was never changed.
    fn from(key: Version) -> Self {
        Self { key, owner: OwnerVersion::default() }
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owner.0 {
            0 => write!(f, "{}", self.key.get()),
            owner => write!(f, "{}.{owner}", self.key.get()),
        }
    }
}

/// Why a key was revoked, in the words of the actor: 1 to [`REASON_CHARS_MAX`] characters, all of
/// which can be seen as they are; see [`text::check`].
///
/// ```
/// use keyward::details::Reason;
///
/// assert!("found in a public repository".parse::<Reason>().is_ok());
/// assert!("".parse::<Reason>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

/// The error of a text that is no reason.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ParseReasonError {
    /// It is empty, or has more than [`REASON_CHARS_MAX`] characters.
    #[error("a reason has 1 to 200 characters")]
    Length,
    /// It cannot be seen as it is.
    #[error("a reason has to be legible: {0}")]
    Text(#[from] TextError),
}

impl FromStr for Reason {
    type Err = ParseReasonError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !(1..=REASON_CHARS_MAX).contains(&text.chars().count()) {
            return Err(ParseReasonError::Length);
        }
        text::check(text)?;
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
        check(
            r#"{"a":18446744073709551615,"b":[0.1,1.50]}"#,
            Ok(r#"{"a":18446744073709551615,"b":[0.1,1.5]}"#),
        );
        for text in [r#"{"a":12345678901234567890123}"#, r#"{"a":[0.12345678901234567890]}"#] {
            check(text, Err(ParseMetadataError::Inexact));
        }
        for text in ["", "[]", "null", r#"{"a":}"#, r#"{"a":{"b":1,"b":2}}"#, r#"{"a":1e400}"#] {
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
        for text in ["two\nlines", " ", "lost\u{202e}tsol", "\u{3164}", "a\0"] {
            check(text, false);
        }
    }

    #[test]
    fn versions_of_owners_count_up_from_zero() {
        assert_eq!(OwnerVersion::default().next(), OwnerVersion(1));
        assert_eq!(OwnerVersion(u64::MAX).next(), OwnerVersion(u64::MAX));
    }

    #[test]
    fn versions_count_up_from_one() {
        assert_eq!(Version::new(0), None);
        assert_eq!(Version::FIRST.next(), Version::new(2).unwrap());
        assert_eq!(Versions::from(Version::FIRST).to_string(), "1");
        assert_eq!(
            Versions { key: Version::FIRST.next(), owner: OwnerVersion(3) }.to_string(),
            "2.3"
        );
    }
}
