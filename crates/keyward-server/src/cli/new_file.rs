//! A file that is there whole or not at all, and that only its owner may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

use anyhow::Context as _;
use thiserror::Error;

/// Says that there is a file already.
#[derive(Debug, Error)]
#[error("{0} is there already; give --force to replace it, or name another file")]
pub(super) struct FileExists(String);

/// A file that is being written beside its place. Unless [`NewFile::finish`] is called, nothing
/// remains of it.
#[derive(Debug)]
pub(super) struct NewFile {
    file: File,
    /// Where it is written; `None` once it is in its place.
    beside: Option<PathBuf>,
    place: PathBuf,
    replaces: bool,
}

impl NewFile {
    /// Begins a file; one that is there is only replaced if that is wanted.
    pub(super) fn create(place: &Path, replaces: bool) -> anyhow::Result<Self> {
        if !replaces {
            check_absent(place)?;
        }
        let mut name = place.as_os_str().to_owned();
        name.push(format!(".{}.part", process::id()));
        let beside = PathBuf::from(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(&beside)
            .with_context(|| format!("{} cannot be written", place.display()))?;
        Ok(Self { file, beside: Some(beside), place: place.to_owned(), replaces })
    }

    /// Puts the file in its place, once it would survive a loss of power.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        if !self.replaces {
            // Again, as somebody may have made one meanwhile. A hard link would leave no gap at
            // all, but not every disk that keeps backups has them.
            check_absent(&self.place)?;
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
        #[cfg(unix)]
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(())
    }
}

fn check_absent(place: &Path) -> Result<(), FileExists> {
    match fs::symlink_metadata(place) {
        Ok(_) => Err(FileExists(place.display().to_string())),
        // Anything else shows when the file is created.
        Err(_) => Ok(()),
    }
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
            // What cannot be removed has a name that says what it is.
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
}
