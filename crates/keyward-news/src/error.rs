//! Why nothing can be said about the articles.

use std::io;

/// The articles cannot be reached. Of an import it is then not known whether it was stored;
/// repeating it is safe.
#[derive(Debug, thiserror::Error)]
pub enum ArticlesError {
    /// The queue of queries is full; trying later helps.
    #[error("too many questions wait for the articles")]
    Busy,
    /// The threads that run queries have ended.
    #[error("the articles are closed")]
    Closed,
    /// The file was written by a later version, with this many migrations.
    #[error("the articles have {found} migrations, which is more than this version knows")]
    Newer {
        /// The number of the last migration in the file.
        found: i64,
    },
    /// A thread could not be started.
    #[error("a thread for the articles could not be started")]
    Thread(#[source] io::Error),
    /// Nothing may be written now, for the reason that the check of the file gave.
    #[error("the file of the articles takes nothing")]
    Lost(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database cannot be used.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Open(#[from] keyward_postgres::OpenError),
    /// PostgreSQL failed.
    #[cfg(feature = "postgres")]
    #[error("the database of the articles failed")]
    Postgres(#[from] keyward_postgres::LinkError),
    /// SQLite failed.
    #[error("the database of the articles failed")]
    Sqlite(#[from] rusqlite::Error),
}
