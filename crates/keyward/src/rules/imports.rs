//! Adding keys that came from elsewhere.

use std::collections::{BTreeSet, HashSet};

use crate::audit::Verb;
use crate::digest::Digest;
use crate::record::{KeyId, Owner};
use crate::stored::{StoredSecret, Unkept};
use crate::transfer::ImportRejection;

use super::decision::{DecideError, Decided, Decision, Imported};
use super::draft::Draft;
use super::keys;
use super::lookup::Lookup;

/// All in one round, each owner and each tier once.
pub(super) fn needs(keys: &[Unkept]) -> Vec<Lookup> {
    let (mut tiers, mut owners) = (HashSet::new(), HashSet::new());
    let mut wanted = Vec::with_capacity(keys.len());
    for key in keys {
        if tiers.insert(&key.tier) {
            wanted.push(Lookup::Tier(key.tier.clone()));
        }
        if let Some(owner) = &key.owner
            && owners.insert(owner)
        {
            wanted.push(Lookup::Owner(owner.clone()));
        }
        wanted.extend(key.id.map(Lookup::Id));
        wanted.extend(secrets(key).map(|secret| Lookup::Digest(secret.digest)));
    }
    wanted
}

/// Adds keys, and says of each what became of it. A dry run says the same and writes nothing.
pub(super) fn import(
    mut draft: Draft<'_>,
    keys: Vec<Unkept>,
    dry_run: bool,
) -> Result<Decision, DecideError> {
    draft.reserve(keys.len());
    let mut imported = Vec::with_capacity(keys.len());
    let mut names = BTreeSet::new();
    for key in keys {
        let one = import_one(&mut draft, key)?;
        if let Imported::Added(key) = &one {
            names.extend(key.owner.clone());
        }
        imported.push(one);
    }
    let owners = names.iter().map(|owner: &Owner| draft.owner(owner)).collect::<Result<_, _>>()?;
    let decided = Decided::Imported { keys: imported, owners };
    Ok(if dry_run { draft.unchanged(decided) } else { draft.done(decided) })
}

fn import_one(draft: &mut Draft<'_>, key: Unkept) -> Result<Imported, DecideError> {
    match identity(draft, &key)? {
        Err(rejection) => Ok(Imported::Rejected(rejection)),
        Ok(Identity::Taken(id)) => Ok(Imported::Skipped(id)),
        Ok(Identity::Free(id)) => Ok(Imported::Added(keys::add(draft, key, id, Verb::Import)?)),
    }
}

/// The id of a key: that of the key that is there already, or a free one.
enum Identity {
    Taken(KeyId),
    Free(KeyId),
}

/// The id of a key, or the first reason against it.
fn identity(
    draft: &Draft<'_>,
    key: &Unkept,
) -> Result<Result<Identity, ImportRejection>, DecideError> {
    let digests: Vec<Digest> = secrets(key).map(|secret| secret.digest).collect();
    let mut holders = Vec::with_capacity(digests.len());
    for digest in &digests {
        holders.push(draft.holder(digest)?);
    }
    let known = holders.iter().flatten().next().copied();
    if let Some(id) = known
        && holders.iter().all(|holder| *holder == known)
    {
        return Ok(Ok(Identity::Taken(id)));
    }
    if !key.is_revoked() && (key.tier_gone || draft.tier(&key.tier)?.is_none()) {
        return Ok(Err(ImportRejection::UnknownTier));
    }
    if let Some(id) = key.id
        && draft.is_there(id)?
    {
        return Ok(Err(ImportRejection::IdTaken));
    }
    if let Some(id) = known {
        return Ok(Err(ImportRejection::DigestTaken(id)));
    }
    if is_any_twice(&digests) {
        return Ok(Err(ImportRejection::DigestTwice));
    }
    let id = match key.id {
        Some(id) => id,
        None => draft.next_key()?,
    };
    Ok(Ok(Identity::Free(id)))
}

/// The secrets of a key, the present one last.
fn secrets(key: &Unkept) -> impl Iterator<Item = &StoredSecret> {
    key.former.iter().map(|former| &former.secret).chain([&key.secret])
}

fn is_any_twice(digests: &[Digest]) -> bool {
    let mut sorted: Vec<_> = digests.iter().map(Digest::as_bytes).collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.len() != digests.len()
}
