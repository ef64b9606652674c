//! The migrations, and how far a file has come with them.
//!
//! A migration is added and never edited. The table that counts them is named after the program,
//! since others keep tables of their own, with migrations of their own, in the same file.

use keyward::UnixMillis;
use rusqlite::{Connection, Transaction, TransactionBehavior};

/// Every migration: the one at place `n` has the number `n + 1`.
const MIGRATIONS: &[&str] = &[include_str!("../migrations/0001_keys.sql")];

/// The number of the last migration that this program knows.
pub(crate) fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// The number of the last migration that was applied to the file; 0 is none. Writes nothing.
pub(crate) fn found(connection: &Connection) -> rusqlite::Result<u32> {
    const TABLE: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema \
                         WHERE type = 'table' AND name = 'keyward_migrations')";
    const LAST: &str = "SELECT ifnull(max(number), 0) FROM keyward_migrations";
    if !connection.query_row(TABLE, [], |row| row.get(0))? {
        return Ok(0);
    }
    connection.query_row(LAST, [], |row| row.get(0))
}

/// Applies the migrations that the file has not seen: all of them, or on an error none.
pub(crate) fn migrate(connection: &mut Connection, now: UnixMillis) -> rusqlite::Result<()> {
    if found(connection)? == known() {
        return Ok(());
    }
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS keyward_migrations (
             number        INTEGER PRIMARY KEY,
             applied_at_ms INTEGER NOT NULL
         ) STRICT",
    )?;
    let found = found(&transaction)?;
    for (number, migration) in (1..).zip(MIGRATIONS).filter(|(number, _)| found < *number) {
        transaction.execute_batch(migration)?;
        transaction.execute(
            "INSERT INTO keyward_migrations (number, applied_at_ms) VALUES (?1, ?2)",
            (number, now.0),
        )?;
    }
    transaction.commit()
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
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull));
        let tables = "SELECT count(*) FROM sqlite_schema";
        assert_eq!(connection.query_row(tables, [], |row| row.get::<_, u64>(0)).unwrap(), 0);
    }
}
