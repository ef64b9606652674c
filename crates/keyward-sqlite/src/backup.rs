//! A consistent copy of everything, while changes go on.

use std::fs;
use std::path::Path;

use keyward_ledger::place::{owner_only, sync_directory};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::sql_error::SqlError;

/// Writes a copy into a new file, readable by its owner only. Rejects a path that exists.
pub(crate) fn write(connection: &Connection, path: &Path) -> Result<(), SqlError> {
    owner_only().create_new(true).open(path)?;
    let copied = copy(connection, path).and_then(|()| Ok(sync_directory(path)?));
    if copied.is_err() {
        // Half a copy is none; that it cannot be removed either is not the news.
        drop(fs::remove_file(path));
    }
    copied
}

/// Copies page by page in one step, as of one instant. That holds up no writer: in WAL mode, one
/// who reads and one who writes do not wait for each other.
fn copy(connection: &Connection, path: &Path) -> Result<(), SqlError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut target = Connection::open_with_flags(path, flags)?;
    let backup = Backup::new(connection, &mut target)?;
    match backup.step(-1)? {
        StepResult::Done => {}
        // Another process holds the new file, or the kind of end is unknown.
        other => return Err(SqlError::Failed(format!("the copy ended with {other:?}").into())),
    }
    drop(backup);
    target.close().map_err(|(_, error)| error)?;
    Ok(())
}
