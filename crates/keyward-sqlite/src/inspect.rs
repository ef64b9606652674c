//! Looking at a database file without changing it, also while another process serves from it.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use keyward::UnixMillis;
use keyward_ledger::place::{follow_no_link, sibling};
use keyward_ledger::{UNKNOWN_HOLDER, read_holder};
use rusqlite::Connection;

use crate::clock;
use crate::connection::resolve;
use crate::inode;
use crate::open_error::OpenError;
use crate::probe;
use crate::schema;
use crate::start;

/// The findings of a look at a database file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// The file, by the one name that all who open it use.
    pub path: PathBuf,
    /// Who has it open: the process id, and what that process said about itself.
    pub holder: Option<String>,
    /// The number of the last migration that was applied to it; 0 is none.
    pub schema: u32,
    /// The number of the last migration that this program knows.
    pub schema_known: u32,
    /// The latest reading of the wall clock by a server that used it, if it has one.
    pub latest_reading: Option<UnixMillis>,
}

/// Looks at a database file. Nothing is created or changed, and its holder goes on.
///
/// If no process holds it, all of it is read, to see whether it is damaged: about as long as
/// copying it takes. Returns `None` if there is no such file.
///
/// # Errors
///
/// Returns [`OpenError`] if the file cannot be read, is no database, or is found to be damaged; and
/// if no process holds it and it is older than its ledger.
pub fn inspect(path: &Path) -> Result<Option<Inspection>, OpenError> {
    let path = resolve(path)?;
    match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // A ledger may know that there was one.
            return start::begin(&path, None).map(|_| None);
        }
        Err(error) => return Err(OpenError::from_io(&path, error)),
        Ok(file) if file.is_dir() => return Err(OpenError::NotADatabase { path }),
        Ok(_) => {}
    }
    let holder = find_holder(&path)?;
    let failed = |error| OpenError::from_sqlite(&path, error);
    if holder.is_none() {
        reject_foreign(&path)?;
    }
    let connection = if holder.is_none() && !probe::has_log(&path) {
        probe::open_unchanged(&path)
    } else {
        probe::open_to_read(&path)
    };
    let connection = connection.map_err(failed)?;
    let schema = schema::found(&connection).map_err(failed)?;
    // An older version kept none.
    let latest_reading = match schema == schema::known() {
        true => {
            clock::latest(&connection).map_err(|error| OpenError::from_sql_error(&path, error))?
        }
        false => None,
    };
    // A server that uses it would have to wait for the disk.
    if holder.is_none() {
        check(&connection, &path)?;
        start::begin(&path, None)?;
    }
    drop(connection);
    Ok(Some(Inspection { path, holder, schema, schema_known: schema::known(), latest_reading }))
}

/// Checks whose it is before anything else, which might create files next to it.
fn reject_foreign(path: &Path) -> Result<(), OpenError> {
    match probe::check_ours(path) {
        // The number says it.
        Err(OpenError::NewerSchema { .. }) => Ok(()),
        checked => checked,
    }
}

/// Looks whether the parts of the file fit each other.
fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match found.map_err(|error| OpenError::from_sqlite(path, error))? {
        found if found == "ok" => Ok(()),
        found => Err(OpenError::Corrupt { path: path.to_owned(), source: found.into() }),
    }
}

/// The holder of the lock of a database file, if there is one.
///
/// The lock is shared for the moment of looking: a server that starts in that very moment would
/// find the file in use.
fn find_holder(database: &Path) -> Result<Option<String>, OpenError> {
    let path = sibling(database, ".lock");
    let of_file = || match inode::is_locked(database) {
        Ok(true) => Ok(Some(UNKNOWN_HOLDER.to_owned())),
        Ok(false) => Ok(None),
        Err(error) => Err(OpenError::from_io(database, error)),
    };
    let mut options = File::options();
    follow_no_link(options.read(true));
    let file = match options.open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return of_file(),
        opened => opened.map_err(|error| OpenError::from_io(&path, error))?,
    };
    match file.try_lock_shared() {
        Ok(()) => of_file(),
        Err(TryLockError::WouldBlock) => Ok(Some(read_holder(&file))),
        Err(TryLockError::Error(error)) => Err(OpenError::from_io(&path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SqliteStore;

    fn files(directory: &Path) -> Vec<String> {
        let names = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            names.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_that_is_not_there_is_not_created() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(inspect(&directory.path().join("a.db")).unwrap(), None);
        assert_eq!(files(directory.path()), [""; 0]);
        let absent = inspect(&directory.path().join("absent/a.db")).unwrap_err();
        assert!(matches!(absent, OpenError::DirectoryMissing { .. }), "{absent}");
    }

    #[tokio::test]
    async fn a_held_file_is_looked_at_and_its_holder_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a#b.db");
        let store = SqliteStore::open(&path, "the test", UnixMillis(7)).unwrap();
        let found = inspect(&path).unwrap().unwrap();
        assert_eq!(found.holder.unwrap(), format!("process {}, the test", std::process::id()));
        assert_eq!(found.schema, found.schema_known);

        keyward::store::KeyStore::close(&store).await.unwrap();
        drop(store);
        let before = files(directory.path());
        let found = inspect(&path).unwrap().unwrap();
        assert_eq!((found.holder, found.schema), (None, schema::known()));
        assert_eq!(files(directory.path()), before);
    }

    #[tokio::test]
    async fn a_damaged_file_is_noticed_unless_somebody_serves_from_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let store = SqliteStore::open(&path, "the test", UnixMillis(7)).unwrap();
        keyward::store::KeyStore::close(&store).await.unwrap();
        drop(store);
        assert!(inspect(&path).is_ok());
        // A page that is not needed to list the content.
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 4_096;
        bytes[last..].fill(0xff);
        fs::write(&path, bytes).unwrap();
        let error = inspect(&path).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
        let lock = File::open(sibling(&path, ".lock")).unwrap();
        lock.lock().unwrap();
        assert!(!matches!(inspect(&path), Ok(Some(Inspection { holder: None, .. }))));
    }

    #[test]
    fn a_database_of_another_program_is_none_of_ours() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("news.db");
        let other = Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE api_keys (id INTEGER)").unwrap();
        drop(other);
        let before = fs::read(&path).unwrap();
        let error = inspect(&path).unwrap_err();
        assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(files(directory.path()), ["news.db"]);
    }

    #[test]
    fn something_else_is_no_database() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        fs::write(&path, "x".repeat(5_000)).unwrap();
        let error = inspect(&path).unwrap_err();
        assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
        let error = inspect(directory.path()).unwrap_err();
        assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
    }
}
