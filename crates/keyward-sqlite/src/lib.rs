//! Where Keyward's keys survive: a [`KeyStore`](keyward::store::KeyStore) in one SQLite
//! file, with its [`Reports`](keyward::store::Reports) and [`Backup`](keyward::store::Backup).
//!
//! [`SqliteStore::open`] documents its demands on the file, and [`OpenError`] the reasons to reject
//! one. This crate knows SQL and the core's trait; it knows nothing of HTTP and reads no clock.
//!
//! Each module uses only those above it in this list, which makes it a plan for reading.

mod sql_error;

mod open_error;

mod inode;

mod lock;

mod watch;

mod reserve;

mod names;

mod limits;

mod spans;

mod audit;

mod spelling;

mod schema;

mod probe;

mod look;

mod connection;

mod once;

mod trail;

mod tiers;

mod owners;

mod record;

mod keys;

mod clock;

mod commit;

mod leaks;

mod follow;

mod usage;

mod backup;

mod notes;

mod recover;

mod worker;

mod commits;

mod keeper;

mod start;

mod writer;

mod reader;

mod snapshot;

mod sqlite;

mod moving;

mod inspect;

pub use keyward_ledger::{Loss, Restored};

pub use commits::CommitSizes;
pub use inspect::{Inspection, inspect};
pub use lock::FileHold;
pub use moving::Moving;
pub use open_error::OpenError;
pub use reserve::free_bytes;
pub use sqlite::{OpenOptions, SqliteStore};
pub use watch::FileLost;
