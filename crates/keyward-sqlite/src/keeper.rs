//! Keeping the ledger: each commit is noted there before it returns.
//!
//! If that fails the change counts all the same, since it is in the database. The ledger then lags,
//! and its missing records are read from the database and go first at the next turn: so nothing has
//! to be remembered, however long that takes.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};

use keyward::audit::{ChainDigest, ChangeId};
use rusqlite::Connection;

use crate::ledger::{Content, Head, LedgerFile, LedgerId, Record, SLOT_LEN, write_header};
use crate::notes;

/// Below this many bytes a ledger is not written anew, however much of it is superseded. At one
/// record a commit, that is each 4 096 commits, and the file is synced then.
const REWRITE_MIN: u64 = 4_096 * SLOT_LEN as u64;

/// The public state of the ledger. A clone shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing(Arc<Mutex<Shared>>);

/// The lock guards both, for one read or write; no panic can leave half of it.
#[derive(Debug, Default)]
struct Shared {
    newest: Option<(ChangeId, ChainDigest)>,
    trouble: Option<String>,
}

impl Standing {
    /// The newest change that the ledger knows.
    pub(crate) fn newest(&self) -> Option<(ChangeId, ChainDigest)> {
        self.with(|shared| shared.newest)
    }

    /// Why the ledger is not as it should be.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.with(|shared| shared.trouble.clone())
    }

    fn with<T>(&self, look: impl FnOnce(&mut Shared) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The ledger of a database, in the hands of the thread that writes.
#[derive(Debug)]
pub(crate) struct Keeper {
    id: LedgerId,
    file: LedgerFile,
    /// The newest one in the file.
    head: Head,
    /// Bytes that may be needed, as they were counted the last time.
    needed: u64,
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
        (id, file): (LedgerId, LedgerFile),
        (head, needed): (Head, u64),
        standing: Standing,
    ) -> rusqlite::Result<Self> {
        let mut keeper = Self { id, file, head, needed, is_behind: false, standing };
        let head = notes::head(connection)?;
        let records = match head == keeper.head {
            true => Vec::new(),
            false => notes::since(connection, keeper.head.change)?,
        };
        keeper.keep(connection, Taken { records, head, is_linked: true }, || false);
        Ok(keeper)
    }

    /// The changes of the transaction under way. To be called after the last of them.
    pub(crate) fn take(&self, connection: &Connection) -> rusqlite::Result<Taken> {
        let (records, head) = (notes::take(connection)?, notes::head(connection)?);
        let is_linked = head == self.head || notes::has(connection, self.head)?;
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
        let head = if is_linked { head } else { self.head };
        let mut noted = self.append(connection, records, head);
        self.is_behind = noted.is_err();
        while noted.as_ref().is_err_and(|failed| is_full(failed.as_ref())) && make_room() {
            noted = self.append(connection, Vec::new(), head);
            self.is_behind = noted.is_err();
        }
        let trouble = match noted {
            Err(reason) => {
                let path = self.file.path().display();
                Some(format!("the ledger {path} cannot be written: {reason}"))
            }
            Ok(()) if !is_linked => {
                let change = self.head.change.0;
                Some(format!("change {change} was removed from the audit trail, or altered there"))
            }
            Ok(()) => None,
        };
        let newest = (self.head != Head::START).then_some((self.head.change, self.head.digest));
        let before = self.standing.with(|shared| {
            shared.newest = newest;
            std::mem::replace(&mut shared.trouble, trouble.clone())
        });
        match (before, trouble) {
            (before, Some(trouble)) if before.as_ref() != Some(&trouble) => {
                tracing::error!("Changes go on being made and kept, but {trouble}");
            }
            (Some(before), None) => tracing::info!("This is mended: {before}"),
            (None | Some(_), _) => {}
        }
    }

    /// Appends records and a head, or the records that the ledger lacks instead of them.
    fn append(
        &mut self,
        connection: &Connection,
        mut records: Vec<Record>,
        head: Head,
    ) -> Result<(), Box<dyn Error>> {
        if self.is_behind {
            records = notes::since(connection, self.head.change)?;
        }
        if !records.is_empty() || head != self.head {
            let mut bytes = Vec::with_capacity((records.len() + 1) * SLOT_LEN);
            records.iter().for_each(|record| record.write(&mut bytes));
            Record::Head(head).write(&mut bytes);
            self.append_bytes(connection, &bytes, head)?;
            self.head = head;
        }
        if REWRITE_MIN <= self.file.len() && self.needed.saturating_mul(2) <= self.file.len() {
            self.rewrite();
        }
        Ok(())
    }

    fn append_bytes(
        &mut self,
        connection: &Connection,
        bytes: &[u8],
        head: Head,
    ) -> Result<(), Box<dyn Error>> {
        let Err(error) = self.file.append(bytes) else { return Ok(()) };
        let path = self.file.path().to_owned();
        let mut whole = if self.file.is_gone() {
            // The open file has it all, and knows more than the database if changes were lost once.
            self.file.bytes()?
        } else if self.file.is_cut() {
            let mut whole = Vec::new();
            write_header(&mut whole, self.id);
            let all = notes::since(connection, Head::START.change)?;
            all.iter().for_each(|record| record.write(&mut whole));
            Record::Head(head).write(&mut whole);
            whole
        } else {
            return Err(error.into());
        };
        whole.extend_from_slice(bytes);
        self.file = LedgerFile::create(&path, &whole)?;
        tracing::warn!("The ledger {} was removed or cut, and is written anew", path.display());
        Ok(())
    }

    /// Writes the file anew if half of it is superseded, and counts the needed records.
    fn rewrite(&mut self) {
        let rewritten = self.file.bytes().map_err(|error| error.to_string()).and_then(|bytes| {
            let content = Content::read(&bytes);
            let (_, content) = content.map_err(|broken| format!("it is broken: {broken:?}"))?;
            let needed = content.write(self.id);
            if bytes.len() < needed.len().saturating_mul(2) {
                return Ok(needed.len());
            }
            let file = LedgerFile::create(self.file.path(), &needed);
            self.file = file.map_err(|error| error.to_string())?;
            Ok(needed.len())
        });
        match rewritten {
            Ok(needed) => self.needed = needed as u64,
            Err(reason) => {
                // It is whole, only long; it is tried again when it has doubled.
                tracing::warn!(reason, "The ledger could not be written anew");
                self.needed = self.file.len();
            }
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
