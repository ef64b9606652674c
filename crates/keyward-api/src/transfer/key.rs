//! A key as `POST /admin/import` takes it and `GET /admin/export` gives it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use super::digest::ImportDigest;
use super::time::Time;

/// A key to be imported, or one that was exported. Its fields are the fields of the route.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImportKey {
    /// The id to keep; a new one, if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<u64>,
    /// The name by which people know it.
    pub name: String,
    /// Its tier; the server has a default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Whether its tier is one that was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier_gone: Option<bool>,
    /// The owner to whom it belongs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its scopes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The networks that it may be used from; empty is any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// The limits as they are in the file; the server validates them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Value>,
    /// Facts that only operators read.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// The operator's decision about it.
    pub state: State,
    /// When it ends, if ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    /// When it was last used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
    /// Why it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_reason: Option<String>,
    /// When its secret was last replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<Time>,
    /// Its secrets, the current one first.
    pub secrets: Vec<ImportSecret>,
}

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
