//! The file of a ledger: opening it, appending to it, writing it anew.
//!
//! It needs no sync for a start after the process was killed: written records survive that, and
//! after power loss it may be older than the database. A file that replaces it whole is synced
//! before it does.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::place::{FileId, Look, follow_no_link, owner_only, sibling, sync_directory};

/// A ledger that is open. No other process writes to it: the lock of its database is held.
#[derive(Debug)]
pub(crate) struct LedgerFile {
    path: PathBuf,
    file: File,
    /// Which file it is, even if another lies at its path.
    id: FileId,
    /// Bytes that are whole.
    len: u64,
}

/// All bytes of the file at `path`; `None` if there is none. Writes nothing.
///
/// # Errors
///
/// Returns the system's error, or that of a path with something else than a plain file.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(mut file) = open(path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Opens the file at `path` without following a link; `None` if there is none.
fn open(path: &Path) -> io::Result<Option<File>> {
    let found = match Look::at(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    if !found.is_file {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no plain file"));
    }
    let mut options = owner_only();
    follow_no_link(&mut options);
    let file = options.open(path)?;
    // Another file may have been put there in between.
    if Look::of(&file)?.id != found.id {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it was replaced meanwhile"));
    }
    Ok(Some(file))
}

impl LedgerFile {
    /// Opens the file at `path`, of which the first `len` bytes are whole.
    pub(crate) fn open(path: &Path, len: u64) -> io::Result<Self> {
        let file = open(path)?.ok_or(ErrorKind::NotFound)?;
        let id = Look::of(&file)?.id;
        Ok(Self { path: path.to_owned(), file, id, len })
    }

    /// Replaces the plain file at `path`, if any, by one with these bytes: it is there whole or not
    /// at all, also after power loss.
    pub(crate) fn create(path: &Path, bytes: &[u8]) -> io::Result<Self> {
        let new = sibling(path, ".new");
        // Left by a process that was killed; it is ours, for the lock of the database is held.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let written = Self::write_new(&new, path, bytes);
        if written.is_err() {
            // It has failed; that half a file is left is not the news.
            drop(fs::remove_file(&new));
        }
        written
    }

    fn write_new(new: &Path, path: &Path, bytes: &[u8]) -> io::Result<Self> {
        let mut file = owner_only().create_new(true).open(new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        sync_directory(path)?;
        let id = Look::of(&file)?.id;
        Ok(Self { path: path.to_owned(), file, id, len: bytes.len() as u64 })
    }

    /// Appends records with one write, after it has cut the rest of an earlier, torn one.
    ///
    /// # Errors
    ///
    /// Returns the system's error, or that of a file that is not at its path. Then none of the
    /// records is in the ledger.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let found = Look::at(&self.path)?;
        if found.id != self.id {
            return Err(io::Error::other("another file lies in its place"));
        }
        if found.len < self.len {
            return Err(io::Error::other("it was cut short"));
        }
        if self.len < found.len {
            self.file.set_len(self.len)?;
        }
        self.file.seek(SeekFrom::Start(self.len))?;
        let written = self.file.write(bytes)?;
        if written < bytes.len() {
            return Err(ErrorKind::StorageFull.into());
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// All that is whole in the file, also if nothing lies at its path any more.
    pub(crate) fn bytes(&mut self) -> io::Result<Vec<u8>> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(self.len).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < self.len {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }

    /// Whether nothing lies at its path.
    pub(crate) fn is_gone(&self) -> bool {
        fs::symlink_metadata(&self.path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
    }

    /// Whether the file at its path is this one and is shorter than it was.
    pub(crate) fn is_cut(&self) -> bool {
        Look::at(&self.path).is_ok_and(|found| found.id == self.id && found.len < self.len)
    }

    /// Makes the appended records survive a failure of power.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Bytes that are whole.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db.ledger");
        (directory, path)
    }

    #[test]
    fn what_a_write_left_of_itself_is_cut_before_the_next_one() {
        let (_directory, path) = place();
        drop(LedgerFile::create(&path, b"whole").unwrap());
        fs::write(&path, b"whole, and torn").unwrap();
        let mut file = LedgerFile::open(&path, 5).unwrap();
        file.append(b"!").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole!");
        assert_eq!(file.bytes().unwrap(), b"whole!");
    }

    #[test]
    fn only_its_owner_may_read_it() {
        let (directory, path) = place();
        drop(LedgerFile::create(&path, b"a").unwrap());
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(directory.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_not_followed() {
        let (directory, path) = place();
        let other = directory.path().join("other");
        fs::write(&other, b"other").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert!(read(&path).is_err());
        assert!(LedgerFile::open(&path, 0).is_err());
        assert_eq!(fs::read(&other).unwrap(), b"other");
    }

    #[test]
    fn nothing_is_appended_to_another_file() {
        let (directory, path) = place();
        let mut file = LedgerFile::create(&path, b"one").unwrap();
        let kept = directory.path().join("kept");
        fs::rename(&path, &kept).unwrap();
        assert!(file.append(b"two").is_err() && file.is_gone());
        fs::write(&path, b"another").unwrap();
        assert!(file.append(b"two").is_err() && !file.is_gone());
        assert_eq!(fs::read(&path).unwrap(), b"another");
        fs::rename(&kept, &path).unwrap();
        file.append(b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"onetwo");
        fs::write(&path, b"o").unwrap();
        assert!(file.append(b"three").is_err() && file.is_cut());
    }
}
