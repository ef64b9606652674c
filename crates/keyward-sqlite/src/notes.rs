//! The notes for the ledger about the changes in a transaction.
//!
//! Triggers of the writing connection take them, for changes by any code: none can be forgotten,
//! and a rollback, of one job or the whole transaction, takes its notes with it. The triggers and
//! their table are temporary, so other connections to the file do not see them.

use std::collections::BTreeSet;

use keyward::UnixMillis;
use keyward::audit::{ChainDigest, ChangeId};
use keyward::digest::Digest;
use keyward_ledger::{Head, Record};
use rusqlite::{Connection, OptionalExtension as _, Row};

const WATCH: &str = "
    CREATE TEMP TABLE ledger_notes (
        kind       TEXT NOT NULL,
        digest     BLOB,
        key_id     INTEGER,
        ends_at_ms INTEGER,
        owner      TEXT
    ) STRICT;
    CREATE TEMP TRIGGER ledger_new_key AFTER INSERT ON main.keys WHEN NEW.state <> 'active' BEGIN
        INSERT INTO ledger_notes (kind, digest, key_id) VALUES (NEW.state, NEW.digest, NEW.id);
    END;
    CREATE TEMP TRIGGER ledger_key_state AFTER UPDATE OF state ON main.keys
        WHEN NEW.state <> OLD.state BEGIN
        INSERT INTO ledger_notes (kind, digest, key_id) VALUES (NEW.state, NEW.digest, NEW.id);
    END;
    CREATE TEMP TRIGGER ledger_replaced AFTER INSERT ON main.former_secrets BEGIN
        INSERT INTO ledger_notes (kind, digest, key_id, ends_at_ms)
            VALUES ('replaced', NEW.digest, NEW.key_id, NEW.ends_at_ms);
    END;
    CREATE TEMP TRIGGER ledger_grace AFTER UPDATE OF ends_at_ms ON main.former_secrets
        WHEN NEW.ends_at_ms <> OLD.ends_at_ms BEGIN
        INSERT INTO ledger_notes (kind, digest, key_id, ends_at_ms)
            VALUES ('replaced', NEW.digest, NEW.key_id, NEW.ends_at_ms);
    END;
    CREATE TEMP TRIGGER ledger_new_owner AFTER INSERT ON main.owners
        WHEN NEW.suspended_at_ms IS NOT NULL BEGIN
        INSERT INTO ledger_notes (kind, owner) VALUES ('owner-suspended', NEW.id);
    END;
    CREATE TEMP TRIGGER ledger_owner_state AFTER UPDATE OF suspended_at_ms ON main.owners
        WHEN (NEW.suspended_at_ms IS NULL) <> (OLD.suspended_at_ms IS NULL) BEGIN
        INSERT INTO ledger_notes (kind, owner)
            VALUES (iif(NEW.suspended_at_ms IS NULL, 'owner-resumed', 'owner-suspended'), NEW.id);
    END;
";

/// Makes this connection, which writes, take down what the ledger has to know.
pub(crate) fn watch(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(WATCH)
}

/// Takes the notes of this transaction, in order. If that is rolled back, so is this.
pub(crate) fn take(connection: &Connection) -> rusqlite::Result<Vec<Record>> {
    const NOTES: &str = "SELECT kind, digest, key_id, ends_at_ms, owner FROM temp.ledger_notes \
                         ORDER BY rowid";
    const FORGET: &str = "DELETE FROM temp.ledger_notes";
    let mut notes = connection.prepare_cached(NOTES)?;
    let records: Vec<Record> = notes.query_and_then([], note)?.collect::<rusqlite::Result<_>>()?;
    if !records.is_empty() {
        connection.prepare_cached(FORGET)?.execute([])?;
    }
    Ok(records)
}

fn note(row: &Row<'_>) -> rusqlite::Result<Record> {
    let kind = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
    if let Some(name) = row.get(4)? {
        return Ok(Record::Owner { name, suspended: kind == "owner-suspended" });
    }
    let (digest, key_id) = (Digest::from_stored(row.get(1)?), row.get(2)?);
    Ok(match kind {
        "replaced" => Record::Replaced { digest, key_id, ends_at: UnixMillis(row.get(3)?) },
        "revoked" => Record::Revoked { digest, key_id },
        state => Record::Key { digest, key_id, suspended: state == "suspended" },
    })
}

/// How far the database has come.
pub(crate) fn head(connection: &Connection) -> rusqlite::Result<Head> {
    // The first is served by the primary key, the second has a row for each table that counts up.
    const NEWEST: &str = "SELECT id, digest FROM audit ORDER BY id DESC LIMIT 1";
    const KEY_ID: &str = "SELECT seq FROM sqlite_sequence WHERE name = 'keys'";
    let newest = |row: &Row<'_>| Ok((ChangeId(row.get(0)?), ChainDigest(row.get(1)?)));
    let newest = connection.prepare_cached(NEWEST)?.query_row([], newest).optional()?;
    let (change, digest) = newest.unwrap_or((Head::START.change, Head::START.digest));
    let key_id = connection.prepare_cached(KEY_ID)?.query_row([], |row| row.get(0)).optional()?;
    Ok(Head { change, digest, key_id: key_id.unwrap_or_default() })
}

/// Whether the audit trail has the unchanged entry of a head.
pub(crate) fn has(connection: &Connection, head: Head) -> rusqlite::Result<bool> {
    // Served by the primary key.
    const DIGEST: &str = "SELECT digest FROM audit WHERE id = ?1";
    if head == Head::START {
        return Ok(true);
    }
    let mut digest = connection.prepare_cached(DIGEST)?;
    let digest = digest.query_row([head.change.0], |row| row.get(0)).optional()?;
    Ok(digest.map(ChainDigest) == Some(head.digest))
}

/// The records that a ledger lacks which knows everything up to `change`; 0 is nothing.
pub(crate) fn since(connection: &Connection, change: ChangeId) -> rusqlite::Result<Vec<Record>> {
    if change == Head::START.change {
        return everything(connection);
    }
    // All verbs except the ones that leave secrets and states alone. Served by the primary key.
    const KEYS: &str = "SELECT DISTINCT key_id, verb FROM audit WHERE ?1 < id \
                        AND key_id IS NOT NULL AND verb NOT IN ('issue', 'edit') ORDER BY id";
    const OWNERS: &str = "SELECT DISTINCT owner, EXISTS (SELECT 1 FROM owners \
                          WHERE owners.id = audit.owner AND suspended_at_ms IS NOT NULL) \
                          FROM audit WHERE ?1 < id AND owner IS NOT NULL";
    let mut records = Vec::new();
    let mut known = BTreeSet::new();
    let mut keys = connection.prepare(KEYS)?;
    let mut rows = keys.query([change.0])?;
    while let Some(row) = rows.next()? {
        let key_id = row.get(0)?;
        let was_resumed = row.get_ref(1)?.as_str().is_ok_and(|verb| verb == "resume");
        key(connection, key_id, was_resumed, known.insert(key_id), &mut records)?;
    }
    let mut owners = connection.prepare(OWNERS)?;
    let owner = |row: &Row<'_>| Ok(Record::Owner { name: row.get(0)?, suspended: row.get(1)? });
    for record in owners.query_map([change.0], owner)? {
        records.push(record?);
    }
    Ok(records)
}

/// The records for a ledger about one key as it is now.
fn key(
    connection: &Connection,
    key_id: u64,
    was_resumed: bool,
    is_new: bool,
    records: &mut Vec<Record>,
) -> rusqlite::Result<()> {
    // Both served by the primary key.
    const KEY: &str = "SELECT state, digest, id FROM keys WHERE id = ?1";
    const FORMER: &str = "SELECT key_id, digest, ends_at_ms FROM former_secrets \
                          WHERE key_id = ?1 ORDER BY number";
    let found = connection.prepare_cached(KEY)?.query_row([key_id], state).optional()?;
    if let Some((state, record)) = found
        && (was_resumed || state != "active")
    {
        records.push(record);
    }
    if is_new {
        let mut former = connection.prepare_cached(FORMER)?;
        for record in former.query_map([key_id], replaced)? {
            records.push(record?);
        }
    }
    Ok(())
}

/// The records for a new ledger.
fn everything(connection: &Connection) -> rusqlite::Result<Vec<Record>> {
    const FORMER: &str = "SELECT key_id, digest, ends_at_ms FROM former_secrets";
    // Served by `keys_state`, and by `owners_suspended`.
    const KEYS: &str = "SELECT state, digest, id FROM keys WHERE state <> 'active'";
    const OWNERS: &str = "SELECT id FROM owners WHERE suspended_at_ms IS NOT NULL";
    let mut records = Vec::new();
    let mut former = connection.prepare(FORMER)?;
    for record in former.query_map([], replaced)? {
        records.push(record?);
    }
    let mut keys = connection.prepare(KEYS)?;
    for found in keys.query_map([], state)? {
        records.push(found?.1);
    }
    let mut owners = connection.prepare(OWNERS)?;
    let owner = |row: &Row<'_>| Ok(Record::Owner { name: row.get(0)?, suspended: true });
    for record in owners.query_map([], owner)? {
        records.push(record?);
    }
    Ok(records)
}

fn state(row: &Row<'_>) -> rusqlite::Result<(String, Record)> {
    let state: String = row.get(0)?;
    let (digest, key_id) = (Digest::from_stored(row.get(1)?), row.get(2)?);
    let record = match state.as_str() {
        "revoked" => Record::Revoked { digest, key_id },
        state => Record::Key { digest, key_id, suspended: state == "suspended" },
    };
    Ok((state, record))
}

fn replaced(row: &Row<'_>) -> rusqlite::Result<Record> {
    let digest = Digest::from_stored(row.get(1)?);
    Ok(Record::Replaced { key_id: row.get(0)?, digest, ends_at: UnixMillis(row.get(2)?) })
}
