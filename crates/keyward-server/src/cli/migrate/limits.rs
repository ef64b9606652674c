//! The database in which nodes share the limits of keys.

use keyward_postgres::{OpenError, OpenOptions, PostgresTickets};

/// What became of it.
#[derive(Debug)]
pub(super) enum Limits {
    /// It is there, at the latest step.
    Shared(String),
    /// The role may not make it. Only nodes of a cluster need it.
    Missing(String),
}

impl Limits {
    /// Makes the database, or brings it to the present.
    pub(super) async fn migrate(
        options: &OpenOptions,
        role: Option<&str>,
    ) -> Result<Self, OpenError> {
        let name = options.address.of_tickets().database();
        match PostgresTickets::migrate(options, role).await {
            Ok(()) => Ok(Self::Shared(name)),
            Err(OpenError::NoDatabase { .. }) => Ok(Self::Missing(name)),
            Err(error) => Err(error),
        }
    }

    /// The result, for people.
    pub(super) fn line(&self) -> String {
        match self {
            Self::Shared(name) => {
                format!("Nodes of a cluster share limits in the database {name}.")
            }
            Self::Missing(name) => format!(
                "Nodes of a cluster share limits in the database {name}, which is not there, and \
                 this role may not make it. For `keyward serve --cluster`, run CREATE DATABASE \
                 \"{name}\" as a role that may, with this role as its owner, and then this again."
            ),
        }
    }

    /// The name of the database, if it is there.
    pub(super) fn database(&self) -> Option<&str> {
        match self {
            Self::Shared(name) => Some(name),
            Self::Missing(_) => None,
        }
    }
}
