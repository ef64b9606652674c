//! A lock file, which says who holds it.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::Path;
use std::process;

use thiserror::Error;

use crate::place::{Look, follow_no_link, owner_only};

/// Who holds a file that says nothing about its holder.
pub const UNKNOWN_HOLDER: &str = "another process";

/// Most bytes of what a holder says about itself.
const HOLDER_LEN_MAX: usize = 256;

/// A file that is locked by the operating system until this is dropped or the process ends, in any
/// way.
///
/// It is never deleted: a second process might lock the deleted file and a third one its
/// successor.
#[derive(Debug)]
pub struct LockFile(File);

/// Why a lock file is not ours.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process holds it, or this one does already.
    #[error("it is held by {0}")]
    Held(String),
    /// It is a link, has several names, or is no file at all.
    #[error("it is a link or no file, and would be overwritten")]
    NoFile,
    /// It cannot be opened or locked.
    #[error("it cannot be locked")]
    Failed(#[source] io::Error),
}

impl LockFile {
    /// Locks the file at `path`, which is made if it is not there, and changes nothing in it. A
    /// link, or a file with other names, is rejected: its target, or the file under its other
    /// names, would be overwritten.
    ///
    /// # Errors
    ///
    /// Returns [`LockError`] if another process holds it, or it cannot be one's own.
    pub fn lock(path: &Path) -> Result<Self, LockError> {
        let mut options = owner_only();
        follow_no_link(&mut options);
        if Look::at(path).is_ok_and(|found| !found.is_file || found.has_names) {
            return Err(LockError::NoFile);
        }
        let file = options.create(true).open(path).map_err(LockError::Failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(LockError::Held(read_holder(&file))),
            Err(TryLockError::Error(error)) => Err(LockError::Failed(error)),
        }
    }

    /// Writes into it who holds it.
    ///
    /// # Errors
    ///
    /// Returns the system's error, unless that is a full disk.
    pub fn sign(&mut self, holder: &str) -> io::Result<()> {
        match write_holder(&mut self.0, holder) {
            // Who has the file is worth knowing, but not worth a server that does not start.
            Err(error) if is_full(&error) => Ok(()),
            written => written,
        }
    }
}

/// Whether there is no room left.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn write_holder(file: &mut File, holder: &str) -> io::Result<()> {
    let cut = holder.floor_char_boundary(HOLDER_LEN_MAX);
    let holder = holder.get(..cut).unwrap_or_default().replace(char::is_control, " ");
    file.set_len(0)?;
    writeln!(file, "process {}, {holder}", process::id())
}

/// Who holds the lock. It may be between locking and writing, or may not let us read.
#[must_use]
pub fn read_holder(file: &File) -> String {
    let mut text = String::new();
    // The reason why it cannot be read would hide the one that matters: the file is locked.
    let read = file.take(2 * HOLDER_LEN_MAX as u64).read_to_string(&mut text);
    match text.trim_end() {
        holder if read.is_ok() && !holder.is_empty() => holder.to_owned(),
        _ => UNKNOWN_HOLDER.to_owned(),
    }
}
