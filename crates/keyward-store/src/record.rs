//! Between a row of `keys` and what the core calls a key.

use std::fmt;
use std::str::FromStr;

use keyward::details::Version;
use keyward::digest::Digest;
use keyward::limit::Limits;
use keyward::network::Networks;
use keyward::record::{KeyState, Scopes};
use keyward::stored::{Key, StoredSecret, TierId};
use keyward::{KeyId, UnixMillis};
use rusqlite::Row;

use crate::fault::Fault;
use crate::limits;

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
    if row.get(20)? {
        return Err(Fault::in_column("keys.owner", "an owner that has no row in owners"));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_one_form_and_everything_else_is_refused() {
        assert_eq!(state(1, "active", None).unwrap(), KeyState::Active);
        assert_eq!(state(1, "suspended", None).unwrap(), KeyState::Suspended);
        let revoked = KeyState::Revoked { at: UnixMillis(5) };
        assert_eq!(state(1, "revoked", Some(5)).unwrap(), revoked);
        for (word, at) in [("", None), ("Active", None), ("active", Some(5)), ("revoked", None)] {
            assert!(matches!(state(1, word, at), Err(Fault::Inconsistent(_))), "{word}");
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
