//! Opening a database file so that nothing changes on the disk, neither in it nor next to it.
//!
//! SQLite writes when it only reads: it rolls back unfinished writes of a killed process, makes an
//! index of the log, and moves the log into the database when it closes.

use std::fs;
use std::path::Path;

use keyward_ledger::place::sibling;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::open_error::OpenError;
use crate::schema;

/// Rejects a database that this program must not write to: one of another program, or of a newer
/// version of this one, or one that was moved elsewhere. No store has the file open.
pub(crate) fn check_ours(path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::from_sqlite(path, error);
    let connection = check_known(path)?;
    match schema::moved(&connection).map_err(failed)? {
        Some(place) => Err(OpenError::Moved { path: path.to_owned(), place }),
        None => Ok(()),
    }
}

/// The same of one that may have been moved.
pub(crate) fn check_known(path: &Path) -> Result<Connection, OpenError> {
    let failed = |error| OpenError::from_sqlite(path, error);
    let connection = open_alone(path).map_err(failed)?;
    if schema::is_foreign(&connection).map_err(failed)? {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let (found, known) = (schema::found(&connection).map_err(failed)?, schema::known());
    if known < found {
        return Err(OpenError::NewerSchema { path: path.to_owned(), found, known });
    }
    Ok(connection)
}

/// Opens a file that no store has open, to read from it for a moment.
pub(crate) fn open_alone(path: &Path) -> rusqlite::Result<Connection> {
    if !has_log(path) {
        return open_unchanged(path);
    }
    match open_exclusive(path) {
        Ok(connection) => Ok(connection),
        // Another process has it open, or it is read-only. Then the index is there, or cannot be
        // made.
        Err(_) => open_to_read(path),
    }
}

/// Opens a file that a store may have open.
pub(crate) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
}

/// Opens a file that no process has open and that has no log: by calling it immutable, if its path
/// can be written as a URL. Reading a database in WAL mode makes its side files otherwise.
pub(crate) fn open_unchanged(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match immutable_url(path) {
        Some(url) => Connection::open_with_flags(url, flags | OpenFlags::SQLITE_OPEN_URI),
        None => open_to_read(path),
    }
}

/// Whether something waits in a write-ahead log.
pub(crate) fn has_log(path: &Path) -> bool {
    fs::metadata(sibling(path, "-wal")).is_ok_and(|log| 0 < log.len())
}

/// Reads the log into memory, where its index is as well if no other connection may use it, and
/// leaves it as it is (<https://sqlite.org/wal.html#use_of_wal_without_shared_memory>).
fn open_exclusive(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA locking_mode = EXCLUSIVE")?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

/// The path as a URL that calls the file immutable, if it can be written as one.
fn immutable_url(path: &Path) -> Option<String> {
    let escape = |c: char| match c {
        '%' => "%25".to_owned(),
        '?' => "%3f".to_owned(),
        '#' => "%23".to_owned(),
        c => c.to_string(),
    };
    let path: String = path.to_str()?.chars().map(escape).collect();
    Some(format!("file:{path}?immutable=1"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Every file of a directory, by its name, with its content.
    fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
        let files = fs::read_dir(directory).unwrap().map(Result::unwrap);
        let read = |file: fs::DirEntry| {
            (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())
        };
        files.map(read).collect()
    }

    /// A database made by this SQL as a killed process leaves it: copied while it is open.
    fn left_by_a_kill(directory: &Path, sql: &str, suffixes: &[&str]) {
        let made = tempfile::tempdir().unwrap();
        let connection = Connection::open(made.path().join("a.db")).unwrap();
        connection.execute_batch(sql).unwrap();
        for suffix in suffixes {
            let name = format!("a.db{suffix}");
            fs::copy(made.path().join(&name), directory.join(&name)).unwrap();
        }
    }

    const TABLES: &str = "CREATE TABLE api_keys (id INTEGER); INSERT INTO api_keys VALUES (1);";

    #[test]
    fn a_database_of_another_program_is_refused_and_left_as_it_is() {
        let log = format!("PRAGMA journal_mode = WAL; {TABLES}");
        let moved = format!("{log} PRAGMA wal_checkpoint(TRUNCATE);");
        // In a transaction that is not committed, some of which is in the file already.
        let half = format!(
            "{TABLES} PRAGMA cache_size = 1; BEGIN; CREATE TABLE b (c); \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000) \
             INSERT INTO b SELECT i FROM n;"
        );
        let named = "PRAGMA application_id = 252006675";
        let left: [(&str, &[&str]); 6] = [
            (TABLES, &[""]),
            (&log, &["", "-wal", "-shm"]),
            (&log, &["", "-wal"]),
            (&moved, &["", "-shm"]),
            (&half, &["", "-journal"]),
            (named, &[""]),
        ];
        for (sql, suffixes) in left {
            let directory = tempfile::tempdir().unwrap();
            left_by_a_kill(directory.path(), sql, suffixes);
            let before = files(directory.path());
            assert_eq!(before.len(), suffixes.len());
            let refused = check_ours(&directory.path().join("a.db")).unwrap_err();
            assert!(matches!(refused, OpenError::Foreign { .. }), "{sql}: {refused}");
            assert!(refused.to_string().contains("keyward import --from"), "{refused}");
            assert!(before == files(directory.path()), "{sql} {suffixes:?}");
        }
    }

    #[test]
    fn what_is_empty_or_ours_is_not_refused() {
        let ours = "CREATE TABLE keyward_migrations (number INTEGER);";
        for sql in [
            "",
            "PRAGMA user_version = 1",
            // 0.1.0 wrote no application id, and other programs may add tables of their own.
            ours,
            &format!("{ours} {TABLES}"),
            &format!("{ours} PRAGMA application_id = 7"),
            &format!("PRAGMA journal_mode = WAL; {ours}"),
            // The articles were opened first.
            "CREATE TABLE news_migrations (number INTEGER); CREATE TABLE articles (id INTEGER)",
            // The trace of a dropped table.
            "CREATE TABLE a (b INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE a",
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.db");
            let connection = Connection::open(&path).unwrap();
            connection.execute_batch(sql).unwrap();
            check_ours(&path).unwrap();
            drop(connection);
            check_ours(&path).unwrap();
        }
    }

    #[test]
    fn a_database_that_its_program_has_open_is_refused_and_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(&format!("PRAGMA journal_mode = WAL; {TABLES}")).unwrap();
        let refused = check_ours(&path).unwrap_err();
        assert!(matches!(refused, OpenError::Foreign { .. }), "{refused}");
        connection.execute_batch("INSERT INTO api_keys VALUES (2)").unwrap();
    }
}
