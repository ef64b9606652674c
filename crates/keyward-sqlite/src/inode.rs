//! A lock on a database file itself, by any of its names.

use std::fs::{File, TryLockError};
use std::io;
use std::mem;
use std::path::Path;

use keyward_ledger::UNKNOWN_HOLDER;
use keyward_ledger::place::{Look, follow_no_link};

use crate::open_error::OpenError;

/// Locks the database file itself, so that neither another name of it (a hard link) nor deleting
/// the lock file lets a second store in. It is locked as long as the descriptor is open.
///
/// `created` is the file, if it was created just now; otherwise it is opened. No connection to it
/// may be open in this process: closing any descriptor of a file drops all POSIX locks that the
/// process has on it, those of SQLite too. Returns `None` where such a lock cannot be had in
/// addition to those of SQLite; there, a file with more than one name is rejected.
///
/// # Errors
///
/// Returns [`OpenError`] if another store has the file, it has several names where these cannot be
/// distinguished, or it cannot be opened.
pub(crate) fn lock(path: &Path, created: Option<File>) -> Result<Option<File>, OpenError> {
    let failed = |error| OpenError::from_io(path, error);
    if !can_be_locked(path).map_err(failed)? {
        reject_names(path)?;
        return Ok(None);
    }
    let file = match created {
        Some(file) => file,
        None => open(path).map_err(failed)?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            // Its holder may be in this process. Closing would drop the locks of SQLite.
            mem::forget(file);
            let holder = UNKNOWN_HOLDER.to_owned();
            Err(OpenError::Locked { path: path.to_owned(), holder })
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Rejects a file with several names, where locking one of them does not lock the others.
fn reject_names(path: &Path) -> Result<(), OpenError> {
    let file = Look::at(path).map_err(|error| OpenError::from_io(path, error))?;
    if file.has_names {
        return Err(OpenError::SeveralNames { path: path.to_owned() });
    }
    Ok(())
}

/// Whether some store holds the file itself, as [`lock`] does.
///
/// Must not be asked while this process has connections to the file which no store of it holds.
pub(crate) fn is_locked(path: &Path) -> io::Result<bool> {
    if !can_be_locked(path)? {
        return Ok(false);
    }
    let file = open(path)?;
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => {
            // As in `lock`: the holder may be in this process.
            mem::forget(file);
            Ok(true)
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    follow_no_link(&mut options);
    options.open(path)
}

/// Whether a lock on the whole file is apart from those on its parts, which SQLite takes.
///
/// On Linux `flock` is, but for file systems that turn it into a lock on all parts and so would
/// lock SQLite out (flock(2), under NFS and SMB); for FUSE it is unknown.
#[cfg(target_os = "linux")]
fn can_be_locked(path: &Path) -> io::Result<bool> {
    Ok(!is_elsewhere(rustix::fs::statfs(path)?.f_type))
}

/// Whether the kernel's number of a file system (`linux/magic.h`, statfs(2)) is that of NFS, SMB
/// (three), FUSE, Ceph, 9P, AFS (two) or Coda.
#[cfg(target_os = "linux")]
fn is_elsewhere(number: impl Into<i64>) -> bool {
    // It has 32 bits, and the type of the field, which differs between machines, may have a sign.
    let number = number.into() & 0xffff_ffff;
    let known = [
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x6573_5546,
        0x00c3_6400,
        0x0102_1997,
        0x5346_414f,
        0x6b41_4653,
        0x7375_7245,
    ];
    known.contains(&number)
}

#[cfg(not(target_os = "linux"))]
fn can_be_locked(_: &Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_is_locked_whatever_it_is_called() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("a.db"), directory.path().join("b.db"));
        fs::write(&one, "").unwrap();
        fs::hard_link(&one, &other).unwrap();
        let held = lock(&one, None).unwrap().unwrap();
        let Err(OpenError::Locked { path, .. }) = lock(&other, None) else {
            panic!("locked twice");
        };
        assert_eq!(path, other);
        assert!(is_locked(&one).unwrap() && is_locked(&other).unwrap());
        drop(held);
        assert!(!is_locked(&other).unwrap());
        assert!(lock(&other, None).unwrap().is_some());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn where_locks_are_of_no_use_a_file_is_told_by_its_kind() {
        assert!(can_be_locked(&std::env::temp_dir()).unwrap());
        let (ext4, tmpfs, nfs, smb, fuse) =
            (0xef53_u32, 0x0102_1994_u32, 0x6969_u32, 0xff53_4d42_u32, 0x6573_5546_u32);
        assert!(![ext4, tmpfs].into_iter().any(is_elsewhere));
        assert!([nfs, smb, fuse].into_iter().all(is_elsewhere));
        assert!(is_elsewhere(smb.cast_signed()));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("a"), directory.path().join("b"));
        fs::write(&target, "").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(open(&target).is_ok());
        assert!(open(&link).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_second_name_shows() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("a"), directory.path().join("b"));
        fs::write(&one, "").unwrap();
        reject_names(&one).unwrap();
        fs::hard_link(&one, &other).unwrap();
        assert!(Look::at(&one).unwrap().has_names);
        let refused = reject_names(&other).unwrap_err();
        assert!(matches!(refused, OpenError::SeveralNames { .. }), "{refused}");
        assert_eq!(Look::at(&one).unwrap().id, Look::at(&other).unwrap().id);
    }
}
