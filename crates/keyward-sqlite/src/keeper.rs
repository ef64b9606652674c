//! Keeping the ledger: each commit is noted there before it returns.
//!
//! If that fails the change counts all the same, since it is in the database. The ledger then lags,
//! and its missing records are read from the database and go first at the next turn: so nothing has
//! to be remembered, however long that takes.

use std::error::Error;
use std::io::{self, ErrorKind};

use keyward_ledger::{Head, Ledger, NoteError, Record, Standing};
use rusqlite::Connection;

use crate::notes;

/// The ledger of a database, in the hands of the thread that writes.
#[derive(Debug)]
pub(crate) struct Keeper {
    ledger: Ledger,
    /// Whether an append failed, so that the file lacks something.
    is_behind: bool,
    standing: Standing,
}

/// The notes of a transaction for the ledger.
#[derive(Debug)]
pub(crate) struct Taken {
    records: Vec<Record>,
    head: Head,
    /// Whether the trail still has the entry that the ledger knows as its newest.
    is_linked: bool,
}

impl Keeper {
    /// Takes a file over, brings it up to the database, and says in `standing` how it is.
    pub(crate) fn open(
        connection: &Connection,
        ledger: Ledger,
        standing: Standing,
    ) -> rusqlite::Result<Self> {
        let mut keeper = Self { ledger, is_behind: false, standing };
        let head = notes::head(connection)?;
        let records = match head == keeper.ledger.head() {
            true => Vec::new(),
            false => notes::since(connection, keeper.ledger.head().change)?,
        };
        keeper.keep(connection, Taken { records, head, is_linked: true }, || false);
        Ok(keeper)
    }

    /// The changes of the transaction under way. To be called after the last of them.
    pub(crate) fn take(&self, connection: &Connection) -> rusqlite::Result<Taken> {
        let (records, head) = (notes::take(connection)?, notes::head(connection)?);
        let is_linked = head == self.ledger.head() || notes::has(connection, self.ledger.head())?;
        Ok(Taken { records, head, is_linked })
    }

    /// Notes a commit. A failure to note it is logged once, and reported by `standing` until it
    /// succeeds. On a full disk, `make_room` is asked for some until it has none.
    pub(crate) fn keep(
        &mut self,
        connection: &Connection,
        taken: Taken,
        make_room: impl Fn() -> bool,
    ) {
        let Taken { records, head, is_linked } = taken;
        // A trail that was cut must not look whole because the ledger follows it.
        let head = if is_linked { head } else { self.ledger.head() };
        let mut noted = self.append(connection, records, head);
        self.is_behind = noted.is_err();
        while noted.as_ref().is_err_and(|failed| is_full(failed.as_ref())) && make_room() {
            noted = self.append(connection, Vec::new(), head);
            self.is_behind = noted.is_err();
        }
        let trouble = match noted {
            Err(reason) => {
                let path = self.ledger.path().display();
                Some(format!("the ledger {path} cannot be written: {reason}"))
            }
            Ok(()) if !is_linked => {
                let change = self.ledger.head().change.0;
                Some(format!("change {change} was removed from the audit trail, or altered there"))
            }
            Ok(()) => None,
        };
        self.standing.set(self.ledger.head(), trouble);
    }

    /// Appends records and a head, or the records that the ledger lacks instead of them.
    fn append(
        &mut self,
        connection: &Connection,
        mut records: Vec<Record>,
        head: Head,
    ) -> Result<(), Box<dyn Error>> {
        if self.is_behind {
            records = notes::since(connection, self.ledger.head().change)?;
        }
        match self.ledger.note(&records, head) {
            Ok(()) => Ok(()),
            Err(NoteError::Cut) => {
                let mut all = notes::since(connection, Head::START.change)?;
                all.extend(records);
                Ok(self.ledger.note_all(&all, head)?)
            }
            Err(NoteError::Failed(error)) => Err(error.into()),
        }
    }
}

/// Whether it is the disk that has no room.
fn is_full(failed: &(dyn Error + 'static)) -> bool {
    failed.downcast_ref::<io::Error>().is_some_and(|error| {
        matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    })
}

#[cfg(test)]
mod tests;
