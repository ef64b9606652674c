//! The lock that keeps a database file to one store.
//!
//! SQLite itself would let many processes in, but a gate that does not hear of another's changes
//! would accept keys that are revoked.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process;

use crate::open_error::OpenError;

/// Most bytes of what a holder says about itself.
const HOLDER_LEN_MAX: usize = 256;

/// A database file is ours until this is dropped or the process ends, in whatever way.
#[derive(Debug)]
pub(crate) struct FileLock {
    /// Locked by the operating system for as long as it is open. It is a file of its own, for
    /// closing any handle to the database would drop the locks that SQLite holds on it (POSIX).
    _file: File,
}

impl FileLock {
    /// Locks `<database>.lock`, which must be the one name that all use for the file, and writes
    /// there who holds it.
    ///
    /// The lock file is never deleted: a second process might lock the deleted file and a third
    /// one its successor.
    pub(crate) fn acquire(database: &Path, holder: &str) -> Result<Self, OpenError> {
        let path = beside(database, ".lock");
        let mut file = owner_only()
            .create(true)
            .open(&path)
            .map_err(|error| OpenError::from_io(&path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = read_holder(&file);
                return Err(OpenError::Locked { path: database.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(OpenError::from_io(&path, error)),
        }
        write_holder(&mut file, holder).map_err(|error| OpenError::from_io(&path, error))?;
        Ok(Self { _file: file })
    }
}

/// The path of a file that belongs to a database, as SQLite itself names them.
pub(crate) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Options to open a file for writing that, if it is created, nobody else may read.
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
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_holder_is_named_in_one_short_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let _lock = FileLock::acquire(&path, &format!("a\nb{}", "ü".repeat(500))).unwrap();
        let text = fs::read_to_string(directory.path().join("a.db.lock")).unwrap();
        assert!(text.starts_with(&format!("process {}, a bü", process::id())), "{text}");
        assert_eq!(text.lines().count(), 1);
        assert!(text.len() < 2 * HOLDER_LEN_MAX);
    }

    #[test]
    fn what_a_dead_holder_left_behind_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        fs::write(directory.path().join("a.db.lock"), "x".repeat(5_000)).unwrap();
        let lock = FileLock::acquire(&path, "the second").unwrap();
        let Err(OpenError::Locked { holder, .. }) = FileLock::acquire(&path, "the third") else {
            panic!("locked twice");
        };
        assert_eq!(holder, format!("process {}, the second", process::id()));
        drop(lock);
        FileLock::acquire(&path, "the third").unwrap();
    }

    #[test]
    fn a_holder_that_has_not_signed_yet_is_another_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let lock = FileLock::acquire(&path, "a").unwrap();
        fs::write(directory.path().join("a.db.lock"), "").unwrap();
        let Err(OpenError::Locked { holder, .. }) = FileLock::acquire(&path, "b") else {
            panic!("locked twice");
        };
        assert_eq!(holder, "another process");
        drop(lock);
    }
}
