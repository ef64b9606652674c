//! Limits that several programs over one schema share.

use std::time::Duration;

use crate::columns::get_number;
use crate::open_error::OpenError;
use crate::options::OpenOptions;
use crate::pg_error::PgError;
use crate::tickets::PostgresTickets;

use super::PostgresStore;

impl PostgresStore {
    /// Has the server decide about the limits of keys, for all programs over the schema together.
    /// Without it, each program has limits of its own.
    ///
    /// ```no_run
    /// use keyward::store::KeyStore as _;
    /// use keyward_postgres::{OpenOptions, PostgresStore, PostgresTickets};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let address = "postgres://keyward@127.0.0.1/keyward".parse()?;
    /// let options = OpenOptions { several: true, ..OpenOptions::new(address) };
    /// PostgresTickets::migrate(&options, None).await?;
    /// let mut store = PostgresStore::open(&options).await?;
    /// store.share_limits(&options).await?;
    /// assert!(store.tickets().is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`OpenError`] if the database of limits is not there, or is not one that this
    /// program knows; see [`PostgresTickets::open`].
    pub async fn share_limits(&mut self, options: &OpenOptions) -> Result<(), OpenError> {
        let lease = self.lease().await;
        let lease = lease.map_err(|error| OpenError::failed(&options.address, error))?;
        self.tickets = Some(PostgresTickets::open(options, lease).await?);
        Ok(())
    }

    /// How long a node may decide from memory.
    async fn lease(&self) -> Result<Duration, PgError> {
        let rows = self.rows("SELECT lease_ms::bigint FROM cluster", &[]).await?;
        let row = rows.first().ok_or_else(|| PgError::gone("the schema has no cluster"))?;
        Ok(Duration::from_millis(get_number(row, 0)?))
    }
}
