//! The ledger next to a database, by which a start notices that the database lacks acknowledged
//! changes.
//!
//! It holds the newest change, the highest key id, the digests of secrets that were revoked or
//! replaced, and the suspensions: nothing with which a caller could authenticate. This module knows
//! its form and its file, and nothing of SQL.

mod content;
mod file;
mod record;

pub(crate) use content::{BrokenAt, Content, Ending, Walked, walk};
pub(crate) use file::{LedgerFile, path_of, read};
pub(crate) use record::{Head, LedgerId, Record, SLOT_LEN, write_header};
