//! Looking at a database file without changing it, also while another process serves from it.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use keyward::UnixMillis;
use rusqlite::{Connection, OpenFlags};

use crate::clock;
use crate::connection::resolve;
use crate::inode::{self, UNKNOWN_HOLDER};
use crate::lock::{beside, read_holder};
use crate::open_error::OpenError;
use crate::schema;

/// What a look at a database file found.
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
    /// What the wall clock said last to a server that used it, if it tells.
    pub latest_reading: Option<UnixMillis>,
}

/// Looks at a database file. Nothing is created or changed, and whoever holds it goes on.
///
/// If nobody holds it, all of it is read, to see whether it is damaged: about as long as copying
/// it takes. Returns `None` if there is no such file.
///
/// # Errors
///
/// Returns [`OpenError`] if the file cannot be read, is no database, or is found to be damaged.
pub fn inspect(path: &Path) -> Result<Option<Inspection>, OpenError> {
    let path = resolve(path)?;
    match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OpenError::from_io(&path, error)),
        Ok(file) if file.is_dir() => return Err(OpenError::NotADatabase { path }),
        Ok(_) => {}
    }
    let holder = find_holder(&path)?;
    let failed = |error| OpenError::from_sqlite(&path, error);
    let connection = connect(&path, holder.is_some()).map_err(failed)?;
    let schema = schema::found(&connection).map_err(failed)?;
    // An older version kept none.
    let latest_reading = match schema == schema::known() {
        true => clock::latest(&connection).map_err(|error| OpenError::from_fault(&path, error))?,
        false => None,
    };
    // Whoever serves from it would have to wait for the disk.
    if holder.is_none() {
        check(&connection, &path)?;
    }
    drop(connection);
    Ok(Some(Inspection { path, holder, schema, schema_known: schema::known(), latest_reading }))
}

/// Looks whether the parts of the file fit each other.
fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match found.map_err(|error| OpenError::from_sqlite(path, error))? {
        found if found == "ok" => Ok(()),
        found => Err(OpenError::Corrupt { path: path.to_owned(), source: found.into() }),
    }
}

/// Who holds the lock of a database file, if anybody does.
///
/// The lock is shared for the moment of looking: a server that starts in that very moment would
/// find the file in use.
fn find_holder(database: &Path) -> Result<Option<String>, OpenError> {
    let path = beside(database, ".lock");
    let of_file = || match inode::is_locked(database) {
        Ok(true) => Ok(Some(UNKNOWN_HOLDER.to_owned())),
        Ok(false) => Ok(None),
        Err(error) => Err(OpenError::from_io(database, error)),
    };
    let mut options = File::options();
    inode::follow_no_link(options.read(true));
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

fn connect(path: &Path, is_held: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // Reading a database in WAL mode makes its side files, unless it is called immutable. That is
    // true only if nobody holds it and nothing waits in a write-ahead log.
    let has_wal = fs::metadata(beside(path, "-wal")).is_ok_and(|wal| 0 < wal.len());
    let url = Some(path).filter(|_| !is_held && !has_wal).and_then(immutable_url);
    match url {
        Some(url) => Connection::open_with_flags(url, flags | OpenFlags::SQLITE_OPEN_URI),
        None => Connection::open_with_flags(path, flags),
    }
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

        keyward::store::Store::close(&store).await.unwrap();
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
        keyward::store::Store::close(&store).await.unwrap();
        drop(store);
        assert!(inspect(&path).is_ok());
        // A page that nobody looks at to see what there is.
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 4_096;
        bytes[last..].fill(0xff);
        fs::write(&path, bytes).unwrap();
        let error = inspect(&path).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
        let lock = File::open(beside(&path, ".lock")).unwrap();
        lock.lock().unwrap();
        assert!(!matches!(inspect(&path), Ok(Some(Inspection { holder: None, .. }))));
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
