//! Room on the disk that is kept for a change that must not fail: ending a key that leaked.
//!
//! It is a file next to the database that is never read. When the disk is full it is made shorter,
//! piece by piece, for revocations and suspensions alone; all other changes are rejected until it
//! has its length again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyward::store::StoreError;
use keyward_ledger::place::{Look, follow_no_link, owner_only, sibling};
use thiserror::Error;

use crate::sql_error::{SqlError, lacks_room};

/// How much is kept. A revocation writes some 40 KB to the log, which is used again after each
/// checkpoint; some 300 bytes in the trail remain. So this lasts for thousands of them.
const LEN_MAX: u64 = 8 * PIECE_LEN;
/// How much is given up at once: writes of other programs to the disk get no more than that.
const PIECE_LEN: u64 = 1_024 * 1_024;
/// What part of the room that is free is taken at most, so that a small disk is not filled by it.
const PART: u64 = 8;

/// The file, and how much of it there is.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    /// Whether some of it was given up and not taken back. Only a hint outside of the lock: a
    /// change that comes a moment too early fails on the disk.
    given_up: AtomicBool,
    lengths: Mutex<Lengths>,
    /// How much room is free in the directory of a path, if the system reports it.
    free: fn(&Path) -> Option<u64>,
}

#[derive(Debug, Default)]
struct Lengths {
    wanted: u64,
    held: u64,
}

/// A change is rejected although the disk might take it.
#[derive(Debug, Error)]
#[error(
    "the disk is full: what was kept of it is given up for revocations and suspensions alone; \
     make room"
)]
pub(crate) struct GivenUpError;

impl From<GivenUpError> for SqlError {
    fn from(error: GivenUpError) -> Self {
        Self::Failed(error.into())
    }
}

impl Reserve {
    /// The existing reserve of a database, which is locked. Takes nothing yet.
    pub(crate) fn find(database: &Path) -> Self {
        Self::find_with(database, free_bytes)
    }

    fn find_with(database: &Path, free: fn(&Path) -> Option<u64>) -> Self {
        let path = sibling(database, ".reserve");
        let held = fs::symlink_metadata(&path).map_or(0, |file| file.len());
        let lengths = Mutex::new(Lengths { wanted: held, held });
        Self { path, given_up: AtomicBool::new(false), lengths, free }
    }

    /// Takes as much as there should be. Failures are logged: a server without a reserve is better
    /// than none.
    pub(crate) fn take(&self) {
        let mut lengths = self.lock();
        let free = (self.free)(&self.path).unwrap_or(0);
        // In whole pieces, and not less than there is, except if that is more than there ever was.
        let part = (free + lengths.held) / PART / PIECE_LEN * PIECE_LEN;
        lengths.wanted = part.max(lengths.held).min(LEN_MAX);
        if lengths.wanted == 0 {
            tracing::warn!(free, "There is too little room to keep some for revocations");
        } else if let Err(error) = self.resize(&mut lengths) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "No room could be kept for revocations");
        }
    }

    /// Gives up a piece. Returns whether there was one: then the failed change may be tried again.
    pub(crate) fn give_up(&self) -> bool {
        let mut lengths = self.lock();
        let left = lengths.held.saturating_sub(PIECE_LEN);
        if lengths.held == 0 || open(&self.path).and_then(|file| file.set_len(left)).is_err() {
            return false;
        }
        lengths.held = left;
        if !self.given_up.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "The disk is full: until there is room, keys are only revoked and suspended"
            );
        }
        true
    }

    /// Whether some of it is given up.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Lets a change pass that may have to wait for room: if some was given up, and there is room
    /// again, takes it back.
    ///
    /// # Errors
    ///
    /// Returns [`GivenUpError`] if there is not.
    pub(crate) fn check(&self) -> Result<(), GivenUpError> {
        if !self.is_given_up() {
            return Ok(());
        }
        let mut lengths = self.lock();
        // As much again remains for the change itself, and for those after it.
        let needed = 2 * lengths.wanted - lengths.held;
        if (self.free)(&self.path).unwrap_or(0) < needed || self.resize(&mut lengths).is_err() {
            return Err(GivenUpError);
        }
        self.given_up.store(false, Ordering::Relaxed);
        tracing::info!("There is room on the disk again: all changes are made");
        Ok(())
    }

    fn resize(&self, lengths: &mut Lengths) -> io::Result<()> {
        let file = open(&self.path)?;
        if lengths.held < lengths.wanted
            && let Err(error) = fill(&file, lengths.held, lengths.wanted)
        {
            file.set_len(lengths.held)?;
            return Err(error);
        }
        file.set_len(lengths.wanted)?;
        lengths.held = lengths.wanted;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Lengths> {
        self.lengths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the file, or creates it. Something else than a file, or a file with another name, is left
/// alone.
fn open(path: &Path) -> io::Result<File> {
    let mut options = owner_only();
    follow_no_link(&mut options);
    if Look::at(path).is_ok_and(|found| !found.is_file || found.has_names) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is a link or no file"));
    }
    options.create(true).open(path)
}

/// Takes room on the disk, not just the length.
#[cfg(target_os = "linux")]
fn fill(file: &File, from: u64, to: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;

    match fallocate(file, FallocateFlags::empty(), from, to - from) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => write(file, from, to),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn fill(file: &File, from: u64, to: u64) -> io::Result<()> {
    write(file, from, to)
}

/// Writes what no file system can store in less room than it has: the numbers of xorshift
/// (Marsaglia, "Xorshift RNGs", 2003).
fn write(mut file: &File, from: u64, to: u64) -> io::Result<()> {
    use std::io::{BufWriter, Seek as _, SeekFrom, Write as _};

    file.seek(SeekFrom::Start(from))?;
    let mut file = BufWriter::new(file);
    let mut number = from | 0x9e37_79b9_7f4a_7c15;
    for _ in 0..(to - from) / 8 {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        file.write_all(&number.to_le_bytes())?;
    }
    file.flush()
}

/// The room that is free in the directory of a path, in bytes, if the system reports it.
#[must_use]
pub fn free_bytes(path: &Path) -> Option<u64> {
    let directory = path.parent().filter(|directory| *directory != "").unwrap_or(Path::new("."));
    fs4::available_space(directory).ok()
}

/// Whether a change failed for want of room, so that it works once there is some.
pub(crate) fn is_for_want_of_room(error: &StoreError) -> bool {
    let StoreError::Unavailable(source) = error else { return false };
    let alone = source.downcast_ref::<rusqlite::Error>();
    let shared = || source.downcast_ref::<Arc<rusqlite::Error>>().map(Arc::as_ref);
    alone.or_else(shared).is_some_and(lacks_room)
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    const MUCH: fn(&Path) -> Option<u64> = |_| Some(u64::MAX / 2);
    const NONE: fn(&Path) -> Option<u64> = |_| Some(0);

    fn len(reserve: &Reserve) -> u64 {
        fs::metadata(&reserve.path).map_or(0, |file| file.len())
    }

    #[test]
    fn it_is_given_up_in_pieces_and_taken_back_whole() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("a.db");
        let mut reserve = Reserve::find_with(&database, MUCH);
        reserve.take();
        assert_eq!(len(&reserve), LEN_MAX);
        reserve.check().unwrap();
        reserve.free = NONE;
        for pieces in (0..8).rev() {
            assert!(reserve.give_up());
            assert_eq!(len(&reserve), pieces * PIECE_LEN);
            reserve.check().unwrap_err();
        }
        assert!(!reserve.give_up());
        // Just the room of the reserve is not enough: the next change would fail again.
        reserve.free = |_| Some(2 * LEN_MAX - 1);
        reserve.check().unwrap_err();
        reserve.free = |_| Some(2 * LEN_MAX);
        reserve.check().unwrap();
        assert_eq!(len(&reserve), LEN_MAX);
        assert!(!reserve.is_given_up());
    }

    #[cfg(unix)]
    #[test]
    fn it_takes_its_room_whether_the_system_helps_or_not() {
        use std::os::unix::fs::MetadataExt as _;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        for fill in [fill, write] {
            let file = open(&path).unwrap();
            fill(&file, 0, PIECE_LEN).unwrap();
            fill(&file, PIECE_LEN, 2 * PIECE_LEN).unwrap();
            file.sync_all().unwrap();
            let file = fs::metadata(&path).unwrap();
            assert_eq!(file.len(), 2 * PIECE_LEN);
            assert!(2 * PIECE_LEN <= file.blocks() * 512, "it is sparse");
            assert_eq!(file.mode() & 0o777, 0o600);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_small_disk_is_not_filled_by_it() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("a.db");
        let reserve = Reserve::find_with(&database, |_| Some(PART * PIECE_LEN - 1));
        reserve.take();
        assert_eq!(len(&reserve), 0);
        assert!(!reserve.give_up());
        reserve.check().unwrap();
        let reserve = Reserve::find_with(&database, |_| Some(3 * PART * PIECE_LEN));
        reserve.take();
        assert_eq!(len(&reserve), 3 * PIECE_LEN);
        // A later start finds it, however little room there is by then.
        let reserve = Reserve::find_with(&database, NONE);
        reserve.take();
        assert_eq!(len(&reserve), 3 * PIECE_LEN);
        assert!(reserve.give_up());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_its_place_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (target, database) = (directory.path().join("notes"), directory.path().join("a.db"));
        fs::write(&target, "mine").unwrap();
        for link in [std::os::unix::fs::symlink, fs::hard_link] {
            link(&target, sibling(&database, ".reserve")).unwrap();
            let reserve = Reserve::find_with(&database, MUCH);
            reserve.take();
            assert!(!reserve.give_up());
            assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
            fs::remove_file(&reserve.path).unwrap();
        }
    }

    #[test]
    fn want_of_room_is_told_from_other_trouble() {
        let error = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let room = [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMSIZE];
        for code in room {
            let alone = StoreError::Unavailable(error(code).into());
            let shared = StoreError::Unavailable(Arc::new(error(code)).into());
            assert!(is_for_want_of_room(&alone) && is_for_want_of_room(&shared), "{code}");
        }
        let other = [ffi::SQLITE_BUSY, ffi::SQLITE_IOERR_READ].map(error);
        assert!(!other.iter().any(lacks_room));
        assert!(!is_for_want_of_room(&StoreError::Unavailable(GivenUpError.into())));
    }
}
