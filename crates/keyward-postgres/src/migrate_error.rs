//! Why a database was not migrated, in words that say what to do about it.

use keyward::audit::ChainError;
use keyward::store::StoreError;
use thiserror::Error;

use crate::open_error::OpenError;

/// Why a database was not migrated. It is as it was.
#[derive(Debug, Error)]
pub enum MigrateError {
    /// The database cannot be used, or failed.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The role may not make a schema.
    #[error(
        "the role of {address} may not make the schema {schema}; as the owner of the database, run \
         GRANT CREATE ON DATABASE ... TO that role, or migrate as the owner"
    )]
    MayNotCreate {
        /// The database, without the password.
        address: String,
        /// The schema.
        schema: String,
    },
    /// The schema belongs to another role.
    #[error("schema {schema} of {address} belongs to the role {owner}; migrate as that role")]
    NotOwner {
        /// The database, without the password.
        address: String,
        /// The schema.
        schema: String,
        /// The role to which it belongs.
        owner: String,
    },
    /// The schema has tables, and this program made none of them.
    #[error(
        "schema {schema} of {address} has tables of another program, and nothing was written to \
         it; use another database"
    )]
    Foreign {
        /// The database, without the password.
        address: String,
        /// The schema.
        schema: String,
    },
    /// There is no role of the name that was given for serving.
    #[error(
        "{address} has no role {role}; make it first, with CREATE ROLE {role} LOGIN PASSWORD '...'"
    )]
    NoRole {
        /// The database, without the password.
        address: String,
        /// The name.
        role: String,
    },
    /// The role that is to serve could alter the audit trail, whatever rights it is granted.
    #[error(
        "the role {role} could alter the audit trail, for it is a superuser or may act as the \
         owner of the schema; serve as a role of its own, made with CREATE ROLE ... LOGIN"
    )]
    MightyRole {
        /// The name.
        role: String,
    },
    /// The time that a node may decide from memory is out of its bounds.
    #[error("a lease is 2 to 20 seconds")]
    Lease,
    /// Nodes run, which would go by the lease that they know.
    #[error(
        "the lease cannot be changed while nodes run, and these do: {nodes}; stop them first (the \
         row of a node that was killed goes when the next one starts)"
    )]
    NodesRun {
        /// Their names.
        nodes: String,
    },
    /// Nodes of an older version run.
    #[error(
        "the update cannot be finished while nodes of an older version run, and these do: {nodes}; \
         restart them with this version first"
    )]
    OldNodes {
        /// Their names.
        nodes: String,
    },
    /// Nodes serve from the schema that everything is to be moved to.
    #[error("nodes serve from there: {nodes}; stop them first, and nothing was moved")]
    NodesServe {
        /// Their names.
        nodes: String,
    },
    /// The schema that everything is to be moved to has something in it.
    #[error(
        "there are keys, or changes of tiers or owners, at {place}; nothing was moved: name an \
         empty database, or another schema with --database-schema"
    )]
    NotEmpty {
        /// The database and the schema.
        place: String,
    },
    /// The store was moved elsewhere before.
    #[error("this store was moved to {place} before, and that is where it goes on")]
    MovedElsewhere {
        /// The database and the schema.
        place: String,
    },
    /// The store that moves cannot be read or marked.
    #[error("the file cannot be read, or not be marked as moved; nothing was moved")]
    Origin(#[from] StoreError),
    /// A text of the store that moves cannot be in PostgreSQL.
    #[error(
        "row {row} of {table} has a text with the character U+0000, which PostgreSQL cannot hold; \
         nothing was moved: give it another text, or move with `keyward export` and `import`"
    )]
    Nul {
        /// The table.
        table: &'static str,
        /// The first value of the row.
        row: String,
    },
    /// The chain of the trail does not hold.
    #[error("the audit trail is broken, and nothing was moved; `keyward audit verify` tells more")]
    Chain(#[source] ChainError),
    /// Not all of a table was copied.
    #[error("not all rows of {table} came; nothing was moved, try again")]
    Miscounted {
        /// The table.
        table: &'static str,
    },
    /// The connection broke at the end of the transaction, and there is no other one.
    #[error(
        "the connection broke in the last moment, and it is not known whether everything was \
         moved; run the same command again, which finds out and finishes it"
    )]
    Unknown {
        /// The cause.
        #[source]
        source: Box<Self>,
    },
    /// The server has no room for the locks of so many tables: each day of usage has one.
    #[error(
        "{address} has no room for the locks of so many tables, since each day of usage is one, \
         and nothing was changed; set max_locks_per_transaction to 256, or more for more than ten \
         years, restart the server and try again"
    )]
    Locks {
        /// The database, without the password.
        address: String,
    },
    /// Statements of other programs hold the locks that the change needs.
    #[error("{address} is busy, and nothing was changed; try again")]
    Busy {
        /// The database, without the password.
        address: String,
    },
}
