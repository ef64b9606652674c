//! Files by their paths: which file a path leads to, and opening it so that no link or other user
//! gets in between.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// A file, by any of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

/// What one look at a file shows.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Which file it is.
    pub id: FileId,
    /// In bytes.
    pub len: u64,
    /// Whether it is a plain file, and so neither a directory nor a link.
    pub is_file: bool,
    /// Whether it has more than one name.
    pub has_names: bool,
}

#[cfg(unix)]
impl Look {
    /// Looks at a path, and follows no link.
    ///
    /// # Errors
    ///
    /// Returns the system's error.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::in_metadata(&std::fs::symlink_metadata(path)?))
    }

    /// Looks at an open file.
    ///
    /// # Errors
    ///
    /// Returns the system's error.
    pub fn of(file: &File) -> io::Result<Self> {
        Ok(Self::in_metadata(&file.metadata()?))
    }

    fn in_metadata(file: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;

        Self {
            id: FileId { device: file.dev(), inode: file.ino() },
            len: file.len(),
            is_file: file.is_file(),
            has_names: 1 < file.nlink(),
        }
    }
}

/// Windows tells files apart by an open handle alone. A file that SQLite has open can be neither
/// moved nor deleted there, but other files can.
#[cfg(windows)]
impl Look {
    /// Looks at a path, and follows no link.
    ///
    /// # Errors
    ///
    /// Returns the system's error.
    pub fn at(path: &Path) -> io::Result<Self> {
        use std::os::windows::fs::OpenOptionsExt as _;

        // A directory is opened by such a flag alone.
        const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
        let mut options = File::options();
        // No access to the content: the look disturbs nothing, and nothing can keep it out.
        options.access_mode(0).custom_flags(FILE_FLAG_BACKUP_SEMANTICS | OPEN_LINK_ITSELF);
        Self::of(&options.open(path)?)
    }

    /// Looks at an open file.
    ///
    /// # Errors
    ///
    /// Returns the system's error.
    pub fn of(file: &File) -> io::Result<Self> {
        let found = winapi_util::file::information(file)?;
        Ok(Self {
            id: FileId { device: found.volume_serial_number(), inode: found.file_index() },
            len: found.file_size(),
            is_file: file.metadata()?.is_file(),
            has_names: 1 < found.number_of_links(),
        })
    }
}

/// `FILE_FLAG_OPEN_REPARSE_POINT`.
#[cfg(windows)]
const OPEN_LINK_ITSELF: u32 = 0x0020_0000;

/// The path of a file that belongs to a database, as SQLite itself names them.
#[must_use]
pub fn sibling(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Options to open a file for writing that, if it is created, no other user may read.
#[must_use]
pub fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A link instead of the file is not a way to another one: it is an error, or on Windows is opened
/// itself.
pub fn follow_no_link(options: &mut OpenOptions) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        // The bits of a flag that the system knows fit its own type, which is signed.
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt as _;

        options.custom_flags(OPEN_LINK_ITSELF);
    }
}

/// Makes the name of a file survive power loss. Windows opens no directories for that, and keeps
/// such a journal of names that they need no step of ours.
///
/// # Errors
///
/// Returns the system's error.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|directory| *directory != "").unwrap_or(Path::new("."));
    if cfg!(windows) { Ok(()) } else { File::open(directory)?.sync_all() }
}
