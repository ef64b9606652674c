//! One connection that decides about asks, a batch after the other: the asks that came while one
//! was under way are the next one.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyward::ticket::{Ask, Batch, Keeping, Place, Ticket};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::error::SqlState;

use crate::pg_error::PgError;
use crate::session::{Connector, Purpose};

use super::session::{Locked, Session};
use super::slow::SlowBuckets;
use super::whole::begin_table;

/// Most asks of a batch.
const ASKS_MAX: usize = 100;
/// Most buckets of a batch, so that its locks are soon free for others.
const BUCKETS_MAX: usize = 128;
/// How often a batch is tried of which nothing was to be committed yet: its locks were a deadlock
/// with another one's, its connection was closed while it was idle, or its table had to be begun.
const TRIES_MAX: u32 = 3;

/// An ask, and where its ticket goes.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) ask: Ask,
    pub(super) reply: oneshot::Sender<Ticket>,
}

impl Asked {
    fn reply(self, ticket: Ticket) {
        // A request that has given up does not mind.
        self.reply.send(ticket).unwrap_or_default();
    }
}

/// Decides until no more asks can come.
pub(super) struct Lane {
    connector: Connector,
    lease: Duration,
    session: Option<Session>,
    queue: mpsc::UnboundedReceiver<Asked>,
    /// Asks that came and have no batch yet.
    waiting: VecDeque<Asked>,
    slow: Arc<Mutex<SlowBuckets>>,
}

/// Why a batch was not decided.
enum Fault {
    /// Nothing of it is committed.
    Undone(PgError),
    /// The table of brief rows has to be begun.
    NotWhole,
    /// COMMIT was sent.
    Unknown(PgError),
}

impl From<PgError> for Fault {
    fn from(error: PgError) -> Self {
        Self::Undone(error)
    }
}

impl Lane {
    pub(super) fn new(
        connector: Connector,
        lease: Duration,
        queue: mpsc::UnboundedReceiver<Asked>,
        slow: Arc<Mutex<SlowBuckets>>,
    ) -> Self {
        Self { connector, lease, session: None, queue, waiting: VecDeque::new(), slow }
    }

    /// Works until all senders of asks are gone, and all asks are decided.
    pub(super) async fn run(mut self) {
        // Before the first ask, whose request would give up meanwhile. After a failure it tries
        // anew.
        self.connect().await.unwrap_or_else(|error| {
            tracing::debug!(%error, "No connection to the database of limits yet");
        });
        while let Some(batch) = self.gather().await {
            self.work(batch).await;
        }
    }

    /// The asks of the next batch, in order: all that wait, as far as they fit. None is waited for
    /// longer than until the last batch is done.
    async fn gather(&mut self) -> Option<Vec<Asked>> {
        if self.waiting.is_empty() {
            self.waiting.push_back(self.queue.recv().await?);
        }
        while self.waiting.len() < ASKS_MAX
            && let Ok(asked) = self.queue.try_recv()
        {
            self.waiting.push_back(asked);
        }
        let (mut batch, mut places) = (Vec::new(), BTreeSet::new());
        while batch.len() < ASKS_MAX
            && let Some(asked) = self.waiting.pop_front()
        {
            let mut all = places.clone();
            all.extend(asked.ask.places());
            if BUCKETS_MAX < all.len() && !batch.is_empty() {
                self.waiting.push_front(asked);
                break;
            }
            places = all;
            batch.push(asked);
        }
        Some(batch)
    }

    /// Decides about these asks, and replies to each.
    async fn work(&mut self, mut batch: Vec<Asked>) {
        for _ in 0..TRIES_MAX {
            batch.retain(|asked| !asked.reply.is_closed());
            if batch.is_empty() {
                return;
            }
            let fault = match Box::pin(self.transact(&mut batch)).await {
                Ok(tickets) => {
                    batch.into_iter().zip(tickets).for_each(|(asked, ticket)| asked.reply(ticket));
                    return;
                }
                Err(fault) => fault,
            };
            if !self.can_repeat(fault).await {
                break;
            }
        }
        batch.into_iter().for_each(|asked| asked.reply(Ticket::Unavailable));
    }

    /// Ends the transaction or the session after a fault, and says whether the batch may be tried
    /// again: never one whose COMMIT was sent, which may have taken.
    async fn can_repeat(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::Unknown(error) => {
                tracing::debug!(%error, "a batch of tickets may or may not have taken");
                self.session = None;
                false
            }
            Fault::NotWhole => {
                self.roll_back().await;
                match &self.session {
                    Some(session) => begin_table(&session.client, self.lease).await.is_ok(),
                    None => true,
                }
            }
            Fault::Undone(PgError::Gone(error)) => {
                tracing::debug!(%error, "a batch of tickets took nothing");
                // A connection that could not be made is not tried again for the same batch.
                self.session.take().is_some()
            }
            Fault::Undone(PgError::Rejected(error)) => {
                tracing::debug!(%error, "a batch of tickets took nothing");
                self.roll_back().await;
                error.code == SqlState::T_R_DEADLOCK_DETECTED
            }
            Fault::Undone(PgError::Inconsistent(error)) => {
                tracing::warn!(error, "a batch of tickets took nothing");
                self.roll_back().await;
                false
            }
        }
    }

    async fn roll_back(&mut self) {
        let Some(session) = &self.session else { return };
        if session.client.batch_execute("ROLLBACK").await.is_err() {
            self.session = None;
        }
    }

    /// One transaction. Asks whose request has given up are taken out of the batch before it is
    /// decided; the tickets are those of the others, and hold since it is committed.
    async fn transact(&mut self, batch: &mut Vec<Asked>) -> Result<Vec<Ticket>, Fault> {
        let places: BTreeSet<Place> = batch.iter().flat_map(|asked| asked.ask.places()).collect();
        let places: Vec<Place> = places.into_iter().collect();
        self.connect().await?;
        let Some(session) = &self.session else { return Err(PgError::gone("it is").into()) };
        let Locked { at, waited, whole_since, rows } = session.lock(&places).await?;
        {
            let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
            slow.note(at, waited, places.iter().map(|place| &place.bucket));
        }
        let is_brief = places.iter().any(|place| place.keeping == Keeping::Brief);
        if is_brief && whole_since.is_none() {
            return Err(Fault::NotWhole);
        }
        batch.retain(|asked| !asked.reply.is_closed());
        let mut decided = Batch::new(at, whole_since, rows);
        let tickets = batch.iter().map(|asked| decided.decide(&asked.ask)).collect();
        let writes: Vec<_> = decided.writes().collect();
        session.commit(&writes).await.map_err(Fault::Unknown)?;
        Ok(tickets)
    }

    /// Makes a session if there is none.
    async fn connect(&mut self) -> Result<(), PgError> {
        if self.session.as_ref().is_none_or(|session| session.client.is_closed()) {
            self.session = None;
            let client = self.connector.connect(Purpose::Ticketing).await?;
            self.session = Some(Session::prepare(client).await?);
        }
        Ok(())
    }
}
