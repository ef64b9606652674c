//! The audit trail: each change with its time and actor, each entry chained to the one before.

use keyward::UnixMillis;
use keyward::audit::{Audit, AuditEntry, ChainDigest, ChangeId, Verb};
use keyward::rules::{self, Progress, Subject};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row, Statement, params};

use crate::spans;
use crate::sql_error::SqlError;

/// The end of the trail: the highest number that an entry ever had, and the digest of the newest.
pub(crate) fn end(connection: &Connection) -> Result<(ChangeId, ChainDigest), SqlError> {
    // The first is served by the primary key, the second has a row for each table that counts up.
    const DIGEST: &str = "SELECT digest FROM audit ORDER BY id DESC LIMIT 1";
    const NUMBER: &str = "SELECT seq FROM sqlite_sequence WHERE name = 'audit'";
    let digest = connection.prepare_cached(DIGEST)?.query_row([], |row| row.get(0)).optional()?;
    // Not the highest id that there is: a number is not given again when its row is gone.
    let last = connection.prepare_cached(NUMBER)?.query_row([], |row| row.get(0)).optional()?;
    let digest = digest.map_or(ChainDigest::START, ChainDigest);
    Ok((ChangeId(last.unwrap_or_default()), digest))
}

/// The digest of an entry. Served by the primary key.
pub(crate) fn digest_of(
    connection: &Connection,
    ChangeId(id): ChangeId,
) -> Result<Option<ChainDigest>, SqlError> {
    const LINK: &str = "SELECT digest FROM audit WHERE id = ?1";
    // No number of the upper half is one of an entry.
    let Ok(id) = i64::try_from(id) else { return Ok(None) };
    let digest = connection.prepare_cached(LINK)?.query_row([id], |row| row.get(0)).optional()?;
    Ok(digest.map(ChainDigest))
}

/// Writes an entry of a change that no rule decides. It belongs into the savepoint of that change.
pub(crate) fn record(
    connection: &Connection,
    audit: &Audit,
    verb: Verb,
    subject: Subject<'_>,
    details: String,
) -> Result<(), SqlError> {
    let (change, digest) = end(connection)?;
    let after = Progress { change, digest, key: None, tier: None };
    let entry = rules::seal(&after, audit, verb, subject, details)?;
    append_all(connection, std::slice::from_ref(&entry))?;
    Ok(spans::AUDIT.go_on(connection, entry.at.hour().0, entry.id.0)?)
}

/// Writes entries that are sealed. The caller notes their hour, without which they would not be
/// found by time.
pub(crate) fn append_all(connection: &Connection, entries: &[AuditEntry]) -> Result<(), SqlError> {
    let mut insert = connection.prepare_cached(INSERT)?;
    for entry in entries {
        append(&mut insert, entry)?;
    }
    Ok(())
}

/// The statement of [`append`].
pub(crate) const INSERT: &str = "INSERT INTO audit (id, at_ms, actor, address, verb, key_id, \
                                                    tier, owner, request_id, details, previous, \
                                                    digest) \
                                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// Writes an entry that is sealed, with the statement [`INSERT`].
pub(crate) fn append(insert: &mut Statement<'_>, entry: &AuditEntry) -> Result<(), SqlError> {
    let row = params![
        entry.id.0,
        entry.at.0,
        entry.actor,
        entry.address,
        entry.verb,
        entry.key_id,
        entry.tier,
        entry.owner,
        entry.request_id,
        entry.details,
        entry.previous.0,
        entry.digest.0,
    ];
    insert.execute(row)?;
    Ok(())
}

/// The columns of an entry, in the order in which [`entry`] reads them.
pub(crate) const COLUMNS: &str = "id, at_ms, actor, address, verb, key_id, tier, owner, \
                                  request_id, details, previous, digest";

/// Reads [`COLUMNS`], even after edits by hand: a value that this code could not have written
/// becomes another such value, so that the entry does not fit its digest.
pub(crate) fn entry(row: &Row<'_>) -> Result<AuditEntry, SqlError> {
    let number = |at| -> Result<Option<u64>, SqlError> {
        // A negative number is one of the upper half, which no column takes from here.
        Ok(row.get::<_, Option<i64>>(at)?.map(i64::cast_unsigned))
    };
    Ok(AuditEntry {
        id: ChangeId(number(0)?.unwrap_or_default()),
        at: UnixMillis(number(1)?.unwrap_or_default()),
        actor: text(row, 2)?.unwrap_or_default(),
        address: text(row, 3)?,
        verb: text(row, 4)?.unwrap_or_default(),
        key_id: number(5)?,
        tier: text(row, 6)?,
        owner: text(row, 7)?,
        request_id: text(row, 8)?,
        details: text(row, 9)?,
        previous: link(row, 10)?,
        digest: link(row, 11)?,
    })
}

/// A text. Bytes that are not UTF-8 become the replacement character.
fn text(row: &Row<'_>, at: usize) -> Result<Option<String>, SqlError> {
    let value = row.get_ref(at)?;
    let bytes = match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        other => {
            return Err(SqlError::in_column("audit", format!("a text is a {}", other.data_type())));
        }
    };
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}

/// A digest; one of another length is one that no entry has.
fn link(row: &Row<'_>, at: usize) -> Result<ChainDigest, SqlError> {
    let bytes = row.get_ref(at)?.as_blob()?;
    Ok(ChainDigest(bytes.try_into().unwrap_or([0xff; 32])))
}
