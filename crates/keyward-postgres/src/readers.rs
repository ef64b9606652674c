//! Connections that read, a few for all.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_postgres::Client;

use crate::pg_error::PgError;
use crate::session::{Connector, Purpose};

/// How many there are, at most.
pub(crate) const READERS: usize = 4;

/// The connections that read. Each is made when it is needed, and kept.
#[derive(Debug)]
pub(crate) struct Readers {
    connector: Connector,
    idle: Arc<Mutex<Vec<Client>>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    /// Without a connection yet.
    pub(crate) fn new(connector: Connector) -> Self {
        let turns = Arc::new(Semaphore::new(READERS));
        Self { connector, idle: Arc::default(), turns }
    }

    /// Waits for a connection.
    pub(crate) async fn take(&self) -> Result<Reader, PgError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| PgError::gone("the store is closed"))?;
        let kept = self.kept();
        let client = match kept {
            Some(client) => client,
            None => self.connector.connect(Purpose::Reading).await?,
        };
        Ok(Reader { client, idle: Arc::clone(&self.idle), _turn: turn })
    }

    /// Waits for a connection, and begins to read everything as of one instant.
    pub(crate) async fn begin(&self) -> Result<Reader, PgError> {
        let reader = self.take().await?;
        reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        Ok(reader)
    }

    /// A connection that was used before, and that the server has not closed meanwhile.
    fn kept(&self) -> Option<Client> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(client) = idle.pop() {
            if !client.is_closed() {
                return Some(client);
            }
        }
        None
    }

    /// Waits until all that read are done, and lets no more read.
    pub(crate) async fn close(&self) {
        let all = u32::try_from(READERS).unwrap_or(u32::MAX);
        // An error is that they are closed already.
        drop(self.turns.acquire_many(all).await);
        self.turns.close();
    }
}

/// A connection. If it is not given back, because reading failed or no caller waits any more, it is
/// closed, and its transaction ends.
pub(crate) struct Reader {
    client: Client,
    idle: Arc<Mutex<Vec<Client>>>,
    _turn: OwnedSemaphorePermit,
}

impl Reader {
    /// Gives it back: nothing is open on it.
    pub(crate) fn done(self) {
        let Self { client, idle, _turn } = self;
        idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
    }

    /// Ends the instant of [`Readers::begin`], and gives it back.
    pub(crate) async fn end(self) -> Result<(), PgError> {
        self.client.batch_execute("COMMIT").await?;
        self.done();
        Ok(())
    }
}

impl Deref for Reader {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
