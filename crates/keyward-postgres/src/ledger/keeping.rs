//! The task that keeps a ledger: changes that this node has applied are noted, at most once a
//! second.
//!
//! Nothing waits for it: neither a request nor a change, nor the node's following. If it fails,
//! the missing changes are read from the database and go first at the next turn.

use std::fmt;
use std::time::Duration;

use keyward::audit::Mark;
use keyward_ledger::{Head, Ledger, LockFile, NoteError, Standing};
use tokio::sync::{Mutex, oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_postgres::Client;

use crate::pg_error::PgError;
use crate::session::{Connector, Purpose};

use super::facts::{self, News};

/// How long it rests after a note: changes that come one after the other share one.
const EVERY: Duration = Duration::from_secs(1);

/// A ledger that is kept.
pub(crate) struct Keeping {
    standing: Standing,
    task: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Keeping {
    /// Keeps this ledger as `applied` moves on, until it is told to stop.
    pub(crate) fn start(
        connector: &Connector,
        (ledger, lock): (Ledger, LockFile),
        applied: watch::Receiver<Mark>,
    ) -> Self {
        let standing = Standing::default();
        standing.set(ledger.head(), None);
        let (stop, stopped) = oneshot::channel();
        let task = Task {
            connector: connector.clone(),
            client: None,
            ledger: Some(ledger),
            standing: standing.clone(),
            applied,
            _lock: lock,
        };
        let task = connector.driver.spawn(task.run(stopped));
        Self { standing, task: Mutex::new(Some((stop, task))) }
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Notes the last change that is applied, and lets go of the file.
    pub(crate) async fn stop(&self) {
        let Some((stop, task)) = self.task.lock().await.take() else { return };
        drop(stop);
        // An error is that the thread is gone already.
        task.await.unwrap_or_default();
    }
}

impl fmt::Debug for Keeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeping").field("standing", &self.standing).finish_non_exhaustive()
    }
}

struct Task {
    connector: Connector,
    client: Option<Client>,
    /// Gone while it is written to.
    ledger: Option<Ledger>,
    standing: Standing,
    applied: watch::Receiver<Mark>,
    _lock: LockFile,
}

impl Task {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            let is_over = tokio::select! {
                biased;
                _ = &mut stopped => true,
                changed = self.applied.changed() => changed.is_err(),
            };
            self.turn().await;
            if is_over || self.ledger.is_none() {
                return;
            }
            tokio::select! {
                biased;
                _ = &mut stopped => {
                    self.turn().await;
                    return;
                }
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// Notes the changes that are applied, and says how that went.
    async fn turn(&mut self) {
        let mark = *self.applied.borrow_and_update();
        let Some(head) = self.ledger.as_ref().map(Ledger::head) else { return };
        if mark == Mark::START || (mark.change, mark.digest) == (head.change, head.digest) {
            return;
        }
        let noted = self.note(mark).await;
        let Some(ledger) = &self.ledger else {
            tracing::error!("The ledger is not kept any more: writing it ended in a panic");
            return;
        };
        let trouble = noted.err().map(|reason| {
            // It is tried again although nothing else may be applied.
            self.applied.mark_changed();
            format!("the ledger {} is not up to date: {reason}", ledger.path().display())
        });
        self.standing.set(ledger.head(), trouble);
    }

    async fn note(&mut self, mark: Mark) -> Result<(), String> {
        let said = |error: PgError| error.to_string();
        let Some(head) = self.ledger.as_ref().map(Ledger::head) else { return Ok(()) };
        // If the trail has lost it meanwhile, the node notices that, and goes on from elsewhere.
        let Some(news) = self.news(head, mark).await.map_err(said)? else { return Ok(()) };
        match self.write(news).await {
            Err(NoteError::Cut) => {}
            noted => return noted.map_err(|error| error.to_string()),
        }
        let Some(all) = self.news(Head::START, mark).await.map_err(said)? else {
            return Ok(());
        };
        self.write_all(all).await.map_err(|error| error.to_string())
    }

    async fn news(&mut self, head: Head, mark: Mark) -> Result<Option<News>, PgError> {
        let client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.connector.connect(Purpose::Reading).await?,
        };
        let news = facts::news(&client, head, Some(mark)).await?;
        self.client = Some(client);
        Ok(news)
    }

    async fn write(&mut self, news: News) -> Result<(), NoteError> {
        self.with(move |ledger| {
            ledger.note(&news.records, news.head)?;
            Ok(ledger.sync()?)
        })
        .await
    }

    async fn write_all(&mut self, all: News) -> Result<(), NoteError> {
        self.with(move |ledger| Ok(ledger.note_all(&all.records, all.head)?)).await
    }

    /// Writes on a thread for that, since this one is for the lease as well.
    async fn with(
        &mut self,
        work: impl FnOnce(&mut Ledger) -> Result<(), NoteError> + Send + 'static,
    ) -> Result<(), NoteError> {
        let Some(mut ledger) = self.ledger.take() else { return Ok(()) };
        let done = spawn_blocking(move || {
            let done = work(&mut ledger);
            (ledger, done)
        });
        match done.await {
            Ok((ledger, done)) => {
                self.ledger = Some(ledger);
                done
            }
            Err(_) => Ok(()),
        }
    }
}
