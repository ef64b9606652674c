//! Connections to the tables of another part of the program.

use std::error::Error as StdError;

use keyward::store::StoreError;
use thiserror::Error;
use tokio_postgres::Client;

use crate::addition::Addition;
use crate::open_error::OpenError;
use crate::options::OpenOptions;
use crate::pg_error::PgError;
use crate::schema;
use crate::session::{Connector, Purpose};

/// A way to the tables of an [`Addition`].
#[derive(Clone, Debug)]
pub struct Link {
    connector: Connector,
}

/// There is no connection to the tables, or a statement failed. It contains no value of a row.
#[derive(Debug, Error)]
#[error("the database cannot be read or written")]
pub struct LinkError(#[source] Box<dyn StdError + Send + Sync>);

impl From<PgError> for LinkError {
    fn from(error: PgError) -> Self {
        match StoreError::from(error) {
            StoreError::Unavailable(source) | StoreError::Logged(source) => Self(source),
            StoreError::WentBack(_) => Self("the database went back in time".into()),
            StoreError::Inconsistent(reason) | StoreError::Unsupported(reason) => {
                Self(reason.into())
            }
        }
    }
}

impl From<tokio_postgres::Error> for LinkError {
    fn from(error: tokio_postgres::Error) -> Self {
        PgError::from(error).into()
    }
}

impl Link {
    /// Finds the tables, and checks that they are those which this program knows and that the role
    /// has its rights.
    ///
    /// # Errors
    ///
    /// Returns [`OpenError`] as [`PostgresStore::open`](crate::PostgresStore::open) does.
    pub async fn open(options: &OpenOptions, addition: &Addition) -> Result<Self, OpenError> {
        let mut connector = options.connector()?;
        let schema = addition.schema(&connector);
        connector.schema = schema.name.clone();
        let client = connector.check(Purpose::Reading, options.without_fsync).await?;
        schema::check_addition(&connector, &client, &schema).await?;
        Ok(Self { connector })
    }

    /// Makes a connection for questions: a statement may take 10 seconds.
    ///
    /// # Errors
    ///
    /// Returns [`LinkError`] if there is none.
    pub async fn connect_to_read(&self) -> Result<Client, LinkError> {
        Ok(self.connector.connect(Purpose::Reading).await?)
    }

    /// Makes a connection for changes: a statement may take 5 seconds, and wait half as long for a
    /// lock.
    ///
    /// # Errors
    ///
    /// Returns [`LinkError`] if there is none.
    pub async fn connect_to_write(&self) -> Result<Client, LinkError> {
        Ok(self.connector.connect(Purpose::Writing).await?)
    }
}
