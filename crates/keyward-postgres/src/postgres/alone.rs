//! Waiting for another program to leave the schema.

use std::time::Duration;

use keyward::gate::Expelling;
use keyward::time::ReadClock;

use super::PostgresStore;
use crate::open_error::OpenError;

/// How often it is looked whether the others are gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Added to the time that expelling takes, for the looks and the responses.
const MARGIN: Duration = Duration::from_secs(1);

impl PostgresStore {
    /// Waits until no other program serves from the schema, or none that expects to be alone if
    /// this is one of several; and expels the nodes of programs that were killed. To be called
    /// before a gate is opened, which is rejected otherwise. `clock` is the one that the gate goes
    /// by.
    ///
    /// ```no_run
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    /// use keyward_postgres::{OpenOptions, PostgresStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let options = OpenOptions::new("postgres://keyward@127.0.0.1/keyward".parse()?);
    /// let store = PostgresStore::open(&options).await?;
    /// # let clock = || Now::new(UnixMillis(1_800_000_000_000), SteadyNanos(0));
    /// store.wait_until_alone(&clock).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`OpenError::Occupied`] if another program still serves when a silent one would be
    /// expelled, and another [`OpenError`] if the server fails.
    pub async fn wait_until_alone(&self, clock: ReadClock<'_>) -> Result<(), OpenError> {
        let failed = |error| OpenError::failed(&self.connector().address, error);
        let mut others = self.nodes.others().await.map_err(failed)?;
        if others.is_empty() {
            return Ok(());
        }
        let mut expelling = Expelling::new(self.nodes.lease);
        let longest = expelling.longest() + MARGIN;
        tracing::warn!(
            nodes = others.join(", "),
            "Another server has this schema; waiting up to {} s for its end, which is also how \
             long it takes to know that it was killed",
            longest.as_secs()
        );
        let since = clock().steady;
        while !others.is_empty() {
            let turn = expelling.turn(&self.nodes, clock).await;
            turn.map_err(|source| OpenError::Failed {
                address: self.connector().address.to_string(),
                source,
            })?;
            others = self.nodes.others().await.map_err(failed)?;
            let waited = Duration::from_nanos(clock().steady.0.saturating_sub(since.0));
            if longest <= waited && !others.is_empty() {
                return Err(self.nodes.occupied(&others));
            }
            self.pause(LOOK_EVERY).await.map_err(failed)?;
        }
        tracing::info!("No other server has this schema any more");
        Ok(())
    }
}
