//! Why a store did not open, in words that say what to do about it.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use keyward::store::StoreError;
use keyward_ledger::Loss;
use thiserror::Error;
use tokio_postgres::error::SqlState;

use crate::pg_error::PgError;

/// Why a store did not open. Nothing that is in the database is lost or altered.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The name of the schema cannot be one.
    #[error(
        "a schema is called by lower-case letters, digits and `_`, begins with a letter, and has \
         at most 48 of them"
    )]
    SchemaName,
    /// No authority can vouch for the server.
    #[error(
        "no authority can vouch for the database's server: {reason}; name a file in PEM with \
         sslrootcert=FILE in its URL"
    )]
    Authorities {
        /// The fault of the authorities.
        reason: String,
    },
    /// There is no connection to the server.
    #[error("{address} does not let this program in; check that it runs, its name, and the role")]
    Unreachable {
        /// The database, without the password.
        address: String,
        /// The cause.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// It is another product that speaks PostgreSQL's protocol.
    #[error(
        "{address} is {product}, on which the promises about revoked keys do not hold; use \
         PostgreSQL 15 or later"
    )]
    OtherProduct {
        /// The database, without the password.
        address: String,
        /// What it is.
        product: &'static str,
    },
    /// The server is too old.
    #[error("{address} is PostgreSQL {found}; this program needs 15 or later")]
    TooOld {
        /// The database, without the password.
        address: String,
        /// Its version.
        found: String,
    },
    /// The server takes no changes.
    #[error(
        "{address} takes no changes, for it is a standby or set to read-only; give the address of \
         the primary, or of all servers: postgres://USER@HOST1,HOST2/DATABASE"
    )]
    ReadOnly {
        /// The database, without the password.
        address: String,
    },
    /// The server does not keep what it acknowledges.
    #[error(
        "{address} has fsync = off: an acknowledged change would be lost with the power; set \
         fsync = on in postgresql.conf, and reload it"
    )]
    NoFsync {
        /// The database, without the password.
        address: String,
    },
    /// A pooler is on the way that lends its connections for one transaction each.
    #[error(
        "{address} goes through a pooler that changes servers or sessions between two \
         transactions; give the address of the server itself, or set the pooler to pool sessions"
    )]
    Pooled {
        /// The database, without the password.
        address: String,
    },
    /// The database has another encoding.
    #[error(
        "{address} has the encoding {found}, which cannot hold every name; make a database with \
         CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0"
    )]
    Encoding {
        /// The database, without the password.
        address: String,
        /// Its encoding.
        found: String,
    },
    /// There is no database of this name.
    #[error(
        "{address} is not there; make it with CREATE DATABASE, and then run `keyward migrate` once"
    )]
    Nowhere {
        /// The database, without the password.
        address: String,
    },
    /// There is no database in which servers share limits.
    #[error(
        "{address}, in which servers with --cluster share limits, is not there; run \
         `keyward migrate` once, which makes it or says who can"
    )]
    NoLimits {
        /// The database, without the password.
        address: String,
    },
    /// The database of limits is not there, and the role may not make one.
    #[error(
        "the role of {address} cannot make the database of limits; run CREATE DATABASE \"{name}\" \
         as one that may, with the role as its OWNER, and then `keyward migrate` once more"
    )]
    NoDatabase {
        /// The database, without the password.
        address: String,
        /// Its name.
        name: String,
        /// The cause.
        #[source]
        source: Box<Self>,
    },
    /// The schema is not there, or an older version of this program made it.
    #[error(
        "schema {schema} of {address} is at step {found} of {known}; run `keyward migrate` once, \
         as the role that owns it"
    )]
    OlderSchema {
        /// The database, without the password.
        address: String,
        /// The schema.
        schema: String,
        /// The number of its last migration; 0 is that there is none.
        found: u32,
        /// The number of the last migration that this program knows.
        known: u32,
    },
    /// A newer version of this program changed the schema.
    #[error(
        "schema {schema} of {address} is at step {found}, and this program knows none above \
         {known}; use the newer version that migrated it"
    )]
    NewerSchema {
        /// The database, without the password.
        address: String,
        /// The schema.
        schema: String,
        /// The number of its last migration.
        found: u32,
        /// The number of the last migration that this program knows.
        known: u32,
    },
    /// Nodes write what this program cannot read.
    #[error(
        "the nodes of {address} write vocabulary {found}, and this program knows none above \
         {known}; use the newer version for which `keyward migrate --finish` was run"
    )]
    NewerLevel {
        /// The database, without the password.
        address: String,
        /// The vocabulary that is written.
        found: u32,
        /// The newest vocabulary that this program knows.
        known: u32,
    },
    /// The role lacks rights.
    #[error(
        "the role of {address} lacks rights ({missing}); run `keyward migrate` with \
         --serve-role, which grants them"
    )]
    Rights {
        /// The database, without the password.
        address: String,
        /// The rights that it lacks, each with its table.
        missing: String,
    },
    /// Another program serves from this schema, and neither of them was started as one of several.
    #[error(
        "another server has schema {schema} of {address}: {nodes}; stop it first, or start every \
         server of this schema with --cluster"
    )]
    Occupied {
        /// The database, without the password.
        address: String,
        /// The schema.
        schema: String,
        /// The names of the nodes that serve from it.
        nodes: String,
    },
    /// Another process has the ledger, or this one does already.
    #[error(
        "the ledger {ledger} is in use by {holder}; stop that program first, or name another file \
         as `ledger`: each node has one of its own"
    )]
    LedgerLocked {
        /// The ledger.
        ledger: PathBuf,
        /// Who has it.
        holder: String,
    },
    /// The ledger cannot be read or written.
    #[error(
        "the ledger {ledger} cannot be read and written; name a file as `ledger` in a directory \
         that this user may write to"
    )]
    Ledger {
        /// The ledger, or its lock file.
        ledger: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A record of the ledger is broken, and whole ones come after it; or it is no ledger.
    #[error(
        "the ledger {ledger} is broken at byte {at}, or no ledger; put a good copy there, or move \
         it away: the next start then begins one, and nothing tells whether changes are missing"
    )]
    LedgerBroken {
        /// The ledger.
        ledger: PathBuf,
        /// Where the broken record begins, in bytes.
        at: u64,
    },
    /// The ledger belongs to another database.
    #[error(
        "the ledger {ledger} belongs to another database than schema {schema} of {address}; name \
         another file as `ledger`, or the database that it belongs to"
    )]
    LedgerOfOther {
        /// The ledger.
        ledger: PathBuf,
        /// The database, without the password.
        address: String,
        /// The schema.
        schema: String,
    },
    /// The trail has no entry, so that no ledger can belong to it.
    #[error(
        "the audit trail of schema {schema} of {address} has no entry; run `keyward migrate` once, \
         which begins it"
    )]
    NoEntry {
        /// The database, without the password.
        address: String,
        /// The schema.
        schema: String,
    },
    /// The database lacks acknowledged changes that the ledger knows.
    #[error("{}", lost(.address, .schema, &.ledger.display().to_string(), *.loss))]
    Lost {
        /// The database, without the password.
        address: String,
        /// The schema.
        schema: String,
        /// The ledger.
        ledger: PathBuf,
        /// The loss.
        loss: Loss,
    },
    /// The server failed while the store was opened.
    #[error("{address} cannot be read or written")]
    Failed {
        /// The database, without the password.
        address: String,
        /// The cause.
        #[source]
        source: StoreError,
    },
}

/// The loss and its possible causes; after a semicolon, the remedies.
fn lost(address: &str, schema: &str, ledger: &str, loss: Loss) -> String {
    let change = loss.change().0;
    let found = match loss {
        Loss::Changes { known, newest } if newest < known => format!(
            "schema {schema} of {address} lacks changes that were made: its newest one is {}, and \
             {ledger} knows of change {}",
            newest.0, known.0
        ),
        Loss::Changes { .. }
        | Loss::Database { .. }
        | Loss::Ledger { .. }
        | Loss::OtherLedger { .. } => format!(
            "schema {schema} of {address} is not the database that it was: change {change}, the \
             newest one that {ledger} knows, is missing or another one"
        ),
    };
    format!(
        "{found}. A backup was restored, or a failover lost changes, so that keys that were \
         revoked may work again; bring the right database back, or accept this loss, once, with \
         `keyward serve --after-restore={change}`"
    )
}

impl OpenError {
    /// The server of this address failed with this.
    pub(crate) fn failed(address: &impl ToString, error: impl Into<PgError>) -> Self {
        let (address, error) = (address.to_string(), error.into());
        match error {
            PgError::Gone(gone) => Self::Unreachable { address, source: gone.into() },
            PgError::Rejected(told) if told.code == SqlState::INVALID_CATALOG_NAME => {
                Self::Nowhere { address }
            }
            PgError::Rejected(_) | PgError::Inconsistent(_) => {
                Self::Failed { address, source: error.into() }
            }
        }
    }

    /// The same of the database of limits, which has another remedy.
    pub(crate) fn of_limits(self) -> Self {
        match self {
            Self::Nowhere { address } => Self::NoLimits { address },
            other => other,
        }
    }
}
