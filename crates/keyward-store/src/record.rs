//! Between a row of `keys` and what the core calls a key.

use std::fmt;
use std::str::FromStr;

use keyward::details::{KeyDetails, StoredKey, Version};
use keyward::digest::Digest;
use keyward::limit::Limits;
use keyward::network::Networks;
use keyward::record::{KeyState, Record, Scopes};
use keyward::stored::{Key, StoredSecret, TierId};
use keyward::tier::TierName;
use keyward::{KeyId, UnixMillis};
use rusqlite::Row;

use crate::columns::GONE;
use crate::fault::Fault;
use crate::limits;

/// The first columns as they lie in the row. The texts are borrowed, since a gate reads a million
/// of these rows when it opens.
struct KeyRow<'a> {
    id: u64,
    name: &'a str,
    tier: &'a str,
    owner: Option<&'a str>,
    scopes: &'a str,
    networks: &'a str,
    limits: Option<&'a str>,
    state: &'a str,
    owner_suspended: bool,
    owner_version: u64,
    expires_at_ms: Option<u64>,
    revoked_at_ms: Option<u64>,
}

impl<'a> KeyRow<'a> {
    fn read(row: &'a Row<'_>) -> Result<Self, Fault> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get_ref(1)?.as_str()?,
            tier: row.get_ref(2)?.as_str()?,
            owner: row.get_ref(3)?.as_str_or_null()?,
            scopes: row.get_ref(4)?.as_str()?,
            networks: row.get_ref(5)?.as_str()?,
            limits: row.get_ref(6)?.as_str_or_null()?,
            state: row.get_ref(7)?.as_str()?,
            owner_suspended: row.get(8)?,
            owner_version: row.get::<_, Option<u64>>(9)?.ok_or_else(|| {
                Fault::in_column("keys.owner", "an owner that has no row in owners")
            })?,
            expires_at_ms: row.get(10)?,
            revoked_at_ms: row.get(11)?,
        })
    }

    fn state(&self) -> Result<KeyState, Fault> {
        state(self.id, self.state, self.revoked_at_ms)
    }

    /// The tier, and whether it is gone.
    fn tier(&self) -> Result<(TierName, bool), Fault> {
        match self.tier.strip_prefix(GONE) {
            Some(name) => Ok((parse("keys.gone_tier", name)?, true)),
            None => Ok((parse("tiers.name", self.tier)?, false)),
        }
    }
}

impl TryFrom<KeyRow<'_>> for Record {
    type Error = Fault;

    fn try_from(row: KeyRow<'_>) -> Result<Self, Self::Error> {
        let scopes = Scopes::new(parse_list("keys.scopes", row.scopes)?);
        let networks = Networks::new(parse_list("keys.networks", row.networks)?);
        Ok(Self {
            id: KeyId::new(row.id).ok_or_else(|| Fault::in_column("keys.id", "not an id"))?,
            name: parse("keys.name", row.name)?,
            owner: row.owner.map(|owner| parse("keys.owner", owner)).transpose()?,
            scopes: scopes.map_err(|error| Fault::in_column("keys.scopes", error))?,
            networks: networks.map_err(|error| Fault::in_column("keys.networks", error))?,
            limits: row.limits.map(|text| limits::parse("keys.limits", text)).transpose()?,
            state: row.state()?,
            owner_suspended: row.owner_suspended,
            owner_version: row.owner_version,
            expires_at: row.expires_at_ms.map(UnixMillis),
        })
    }
}

/// Reads a key from `stored_columns`, without the secrets that it had before.
pub(crate) fn stored(row: &Row<'_>) -> Result<StoredKey, Fault> {
    let key = KeyRow::read(row)?;
    let (tier, tier_gone) = key.tier()?;
    Ok(StoredKey {
        tier,
        tier_gone,
        record: key.try_into()?,
        version: version(row)?,
        digest: Digest::from_stored(row.get(13)?),
        secret_created_at: secret_created_at(row)?,
        former: Vec::new(),
    })
}

/// Reads a key from `details_columns`.
pub(crate) fn details(row: &Row<'_>) -> Result<KeyDetails, Fault> {
    let key = KeyRow::read(row)?;
    let grace_until = row.get::<_, Option<u64>>(18)?.map(UnixMillis);
    let secret_created_at = secret_created_at(row)?;
    let reason = row.get_ref(19)?.as_str_or_null()?;
    let last_used_at_ms: i64 = row.get(20)?;
    let (tier, tier_gone) = key.tier()?;
    Ok(KeyDetails {
        tier,
        tier_gone,
        record: key.try_into()?,
        hint: row.get(15)?,
        metadata: parse("keys.metadata", row.get_ref(16)?.as_str()?)?,
        version: version(row)?,
        created_at: UnixMillis(row.get(17)?),
        last_used_at: u64::try_from(last_used_at_ms).ok().map(UnixMillis),
        rotated_at: grace_until.map(|_| secret_created_at),
        grace_until,
        revoked_reason: reason.map(|text| parse("keys.revoked_reason", text)).transpose()?,
    })
}

/// Reads a key from `key_columns`, without the secrets that it had before.
pub(crate) fn key(row: &Row<'_>) -> Result<Key, Fault> {
    let id = KeyId::new(row.get(0)?).ok_or_else(|| Fault::in_column("keys.id", "not an id"))?;
    let version = Version::new(row.get(1)?);
    let tier_id: Option<u64> = row.get(4)?;
    let scopes = Scopes::new(parse_list("keys.scopes", row.get_ref(7)?.as_str()?)?);
    let networks = Networks::new(parse_list("keys.networks", row.get_ref(8)?.as_str()?)?);
    let optional = |at| -> Result<Option<&str>, Fault> { Ok(row.get_ref(at)?.as_str_or_null()?) };
    let owner = optional(6)?.map(|text| parse("keys.owner", text)).transpose()?;
    let limits = optional(9)?.map(|text| limits::parse("keys.limits", text)).transpose()?;
    let reason = optional(13)?.map(|text| parse("keys.revoked_reason", text)).transpose()?;
    let state = state(id.get(), row.get_ref(11)?.as_str()?, row.get(12)?)?;
    let last_used_at_ms: i64 = row.get(16)?;
    Ok(Key {
        id,
        version: version.ok_or_else(|| Fault::in_column("keys.version", "not a version"))?,
        name: parse("keys.name", row.get_ref(2)?.as_str()?)?,
        tier: parse("tiers.name", row.get_ref(3)?.as_str()?)?,
        tier_id: tier_id.and_then(TierId::new),
        tier_gone: row.get(5)?,
        owner,
        scopes: scopes.map_err(|error| Fault::in_column("keys.scopes", error))?,
        networks: networks.map_err(|error| Fault::in_column("keys.networks", error))?,
        limits,
        metadata: parse("keys.metadata", row.get_ref(10)?.as_str()?)?,
        state,
        revoked_reason: reason,
        expires_at: row.get::<_, Option<u64>>(14)?.map(UnixMillis),
        created_at: UnixMillis(row.get(15)?),
        last_used_at: u64::try_from(last_used_at_ms).ok().map(UnixMillis),
        secret: StoredSecret {
            digest: Digest::from_stored(row.get(17)?),
            hint: row.get(18)?,
            created_at: UnixMillis(row.get(19)?),
        },
        former: Vec::new(),
    })
}

/// A state that this version does not know is refused: to read it as active would let a key in
/// that somebody shut out.
fn state(id: u64, state: &str, revoked_at_ms: Option<u64>) -> Result<KeyState, Fault> {
    match (state, revoked_at_ms) {
        ("active", None) => Ok(KeyState::Active),
        ("suspended", None) => Ok(KeyState::Suspended),
        ("revoked", Some(at)) => Ok(KeyState::Revoked { at: UnixMillis(at) }),
        _ => Err(Fault::Inconsistent(format!("key {id} has an unknown state"))),
    }
}

/// Reads the digest from `details_columns`, which the details themselves do not show.
pub(crate) fn digest(row: &Row<'_>) -> Result<Digest, Fault> {
    Ok(Digest::from_stored(row.get(13)?))
}

/// Reads from `stored_columns` when the key got its present secret.
pub(crate) fn secret_created_at(row: &Row<'_>) -> Result<UnixMillis, Fault> {
    Ok(UnixMillis(row.get(14)?))
}

/// The scopes as the column keeps them: a scope holds no space, so one space separates two.
pub(crate) fn scopes_text(scopes: &Scopes) -> String {
    let scopes: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    scopes.join(" ")
}

/// The networks as the column keeps them.
pub(crate) fn networks_text(networks: &Networks) -> String {
    let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
    networks.join(" ")
}

/// A key's own limits as the column keeps them.
pub(crate) fn limits_text(limits: Option<&Limits>) -> Result<Option<String>, Fault> {
    limits.map(limits::text).transpose()
}

fn parse<T: FromStr<Err: fmt::Display>>(column: &str, text: &str) -> Result<T, Fault> {
    text.parse().map_err(|error| Fault::in_column(column, error))
}

fn parse_list<T: FromStr<Err: fmt::Display>>(column: &str, text: &str) -> Result<Vec<T>, Fault> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(' ').map(|part| parse(column, part)).collect()
}

fn version(row: &Row<'_>) -> Result<Version, Fault> {
    Version::new(row.get(12)?).ok_or_else(|| Fault::in_column("keys.version", "not a version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: &'static str, revoked_at_ms: Option<u64>) -> KeyRow<'static> {
        KeyRow {
            id: 1,
            name: "a",
            tier: "basic",
            owner: None,
            scopes: "",
            networks: "",
            limits: None,
            state,
            owner_suspended: false,
            owner_version: 0,
            expires_at_ms: None,
            revoked_at_ms,
        }
    }

    #[test]
    fn each_state_has_one_form_and_everything_else_is_refused() {
        assert_eq!(row("active", None).state().unwrap(), KeyState::Active);
        assert_eq!(row("suspended", None).state().unwrap(), KeyState::Suspended);
        let revoked = KeyState::Revoked { at: UnixMillis(5) };
        assert_eq!(row("revoked", Some(5)).state().unwrap(), revoked);
        for (state, at) in [("", None), ("Active", None), ("active", Some(5)), ("revoked", None)] {
            assert!(matches!(row(state, at).state(), Err(Fault::Inconsistent(_))), "{state}");
        }
    }

    #[test]
    fn lists_come_back_as_they_went() {
        for text in ["", "*", "articles:read keys:*"] {
            let scopes = Scopes::new(parse_list("", text).unwrap()).unwrap();
            assert_eq!(scopes_text(&scopes), text);
        }
        for text in ["", "::1/128", "10.0.0.0/8 2001:db8::/32"] {
            let networks = Networks::new(parse_list("", text).unwrap()).unwrap();
            assert_eq!(networks_text(&networks), text);
        }
        for text in [" ", "articles:read  keys:*"] {
            assert!(parse_list::<keyward::record::Scope>("", text).is_err(), "{text}");
        }
    }
}
