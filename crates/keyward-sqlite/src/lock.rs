//! The lock that keeps a database file to one store.
//!
//! SQLite itself would let many processes in, but a gate that does not hear of another's changes
//! would accept keys that are revoked.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use keyward_ledger::place::sibling;
use keyward_ledger::{LockError, LockFile};

use crate::inode;
use crate::open_error::OpenError;

/// A database file is ours until this is dropped or the process ends, in any way.
#[derive(Debug)]
pub(crate) struct FileLock {
    /// `<database>.lock`, locked by the operating system for as long as it is open. It says who
    /// holds the database, and is what keeps others out where the file itself cannot be locked.
    file: LockFile,
    /// The database itself, locked likewise. Closing it would drop the locks that SQLite holds on
    /// the same file (POSIX), so it is closed after all connections of this process.
    _database: Option<File>,
}

/// Keeps a database file to this process, as an open store does.
///
/// Code that opens connections of its own to the file that a store of the same process has open
/// keeps this until they are closed: when the last of it is dropped a descriptor of the file is
/// closed, and with it go all locks that SQLite has on that file in this process (POSIX).
#[derive(Clone, Debug)]
pub struct FileHold {
    _lock: Arc<FileLock>,
}

impl FileHold {
    pub(crate) fn new(lock: Arc<FileLock>) -> Self {
        Self { _lock: lock }
    }
}

impl FileLock {
    /// Locks `<database>.lock`, which must be the one name that all use for the file, then the
    /// database that `prepare` finds or creates, and writes into the first who holds both.
    ///
    /// Nothing in the lock file is changed before both are locked.
    pub(crate) fn acquire(
        database: &Path,
        holder: &str,
        prepare: impl FnOnce(&Path) -> Result<Option<File>, OpenError>,
    ) -> Result<Self, OpenError> {
        let path = sibling(database, ".lock");
        let failed = |error| OpenError::from_io(&path, error);
        let file = LockFile::lock(&path).map_err(|error| match error {
            LockError::Held(holder) => OpenError::Locked { path: database.to_owned(), holder },
            LockError::NoFile => OpenError::LockIsNoFile { path: path.clone() },
            LockError::Failed(error) => failed(error),
        })?;
        let created = prepare(database)?;
        let mut lock = Self { file, _database: inode::lock(database, created)? };
        lock.file.sign(holder).map_err(failed)?;
        Ok(lock)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::{fs, process};

    use super::*;

    /// Most bytes of what a holder says about itself.
    const HOLDER_LEN_MAX: usize = 256;

    /// The directory, and a database that does not exist.
    fn absent() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        (directory, path)
    }

    fn acquire(path: &Path, holder: &str) -> Result<FileLock, OpenError> {
        FileLock::acquire(path, holder, |path| {
            fs::write(path, "").unwrap();
            Ok(None)
        })
    }

    #[test]
    fn a_holder_is_named_in_one_short_line() {
        let (directory, path) = absent();
        let _lock = acquire(&path, &format!("a\nb{}", "ü".repeat(500))).unwrap();
        let text = fs::read_to_string(directory.path().join("a.db.lock")).unwrap();
        assert!(text.starts_with(&format!("process {}, a bü", process::id())), "{text}");
        assert_eq!(text.lines().count(), 1);
        assert!(text.len() < 2 * HOLDER_LEN_MAX);
    }

    #[test]
    fn what_a_dead_holder_left_behind_is_replaced() {
        let (directory, path) = absent();
        fs::write(directory.path().join("a.db.lock"), "x".repeat(5_000)).unwrap();
        let lock = acquire(&path, "the second").unwrap();
        let Err(OpenError::Locked { holder, .. }) = acquire(&path, "the third") else {
            panic!("locked twice");
        };
        assert_eq!(holder, format!("process {}, the second", process::id()));
        drop(lock);
        acquire(&path, "the third").unwrap();
    }

    #[test]
    fn a_holder_that_has_not_signed_yet_is_another_process() {
        let (directory, path) = absent();
        let lock = acquire(&path, "a").unwrap();
        fs::write(directory.path().join("a.db.lock"), "").unwrap();
        let Err(OpenError::Locked { holder, .. }) = acquire(&path, "b") else {
            panic!("locked twice");
        };
        assert_eq!(holder, "another process");
        drop(lock);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn without_its_lock_file_a_database_is_locked_all_the_same() {
        let (directory, path) = absent();
        let lock_file = directory.path().join("a.db.lock");
        let lock = acquire(&path, "a").unwrap();
        fs::remove_file(&lock_file).unwrap();
        let Err(OpenError::Locked { holder, .. }) = acquire(&path, "b") else {
            panic!("locked twice");
        };
        assert_eq!(holder, "another process");
        // Who did not get the database does not sign for it.
        assert_eq!(fs::read_to_string(&lock_file).unwrap(), "");
        drop(lock);
        acquire(&path, "b").unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_file_that_is_another_file_too_is_refused_and_left_as_it_is() {
        let (directory, path) = absent();
        let (target, lock) = (directory.path().join("notes"), sibling(&path, ".lock"));
        fs::write(&target, "mine").unwrap();
        for link in [std::os::unix::fs::symlink, fs::hard_link] {
            link(&target, &lock).unwrap();
            let refused = acquire(&path, "a").unwrap_err();
            assert!(matches!(&refused, OpenError::LockIsNoFile { path } if *path == lock));
            assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
            fs::remove_file(&lock).unwrap();
        }
        // A link to nothing does not make anything.
        std::os::unix::fs::symlink(directory.path().join("new"), &lock).unwrap();
        acquire(&path, "a").unwrap_err();
        assert!(!directory.path().join("new").exists());
    }
}
