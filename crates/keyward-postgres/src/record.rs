//! Between a row of `keys` and a key of the core.

use std::sync::Arc;

use keyward::audit::ChangeId;
use keyward::columns::{
    fold, limits_text, networks_text, parse_limits, parse_networks, parse_scopes, parse_state,
    scopes_text,
};
use keyward::details::{Metadata, Notes, Version};
use keyward::store::Unreadable;
use keyward::stored::{FormerSecret, Key, OwnedKey, OwnerRow, StoredSecret, TierId, TierRow};
use keyward::tier::TierName;
use keyward::{KeyId, UnixMillis};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::columns::{
    digest, get, get_digest, get_key_id, get_number, get_optional, millis, number, optional_millis,
    parse,
};
use crate::owners::{self, owner_columns};
use crate::pg_error::PgError;
use crate::tiers::ShownTier;

/// The columns that [`key`] reads, two of which are those of the tier, and one the last use. A key
/// without a former secret has no grace, and its former secrets are not looked up.
macro_rules! key_columns {
    () => {
        key_columns!("t.name, t.is_gone", "u.last_used_at_ms")
    };
    ($tier:literal, $used:literal) => {
        concat!(
        "k.id, k.version, k.name, k.gone_tier, k.tier_id, ", $tier, ", k.owner, k.scopes, \
         k.networks, k.limits, k.metadata, k.state, k.revoked_at_ms, k.revoked_reason, \
         k.expires_at_ms, k.created_at_ms, k.digest, k.hint, k.secret_created_at_ms, ", $used, ", \
         CASE WHEN k.grace_until_ms IS NOT NULL THEN ARRAY(SELECT f.digest FROM former_secrets f \
              WHERE f.key_id = k.id ORDER BY f.number) END, \
         CASE WHEN k.grace_until_ms IS NOT NULL THEN ARRAY(SELECT f.hint FROM former_secrets f \
              WHERE f.key_id = k.id ORDER BY f.number) END, \
         CASE WHEN k.grace_until_ms IS NOT NULL THEN ARRAY(SELECT f.created_at_ms \
              FROM former_secrets f WHERE f.key_id = k.id ORDER BY f.number) END, \
         CASE WHEN k.grace_until_ms IS NOT NULL THEN ARRAY(SELECT f.ends_at_ms \
              FROM former_secrets f WHERE f.key_id = k.id ORDER BY f.number) END"
        )
    };
}

pub(crate) use key_columns;

/// The tables of `key_columns`.
macro_rules! key_tables {
    () => {
        " FROM keys k LEFT JOIN tiers t ON t.id = k.tier_id \
          LEFT JOIN key_uses u ON u.key_id = k.id"
    };
}

/// Where the columns of the owner begin, in statements that have it.
const OWNER: usize = 25;

/// Some keys with their owners, by their ids, in order. Served by the primary keys.
pub(crate) const OWNED: &str = concat!(
    "SELECT ",
    key_columns!(),
    ", ",
    owner_columns!(),
    key_tables!(),
    " LEFT JOIN owners o ON o.id = k.owner WHERE k.id = ANY($1) ORDER BY k.id"
);
/// The same for changing them, with the rest of their tiers' rows.
pub(crate) const LOOKED_UP: &str = concat!(
    "SELECT ",
    key_columns!(),
    ", ",
    owner_columns!(),
    ", t.limits, t.keys",
    key_tables!(),
    " LEFT JOIN owners o ON o.id = k.owner WHERE k.id = ANY($1) ORDER BY k.id"
);
/// The ids and digests of all keys that these owners have. Served by `keys_owner`.
pub(crate) const OF_OWNERS: &str = "SELECT k.id, k.digest, \
    ARRAY(SELECT f.digest FROM former_secrets f WHERE f.key_id = k.id) \
    FROM keys k WHERE k.owner = ANY($1) ORDER BY k.id";
/// Up to so many keys after this id, in order. Served by the primary keys.
pub(crate) const PAGE: &str =
    concat!("SELECT ", key_columns!(), key_tables!(), " WHERE $1 < k.id ORDER BY k.id LIMIT $2");
/// All keys, in order, for [`key_of`]. Joined to their last uses and to their tiers they would take
/// three times as long; nothing is decided by the former, and the latter are known by then.
pub(crate) const ALL: &str = concat!(
    "SELECT ",
    key_columns!("NULL::text, NULL::boolean", "NULL::bigint"),
    ", k.limits_rev FROM keys k ORDER BY k.id"
);
/// Where the entry is that changed the limits or the tier, in statements that have it next to the
/// key.
pub(crate) const REVISION: usize = 25;
/// Which of these ids keys have. Served by the primary key.
pub(crate) const IDS: &str = "SELECT id FROM keys WHERE id = ANY($1)";
/// Which keys have these digests, or had them, and until when those work. Served by `keys_digest`
/// and `former_secrets_digest`.
pub(crate) const HOLDERS: &str = "SELECT digest, id, NULL::bigint FROM keys WHERE digest = ANY($1) \
    UNION ALL SELECT digest, key_id, ends_at_ms FROM former_secrets WHERE digest = ANY($1)";

/// Adds rows.
pub(crate) const ADD: &str = "INSERT INTO keys (id, version, name, name_folded, tier_id, \
    gone_tier, owner, state, created_at_ms, expires_at_ms, revoked_at_ms, revoked_reason, digest, \
    hint, secret_created_at_ms, grace_until_ms, scopes, networks, limits, limits_rev, metadata) \
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], \
    $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], \
    $13::bytea[], $14::text[], $15::bigint[], $16::bigint[], $17::text[], $18::text[], \
    $19::text[], $20::bigint[], $21::text[])";
/// Replaces rows; the values are those of [`ADD`]. The entry is kept that changed the limits or the
/// tier. Served by the primary key.
pub(crate) const PUT: &str = "UPDATE keys AS k SET version = v.version, name = v.name, \
    name_folded = v.name_folded, \
    limits_rev = CASE WHEN k.limits IS NOT DISTINCT FROM v.limits \
                       AND k.tier_id IS NOT DISTINCT FROM v.tier_id THEN k.limits_rev \
                      ELSE v.limits_rev END, \
    tier_id = v.tier_id, gone_tier = v.gone_tier, owner = v.owner, state = v.state, \
    created_at_ms = v.created, expires_at_ms = v.expires, revoked_at_ms = v.revoked, \
    revoked_reason = v.reason, digest = v.digest, hint = v.hint, \
    secret_created_at_ms = v.secret_created, grace_until_ms = v.grace, scopes = v.scopes, \
    networks = v.networks, limits = v.limits, metadata = v.metadata \
    FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], \
    $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], \
    $13::bytea[], $14::text[], $15::bigint[], $16::bigint[], $17::text[], $18::text[], \
    $19::text[], $20::bigint[], $21::text[]) \
    AS v (id, version, name, name_folded, tier_id, gone_tier, owner, state, created, expires, \
    revoked, reason, digest, hint, secret_created, grace, scopes, networks, limits, limits_rev, \
    metadata) WHERE k.id = v.id";

/// Reads a key from `key_columns`.
pub(crate) fn key(row: &Row) -> Result<Key, PgError> {
    let name: Option<&str> = get(row, 5)?;
    let is_gone: Option<bool> = get(row, 6)?;
    let name = name.map(|name| parse("tiers.name", name)).transpose()?;
    key_of(row, |_| name.map(|name| (name, is_gone.unwrap_or_default())))
}

/// Reads a key whose tier is looked up by its id.
pub(crate) fn key_of(
    row: &Row,
    shown: impl FnOnce(TierId) -> Option<ShownTier>,
) -> Result<Key, PgError> {
    let id = get_key_id(row, 0)?;
    let (tier, tier_id, tier_gone) = tier(row, shown)?;
    let owner: Option<&str> = get(row, 7)?;
    let limits: Option<&str> = get(row, 10)?;
    let limits = limits.map(|text| in_column("keys.limits", parse_limits(text))).transpose()?;
    let reason: Option<&str> = get(row, 14)?;
    let state = parse_state(get(row, 12)?, get_optional(row, 13)?.map(UnixMillis));
    let metadata = Metadata::from_stored(get(row, 11)?);
    let version = Version::new(get_number(row, 1)?);
    let used_at: Option<i64> = get(row, 20)?;
    Ok(Key {
        id,
        version: version.ok_or_else(|| PgError::in_column("keys.version", "not a version"))?,
        name: parse("keys.name", get(row, 2)?)?,
        tier,
        tier_id,
        tier_gone,
        owner: owner.map(|text| parse("keys.owner", text)).transpose()?,
        scopes: in_column("keys.scopes", parse_scopes(get(row, 8)?))?,
        networks: in_column("keys.networks", parse_networks(get(row, 9)?))?,
        limits,
        notes: Notes { metadata: in_column("keys.metadata", metadata)? },
        state: state
            .map_err(|error| PgError::Inconsistent(format!("key {} has {error}", id.get())))?,
        revoked_reason: reason.map(|text| parse("keys.revoked_reason", text)).transpose()?,
        expires_at: get_optional(row, 15)?.map(UnixMillis),
        created_at: UnixMillis(get_number(row, 16)?),
        // -1 is never.
        last_used_at: used_at.and_then(|at| u64::try_from(at).ok()).map(UnixMillis),
        secret: StoredSecret {
            digest: get_digest(row, 17)?,
            hint: get(row, 18)?,
            created_at: UnixMillis(get_number(row, 19)?),
        },
        former: former(row)?,
    })
}

/// The id and the digests of a key whose row cannot be read, as far as these can.
pub(crate) fn unreadable(row: &Row) -> Result<Unreadable, PgError> {
    named_unreadable(row, [0, 17, 21])
}

/// The same of a row of [`OF_OWNERS`].
pub(crate) fn of_unreadable_owner(row: &Row) -> Result<Unreadable, PgError> {
    named_unreadable(row, [0, 1, 2])
}

fn named_unreadable(row: &Row, [id, present, former]: [usize; 3]) -> Result<Unreadable, PgError> {
    let present = get::<&[u8]>(row, present);
    let former = get::<Option<Vec<&[u8]>>>(row, former);
    let all = former.ok().flatten().into_iter().flatten().chain(present.ok());
    let digests = all.filter_map(|bytes| digest(bytes).ok()).collect();
    Ok(Unreadable::Key { id: get_key_id(row, id)?, digests })
}

fn in_column<T, E: std::fmt::Display>(column: &str, read: Result<T, E>) -> Result<T, PgError> {
    read.map_err(|error| PgError::in_column(column, error))
}

/// The tier of a key, and whether it is gone.
fn tier(
    row: &Row,
    shown: impl FnOnce(TierId) -> Option<ShownTier>,
) -> Result<(TierName, Option<TierId>, bool), PgError> {
    let gone: Option<&str> = get(row, 3)?;
    let tier_id = get_optional(row, 4)?.and_then(TierId::new);
    match (tier_id, gone) {
        (None, Some(gone)) => Ok((parse("keys.gone_tier", gone)?, None, true)),
        (Some(id), None) => {
            let shown = shown(id).ok_or_else(|| PgError::in_column("keys.tier_id", "no tier"))?;
            Ok((shown.0, Some(id), shown.1))
        }
        (None, None) | (Some(_), Some(_)) => {
            Err(PgError::in_column("keys.tier_id", "not one of two"))
        }
    }
}

/// The secrets that a key had before, oldest first.
fn former(row: &Row) -> Result<Vec<FormerSecret>, PgError> {
    let Some(digests) = get::<Option<Vec<&[u8]>>>(row, 21)? else { return Ok(Vec::new()) };
    let hints: Vec<&str> = get(row, 22)?;
    let (created, ends): (Vec<i64>, Vec<i64>) = (get(row, 23)?, get(row, 24)?);
    let at = |number: i64| u64::try_from(number).map(UnixMillis);
    let rows = digests.into_iter().zip(hints).zip(created.into_iter().zip(ends));
    let former = rows.map(|((bytes, hint), (created, ends))| {
        let created_at = in_column("former_secrets.created_at_ms", at(created))?;
        let secret = StoredSecret { digest: digest(bytes)?, hint: hint.to_owned(), created_at };
        let ends_at = in_column("former_secrets.ends_at_ms", at(ends))?;
        Ok(FormerSecret { secret, ends_at })
    });
    former.collect()
}

/// Reads a key with its owner. An owner without a row is an error: it is unknown whether it is
/// suspended.
pub(crate) fn owned(row: &Row) -> Result<OwnedKey, PgError> {
    let key = key(row)?;
    let owner = owner(row, &key)?;
    Ok(OwnedKey { key: Arc::new(key), owner })
}

fn owner(row: &Row, key: &Key) -> Result<Option<OwnerRow>, PgError> {
    if key.owner.is_none() {
        return Ok(None);
    }
    if get::<Option<&str>>(row, OWNER)?.is_none() {
        return Err(PgError::in_column("keys.owner", "an owner that has no row in owners"));
    }
    owners::row(row, OWNER).map(Some)
}

/// Reads the tier of a key from [`LOOKED_UP`], if it is not gone.
pub(crate) fn tier_row(row: &Row, key: &Key) -> Result<Option<TierRow>, PgError> {
    let Some(id) = key.tier_id.filter(|_| !key.tier_gone) else { return Ok(None) };
    let limits = in_column("tiers.limits", parse_limits(get(row, OWNER + 6)?))?;
    let keys = get_number(row, OWNER + 7)?;
    Ok(Some(TierRow { id, name: key.tier.clone(), limits, keys, is_gone: false }))
}

/// The values of [`ADD`] and [`PUT`].
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) ids: Vec<i64>,
    pub(crate) versions: Vec<i64>,
    pub(crate) names: Vec<String>,
    pub(crate) folded: Vec<String>,
    pub(crate) tier_ids: Vec<Option<i64>>,
    pub(crate) gone_tiers: Vec<Option<String>>,
    pub(crate) owners: Vec<Option<String>>,
    pub(crate) states: Vec<&'static str>,
    pub(crate) created: Vec<i64>,
    pub(crate) expires: Vec<Option<i64>>,
    pub(crate) revoked: Vec<Option<i64>>,
    pub(crate) reasons: Vec<Option<String>>,
    pub(crate) digests: Vec<Vec<u8>>,
    pub(crate) hints: Vec<String>,
    pub(crate) secret_created: Vec<i64>,
    pub(crate) grace: Vec<Option<i64>>,
    pub(crate) scopes: Vec<String>,
    pub(crate) networks: Vec<String>,
    pub(crate) limits: Vec<Option<String>>,
    pub(crate) revs: Vec<i64>,
    pub(crate) metadata: Vec<String>,
    /// When each was last used; not in `keys`.
    pub(crate) used: Vec<i64>,
}

impl Rows {
    /// Adds a key as it is after this change.
    pub(crate) fn push(&mut self, key: &Key, rev: ChangeId) -> Result<(), PgError> {
        self.ids.push(id(key.id)?);
        self.versions.push(number(key.version.get())?);
        self.names.push(key.name.as_str().to_owned());
        self.folded.push(fold(key.name.as_str()));
        self.tier_ids.push(key.tier_id.map(|tier| number(tier.get())).transpose()?);
        self.gone_tiers.push(key.tier_id.is_none().then(|| key.tier.as_str().to_owned()));
        self.owners.push(key.owner.as_ref().map(|owner| owner.as_str().to_owned()));
        self.states.push(key.state.as_str());
        self.created.push(millis(key.created_at)?);
        self.expires.push(optional_millis(key.expires_at)?);
        self.revoked.push(optional_millis(key.state.revoked_at())?);
        self.reasons.push(key.revoked_reason.as_ref().map(|reason| reason.as_str().to_owned()));
        self.digests.push(key.secret.digest.as_bytes().to_vec());
        self.hints.push(key.secret.hint.clone());
        self.secret_created.push(millis(key.secret.created_at)?);
        self.grace.push(optional_millis(key.grace_until())?);
        self.scopes.push(scopes_text(&key.scopes));
        self.networks.push(networks_text(&key.networks));
        self.limits.push(key.limits.as_ref().map(limits_text).transpose()?);
        self.revs.push(number(rev.0)?);
        self.metadata.push(key.notes.metadata.as_str().to_owned());
        self.used.push(optional_millis(key.last_used_at)?.unwrap_or(-1));
        Ok(())
    }

    /// The values in the order of [`ADD`].
    pub(crate) fn values(&self) -> [&(dyn ToSql + Sync); 21] {
        [
            &self.ids,
            &self.versions,
            &self.names,
            &self.folded,
            &self.tier_ids,
            &self.gone_tiers,
            &self.owners,
            &self.states,
            &self.created,
            &self.expires,
            &self.revoked,
            &self.reasons,
            &self.digests,
            &self.hints,
            &self.secret_created,
            &self.grace,
            &self.scopes,
            &self.networks,
            &self.limits,
            &self.revs,
            &self.metadata,
        ]
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// The id of a key as a column holds it.
pub(crate) fn id(id: KeyId) -> Result<i64, PgError> {
    number(id.get())
}
