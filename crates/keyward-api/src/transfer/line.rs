//! The item that the fields of a line, or the cells of a record, describe together.

use keyward::transfer::COPY_ID_MAX;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::digest::ImportDigest;
use super::key::{ImportSecret, State};
use super::time::{End, Time, scalar};
use super::{INACTIVE, Item, OwnerLimits, Tier, number};

/// The fields of a key on a line, for suggesting a similar name.
pub(super) const NAMES: [&str; 20] = [
    "digest",
    "hint",
    "secrets",
    "name",
    "tier",
    "tier_gone",
    "owner",
    "scopes",
    "networks",
    "limits",
    "metadata",
    "state",
    "is_active",
    "expires_at",
    "created_at",
    "last_used_at",
    "revoked_at",
    "revoked_reason",
    "rotated_at",
    "key_id",
];

/// All fields that a line can have, before the kind of the line is known. Other systems' names for
/// a field are read as well.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Fields {
    #[serde(alias = "id")]
    pub key_id: Option<Id>,
    pub name: Option<String>,
    #[serde(alias = "rate_limit_tier")]
    pub tier: Option<TierField>,
    pub tier_gone: Option<bool>,
    pub owner: Option<String>,
    pub scopes: Option<Vec<String>>,
    pub networks: Option<Vec<String>>,
    pub limits: Option<Value>,
    pub metadata: Option<Map<String, Value>>,
    pub state: Option<State>,
    pub is_active: Option<Flag>,
    pub expires_at: Option<End>,
    pub created_at: Option<Time>,
    pub last_used_at: Option<Time>,
    pub revoked_at: Option<Time>,
    pub revoked_reason: Option<String>,
    pub rotated_at: Option<Time>,
    #[serde(alias = "key_hash")]
    pub digest: Option<ImportDigest>,
    pub hint: Option<String>,
    pub secrets: Option<Vec<ImportSecret>>,
    pub suspended_owner: Option<String>,
    pub owner_limits: Option<OwnerLimits>,
}

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

impl ImportKey {
    /// A key that is active, and has a name and secrets alone.
    #[must_use]
    pub fn plain(name: String, secrets: Vec<ImportSecret>) -> Self {
        Self {
            key_id: None,
            name,
            tier: None,
            tier_gone: None,
            owner: None,
            scopes: Vec::new(),
            networks: Vec::new(),
            limits: None,
            metadata: Map::new(),
            state: State::Active,
            expires_at: None,
            created_at: None,
            last_used_at: None,
            revoked_at: None,
            revoked_reason: None,
            rotated_at: None,
            secrets,
        }
    }
}

/// The field `tier`: the name of a key's tier, or a whole tier on a line of its own.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged, expecting = "`tier` is a name, or an object with `name` and `limits`")]
pub(super) enum TierField {
    Name(String),
    Whole(Tier),
}

/// The id to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub u64);

impl Id {
    /// Takes an id as a file has it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        number::id(text).map(Self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, Self::parse)
    }
}

/// Yes or no, as other systems write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flag(pub bool);

impl Flag {
    /// Takes 1 or 0, true or false, yes or no, in any case, in full or as one letter; and `1.0`,
    /// as pandas writes a column in which one is missing.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        match text.to_ascii_lowercase().as_str() {
            "1" | "1.0" | "true" | "t" | "yes" | "y" => Ok(Self(true)),
            "0" | "0.0" | "false" | "f" | "no" | "n" => Ok(Self(false)),
            _ => Err("yes or no is 1 or 0, or true or false"),
        }
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, Self::parse)
    }
}

/// Whether a text is the null of a database or a programming language.
pub(super) fn is_null(text: &str) -> bool {
    const ANY_CASE: [&str; 4] = ["null", "none", "(null)", "[null]"];
    ANY_CASE.iter().any(|null| null.eq_ignore_ascii_case(text))
        // Nan is also a name of people.
        || matches!(text, "\\N" | "nan" | "NaN" | "NaT" | "nil" | "<NA>" | "#N/A" | "undefined")
}

impl Fields {
    /// The item that the fields describe, or the fault and the remedy.
    pub(super) fn item(mut self) -> Result<Item, String> {
        self.check_nulls()?;
        if let Some(owner) = self.suspended_owner.take() {
            let alone = self == Self::default() && !owner.is_empty();
            let item = alone.then_some(Item::SuspendedOwner(owner));
            return item.ok_or_else(|| "`suspended_owner` is a name, on a line of its own".into());
        }
        if let Some(owner) = self.owner_limits.take() {
            let alone = self == Self::default() && !owner.owner.is_empty();
            let item = alone.then_some(Item::OwnerLimits(owner));
            let rule =
                "`owner_limits` is an object with `owner` and `limits`, on a line of its own";
            return item.ok_or_else(|| rule.to_owned());
        }
        match self.tier.take() {
            Some(TierField::Whole(tier)) => {
                let alone = self == Self::default();
                let item = alone.then_some(Item::Tier(tier));
                item.ok_or_else(|| "a whole tier is on a line of its own; a key names its".into())
            }
            Some(TierField::Name(tier)) => self.key(Some(tier)),
            None => self.key(None),
        }
    }

    /// A word that is a null in other systems is not an owner, a name or a tier.
    fn check_nulls(&self) -> Result<(), String> {
        let tier = match &self.tier {
            Some(TierField::Name(tier)) => Some(tier),
            Some(TierField::Whole(_)) | None => None,
        };
        let limited = self.owner_limits.as_ref().map(|limited| &limited.owner);
        let owners = [self.owner.as_ref(), self.suspended_owner.as_ref(), limited];
        for text in owners.into_iter().chain([self.name.as_ref(), tier]).flatten() {
            if is_null(text) {
                return Err(format!(
                    "`{text}` stands for nothing in other programs, and cannot be an owner, a \
                     name or a tier; leave it out"
                ));
            }
        }
        Ok(())
    }

    fn key(self, tier: Option<String>) -> Result<Item, String> {
        if self.key_id.is_some_and(|id| !(1..=COPY_ID_MAX).contains(&id.0)) {
            return Err(format!("`key_id` is a whole number from 1 to {COPY_ID_MAX}"));
        }
        let name = self.name.filter(|name| !name.is_empty()).ok_or("`name` is missing")?;
        let inactive = self.is_active == Some(Flag(false));
        let state = match (self.state, self.is_active) {
            (Some(_), Some(_)) => return Err("give `state` or `is_active`, not both".to_owned()),
            (Some(state), None) => state,
            (None, _) if inactive => State::Revoked,
            (None, _) => State::Active,
        };
        let is_said_revoked = self.revoked_at.is_some() || self.revoked_reason.is_some();
        if is_said_revoked && state != State::Revoked {
            // A revoked key would work again.
            let rule = "`revoked_at` and `revoked_reason` go with the state `revoked`";
            return Err(rule.to_owned());
        }
        let secrets = match (self.secrets, self.digest, self.hint) {
            (Some(secrets), None, None) => secrets,
            (None, Some(digest), hint) => {
                let (hint, created_at) = (hint.unwrap_or_default(), self.created_at);
                vec![ImportSecret { digest, hint, created_at, ends_at: None }]
            }
            (None, None, _) => return Err("`digest` is missing".to_owned()),
            (Some(_), _, _) => {
                return Err("give `secrets`, or `digest` and `hint`, not both".to_owned());
            }
        };
        if secrets.iter().filter(|secret| secret.ends_at.is_none()).count() != 1 {
            let rule = "exactly one of `secrets` is the current one, without `ends_at`";
            return Err(rule.to_owned());
        }
        let reason = self.revoked_reason.or_else(|| inactive.then(|| INACTIVE.to_owned()));
        Ok(Item::Key(Box::new(ImportKey {
            key_id: self.key_id.map(|id| id.0),
            name,
            tier,
            tier_gone: self.tier_gone,
            owner: self.owner,
            scopes: self.scopes.unwrap_or_default(),
            networks: self.networks.unwrap_or_default(),
            limits: self.limits,
            metadata: self.metadata.unwrap_or_default(),
            state,
            expires_at: self.expires_at.and_then(|end| end.0),
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            revoked_at: self.revoked_at,
            revoked_reason: reason,
            rotated_at: self.rotated_at,
            secrets,
        })))
    }
}
