//! Accepting that changes are lost: the changes that the ledger knows are made again, on record,
//! and no id is given twice.

use std::time::Duration;

use keyward::audit::{Audit, Verb};
use keyward::change::KeyChange;
use keyward::record::Owner;
use keyward::rules::{Change, OwnerChange, Subject};
use keyward::{KeyId, UnixMillis};
use keyward_ledger::{Content, Ending, Head, Loss, Restored};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use serde_json::json;

use crate::audit;
use crate::commit::{commit, count_on};
use crate::notes;
use crate::owners;
use crate::sql_error::SqlError;

/// How far ids go on if it is unknown how many were given: more than are given between two backups,
/// and so few that there is room for this billions of times.
const UNKNOWN_IDS: u64 = 1_000_000;

/// Accepts a loss, in one transaction: nothing of it is done, or all.
pub(crate) fn accept(
    connection: &Connection,
    loss: Loss,
    content: &Content,
    now: UnixMillis,
) -> Result<Restored, SqlError> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let audit = Audit::program(now);
    let newest = notes::head(&transaction)?;
    let known = known(loss, content);
    let next = |newest: u64, known: Option<u64>| match known {
        Some(known) => newest.max(known),
        None => newest.saturating_add(UNKNOWN_IDS),
    };
    let change = next(newest.change.0, known.map(|known| known.change.0));
    count_on(&transaction, "audit", change)?;
    count_on(&transaction, "keys", next(newest.key_id, known.map(|known| known.key_id)))?;
    let before = known.map(|known| (known.change.0, known.digest.to_string()));
    let details = json!({
        "before": { "change": before.as_ref().map(|it| it.0), "digest": before.map(|it| it.1) },
        "after": { "change": newest.change.0 },
    });
    let (verb, subject) = (Verb::AcceptRestore, Subject::Store);
    audit::record(&transaction, &audit, verb, subject, details.to_string())?;
    let mut restored = Restored::of(loss, (newest.key_id, known.map(|known| known.key_id)));
    if known.is_some() {
        end_secrets(&transaction, content, &audit, &mut restored)?;
        suspend_keys(&transaction, content, &audit, &mut restored)?;
        suspend_owners(&transaction, content, &audit, &mut restored)?;
    }
    transaction.commit()?;
    Ok(restored)
}

/// The newest head of the database's own ledger, if that is there.
fn known(loss: Loss, content: &Content) -> Option<Head> {
    match loss {
        Loss::Changes { .. } | Loss::Database { .. } => content.head,
        Loss::Ledger { .. } | Loss::OtherLedger { .. } => None,
    }
}

/// Ends the keys whose secret the ledger knows as ended, at once or with its grace.
fn end_secrets(
    connection: &Connection,
    content: &Content,
    audit: &Audit,
    restored: &mut Restored,
) -> Result<(), SqlError> {
    let revoked: std::collections::HashSet<u64> = content
        .secrets
        .values()
        .filter(|end| end.how == Ending::Revoked)
        .map(|end| end.key_id)
        .collect();
    for (id, digest) in unrevoked(connection)? {
        let Some(end) = content.secrets.get(&digest) else { continue };
        let how = if revoked.contains(&end.key_id) { Ending::Revoked } else { end.how };
        let wanted = match how {
            Ending::Revoked => revoke("it was revoked before the database was restored"),
            Ending::At(ends_at) if ends_at <= audit.at => {
                revoke("its secret was replaced before the database was restored")
            }
            Ending::At(ends_at) => replace(ends_at.0.saturating_sub(audit.at.0))?,
        };
        let is_replaced = wanted.is_rotation();
        let wanted = Change::Key { id, change: wanted, expected: None };
        match commit(connection, wanted, audit)?.outcome {
            Ok(_) if is_replaced => restored.replaced.push(id),
            Ok(_) => restored.revoked.push(id),
            // It has expired, and so has its secret.
            Err(_) => {}
        }
    }
    Ok(())
}

/// Keys that are not revoked, with the digests of their secrets.
fn unrevoked(connection: &Connection) -> Result<Vec<(KeyId, [u8; 32])>, SqlError> {
    const KEYS: &str = "SELECT id, digest FROM keys WHERE state <> 'revoked' ORDER BY id";
    let mut keys = connection.prepare(KEYS)?;
    let keys = keys.query_and_then([], |row| {
        let id = KeyId::new(row.get(0)?).ok_or_else(|| SqlError::in_column("keys.id", "not an id"));
        Ok((id?, row.get(1)?))
    })?;
    keys.collect()
}

fn revoke(reason: &str) -> KeyChange {
    KeyChange::Revoke { reason: reason.parse().ok() }
}

/// Rotates to a digest whose text no caller has, with this grace for the present secret.
fn replace(millis: u64) -> Result<KeyChange, SqlError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| SqlError::Failed(error.to_string().into()))?;
    let digest = keyward::digest::Digest::from_stored(bytes);
    Ok(KeyChange::Rotate { digest, hint: String::new(), grace: Duration::from_millis(millis) })
}

/// Suspends the keys that the ledger knows as suspended.
fn suspend_keys(
    connection: &Connection,
    content: &Content,
    audit: &Audit,
    restored: &mut Restored,
) -> Result<(), SqlError> {
    // Served by the primary keys.
    const KEY: &str = "SELECT state, digest, EXISTS (SELECT 1 FROM former_secrets \
                       WHERE key_id = keys.id AND digest = ?2) FROM keys WHERE id = ?1";
    for (number, (suspended, known)) in &content.keys {
        let Some(id) = KeyId::new(*number) else { continue };
        let row = |row: &rusqlite::Row<'_>| {
            Ok((row.get::<_, String>(0)?, row.get::<_, [u8; 32]>(1)?, row.get::<_, bool>(2)?))
        };
        let found = connection.prepare_cached(KEY)?.query_row((number, known), row).optional()?;
        let Some((state, digest, had)) = found else { continue };
        // The same number may be another key's in a database that only replaced this one.
        let replaced = content.secrets.get(&digest).is_some_and(|end| end.key_id == *number);
        if digest != *known && !had && !replaced {
            continue;
        }
        match (state.as_str(), suspended) {
            ("active", true) => {
                let suspend = Change::Key { id, change: KeyChange::Suspend, expected: None };
                commit(connection, suspend, audit)?;
                restored.suspended.push(id);
            }
            ("suspended", false) => restored.left_suspended.push(id),
            _ => {}
        }
    }
    Ok(())
}

/// Suspends the owners that the ledger knows as suspended.
fn suspend_owners(
    connection: &Connection,
    content: &Content,
    audit: &Audit,
    restored: &mut Restored,
) -> Result<(), SqlError> {
    for (name, suspended) in &content.owners {
        let Ok(owner) = name.parse::<Owner>() else { continue };
        let row = owners::read(connection, &owner)?;
        let is_suspended = row.is_some_and(|row| row.is_suspended());
        match (is_suspended, suspended) {
            (false, true) => {
                let change = OwnerChange::Suspend;
                let suspend = Change::Owner { owner: owner.clone(), change, expected: None };
                commit(connection, suspend, audit)?;
                restored.suspended_owners.push(owner);
            }
            (true, false) => restored.left_suspended_owners.push(owner),
            (true, true) | (false, false) => {}
        }
    }
    Ok(())
}
