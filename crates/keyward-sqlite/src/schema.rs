//! The migrations, and how far a file has come with them.
//!
//! A migration is added and never edited. The table that counts them is named after the program,
//! since others keep tables of their own, with migrations of their own, in the same file.

use keyward::UnixMillis;
use keyward::audit::{AuditEntry, ChainDigest, ChangeId};
use keyward::key::Prefix;
use keyward_ledger::LedgerId;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior};

use crate::audit;
use crate::names;
use crate::spans;
use crate::spelling;
use crate::sql_error::SqlError;

/// One step of the schema.
struct Migration {
    sql: &'static str,
    /// The step that SQL cannot do; it comes after the SQL, in the same transaction. The time is
    /// now.
    then: fn(&Connection, UnixMillis) -> Result<(), SqlError>,
}

/// Every migration: the one at index `n` has the number `n + 1`.
const MIGRATIONS: &[Migration] = &[
    Migration { sql: include_str!("../migrations/0001_keys.sql"), then: |_, _| Ok(()) },
    Migration { sql: include_str!("../migrations/0002_lives.sql"), then: migrate_lives },
    Migration { sql: include_str!("../migrations/0003_texts.sql"), then: spelling::migrate },
    Migration { sql: include_str!("../migrations/0004_clock.sql"), then: |_, _| Ok(()) },
    Migration {
        sql: include_str!("../migrations/0005_gone_tiers_and_once.sql"),
        then: |_, _| Ok(()),
    },
    Migration { sql: include_str!("../migrations/0006_ledger.sql"), then: |_, _| Ok(()) },
    Migration { sql: include_str!("../migrations/0007_leaks.sql"), then: |_, _| Ok(()) },
    Migration { sql: include_str!("../migrations/0008_hours.sql"), then: |_, _| Ok(()) },
    Migration { sql: include_str!("../migrations/0009_audit_indexes.sql"), then: |_, _| Ok(()) },
    Migration { sql: include_str!("../migrations/0010_expires.sql"), then: |_, _| Ok(()) },
    Migration { sql: include_str!("../migrations/0011_late.sql"), then: |_, _| Ok(()) },
    Migration { sql: include_str!("../migrations/0012_owners_and_tiers.sql"), then: |_, _| Ok(()) },
    Migration { sql: include_str!("../migrations/0013_introspected.sql"), then: |_, _| Ok(()) },
];

/// The number of the last migration that this program knows.
pub(crate) fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// The number of the last migration that was applied to the file; 0 is none. Writes nothing.
pub(crate) fn found(connection: &Connection) -> rusqlite::Result<u32> {
    const LAST: &str = "SELECT ifnull(max(number), 0) FROM keyward_migrations WHERE number <> ?1";
    if !has_table(connection, "keyward_migrations")? {
        return Ok(0);
    }
    connection.query_row(LAST, [MOVED], |row| row.get(0))
}

/// The mark of our files in their header: "Keyw" in ASCII
/// (<https://sqlite.org/pragma.html#pragma_application_id>).
const APPLICATION_ID: i32 = 0x4b65_7977;

/// Whether another program made this database. An empty one has no program; one with our migrations
/// is ours, even with other tables in it. Writes nothing.
pub(crate) fn is_foreign(connection: &Connection) -> rusqlite::Result<bool> {
    // Version 0.1.0 wrote no application id. Those of the articles are ours as well.
    const OURS: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' \
                        AND name IN ('keyward_migrations', 'news_migrations'))";
    const ANY: &str =
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE substr(name, 1, 7) != 'sqlite_')";
    if connection.query_row(OURS, [], |row| row.get(0))? {
        return Ok(false);
    }
    match application_id(connection)? {
        APPLICATION_ID => Ok(false),
        0 => connection.query_row(ANY, [], |row| row.get(0)),
        _ => Ok(true),
    }
}

/// Marks the database as ours, unless it carries a mark already: who keeps it in a database of
/// their own may have marked that.
pub(crate) fn mark(connection: &Connection) -> rusqlite::Result<()> {
    if application_id(connection)? == 0 {
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    Ok(())
}

fn application_id(connection: &Connection) -> rusqlite::Result<i32> {
    connection.query_row("PRAGMA application_id", [], |row| row.get(0))
}

/// Whether there is a table of this name.
pub(crate) fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    const TABLE: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema \
                         WHERE type = 'table' AND name = ?1)";
    connection.query_row(TABLE, [name], |row| row.get(0))
}

/// The ledger that belongs to the file. Writes nothing.
pub(crate) fn ledger(connection: &Connection) -> rusqlite::Result<Option<LedgerId>> {
    if !has_table(connection, "keyward_ledger")? {
        return Ok(None);
    }
    let id = "SELECT id FROM keyward_ledger";
    Ok(connection.query_row(id, [], |row| row.get(0)).optional()?.map(LedgerId))
}

/// Says which ledger belongs to the file.
pub(crate) fn set_ledger(connection: &Connection, LedgerId(id): LedgerId) -> rusqlite::Result<()> {
    const MARK: &str = "INSERT INTO keyward_ledger (one, id) VALUES (1, ?1) \
                        ON CONFLICT (one) DO UPDATE SET id = excluded.id";
    connection.execute(MARK, [id])?;
    Ok(())
}

/// A migration that no version has: one that knows nothing of moving rejects a file with it as one
/// of a newer version.
const MOVED: u32 = 1_000_000;

/// Where everything in the file was moved to. Writes nothing.
pub(crate) fn moved(connection: &Connection) -> rusqlite::Result<Option<String>> {
    if !has_table(connection, "keyward_moved")? {
        return Ok(None);
    }
    connection.query_row("SELECT place FROM keyward_moved", [], |row| row.get(0)).optional()
}

/// Marks the file as moved. It belongs in a transaction.
pub(crate) fn set_moved(
    connection: &Connection,
    place: &str,
    now: UnixMillis,
) -> rusqlite::Result<()> {
    const TABLE: &str = "CREATE TABLE IF NOT EXISTS keyward_moved (
             one   INTEGER PRIMARY KEY CHECK (one = 1),
             place TEXT NOT NULL
         ) STRICT";
    const PLACE: &str = "INSERT INTO keyward_moved (one, place) VALUES (1, ?1) \
                         ON CONFLICT (one) DO UPDATE SET place = excluded.place";
    const NUMBER: &str = "INSERT INTO keyward_migrations (number, applied_at_ms) \
                          VALUES (?1, ?2) ON CONFLICT (number) DO NOTHING";
    connection.execute_batch(TABLE)?;
    connection.execute(PLACE, [place])?;
    connection.execute(NUMBER, (MOVED, now.0))?;
    Ok(())
}

/// Takes that mark off. It belongs in a transaction.
pub(crate) fn forget_moved(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("DROP TABLE IF EXISTS keyward_moved")?;
    connection.execute("DELETE FROM keyward_migrations WHERE number = ?1", [MOVED])?;
    Ok(())
}

/// Applies the migrations that the file has not seen: all of them, or on an error none.
pub(crate) fn migrate(connection: &mut Connection, now: UnixMillis) -> Result<(), SqlError> {
    if found(connection)? == known() {
        return Ok(());
    }
    // So that a table can replace one that others refer to
    // (<https://sqlite.org/lang_altertable.html#otheralter>); it cannot be set within a
    // transaction.
    connection.execute_batch("PRAGMA foreign_keys = OFF")?;
    let migrated = migrate_all(connection, now);
    connection.execute_batch("PRAGMA foreign_keys = ON")?;
    migrated
}

fn migrate_all(connection: &mut Connection, now: UnixMillis) -> Result<(), SqlError> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS keyward_migrations (
             number        INTEGER PRIMARY KEY,
             applied_at_ms INTEGER NOT NULL
         ) STRICT",
    )?;
    let found = found(&transaction)?;
    for (number, migration) in (1..).zip(MIGRATIONS).filter(|(number, _)| found < *number) {
        transaction.execute_batch(migration.sql)?;
        (migration.then)(&transaction, now)?;
        transaction.execute(
            "INSERT INTO keyward_migrations (number, applied_at_ms) VALUES (?1, ?2)",
            (number, now.0),
        )?;
    }
    Ok(transaction.commit()?)
}

/// Makes names found by their parts, notes the prefixes in use, and chains the trail.
fn migrate_lives(connection: &Connection, _: UnixMillis) -> Result<(), SqlError> {
    let mut keys = connection.prepare("SELECT id, name FROM keys ORDER BY id")?;
    let mut add = connection.prepare("INSERT INTO key_names (rowid, name) VALUES (?1, ?2)")?;
    let mut rows = keys.query([])?;
    while let Some(row) = rows.next()? {
        let name = names::indexed(&names::fold(row.get_ref(1)?.as_str()?));
        add.execute((row.get::<_, u64>(0)?, name))?;
    }
    let hints = "SELECT hint FROM keys UNION SELECT hint FROM former_secrets";
    let mut hints = connection.prepare(hints)?;
    let mut add = connection.prepare("INSERT INTO prefixes VALUES (?1) ON CONFLICT DO NOTHING")?;
    let mut rows = hints.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(prefix) = Prefix::of_hint(row.get_ref(0)?.as_str()?) {
            add.execute([prefix.as_str()])?;
        }
    }
    chain_trail(connection)
}

/// Moves the entries of the trail as it was into the one that is chained.
fn chain_trail(connection: &Connection) -> Result<(), SqlError> {
    const ENTRIES: &str = "SELECT id, at_ms, actor, verb, key_id, tier, request_id, details \
                           FROM audit_0001 ORDER BY id";
    let mut entries = connection.prepare(ENTRIES)?;
    let mut insert = connection.prepare(audit::INSERT)?;
    let mut previous = ChainDigest::START;
    for entry in entries.query_and_then([], unchained)? {
        let mut entry = AuditEntry { previous, ..entry? };
        entry.digest = entry.seal();
        previous = entry.digest;
        audit::append(&mut insert, &entry)?;
        spans::AUDIT.widen(connection, entry.at.hour().0, (entry.id.0, entry.id.0))?;
    }
    drop(entries);
    // The numbers go on where they were, even if the last rows were deleted by hand.
    connection.execute_batch(
        "DELETE FROM sqlite_sequence WHERE name = 'audit';
         UPDATE sqlite_sequence SET name = 'audit' WHERE name = 'audit_0001';
         DROP TABLE audit_0001;",
    )?;
    Ok(())
}

fn unchained(row: &Row<'_>) -> Result<AuditEntry, SqlError> {
    Ok(AuditEntry {
        id: ChangeId(row.get(0)?),
        at: UnixMillis(row.get(1)?),
        actor: row.get(2)?,
        address: None,
        verb: row.get(3)?,
        key_id: row.get(4)?,
        tier: row.get(5)?,
        owner: None,
        request_id: row.get(6)?,
        details: row.get(7)?,
        previous: ChainDigest::START,
        digest: ChainDigest::START,
    })
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi::ErrorCode;

    use super::*;

    #[test]
    fn migrating_twice_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert_eq!(found(&connection).unwrap(), 0);
        migrate(&mut connection, UnixMillis(7)).unwrap();
        migrate(&mut connection, UnixMillis(8)).unwrap();
        assert_eq!(found(&connection).unwrap(), known());
        let at = "SELECT max(applied_at_ms) FROM keyward_migrations";
        assert_eq!(connection.query_row(at, [], |row| row.get::<_, u64>(0)).unwrap(), 7);
    }

    #[test]
    fn without_room_for_all_none_is_applied() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("PRAGMA max_page_count = 5").unwrap();
        let error = migrate(&mut connection, UnixMillis(0)).unwrap_err();
        let SqlError::Sqlite(error) = error else { panic!("no error of SQLite: {error:?}") };
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull));
        let tables = "SELECT count(*) FROM sqlite_schema";
        assert_eq!(connection.query_row(tables, [], |row| row.get::<_, u64>(0)).unwrap(), 0);
    }
}
