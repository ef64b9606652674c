//! Keeping keys that were not there before.

use keyward::audit::{Audit, Verb};
use keyward::details::{KeyDetails, Version};
use keyward::issue::NewRecord;
use keyward::key::Prefix;
use keyward::record::{KeyState, Owner, Record};
use keyward::store::Inserted;
use keyward::tier::TierName;
use keyward::transfer::{KeyCopy, SecretCopy};
use keyward::{KeyId, UnixMillis};
use rusqlite::{Connection, params};

use super::{former, members};
use crate::audit::{Change, Subject, Trail};
use crate::fault::Fault;
use crate::names;
use crate::record::{limits_text, networks_text, revoked_at, scopes_text, state_word};

/// Keeps a key that was just issued.
pub(crate) fn issue(
    connection: &Connection,
    new: NewRecord,
    audit: &Audit,
) -> Result<Inserted, Fault> {
    let NewRecord { key, digest, hint } = new;
    if !is_tier(connection, &key.tier)? {
        return Ok(Inserted::UnknownTier);
    }
    if is_suspended(connection, key.owner.as_ref())? {
        return Ok(Inserted::OwnerSuspended);
    }
    // That it is no present one is seen to by `keys_digest`.
    if former::holder(connection, &digest)?.is_some() {
        return Err(Fault::in_column("keys.digest", "the new secret is one that there was"));
    }
    let copy = KeyCopy {
        id: None,
        name: key.name,
        tier: key.tier,
        owner: key.owner,
        scopes: key.scopes,
        networks: key.networks,
        limits: key.limits,
        metadata: key.metadata,
        state: KeyState::Active,
        revoked_reason: None,
        expires_at: key.expires_at,
        created_at: audit.at,
        last_used_at: None,
        secret: SecretCopy { digest, hint, created_at: audit.at },
        former: Vec::new(),
    };
    let mut trail = Trail::open(connection, audit)?;
    let key = add(connection, copy, Verb::Issue, &mut trail)?;
    trail.finish()?;
    Ok(Inserted::Done(key.record.id))
}

/// Whether there is such a tier.
pub(crate) fn is_tier(connection: &Connection, tier: &TierName) -> Result<bool, Fault> {
    // Served by the index of the unique name.
    const IS_TIER: &str = "SELECT EXISTS (SELECT 1 FROM tiers WHERE name = ?1)";
    let mut is_tier = connection.prepare_cached(IS_TIER)?;
    Ok(is_tier.query_row([tier.as_str()], |row| row.get(0))?)
}

/// Whether there is an owner and it is suspended.
pub(crate) fn is_suspended(connection: &Connection, owner: Option<&Owner>) -> Result<bool, Fault> {
    // Served by the primary key.
    const IS_SUSPENDED: &str = "SELECT EXISTS (SELECT 1 FROM owners WHERE id = ?1)";
    let Some(owner) = owner else { return Ok(false) };
    let mut is_suspended = connection.prepare_cached(IS_SUSPENDED)?;
    Ok(is_suspended.query_row([owner.as_str()], |row| row.get(0))?)
}

/// Keeps a key with all that belongs to it, and the audit entry. Its tier is there, and none of its
/// digests is.
pub(crate) fn add(
    connection: &Connection,
    key: KeyCopy,
    verb: Verb,
    trail: &mut Trail<'_>,
) -> Result<KeyDetails, Fault> {
    const USE: &str = "INSERT INTO key_uses (key_id, last_used_at_ms) VALUES (?1, ?2)";
    let owner_suspended = is_suspended(connection, key.owner.as_ref())?;
    let id = insert(connection, &key, owner_suspended)?;
    let last_used_at_ms = key.last_used_at.map_or(-1, |at| i64::try_from(at.0).unwrap_or(i64::MAX));
    connection.prepare_cached(USE)?.execute((id.get(), last_used_at_ms))?;
    for (secret, ends_at) in &key.former {
        former::add(connection, id, secret, *ends_at)?;
        add_prefix(connection, &secret.hint)?;
    }
    add_prefix(connection, &key.secret.hint)?;
    add_name(connection, id, key.name.as_str())?;
    add_hour(connection, id, key.created_at)?;
    let grace_until = key.former.last().map(|(_, ends_at)| *ends_at);
    let details = KeyDetails {
        record: Record {
            id,
            name: key.name,
            owner: key.owner,
            scopes: key.scopes,
            networks: key.networks,
            limits: key.limits,
            state: key.state,
            owner_suspended,
            expires_at: key.expires_at,
        },
        tier: key.tier,
        hint: key.secret.hint,
        metadata: key.metadata,
        version: Version::FIRST,
        created_at: key.created_at,
        last_used_at: key.last_used_at,
        rotated_at: grace_until.map(|_| key.secret.created_at),
        grace_until,
        revoked_reason: key.revoked_reason,
    };
    let change = Change { verb, subject: Subject::Key(id), details: Some(members::new(&details)?) };
    trail.record(&change)?;
    Ok(details)
}

fn insert(connection: &Connection, key: &KeyCopy, owner_suspended: bool) -> Result<KeyId, Fault> {
    const INSERT: &str = "INSERT INTO keys \
        (id, version, name, tier, owner, state, owner_suspended, created_at_ms, expires_at_ms, \
         revoked_at_ms, revoked_reason, digest, hint, secret_created_at_ms, grace_until_ms, \
         scopes, networks, limits, metadata) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
                ?19)";
    let row = params![
        key.id.map(KeyId::get),
        Version::FIRST.get(),
        key.name.as_str(),
        key.tier.as_str(),
        key.owner.as_ref().map(Owner::as_str),
        state_word(key.state)?,
        owner_suspended,
        key.created_at.0,
        key.expires_at.map(|at| at.0),
        revoked_at(key.state).map(|at| at.0),
        key.revoked_reason.as_ref().map(|reason| reason.as_str()),
        key.secret.digest.as_bytes(),
        key.secret.hint,
        key.secret.created_at.0,
        key.former.last().map(|(_, ends_at)| ends_at.0),
        scopes_text(&key.scopes),
        networks_text(&key.networks),
        limits_text(key.limits.as_ref()),
        key.metadata.as_str(),
    ];
    connection.prepare_cached(INSERT)?.execute(row)?;
    let id = u64::try_from(connection.last_insert_rowid()).ok().and_then(KeyId::new);
    id.ok_or_else(|| Fault::in_column("keys.id", "not an id"))
}

/// Notes what a secret begins with, as far as its hint tells.
pub(crate) fn add_prefix(connection: &Connection, hint: &str) -> Result<(), Fault> {
    // Served by the primary key.
    const ADD: &str = "INSERT INTO prefixes (prefix) VALUES (?1) ON CONFLICT DO NOTHING";
    if let Some(prefix) = Prefix::of_hint(hint) {
        connection.prepare_cached(ADD)?.execute([prefix.as_str()])?;
    }
    Ok(())
}

/// What secrets begin with, in order.
pub(crate) fn prefixes(connection: &Connection) -> Result<Vec<String>, Fault> {
    // Served by the primary key.
    const PREFIXES: &str = "SELECT prefix FROM prefixes ORDER BY prefix LIMIT 1000";
    let mut prefixes = connection.prepare_cached(PREFIXES)?;
    prefixes.query_and_then([], |row| Ok(row.get(0)?))?.collect()
}

/// Makes a key's name one that is found by its parts.
pub(crate) fn add_name(connection: &Connection, id: KeyId, name: &str) -> Result<(), Fault> {
    const ADD: &str = "INSERT INTO key_names (rowid, name) VALUES (?1, ?2)";
    let name = names::indexed(&names::fold(name));
    connection.prepare_cached(ADD)?.execute((id.get(), name))?;
    Ok(())
}

/// Notes in which hour the id was given. Ids of imported keys may lie behind either end.
fn add_hour(connection: &Connection, id: KeyId, at: UnixMillis) -> Result<(), Fault> {
    // Served by the primary key.
    const ADD: &str = "INSERT INTO key_hours (hour, first_id, last_id) VALUES (?1, ?2, ?2) \
                       ON CONFLICT (hour) DO UPDATE SET first_id = min(first_id, ?2), \
                                                        last_id = max(last_id, ?2)";
    connection.prepare_cached(ADD)?.execute((at.hour().0, id.get()))?;
    Ok(())
}
