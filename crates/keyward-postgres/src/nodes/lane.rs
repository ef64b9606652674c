//! A connection for one thing at a time, with a limit of time for each.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex as Turn;
use tokio::time::timeout;

use crate::pg_error::PgError;
use crate::session::Connector;

use super::session::Session;

/// Work on a connection.
pub(super) type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, PgError>> + Send + 'a>>;

/// A connection, which is made anew after anything failed on it.
pub(super) struct Lane {
    connector: Connector,
    session: Arc<Turn<Option<Session>>>,
}

impl Lane {
    /// Without a connection yet.
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, session: Arc::default() }
    }

    /// Does something, connecting and waiting for its turn included, within a time: a connection on
    /// which nothing comes any more must not be waited for until it breaks.
    pub(super) async fn run<T, F>(&self, within: Duration, work: F) -> Result<T, PgError>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a Session) -> Work<'a, T> + Send + 'static,
    {
        let (session, connector) = (Arc::clone(&self.session), self.connector.clone());
        let done = async move {
            let mut turn = session.lock().await;
            let open = match turn.take().filter(|open| !open.client.is_closed()) {
                Some(open) => open,
                None => Session::open(&connector).await?,
            };
            let done = work(&open).await;
            if done.is_ok() {
                *turn = Some(open);
            }
            done
        };
        // Dropped when the time has passed, and the connection with it.
        let done = self.connector.driver.run(async move {
            let late = |_| Err(PgError::gone("there was no response in time"));
            timeout(within, done).await.unwrap_or_else(late)
        });
        done.await
    }
}
