//! Issuing keys, and changing existing ones.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::{Audit, Verb};
use crate::change::{KeyChange, KeyEdit};
use crate::details::{Version, Versions, replace};
use crate::digest::Digest;
use crate::record::{KeyId, KeyState};
use crate::stored::{FormerSecret, Key, StoredSecret, Unkept};

use super::decision::{ChangeRejection, DecideError, Decided, Decision};
use super::draft::Draft;
use super::entry::{self, Subject};
use super::facts::Facts;
use super::lookup::Lookup;
use super::writes::KeyWrite;

pub(super) fn needs_of_issue(key: &Unkept, audit: &Audit) -> Vec<Lookup> {
    let mut wanted = vec![Lookup::Tier(key.tier.clone()), Lookup::Digest(key.secret.digest)];
    wanted.extend(key.owner.clone().map(Lookup::Owner));
    wanted.extend(needs_of_once(audit));
    wanted
}

/// Keeps a key that was just issued.
pub(super) fn issue(mut draft: Draft<'_>, new: Unkept) -> Result<Decision, DecideError> {
    if let Some(earlier) = draft.earlier()? {
        return Ok(draft.rejected(ChangeRejection::Earlier(earlier)));
    }
    if draft.tier(&new.tier)?.is_none() {
        return Ok(draft.rejected(ChangeRejection::UnknownTier));
    }
    if draft.owner_of(&new)?.is_some_and(|owner| owner.is_suspended()) {
        return Ok(draft.rejected(ChangeRejection::OwnerSuspended));
    }
    if draft.holder(&new.secret.digest)?.is_some() {
        return Err(DecideError::SecretTaken);
    }
    let id = draft.next_key()?;
    let key = add(&mut draft, new, id, Verb::Issue)?;
    draft.keep_once(id);
    let owner = draft.owner_of(&key)?;
    Ok(draft.done(Decided::Issued { key, owner }))
}

/// Writes a key that is not there, and its entry. Its tier is there or the key is revoked, and
/// neither its id nor any of its digests is there.
pub(super) fn add(
    draft: &mut Draft<'_>,
    new: Unkept,
    id: KeyId,
    verb: Verb,
) -> Result<Arc<Key>, DecideError> {
    let tier_id = match new.tier_gone {
        true => None,
        false => draft.tier(&new.tier)?.map(|tier| tier.id),
    };
    let mut key = new.with_id(id);
    (key.version, key.tier_id, key.tier_gone) = (Version::FIRST, tier_id, tier_id.is_none());
    let key = Arc::new(key);
    draft.put_key(KeyWrite::Add(Arc::clone(&key)))?;
    draft.record(verb, Subject::Key(id), entry::new_key(&key)?)?;
    Ok(key)
}

/// The second round is about the tier and the owner that the key has.
pub(super) fn needs_of_change(
    id: KeyId,
    change: &KeyChange,
    audit: &Audit,
    facts: &Facts,
) -> Vec<Lookup> {
    let mut wanted = vec![Lookup::Key(id)];
    wanted.extend(needs_of_once(audit));
    let leaves_tier = match change {
        KeyChange::Edit(edit) => {
            wanted.extend(edit.tier.clone().map(Lookup::Tier));
            wanted.extend(edit.owner.clone().flatten().map(Lookup::Owner));
            edit.tier.is_some()
        }
        KeyChange::Suspend | KeyChange::Resume => false,
        KeyChange::Rotate { digest, .. } => {
            wanted.push(Lookup::Digest(*digest));
            false
        }
        KeyChange::Revoke { .. } => true,
    };
    if let Some(Some(key)) = facts.key(id) {
        wanted.extend(key.owner.clone().map(Lookup::Owner));
        wanted.extend(leaves_tier.then(|| Lookup::Tier(key.tier.clone())));
    }
    wanted
}

/// Changes a key, if it is in the version that is expected.
pub(super) fn change(
    mut draft: Draft<'_>,
    id: KeyId,
    change: KeyChange,
    expected: Option<Versions>,
) -> Result<Decision, DecideError> {
    if let Some(earlier) = draft.earlier()? {
        return Ok(draft.rejected(ChangeRejection::Earlier(earlier)));
    }
    let Some(before) = draft.key(id)? else {
        return Ok(draft.rejected(ChangeRejection::UnknownKey));
    };
    let owner = draft.owner_of(&before)?;
    let present = before.versions(owner.as_ref());
    if expected.is_some_and(|expected| expected != present) {
        return Ok(draft.rejected(ChangeRejection::StaleKey(present)));
    }
    let verb = change.verb();
    let mut after = match changed(&draft, &before, change)? {
        Ok(after) => after,
        Err(rejection) => return Ok(draft.rejected(rejection)),
    };
    if after == *before {
        return Ok(draft.unchanged(Decided::Changed { key: before, owner }));
    }
    after.version = before.version.next();
    let after = Arc::new(after);
    let details = entry::changed_key(&before, &after)?;
    draft.put_key(KeyWrite::Put { before, after: Arc::clone(&after) })?;
    draft.record(verb, Subject::Key(id), details)?;
    draft.keep_once(id);
    let owner = draft.owner_of(&after)?;
    Ok(draft.done(Decided::Changed { key: after, owner }))
}

/// The key as it would be, or why not.
fn changed(
    draft: &Draft<'_>,
    before: &Key,
    change: KeyChange,
) -> Result<Result<Key, ChangeRejection>, DecideError> {
    let mut key = before.clone();
    if key.is_revoked() {
        return Ok(match change {
            KeyChange::Revoke { .. } => Ok(key),
            KeyChange::Edit(_)
            | KeyChange::Suspend
            | KeyChange::Resume
            | KeyChange::Rotate { .. } => Err(ChangeRejection::Revoked),
        });
    }
    match change {
        KeyChange::Edit(edit) => {
            if let Some(name) = &edit.tier {
                let Some(tier) = draft.tier(name)? else {
                    return Ok(Err(ChangeRejection::UnknownTier));
                };
                key.tier_id = Some(tier.id);
            }
            apply(&mut key, *edit);
        }
        KeyChange::Suspend => key.state = KeyState::Suspended,
        KeyChange::Resume => key.state = KeyState::Active,
        KeyChange::Revoke { reason } => {
            key.state = KeyState::Revoked { at: draft.audit.at };
            key.revoked_reason = reason;
        }
        KeyChange::Rotate { digest, hint, grace } => {
            if key.expires_at.is_some_and(|at| at <= draft.audit.at) {
                return Ok(Err(ChangeRejection::Expired));
            }
            rotate(draft, &mut key, digest, hint, grace)?;
        }
    }
    Ok(Ok(key))
}

fn apply(key: &mut Key, edit: KeyEdit) {
    let KeyEdit { name, tier, owner, scopes, networks, limits, notes, expires_at } = edit;
    replace(&mut key.name, name);
    replace(&mut key.tier, tier);
    replace(&mut key.owner, owner);
    replace(&mut key.scopes, scopes);
    replace(&mut key.networks, networks);
    replace(&mut key.limits, limits);
    notes.apply(&mut key.notes);
    replace(&mut key.expires_at, expires_at);
}

/// Replaces the present secret by another one; it becomes a former one. The grace of earlier ones
/// ends.
fn rotate(
    draft: &Draft<'_>,
    key: &mut Key,
    digest: Digest,
    hint: String,
    grace: Duration,
) -> Result<(), DecideError> {
    if draft.holder(&digest)?.is_some() {
        return Err(DecideError::SecretTaken);
    }
    let at = draft.audit.at;
    let ends_at = at.later_by(grace);
    let ends_at = key.expires_at.map_or(ends_at, |expires| ends_at.min(expires));
    for former in &mut key.former {
        former.ends_at = former.ends_at.min(at);
    }
    let secret = StoredSecret { digest, hint, created_at: at };
    let secret = std::mem::replace(&mut key.secret, secret);
    key.former.push(FormerSecret { secret, ends_at });
    Ok(())
}

fn needs_of_once(audit: &Audit) -> Option<Lookup> {
    let name = audit.once.as_ref()?.name.clone();
    Some(Lookup::Once { actor: audit.actor.as_text().into_owned(), name })
}
