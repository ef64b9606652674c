//! The lock that keeps a database file to one store.
//!
//! SQLite itself would let many processes in, but a gate that does not hear of another's changes
//! would accept keys that are revoked.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;

use crate::inode::{self, Look, UNKNOWN_HOLDER, follow_no_link};
use crate::open_error::{OpenError, is_full};

/// Most bytes of what a holder says about itself.
const HOLDER_LEN_MAX: usize = 256;

/// A database file is ours until this is dropped or the process ends, in any way.
#[derive(Debug)]
pub(crate) struct FileLock {
    /// `<database>.lock`, locked by the operating system for as long as it is open. It says who
    /// holds the database, and is what keeps others out where the file itself cannot be locked.
    file: File,
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
    /// The lock file is never deleted: a second process might lock the deleted file and a third
    /// one its successor. Nothing in it is changed before both are locked.
    pub(crate) fn acquire(
        database: &Path,
        holder: &str,
        prepare: impl FnOnce(&Path) -> Result<Option<File>, OpenError>,
    ) -> Result<Self, OpenError> {
        let path = sibling(database, ".lock");
        let file = open_lock_file(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = read_holder(&file);
                return Err(OpenError::Locked { path: database.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(OpenError::from_io(&path, error)),
        }
        let created = prepare(database)?;
        let mut lock = Self { file, _database: inode::lock(database, created)? };
        lock.sign(holder).map_err(|error| OpenError::from_io(&path, error))?;
        Ok(lock)
    }

    fn sign(&mut self, holder: &str) -> io::Result<()> {
        match write_holder(&mut self.file, holder) {
            // Who has the file is worth knowing, but not worth a server that does not start.
            Err(error) if is_full(&error) => Ok(()),
            written => written,
        }
    }
}

/// Opens the lock file, or creates it. A link, or a file with other names, is rejected: its target,
/// or the file under its other names, would be overwritten.
fn open_lock_file(path: &Path) -> Result<File, OpenError> {
    let mut options = owner_only();
    follow_no_link(&mut options);
    if Look::at(path).is_ok_and(|found| !found.is_file || found.has_names) {
        return Err(OpenError::LockIsNoFile { path: path.to_owned() });
    }
    options.create(true).open(path).map_err(|error| OpenError::from_io(path, error))
}

/// The path of a file that belongs to a database, as SQLite itself names them.
pub(crate) fn sibling(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Options to open a file for writing that, if it is created, no other user may read.
pub(crate) fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn write_holder(file: &mut File, holder: &str) -> io::Result<()> {
    let cut = holder.floor_char_boundary(HOLDER_LEN_MAX);
    let holder = holder.get(..cut).unwrap_or_default().replace(char::is_control, " ");
    file.set_len(0)?;
    writeln!(file, "process {}, {holder}", process::id())
}

/// Who holds the lock. It may be between locking and writing, or may not let us read.
pub(crate) fn read_holder(file: &File) -> String {
    let mut text = String::new();
    // The reason why it cannot be read would hide the one that matters: the file is locked.
    let read = file.take(2 * HOLDER_LEN_MAX as u64).read_to_string(&mut text);
    match text.trim_end() {
        holder if read.is_ok() && !holder.is_empty() => holder.to_owned(),
        _ => UNKNOWN_HOLDER.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

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
