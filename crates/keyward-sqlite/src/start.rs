//! Starting with a database and its ledger: both are looked at before either is touched.

use std::fs;
use std::path::{Path, PathBuf};

use keyward::UnixMillis;
use keyward::audit::ChangeId;
use keyward_ledger::place::sibling;
use keyward_ledger::{
    BrokenAt, Content, Ledger, LedgerId, Loss, Restored, Standing, Walked, read, walk,
};
use rusqlite::Connection;

use crate::keeper::Keeper;
use crate::look::{Found, compare, look};
use crate::open_error::OpenError;
use crate::recover;
use crate::schema;

/// The findings about both files, and the work to do.
#[derive(Debug)]
pub(crate) struct Start {
    path: PathBuf,
    ledger: PathBuf,
    /// All bytes of the ledger, and how far they are whole, if there is one.
    read: Option<(Vec<u8>, Walked)>,
    found: Option<Found>,
    /// A loss that the operator accepted.
    accepted: Option<Loss>,
}

/// Looks at both files and changes neither.
///
/// # Errors
///
/// Returns [`OpenError::Lost`] if something is missing, unless it is the loss that `after_restore`
/// names; or why one of them cannot be read.
pub(crate) fn begin(path: &Path, after_restore: Option<ChangeId>) -> Result<Start, OpenError> {
    let ledger = sibling(path, ".ledger");
    let bytes = read(&ledger).map_err(|error| OpenError::from_io(&ledger, error))?;
    let read = bytes.map(|bytes| match walk(&bytes, |_| {}) {
        Ok(walked) => Ok((bytes, walked)),
        Err(BrokenAt(at)) => Err(OpenError::LedgerBroken { ledger: ledger.clone(), at }),
    });
    let read = read.transpose()?;
    let walked = read.as_ref().map(|(_, walked)| walked);
    let found = look(path, walked.map(|walked| walked.head.change))?;
    let loss = compare(walked, found.as_ref());
    if let Some(loss) = loss
        && after_restore != Some(loss.change())
    {
        return Err(OpenError::Lost { path: path.to_owned(), ledger, loss });
    }
    Ok(Start { path: path.to_owned(), ledger, read, found, accepted: loss })
}

impl Start {
    /// Moves away a file that an accepted loss has left in the way, and keeps it under another
    /// name.
    pub(crate) fn clear(&self) -> Result<(), OpenError> {
        let Some(Loss::Database { known }) = self.accepted else { return Ok(()) };
        // It belongs to the database that is gone, and SQLite would delete it.
        let wal = sibling(&self.path, "-wal");
        if fs::exists(&wal).map_err(|error| OpenError::from_io(&wal, error))? {
            let kept = sibling(&wal, &format!(".before-{}", known.0));
            fs::rename(&wal, kept).map_err(|error| OpenError::from_io(&wal, error))?;
        }
        Ok(())
    }

    /// Does that work, on the connection that writes: accepts a loss, sees to it that the database
    /// has a ledger, and brings that up to it. The schema is that of today.
    pub(crate) fn settle(
        self,
        connection: &Connection,
        now: UnixMillis,
        standing: Standing,
    ) -> Result<(Keeper, Option<Restored>), OpenError> {
        let sqlite = |error| OpenError::from_sqlite(&self.path, error);
        let restored = self.accept(connection, now)?;
        let mark = self.found.as_ref().and_then(|found| found.mark);
        let mut ledger = self.open_file(mark)?;
        // Its id is on the disk before the database carries it: a marked database without a ledger
        // would not be opened again.
        if mark != Some(ledger.id()) {
            schema::set_ledger(connection, ledger.id()).map_err(sqlite)?;
        }
        // Up to its newest head the ledger knows everything, if that change is in the database.
        let asked = self.found.as_ref().and_then(|found| found.asked);
        if asked != Some(ledger.head().digest) {
            ledger.forget_head();
        }
        let keeper = Keeper::open(connection, ledger, standing).map_err(sqlite)?;
        Ok((keeper, restored))
    }

    fn accept(
        &self,
        connection: &Connection,
        now: UnixMillis,
    ) -> Result<Option<Restored>, OpenError> {
        let Some(loss) = self.accepted else { return Ok(None) };
        let bytes = self.read.as_ref().map_or(&[][..], |(bytes, _)| bytes);
        // It was walked along, so it is whole as far as it matters.
        let content = Content::read(bytes).map(|(_, content)| content).unwrap_or_default();
        let restored = recover::accept(connection, loss, &content, now);
        restored.map(Some).map_err(|error| OpenError::from_sql_error(&self.path, error))
    }

    /// The ledger of this database: the one that is there, or a new one.
    fn open_file(&self, mark: Option<LedgerId>) -> Result<Ledger, OpenError> {
        let failed = |error| OpenError::from_io(&self.ledger, error);
        if let Some((_, walked)) = &self.read {
            if mark.is_none_or(|mark| mark == walked.id) {
                return Ledger::open(&self.ledger, walked).map_err(failed);
            }
            let kept = sibling(&self.ledger, &format!(".of-{}", hex(walked.id)));
            fs::rename(&self.ledger, kept).map_err(failed)?;
        }
        let id = match mark {
            Some(id) => id,
            None => {
                let mut id = [0; 16];
                let drawn = getrandom::fill(&mut id);
                drawn.map_err(|error| failed(std::io::Error::other(error.to_string())))?;
                LedgerId(id)
            }
        };
        Ledger::create(&self.ledger, id).map_err(failed)
    }
}

fn hex(LedgerId(id): LedgerId) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
