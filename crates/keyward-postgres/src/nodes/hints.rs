//! Hints that something may have changed: a connection that listens.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::pg_error::PgError;
use crate::session::Connector;

/// Pauses before a connection is made anew.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// What listens, from the first time on that a hint is waited for.
pub(super) struct Hints {
    connector: Connector,
    /// How long a connection may be silent until it is asked whether it is there.
    silence: Duration,
    hinted: Arc<Notify>,
    /// Locked for one look.
    listening: Mutex<Option<AbortHandle>>,
}

impl Hints {
    pub(super) fn new(connector: Connector, silence: Duration) -> Self {
        Self { connector, silence, hinted: Arc::default(), listening: Mutex::default() }
    }

    /// Returns when something may have changed since it returned last.
    pub(super) async fn next(&self) {
        {
            let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
            if listening.is_none() {
                let (connector, silence) = (self.connector.clone(), self.silence);
                let listen = listen(connector, silence, Arc::clone(&self.hinted));
                *listening = Some(self.connector.driver.spawn(listen).abort_handle());
            }
        }
        self.hinted.notified().await;
    }
}

impl Drop for Hints {
    fn drop(&mut self) {
        let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner).take();
        listening.iter().for_each(AbortHandle::abort);
    }
}

/// Listens for ever. A connection that breaks is made anew: hints may have been lost then.
async fn listen(connector: Connector, silence: Duration, hinted: Arc<Notify>) {
    let mut pause = RETRY_MIN;
    loop {
        let heard = listen_once(&connector, silence, &hinted).await;
        tracing::debug!(error = ?heard.as_ref().err(), "The connection that listens ended");
        pause = if heard.is_ok() { RETRY_MIN } else { (pause * 2).min(RETRY_MAX) };
        sleep(pause).await;
    }
}

/// Listens until the connection breaks.
async fn listen_once(
    connector: &Connector,
    silence: Duration,
    hinted: &Arc<Notify>,
) -> Result<(), PgError> {
    let late = |_| PgError::gone("there was no response in time");
    let begin = async {
        let (client, ended) = connector.connect_to_listen(hinted).await?;
        client.batch_execute(&format!("LISTEN {}", connector.schema.as_str())).await?;
        Ok::<_, PgError>((client, ended))
    };
    let (client, mut ended) = timeout(silence, begin).await.map_err(late)??;
    hinted.notify_one();
    while timeout(silence, &mut ended).await.is_err() {
        let asked = timeout(silence, client.batch_execute("")).await;
        if !asked.is_ok_and(|asked| asked.is_ok()) {
            break;
        }
    }
    hinted.notify_one();
    Ok(())
}
