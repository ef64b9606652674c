//! Why a statement or a row was no good, before it becomes a [`StoreError`].

use std::error::Error;
use std::fmt;

use keyward::columns::ColumnError;
use keyward::rules::DecideError;
use keyward::store::StoreError;
use thiserror::Error;
use tokio_postgres::error::SqlState;

/// The errors between SQL and the domain.
#[derive(Debug)]
pub(crate) enum PgError {
    /// The server rejected a statement.
    Rejected(Rejected),
    /// There is no connection, or it broke.
    Gone(Gone),
    /// A value is none that this program could have written.
    Inconsistent(String),
}

/// The error of a statement: its code and its first line. The other lines of a message may contain
/// values of rows, such as a digest, and are left out.
#[derive(Clone, Debug, Error)]
#[error("PostgreSQL says: {message} ({})", .code.code())]
pub(crate) struct Rejected {
    pub(crate) code: SqlState,
    pub(crate) message: String,
}

/// The reason why there is no connection.
#[derive(Clone, Debug, Error)]
#[error("no connection to PostgreSQL: {0}")]
pub(crate) struct Gone(pub(crate) String);

impl PgError {
    /// The error of a `column` with an impossible value.
    pub(crate) fn in_column(column: &str, reason: impl fmt::Display) -> Self {
        Self::Inconsistent(format!("{column}: {reason}"))
    }

    /// Says in which row it was found, so that the operator need not search.
    pub(crate) fn in_row(self, row: impl fmt::Display) -> Self {
        match self {
            Self::Inconsistent(reason) => Self::Inconsistent(format!("{row}: {reason}")),
            Self::Rejected(_) | Self::Gone(_) => self,
        }
    }

    /// There is no connection, for this reason.
    pub(crate) fn gone(reason: impl Into<String>) -> Self {
        Self::Gone(Gone(reason.into()))
    }

    /// Whether the connection is of no use any more.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Self::Gone(_) => true,
            Self::Rejected(_) | Self::Inconsistent(_) => false,
        }
    }

    /// Whether one row is to blame, so that others may do better without it.
    pub(crate) fn is_of_content(&self) -> bool {
        match self {
            Self::Inconsistent(_) => true,
            Self::Rejected(rejected) => rejected.is_of_content(),
            Self::Gone(_) => false,
        }
    }
}

/// The setting that bounds how many tables a transaction can use.
const LOCKS: &str = "max_locks_per_transaction";

impl Rejected {
    /// Whether the server has no room for the locks of so many tables.
    pub(crate) fn lacks_locks(&self) -> bool {
        self.code == SqlState::OUT_OF_MEMORY && self.message.ends_with(LOCKS)
    }

    /// Whether trying again would be in vain: a value does not fit its column, a row its table, or
    /// a file is damaged.
    fn is_of_content(&self) -> bool {
        ["22", "23", "XX001", "XX002"].iter().any(|class| self.code.code().starts_with(class))
    }
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::Gone(gone) => gone.fmt(f),
            Self::Inconsistent(reason) => f.write_str(reason),
        }
    }
}

impl From<tokio_postgres::Error> for PgError {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(told) = error.as_db_error() {
            let mut message = told.message().lines().next().unwrap_or_default().to_owned();
            // The hint alone names the setting, in every language.
            if told.hint().is_some_and(|hint| hint.contains(LOCKS)) {
                message.push_str(": raise ");
                message.push_str(LOCKS);
            }
            let rejected = Rejected { code: told.code().clone(), message };
            return if ends_connection(told.code()) {
                Self::gone(rejected.to_string())
            } else {
                Self::Rejected(rejected)
            };
        }
        // A value that does not fit its type in Rust: nothing was lost.
        if !error.is_closed()
            && error.source().is_some_and(|source| source.is::<tokio_postgres::types::WrongType>())
        {
            return Self::Inconsistent(error.to_string());
        }
        Self::gone(told_whole(&error))
    }
}

/// An error with its causes: the client's own message alone is "error connecting to server".
fn told_whole(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        cause = error.source();
    }
    text
}

/// Whether a connection is of no use any more after this code: the server stops, starts, is a
/// standby or waited for the end of a transaction; or a prepared statement is that of an older
/// schema, or is not there, as with a pooler.
fn ends_connection(code: &SqlState) -> bool {
    code.code().starts_with("08")
        || [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::FEATURE_NOT_SUPPORTED,
            SqlState::INVALID_SQL_STATEMENT_NAME,
        ]
        .contains(code)
}

impl From<DecideError> for PgError {
    fn from(error: DecideError) -> Self {
        Self::Inconsistent(error.to_string())
    }
}

impl From<ColumnError> for PgError {
    fn from(error: ColumnError) -> Self {
        Self::Inconsistent(error.to_string())
    }
}

impl From<PgError> for StoreError {
    fn from(error: PgError) -> Self {
        match error {
            PgError::Inconsistent(reason) => Self::Inconsistent(reason),
            PgError::Rejected(rejected) if rejected.is_of_content() => {
                Self::Inconsistent(rejected.to_string())
            }
            PgError::Rejected(rejected) => Self::Unavailable(rejected.into()),
            PgError::Gone(gone) => Self::Unavailable(gone.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_told_from_trouble() {
        let check = |code: SqlState, inconsistent| {
            let error = PgError::Rejected(Rejected { code, message: String::new() });
            assert_eq!(error.is_of_content(), inconsistent, "{error:?}");
            let error = StoreError::from(error);
            assert_eq!(matches!(error, StoreError::Inconsistent(_)), inconsistent, "{error:?}");
        };
        check(SqlState::UNIQUE_VIOLATION, true);
        check(SqlState::CHARACTER_NOT_IN_REPERTOIRE, true);
        check(SqlState::DATA_CORRUPTED, true);
        check(SqlState::LOCK_NOT_AVAILABLE, false);
        check(SqlState::QUERY_CANCELED, false);
        check(SqlState::DISK_FULL, false);
        check(SqlState::INSUFFICIENT_PRIVILEGE, false);
    }
}
