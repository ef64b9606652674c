//! Changing a key that is there.

use std::time::Duration;

use keyward::KeyId;
use keyward::UnixMillis;
use keyward::audit::Audit;
use keyward::change::{ChangeRefusal, Changed, KeyChange, KeyEdit};
use keyward::details::{KeyDetails, Versions};
use keyward::digest::Digest;
use keyward::record::{KeyState, Owner};
use keyward::transfer::SecretCopy;
use rusqlite::{Connection, params};

use super::beside::Weight;
use super::find::Whole;
use super::{beside, find, former, late, members};
use crate::audit::{self, Change, Subject};
use crate::fault::Fault;
use crate::once;
use crate::record::{limits_text, networks_text, scopes_text, stored_of};
use crate::{owners, tiers};

/// Changes a key, if it is in the version that is expected, and writes the audit entry.
pub(crate) fn change(
    connection: &Connection,
    id: KeyId,
    change: KeyChange,
    expected: Option<Versions>,
    audit: &Audit,
) -> Result<Changed, Fault> {
    if let Some(earlier) = once::earlier(connection, audit)? {
        return Ok(Changed::Refused(ChangeRefusal::Earlier(earlier)));
    }
    let Some(before) = find::whole(connection, id)? else {
        return Ok(Changed::Refused(ChangeRefusal::UnknownKey));
    };
    let version = before.details.version;
    if expected.is_some_and(|expected| expected != before.details.versions()) {
        return Ok(Changed::Refused(ChangeRefusal::Stale { version }));
    }
    let verb = change.verb();
    let after = match attempt(connection, &before, change, audit)? {
        Err(refusal) => return Ok(Changed::Refused(refusal)),
        Ok(after) => after,
    };
    let is_same = same(&before, &after);
    let mut now = after;
    if !is_same {
        now.details.version = version.next();
        write(connection, &now)?;
        let weights = (Weight::of(&before.details), Weight::of(&now.details));
        beside::recount(connection, weights.0, weights.1)?;
        if before.details.record.name != now.details.record.name {
            rename(connection, &now.details)?;
        }
        let details = members::changed(&before.details, &now.details)?;
        audit::record(connection, audit, Change { verb, subject: Subject::Key(id), details })?;
        once::keep(connection, audit, id)?;
    }
    let former = former::of_key(connection, id)?;
    Ok(Changed::Done(Box::new(stored_of(now.details, now.secret.digest, former))))
}

/// The key as it would be, or why not.
fn attempt(
    connection: &Connection,
    before: &Whole,
    change: KeyChange,
    audit: &Audit,
) -> Result<Result<Whole, ChangeRefusal>, Fault> {
    let mut after = Whole { details: before.details.clone(), secret: before.secret.clone() };
    let details = &mut after.details;
    if details.record.state.is_revoked() {
        let again = change.is_revocation();
        return Ok(if again { Ok(after) } else { Err(ChangeRefusal::Revoked) });
    }
    match change {
        KeyChange::Edit(edit) => {
            if let Some(tier) = &edit.tier
                && tiers::number(connection, tier)?.is_none()
            {
                return Ok(Err(ChangeRefusal::UnknownTier));
            }
            if let Some(owner) = &edit.owner {
                let owner = owner.as_ref().map(|owner| owners::read(connection, owner));
                let owner = owner.transpose()?;
                let suspended_at = owner.as_ref().and_then(|owner| owner.suspended_at);
                details.record.owner_suspended = suspended_at.is_some();
                details.record.owner_version = owner.map_or(0, |owner| owner.version);
            }
            apply(details, *edit);
        }
        KeyChange::Suspend => details.record.state = KeyState::Suspended,
        KeyChange::Resume => details.record.state = KeyState::Active,
        KeyChange::Revoke { reason } => {
            details.record.state = KeyState::Revoked { at: audit.at };
            details.revoked_reason = reason;
        }
        KeyChange::Rotate { digest, hint, grace } => {
            if details.record.expires_at.is_some_and(|at| at <= audit.at) {
                return Ok(Err(ChangeRefusal::Expired));
            }
            rotate(connection, &mut after, digest, hint, grace, audit.at)?;
        }
    }
    Ok(Ok(after))
}

fn apply(key: &mut KeyDetails, edit: KeyEdit) {
    let KeyEdit { name, tier, owner, scopes, networks, limits, metadata, expires_at } = edit;
    let record = &mut key.record;
    replace(&mut record.name, name);
    replace(&mut key.tier, tier);
    replace(&mut record.owner, owner);
    replace(&mut record.scopes, scopes);
    replace(&mut record.networks, networks);
    replace(&mut record.limits, limits);
    replace(&mut key.metadata, metadata);
    replace(&mut record.expires_at, expires_at);
}

fn replace<T>(member: &mut T, wanted: Option<T>) {
    if let Some(wanted) = wanted {
        *member = wanted;
    }
}

/// Puts another secret in the place of the present one, which becomes a former one.
fn rotate(
    connection: &Connection,
    key: &mut Whole,
    digest: Digest,
    hint: String,
    grace: Duration,
    at: UnixMillis,
) -> Result<(), Fault> {
    let id = key.details.record.id;
    if find::holder(connection, &digest)?.is_some() {
        return Err(Fault::in_column("keys.digest", "the new secret is one that there is"));
    }
    let ends_at = at.later_by(grace);
    let ends_at = key.details.record.expires_at.map_or(ends_at, |expires| ends_at.min(expires));
    former::end(connection, id, at)?;
    former::add(connection, id, &key.secret, ends_at)?;
    beside::add_prefix(connection, &hint)?;
    key.details.hint.clone_from(&hint);
    key.details.rotated_at = Some(at);
    key.details.grace_until = Some(ends_at);
    key.secret = SecretCopy { digest, hint, created_at: at };
    Ok(())
}

/// Whether nothing is to be written. Limits count as the same if their lists are: since when they
/// are in force is no matter of the store.
fn same(before: &Whole, after: &Whole) -> bool {
    let list = |key: &Whole| key.details.record.limits.as_ref().map(|it| it.list().to_vec());
    let mut details = after.details.clone();
    details.record.limits.clone_from(&before.details.record.limits);
    list(before) == list(after)
        && details == before.details
        && before.secret.digest == after.secret.digest
}

/// Writes all that can change of a key, which is none whose tier is gone: those are revoked.
fn write(connection: &Connection, key: &Whole) -> Result<(), Fault> {
    // Served by the primary key. The tier is one that is there.
    const WRITE: &str = "UPDATE keys SET version = ?2, name = ?3, tier_id = ?4, owner = ?5, \
        state = ?6, expires_at_ms = ?7, revoked_at_ms = ?8, revoked_reason = ?9, digest = ?10, \
        hint = ?11, secret_created_at_ms = ?12, grace_until_ms = ?13, scopes = ?14, \
        networks = ?15, limits = ?16, metadata = ?17 WHERE id = ?1";
    let Whole { details, secret } = key;
    let record = &details.record;
    let tier = tiers::number(connection, &details.tier)?;
    let row = params![
        record.id.get(),
        details.version.get(),
        record.name.as_str(),
        tier,
        record.owner.as_ref().map(Owner::as_str),
        record.state.as_str(),
        record.expires_at.map(|at| at.0),
        record.state.revoked_at().map(|at| at.0),
        details.revoked_reason.as_ref().map(|reason| reason.as_str()),
        secret.digest.as_bytes(),
        details.hint,
        secret.created_at.0,
        details.grace_until.map(|at| at.0),
        scopes_text(&record.scopes),
        networks_text(&record.networks),
        limits_text(record.limits.as_ref()),
        details.metadata.as_str(),
    ];
    connection.prepare_cached(WRITE)?.execute(row)?;
    Ok(())
}

/// Makes a key found by the parts of its new name, and by those of the old one no more.
fn rename(connection: &Connection, key: &KeyDetails) -> Result<(), Fault> {
    // Served by the row's id.
    const FORGET: &str = "DELETE FROM key_names WHERE rowid = ?1";
    let id = key.record.id.get();
    if late::last_listed(connection)? < id {
        return Ok(());
    }
    connection.prepare_cached(FORGET)?.execute([id])?;
    let mut add = connection.prepare_cached(beside::ADD_NAME)?;
    beside::add_name(&mut add, id, key.record.name.as_str())
}
