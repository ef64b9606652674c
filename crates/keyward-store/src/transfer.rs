//! Adding keys that came from elsewhere.

use keyward::KeyId;
use keyward::audit::{Audit, Verb};
use keyward::digest::Digest;
use keyward::transfer::{ImportRefusal, ImportedKey, KeyCopy};
use rusqlite::Connection;

use crate::fault::Fault;
use crate::keys::insert::Adder;
use crate::keys::{find, former};
use crate::record::stored_of;

/// Adds keys, and says of each what became of it. A dry run does the same and takes it back.
pub(crate) fn import(
    connection: &Connection,
    keys: Vec<KeyCopy>,
    dry_run: bool,
    audit: &Audit,
) -> Result<Vec<ImportedKey>, Fault> {
    if !dry_run {
        return import_all(connection, keys, audit);
    }
    connection.execute_batch("SAVEPOINT dry_run")?;
    let imported = import_all(connection, keys, audit);
    connection.execute_batch("ROLLBACK TO dry_run; RELEASE dry_run")?;
    imported
}

fn import_all(
    connection: &Connection,
    keys: Vec<KeyCopy>,
    audit: &Audit,
) -> Result<Vec<ImportedKey>, Fault> {
    let mut adder = Adder::open(connection, Verb::Import, audit)?;
    let imported = keys.into_iter().map(|key| import_one(connection, key, &mut adder));
    let imported = imported.collect::<Result<_, _>>()?;
    adder.finish()?;
    Ok(imported)
}

fn import_one(
    connection: &Connection,
    key: KeyCopy,
    adder: &mut Adder<'_>,
) -> Result<ImportedKey, Fault> {
    let digest = key.secret.digest;
    let digests: Vec<Digest> =
        key.former.iter().map(|(secret, _)| secret.digest).chain([digest]).collect();
    let mut holders = Vec::with_capacity(digests.len());
    for digest in &digests {
        holders.push(find::holder(connection, digest)?.map(|(id, _)| id));
    }
    // Everything is looked at before anything is written: a key that is refused leaves no trace.
    if let Some(imported) = refuse(connection, &key, &digests, &holders, adder)? {
        return Ok(imported);
    }
    let is_former = !key.former.is_empty();
    let details = adder.add(key)?;
    let former = match is_former {
        true => former::of_key(connection, details.record.id)?,
        false => Vec::new(),
    };
    Ok(ImportedKey::Added(Box::new(stored_of(details, digest, former))))
}

/// Says why a key is not to be added, if it is not. `holders` are the keys that have its digests.
fn refuse(
    connection: &Connection,
    key: &KeyCopy,
    digests: &[Digest],
    holders: &[Option<KeyId>],
    adder: &mut Adder<'_>,
) -> Result<Option<ImportedKey>, Fault> {
    // Served by the primary key.
    const IS_TAKEN: &str = "SELECT EXISTS (SELECT 1 FROM keys WHERE id = ?1)";
    let known = holders.iter().flatten().next();
    if let Some(id) = known
        && holders.iter().all(|holder| holder.as_ref() == Some(id))
    {
        return Ok(Some(ImportedKey::Skipped(*id)));
    }
    let refused = |refusal| Ok(Some(ImportedKey::Refused(refusal)));
    let is_revoked = key.state.is_revoked();
    if !is_revoked && (key.tier_gone || !adder.is_tier(&key.tier)?) {
        return refused(ImportRefusal::UnknownTier);
    }
    if let Some(id) = key.id
        && connection.prepare_cached(IS_TAKEN)?.query_row([id.get()], |row| row.get(0))?
    {
        return refused(ImportRefusal::IdTaken);
    }
    if let Some(id) = known {
        return refused(ImportRefusal::DigestTaken(*id));
    }
    let mut sorted: Vec<_> = digests.iter().map(Digest::as_bytes).collect();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != digests.len() {
        return refused(ImportRefusal::DigestTwice);
    }
    Ok(None)
}
