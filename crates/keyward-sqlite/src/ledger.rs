//! The ledger beside a database, by which a start notices that the database is behind what was
//! answered.
//!
//! It holds the newest change, the highest key id, the digests of secrets that were revoked or
//! replaced, and what was suspended: nothing that anyone could call with. This module knows its
//! form and its file, and nothing of SQL.

mod content;
mod file;
mod record;

pub(crate) use content::{BrokenAt, Content, Ending, Walked, walk};
pub(crate) use file::{LedgerFile, path_of, read};
pub(crate) use record::{Head, LedgerId, Record, SLOT_LEN, write_header};
