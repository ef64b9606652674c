//! The task that makes changes: the changes that came while one batch was written are the next one.
//!
//! A batch is a transaction of two round trips. The first takes the lock by which all programs take
//! turns, and looks up what deciding has to know; then the core decides about each change, and the
//! second writes everything and commits. Changes that came while the lock was waited for join the
//! batch, at one round trip for all of them.

use std::collections::VecDeque;

use keyward::audit::{AuditEntry, ChainDigest};
use keyward::rules::{self, Committed, Decision, Facts};
use keyward::store::StoreError;
use tokio::sync::mpsc;
use tokio_postgres::Client;

use crate::audit::{DIGEST, link};
use crate::columns::{get, number};
use crate::look::{Begun, Lookups, Wanted};
use crate::merge::Merged;
use crate::pg_error::PgError;
use crate::queue::{Job, Queue};
use crate::session::{Connector, PLANNED_ONCE, Purpose};
use crate::sql::{Value, query, query_one};
use crate::write::{WITHOUT_END, Writing};

/// How often a batch is tried whose connection broke before anything was to be committed: the
/// server may have been restarted since the last one.
const TRIES_MAX: u32 = 2;

/// A connection with its statements.
struct Session {
    client: Client,
    lookups: Lookups,
    writing: Writing,
}

/// Why a batch was not committed, or may not have been.
enum Fault {
    /// Nothing of it is written.
    Undone(PgError),
    /// It was sent, and the connection broke before the end of COMMIT was heard. This is the first
    /// entry that it wrote.
    Unknown(PgError, Box<AuditEntry>),
}

impl From<PgError> for Fault {
    fn from(error: PgError) -> Self {
        Self::Undone(error)
    }
}

/// Makes changes until no more can come.
pub(crate) struct Writer {
    connector: Connector,
    session: Option<Session>,
    queue: Queue,
}

impl Writer {
    /// A writer that has no connection yet.
    pub(crate) fn new(connector: Connector, jobs: mpsc::UnboundedReceiver<Job>) -> Self {
        Self { connector, session: None, queue: Queue::new(jobs) }
    }

    /// Works until all senders of jobs are gone, and all jobs are done.
    pub(crate) async fn run(mut self) {
        while let Some(batch) = self.queue.gather().await {
            self.work(batch).await;
        }
    }

    /// Makes these changes, and replies to each.
    async fn work(&mut self, batch: Vec<Job>) {
        let (batch, error) = match self.attempt(batch).await {
            Ok(()) => return,
            Err(failed) => failed,
        };
        if 1 < batch.len() && error.is_of_content() {
            // One of them is to blame, and the others are not to suffer.
            for job in batch {
                if let Err((alone, error)) = self.attempt(vec![job]).await {
                    fail(alone, error);
                }
            }
        } else {
            fail(batch, error);
        }
    }

    /// Makes these changes, all or none, and replies to each; or returns those without a reply, of
    /// which nothing is written.
    async fn attempt(&mut self, mut batch: Vec<Job>) -> Result<(), (Vec<Job>, PgError)> {
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match Box::pin(self.transact(&mut batch)).await {
                Ok(done) => {
                    done.into_iter().for_each(|(job, result)| job.reply(result));
                    return Ok(());
                }
                Err((done, fault)) => {
                    let (error, is_committed) = Box::pin(self.settle(fault)).await;
                    if is_committed == Some(true) {
                        done.into_iter().for_each(|(job, result)| job.reply(result));
                        return Ok(());
                    }
                    // The decisions are void.
                    let decided = done.into_iter().map(|(job, _)| job);
                    batch = decided.chain(std::mem::take(&mut batch)).collect();
                    if is_committed.is_none() {
                        fail(batch, error);
                        return Ok(());
                    }
                    error
                }
            };
            if !error.is_gone() || tries == TRIES_MAX {
                return Err((batch, error));
            }
        }
    }

    /// Ends the session after a fault where it must, and finds out whether the batch is committed:
    /// `None` is that nothing can be known.
    async fn settle(&mut self, fault: Fault) -> (PgError, Option<bool>) {
        match fault {
            Fault::Undone(error) => {
                self.roll_back(&error).await;
                (error, Some(false))
            }
            Fault::Unknown(error, first) => {
                self.session = None;
                match self.is_committed(&first).await {
                    Ok(is_committed) => (error, Some(is_committed)),
                    Err(_) => {
                        // It may be in the middle of a transaction.
                        self.session = None;
                        (error, None)
                    }
                }
            }
        }
    }

    /// Rolls back the open transaction, so that the session can go on, or ends it.
    async fn roll_back(&mut self, error: &PgError) {
        let Some(session) = &self.session else { return };
        if error.is_gone() || session.client.batch_execute("ROLLBACK").await.is_err() {
            self.session = None;
        }
    }

    /// Whether a batch with this first entry was committed, asked on a new connection. The lock is
    /// waited for: the server may still be committing it, and holds that lock meanwhile.
    async fn is_committed(&mut self, first: &AuditEntry) -> Result<bool, PgError> {
        const LOCK: &str = "SELECT change_id FROM cluster FOR UPDATE";
        const TOUCH: &str = "UPDATE cluster SET change_id = change_id";
        let client = &connect(&self.connector, &mut self.session).await?.client;
        client.batch_execute("BEGIN").await?;
        query_one(client, LOCK, &[]).await?;
        let id = Value::Number(number(first.id.0)?);
        let rows = query(client, DIGEST, &[id]).await?;
        // A standby that is waited for has all that was written before, when it has this.
        client.batch_execute(TOUCH).await?;
        commit(client).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        let digest: ChainDigest = link(get(row, 0)?);
        Ok(digest == first.digest)
    }

    /// One transaction. Jobs that have to wait for it are put back; the decided ones come
    /// with their results, which hold if it is committed.
    async fn transact(&mut self, batch: &mut Vec<Job>) -> Result<Results, (Results, Fault)> {
        let mut done = Vec::new();
        let Self { connector, session, queue } = self;
        let session = match connect(connector, session).await {
            Ok(session) => session,
            Err(error) => return Err((done, error.into())),
        };
        let Session { client, writing, .. } = session;
        let Begun { mut facts, has_standby } = match begin(session, queue, batch).await {
            Ok(begun) => begun,
            Err(error) => return Err((done, error.into())),
        };
        let mut merged = Merged::default();
        let mut left = VecDeque::from(std::mem::take(batch));
        while let Some(job) = left.pop_front() {
            match decide(session, &job, &mut facts, &mut merged).await {
                Ok(Some(result)) => done.push((job, result)),
                Ok(None) => {
                    left.push_front(job);
                    break;
                }
                Err(error) => {
                    left.push_front(job);
                    batch.extend(left);
                    return Err((done, error.into()));
                }
            }
        }
        if merged.is_empty() {
            if let Err(error) = end(client, has_standby).await {
                batch.extend(left);
                return Err((done, error.into()));
            }
        } else {
            let first = merged.entries.first().cloned();
            if let Err(error) = writing.commit(client, merged).await {
                batch.extend(left);
                return Err((done, Fault::of(error, first)));
            }
        }
        queue.put_back(left);
        Ok(done)
    }
}

/// Jobs with their results.
type Results = Vec<(Job, Result<Committed, StoreError>)>;

impl Fault {
    /// The fault of writing a batch, of which this is the first entry.
    fn of(error: PgError, first: Option<AuditEntry>) -> Self {
        match first {
            Some(first) if error.is_gone() => Self::Unknown(error, Box::new(first)),
            Some(_) | None => Self::Undone(error),
        }
    }
}

/// The session, which is made anew if there is none.
async fn connect<'a>(
    connector: &Connector,
    session: &'a mut Option<Session>,
) -> Result<&'a Session, PgError> {
    let there = match session.take().filter(|session| !session.client.is_closed()) {
        Some(there) => there,
        None => {
            let client = connector.connect(Purpose::Writing).await?;
            client.batch_execute(PLANNED_ONCE).await?;
            let lookups = Lookups::prepare(&client).await?;
            let writing = Writing::prepare(&client, connector.schema.as_str()).await?;
            Session { client, lookups, writing }
        }
    };
    Ok(session.insert(there))
}

/// Begins a transaction that has the lock, and looks up what deciding about the batch needs, and
/// about the jobs that came by then.
///
/// The look-ups of the batch are sent with the request for the lock: where no other program has it,
/// that is one round trip.
async fn begin(
    session: &Session,
    queue: &mut Queue,
    batch: &mut Vec<Job>,
) -> Result<Begun, PgError> {
    let Session { client, lookups, .. } = session;
    let nothing = Facts::new(rules::Progress {
        // Others may have changed anything since: every entry and every id is looked up.
        change: keyward::audit::ChangeId(u64::MAX),
        digest: ChainDigest::START,
        key: keyward::KeyId::new(keyward::record::KEY_ID_MAX),
        tier: None,
    });
    let mut begun = lookups.begin(client, wanted(batch, &nothing)).await?;
    let known = batch.len();
    queue.join(batch);
    if let Some(joined) = batch.get(known..).filter(|joined| !joined.is_empty()) {
        lookups.more(client, wanted(joined, &begun.facts), &mut begun.facts).await?;
    }
    Ok(begun)
}

/// Ends a transaction that has the lock and wrote nothing.
///
/// It need not wait for the disk: the change that it has read let go of the lock when it was on
/// disk. A standby may lack it, though, where a commit was not waited for to its end: the server
/// was restarted meanwhile, or an administrator ended that session. COMMIT of this one waits until
/// the standby has all from before, since to lock a row is to write.
async fn end(client: &Client, has_standby: bool) -> Result<(), PgError> {
    if has_standby { commit(client).await } else { Ok(client.batch_execute("ROLLBACK").await?) }
}

/// Ends a transaction, however long that takes.
async fn commit(client: &Client) -> Result<(), PgError> {
    Ok(client.batch_execute(&format!("{WITHOUT_END}; COMMIT")).await?)
}

/// All that deciding about these jobs needs, as far as that is known before it is looked up.
fn wanted(jobs: &[Job], facts: &Facts) -> Wanted {
    let mut wanted = Wanted::default();
    for Job { change, audit, .. } in jobs {
        rules::needs(change, audit, facts).into_iter().for_each(|lookup| wanted.add(lookup));
    }
    wanted
}

/// Has the core decide about a job, and adds what it writes. `None` is that something has to be
/// looked up which changes before it in the batch may have altered: it has to wait for them.
async fn decide(
    session: &Session,
    job: &Job,
    facts: &mut Facts,
    merged: &mut Merged,
) -> Result<Option<Result<Committed, StoreError>>, PgError> {
    let Job { change, audit, .. } = job;
    loop {
        let needs = rules::needs(change, audit, facts);
        if needs.is_empty() {
            break;
        }
        if !merged.is_empty() {
            return Ok(None);
        }
        let mut wanted = Wanted::default();
        needs.into_iter().for_each(|lookup| wanted.add(lookup));
        session.lookups.more(&session.client, wanted, facts).await?;
    }
    let Decision { writes, outcome } = match rules::decide(change.clone(), audit, facts) {
        Ok(decision) => decision,
        Err(error) => return Ok(Some(Err(error.into()))),
    };
    facts.apply(&writes);
    let newest = writes.progress.mark();
    merged.add(writes);
    Ok(Some(Ok(Committed { newest, outcome })))
}

/// Tells each of these jobs of the same error.
fn fail(batch: Vec<Job>, error: PgError) {
    let told = error.to_string();
    let mut first = Some(error);
    for job in batch {
        let error = first
            .take()
            .map_or_else(|| StoreError::Unavailable(told.clone().into()), StoreError::from);
        job.reply(Err(error));
    }
}
