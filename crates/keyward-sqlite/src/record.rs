//! Between a row of `keys` and a key of the core.

use std::fmt;
use std::str::FromStr;

use keyward::columns::{networks_text, parse_networks, parse_scopes, parse_state, scopes_text};
use keyward::details::{Metadata, Notes, Version};
use keyward::digest::Digest;
use keyward::limit::Limits;
use keyward::record::Owner;
use keyward::stored::{Key, StoredSecret, TierId};
use keyward::tier::TierName;
use keyward::{KeyId, UnixMillis};
use rusqlite::{Row, Statement, params};

use crate::limits;
use crate::sql_error::SqlError;

/// The columns of `keys` that [`key`] reads, in the order in which they are read: all but the
/// columns of other tables.
macro_rules! key_columns {
    () => {
        "keys.id, keys.version, keys.name, keys.gone_tier, keys.tier_id, keys.owner, keys.scopes, \
         keys.networks, keys.limits, keys.metadata, keys.state, keys.revoked_at_ms, \
         keys.revoked_reason, keys.expires_at_ms, keys.created_at_ms, keys.digest, keys.hint, \
         keys.secret_created_at_ms"
    };
}

pub(crate) use key_columns;

/// Adds a row; its values are those of [`write()`].
pub(crate) const ADD: &str = "INSERT INTO keys \
    (id, version, name, tier_id, gone_tier, owner, state, expires_at_ms, revoked_at_ms, \
     revoked_reason, digest, hint, secret_created_at_ms, grace_until_ms, scopes, networks, \
     limits, metadata, created_at_ms) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)";
/// Replaces a row. Served by the primary key.
pub(crate) const PUT: &str = "UPDATE keys SET version = ?2, name = ?3, tier_id = ?4, \
    gone_tier = ?5, owner = ?6, state = ?7, expires_at_ms = ?8, revoked_at_ms = ?9, \
    revoked_reason = ?10, digest = ?11, hint = ?12, secret_created_at_ms = ?13, \
    grace_until_ms = ?14, scopes = ?15, networks = ?16, limits = ?17, metadata = ?18, \
    created_at_ms = ?19 WHERE id = ?1";

/// Reads a key from `key_columns`, without the secrets that it had before and when it was used.
/// `tier_of` knows the name of a tier by its number, and whether it is gone.
pub(crate) fn key(
    row: &Row<'_>,
    tier_of: impl FnOnce(TierId) -> Option<(TierName, bool)>,
) -> Result<Key, SqlError> {
    let id = KeyId::new(row.get(0)?).ok_or_else(|| SqlError::in_column("keys.id", "not an id"))?;
    let version = Version::new(row.get(1)?);
    let optional =
        |at| -> Result<Option<&str>, SqlError> { Ok(row.get_ref(at)?.as_str_or_null()?) };
    let tier_id = row.get::<_, Option<u64>>(4)?.and_then(TierId::new);
    let (tier, tier_gone) = match (tier_id, optional(3)?) {
        (None, Some(gone)) => (parse("keys.gone_tier", gone)?, true),
        (Some(tier), None) => {
            tier_of(tier).ok_or_else(|| SqlError::in_column("keys.tier_id", "no tier"))?
        }
        (None, None) | (Some(_), Some(_)) => {
            return Err(SqlError::in_column("keys.tier_id", "not one of two"));
        }
    };
    let scopes = parse_scopes(row.get_ref(6)?.as_str()?);
    let networks = parse_networks(row.get_ref(7)?.as_str()?);
    let revoked_at = row.get::<_, Option<u64>>(11)?.map(UnixMillis);
    let state = parse_state(row.get_ref(10)?.as_str()?, revoked_at);
    Ok(Key {
        id,
        version: version.ok_or_else(|| SqlError::in_column("keys.version", "not a version"))?,
        name: parse("keys.name", row.get_ref(2)?.as_str()?)?,
        tier,
        tier_id,
        tier_gone,
        owner: optional(5)?.map(|text| parse("keys.owner", text)).transpose()?,
        scopes: scopes.map_err(|error| SqlError::in_column("keys.scopes", error))?,
        networks: networks.map_err(|error| SqlError::in_column("keys.networks", error))?,
        limits: optional(8)?.map(|text| limits::parse("keys.limits", text)).transpose()?,
        notes: notes(row)?,
        state: state
            .map_err(|error| SqlError::Inconsistent(format!("key {} has {error}", id.get())))?,
        revoked_reason: optional(12)?.map(|text| parse("keys.revoked_reason", text)).transpose()?,
        expires_at: row.get::<_, Option<u64>>(13)?.map(UnixMillis),
        created_at: UnixMillis(row.get(14)?),
        last_used_at: None,
        secret: StoredSecret {
            digest: Digest::from_stored(row.get(15)?),
            hint: row.get(16)?,
            created_at: UnixMillis(row.get(17)?),
        },
        former: Vec::new(),
    })
}

/// The operators' notes about a key.
fn notes(row: &Row<'_>) -> Result<Notes, SqlError> {
    let metadata = Metadata::from_stored(row.get_ref(9)?.as_str()?);
    let metadata = metadata.map_err(|error| SqlError::in_column("keys.metadata", error))?;
    Ok(Notes { metadata })
}

/// Runs [`ADD`] or [`PUT`], which take the same values.
pub(crate) fn write(statement: &mut Statement<'_>, key: &Key) -> Result<(), SqlError> {
    let row = params![
        key.id.get(),
        key.version.get(),
        key.name.as_str(),
        key.tier_id.map(TierId::get),
        key.tier_id.is_none().then(|| key.tier.as_str()),
        key.owner.as_ref().map(Owner::as_str),
        key.state.as_str(),
        key.expires_at.map(|at| at.0),
        key.state.revoked_at().map(|at| at.0),
        key.revoked_reason.as_ref().map(|reason| reason.as_str()),
        key.secret.digest.as_bytes(),
        key.secret.hint,
        key.secret.created_at.0,
        key.grace_until().map(|at| at.0),
        scopes_text(&key.scopes),
        networks_text(&key.networks),
        limits_text(key.limits.as_ref())?,
        key.notes.metadata.as_str(),
        key.created_at.0,
    ];
    statement.execute(row)?;
    Ok(())
}

/// A key's own limits as the column keeps them.
fn limits_text(limits: Option<&Limits>) -> Result<Option<String>, SqlError> {
    limits.map(limits::text).transpose()
}

fn parse<T: FromStr<Err: fmt::Display>>(column: &str, text: &str) -> Result<T, SqlError> {
    text.parse().map_err(|error| SqlError::in_column(column, error))
}
