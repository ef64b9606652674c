//! A file that exists whole or not at all, and that only its owner may read.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::Context as _;
use thiserror::Error;

/// The file exists already.
#[derive(Debug, Error)]
#[error("{0} is there already; give --force to replace it, or name another file")]
pub(crate) struct FileExists(String);

/// The existing file neither can be replaced nor takes a stream of bytes.
#[derive(Debug, Error)]
enum NoFileError {
    #[error("{0} is a directory; name a file in it")]
    Directory(String),
    #[error("{0} is a link that leads nowhere; name the file itself")]
    Dangling(String),
    #[error("{0} is neither a file nor a stream; name another one")]
    Other(String),
}

/// A file that is being written next to its final path. Unless [`NewFile::finish`] is called,
/// nothing remains of it.
///
/// Only regular files are replaced. A file that takes a stream of bytes (a device such as
/// `/dev/stdout`, a pipe) is written into directly, so that the written bytes remain there in any
/// case.
#[derive(Debug)]
pub(crate) struct NewFile {
    file: File,
    /// The temporary path; `None` if it is written at its final path, or once it is there.
    beside: Option<PathBuf>,
    place: PathBuf,
    replaces: bool,
}

/// The kind of file at a path.
#[derive(Debug)]
enum Found {
    Nothing,
    /// A regular file, by its own name: a link to it stays a link.
    File(PathBuf),
    Stream,
}

impl NewFile {
    /// Begins a file; an existing one is replaced only if `replaces` is set.
    pub(crate) fn create(place: &Path, replaces: bool) -> anyhow::Result<Self> {
        let cannot = || format!("{} cannot be written", place.display());
        let place = match look(place)? {
            Found::Nothing => place.to_owned(),
            Found::File(file) if replaces => file,
            Found::File(_) => return Err(FileExists(place.display().to_string()).into()),
            Found::Stream => {
                // A stream may be a file that is appended to.
                let file = File::options().append(true).open(place).with_context(cannot)?;
                return Ok(Self { file, beside: None, place: place.to_owned(), replaces });
            }
        };
        let mut name = place.as_os_str().to_owned();
        name.push(format!(".{}.part", process::id()));
        let beside = PathBuf::from(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&beside).with_context(cannot)?;
        Ok(Self { file, beside: Some(beside), place, replaces })
    }

    /// Writes a whole file: `write` gets a function that takes the bytes one after the other.
    pub(crate) fn write<T>(
        place: &Path,
        replaces: bool,
        write: impl FnOnce(&mut dyn FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let cannot = || format!("{} cannot be written", place.display());
        let mut file = Self::create(place, replaces)?;
        let mut buffer = BufWriter::new(&mut file);
        let written = write(&mut |bytes| buffer.write_all(bytes).with_context(cannot))?;
        buffer.flush().with_context(cannot)?;
        drop(buffer);
        file.finish()?;
        Ok(written)
    }

    /// Moves the file to its final path, once it would survive a loss of power.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        if self.beside.is_none() {
            return Ok(());
        }
        // Again, as another process may have made one meanwhile. A hard link would leave no gap at
        // all, but not every disk that keeps backups has them.
        match look(&self.place)? {
            Found::Nothing => {}
            Found::File(_) if self.replaces => {}
            Found::File(_) | Found::Stream => {
                return Err(FileExists(self.place.display().to_string()).into());
            }
        }
        self.put_in_place().with_context(|| format!("{} cannot be written", self.place.display()))
    }

    fn put_in_place(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        if let Some(beside) = &self.beside {
            fs::rename(beside, &self.place)?;
        }
        self.beside = None;
        let directory = self.place.parent().filter(|directory| *directory != "");
        // Windows opens no directories, and its renames need no such step.
        if cfg!(windows) {
            return Ok(());
        }
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// Looks at the path. An error of this look shows when the file is created.
fn look(place: &Path) -> Result<Found, NoFileError> {
    let shown = || place.display().to_string();
    let Ok(itself) = fs::symlink_metadata(place) else { return Ok(Found::Nothing) };
    let Ok(target) = fs::metadata(place) else { return Err(NoFileError::Dangling(shown())) };
    if target.is_dir() {
        return Err(NoFileError::Directory(shown()));
    }
    if !target.is_file() {
        let is_stream = is_stream(&target);
        return if is_stream { Ok(Found::Stream) } else { Err(NoFileError::Other(shown())) };
    }
    if !itself.is_symlink() {
        return Ok(Found::File(place.to_owned()));
    }
    // `/dev/stdout` is such a link. A file that a program has open already must not be replaced.
    if ["/dev", "/proc"].iter().any(|system| place.starts_with(system)) {
        return Ok(Found::Stream);
    }
    fs::canonicalize(place).map(Found::File).map_err(|_| NoFileError::Dangling(shown()))
}

/// Whether bytes can be written to it one after the other. A block device could be, too, but its
/// content would be lost.
#[cfg(unix)]
fn is_stream(it: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;

    let kind = it.file_type();
    kind.is_char_device() || kind.is_fifo()
}

#[cfg(not(unix))]
fn is_stream(_: &Metadata) -> bool {
    false
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            // A file that cannot be removed has a name that identifies it.
            let _left = fs::remove_file(beside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_there_until_all_of_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("backup.db");
        let mut file = NewFile::create(&place, false).unwrap();
        file.write_all(b"abc").unwrap();
        assert!(!place.exists());
        file.finish().unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"abc");
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&place).unwrap());
            assert_eq!(mode & 0o777, 0o600);
        }
        drop(NewFile::create(&place, true).unwrap());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_there_is_only_replaced_if_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("backup.db");
        let late = NewFile::create(&place, false).unwrap();
        fs::write(&place, "old").unwrap();
        assert!(NewFile::create(&place, false).unwrap_err().is::<FileExists>());
        assert!(late.finish().unwrap_err().is::<FileExists>());
        assert_eq!(fs::read(&place).unwrap(), b"old");
        NewFile::create(&place, true).unwrap().finish().unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"");
    }

    #[cfg(unix)]
    #[test]
    fn a_special_file_is_written_into_or_rejected() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for replaces in [false, true] {
            let mut file = NewFile::create(Path::new("/dev/null"), replaces).unwrap();
            file.write_all(b"abc").unwrap();
            file.finish().unwrap();
            assert!(!fs::symlink_metadata("/dev/null").unwrap().is_file());
            let error = NewFile::create(directory.path(), replaces).unwrap_err().to_string();
            assert!(error.ends_with("is a directory; name a file in it"), "{error}");
        }
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        std::os::unix::fs::symlink(path("nothing"), path("dangling")).unwrap();
        for name in ["socket", "dangling"] {
            NewFile::create(&path(name), true).unwrap_err().downcast::<NoFileError>().unwrap();
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_is_an_error_and_stays_a_device() {
        let mut file = NewFile::create(Path::new("/dev/full"), true).unwrap();
        let full = file.write_all(b"abc").unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        file.finish().unwrap();
        assert!(!fs::symlink_metadata("/dev/full").unwrap().is_file());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_file_stays_one_and_its_file_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("2026.db"), directory.path().join("latest.db"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink("2026.db", &link).unwrap();
        assert!(NewFile::create(&link, false).unwrap_err().is::<FileExists>());
        let mut file = NewFile::create(&link, true).unwrap();
        file.write_all(b"new").unwrap();
        file.finish().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn what_became_a_device_meanwhile_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("backup.db");
        let file = NewFile::create(&place, true).unwrap();
        std::os::unix::fs::symlink("/dev/null", &place).unwrap();
        assert!(file.finish().unwrap_err().is::<FileExists>());
        assert!(fs::symlink_metadata(&place).unwrap().is_symlink());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
