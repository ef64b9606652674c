//! The ledger of a database: facts about its newest changes that are kept apart from it, by which a
//! start notices that the database lacks acknowledged ones.
//!
//! A ledger holds the newest change, the highest key id, the digests of secrets that were revoked
//! or replaced, and the suspensions: nothing with which a caller could authenticate. This crate
//! knows its form and its file, and nothing of SQL: each store says what goes into its own.
//!
//! Each module uses only those above it in this list, which makes it a plan for reading.

pub mod place;

mod lock;

mod loss;

mod record;

mod content;

mod file;

mod notes;

mod standing;

pub use content::{BrokenAt, Content, End, Ending, Walked, walk};
pub use file::read;
pub use lock::{LockError, LockFile, UNKNOWN_HOLDER, read_holder};
pub use loss::{Loss, Restored};
pub use notes::{Ledger, NoteError, REWRITE_MIN};
pub use record::{Head, LedgerId, Record, SLOT_LEN, write_header};
pub use standing::Standing;
