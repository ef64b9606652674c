//! A ledger that is kept: notes of changes are appended, and half of it at most is superseded.

use std::io;
use std::path::Path;

use thiserror::Error;

use crate::content::{Content, Walked};
use crate::file::LedgerFile;
use crate::record::{Head, LedgerId, Record, SLOT_LEN, write_header};

/// Below this many bytes a ledger is not written anew, however much of it is superseded. At one
/// record a commit, that is each 4 096 commits, and the file is synced then.
pub const REWRITE_MIN: u64 = 4_096 * SLOT_LEN as u64;

/// A ledger that is open for notes.
#[derive(Debug)]
pub struct Ledger {
    id: LedgerId,
    file: LedgerFile,
    /// The newest one in the file, up to which it knows everything.
    head: Head,
    /// Bytes that may be needed, as they were counted the last time.
    needed: u64,
}

/// Why a note is not in a ledger.
#[derive(Debug, Error)]
pub enum NoteError {
    /// The file was cut short: it needs all records that there are, with [`Ledger::note_all`].
    #[error("it was cut short")]
    Cut,
    /// It cannot be written.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

impl Ledger {
    /// A new ledger, which knows nothing yet, in place of the file at `path`, if any.
    ///
    /// # Errors
    ///
    /// Returns the system's error.
    pub fn create(path: &Path, id: LedgerId) -> io::Result<Self> {
        let mut bytes = Vec::new();
        write_header(&mut bytes, id);
        let file = LedgerFile::create(path, &bytes)?;
        Ok(Self { id, file, head: Head::START, needed: 2 * SLOT_LEN as u64 })
    }

    /// The ledger at `path`, which was walked along.
    ///
    /// # Errors
    ///
    /// Returns the system's error.
    pub fn open(path: &Path, walked: &Walked) -> io::Result<Self> {
        let file = LedgerFile::open(path, walked.len as u64)?;
        Ok(Self { id: walked.id, file, head: walked.head, needed: walked.needed as u64 })
    }

    /// Which database it belongs to.
    #[must_use]
    pub fn id(&self) -> LedgerId {
        self.id
    }

    /// Up to where it knows everything.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// Takes it that the ledger knows nothing of this database, or that not all.
    pub fn forget_head(&mut self) {
        self.head = Head::START;
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Appends records and a head. If that fails, none of them is in the ledger.
    ///
    /// A file that was removed is written anew, and so is one of which half is superseded.
    ///
    /// # Errors
    ///
    /// Returns [`NoteError`] if nothing was appended.
    pub fn note(&mut self, records: &[Record], head: Head) -> Result<(), NoteError> {
        if !records.is_empty() || head != self.head {
            self.append(&written(records, head))?;
            self.head = head;
        }
        if REWRITE_MIN <= self.file.len() && self.needed.saturating_mul(2) <= self.file.len() {
            self.rewrite();
        }
        Ok(())
    }

    /// Writes the file anew, with all records that there are.
    ///
    /// # Errors
    ///
    /// Returns the system's error; the file is then as it was.
    pub fn note_all(&mut self, all: &[Record], head: Head) -> io::Result<()> {
        let mut bytes = Vec::new();
        write_header(&mut bytes, self.id);
        bytes.extend_from_slice(&written(all, head));
        self.replace(&bytes)?;
        self.head = head;
        Ok(())
    }

    /// Makes the noted records survive a failure of power.
    ///
    /// # Errors
    ///
    /// Returns the system's error.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), NoteError> {
        let Err(error) = self.file.append(bytes) else { return Ok(()) };
        if self.file.is_gone() {
            // The open file has it all, and knows more than the database if changes were lost once.
            let mut whole = self.file.bytes()?;
            whole.extend_from_slice(bytes);
            return Ok(self.replace(&whole)?);
        }
        Err(if self.file.is_cut() { NoteError::Cut } else { error.into() })
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let path = self.file.path().to_owned();
        self.file = LedgerFile::create(&path, bytes)?;
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

/// The bytes of some records, and of a head after them.
fn written(records: &[Record], head: Head) -> Vec<u8> {
    let mut bytes = Vec::with_capacity((records.len() + 1) * SLOT_LEN);
    records.iter().for_each(|record| record.write(&mut bytes));
    Record::Head(head).write(&mut bytes);
    bytes
}
