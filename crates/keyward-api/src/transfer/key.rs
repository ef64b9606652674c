//! The secrets of a key in a file, and its state.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::digest::ImportDigest;
use super::time::Time;

/// One secret of a key; the current one has no end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportSecret {
    /// SHA-256 of its text.
    pub digest: ImportDigest,
    /// The first characters, by which people recognise it.
    #[serde(default)]
    pub hint: String,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    /// When a former secret stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Time>,
}

/// The operator's decision about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It works.
    Active,
    /// It does not work until it is resumed.
    Suspended,
    /// It does not work any more.
    Revoked,
}

impl State {
    /// Takes a state as a file has it, in any case.
    ///
    /// # Errors
    ///
    /// Returns the remedy.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.to_ascii_lowercase().as_str() {
            "active" => Ok(Self::Active),
            "suspended" => Ok(Self::Suspended),
            "revoked" => Ok(Self::Revoked),
            _ => Err("a state is active, suspended or revoked"),
        }
    }
}

/// Reads a text by a rule, and gives the rule as the error.
struct Text<T>(fn(&str) -> Result<T, &'static str>);

impl<T> de::Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(Self::parse))
    }
}
