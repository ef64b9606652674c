//! Where Keyward's keys survive: a [`KeyStore`](keyward::store::KeyStore) in PostgreSQL, with its
//! [`Reports`](keyward::store::Reports).
//!
//! [`PostgresStore::open`] documents its demands on the server, and [`OpenError`] the reasons to
//! reject one. This crate knows SQL and the core's traits; it knows nothing of HTTP and reads no
//! clock.
//!
//! Each module uses only those above it in this list, which makes it a plan for reading.

mod pg_error;

mod address;

mod open_error;

mod tls;

mod driver;

mod session;

mod options;

mod schema;

mod columns;

mod tiers;

mod owners;

mod record;

mod audit;

mod sql;

mod small;

mod look;

mod merge;

mod write;

mod queue;

mod writer;

mod readers;

mod walk;

mod spans;

mod find;

mod keys;

mod days;

mod flush;

mod usage;

mod trail;

mod follow;

mod unread;

mod snapshot;

mod nodes;

mod ledger;

mod addition;

mod migrate_error;

mod migrate;

mod arrival_columns;

mod arrival;

mod tickets;

mod postgres;

mod linked;

mod inspect;

pub use keyward_ledger::{Loss, Restored};

pub use addition::Addition;
pub use address::{Address, AddressError};
pub use arrival::Arrived;
pub use inspect::{Commits, Inspection, Kept, ServerClock, inspect};
pub use ledger::{LedgerFound, inspect_ledger};
pub use linked::{Link, LinkError};
pub use migrate::{LEASE_DEFAULT, LEASE_MAX, LEASE_MIN, Migration, MigrationDone};
pub use migrate_error::MigrateError;
pub use open_error::OpenError;
pub use options::OpenOptions;
pub use postgres::{LedgerOptions, PostgresStore};
pub use schema::Migrated;
pub use session::check_schema_name;
pub use tickets::PostgresTickets;
