//! Threads that own a connection each and run jobs, one after the other.
//!
//! SQLite blocks, so it must not run where async code does. The outcome of the jobs is up to the
//! writer and the readers, which hand their loops in.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use keyward::store::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use crate::sql_error::SqlError;

/// Most jobs that wait. A caller that comes when there are as many waits for room, without a
/// thread.
const QUEUE_LEN: usize = 1_024;

/// It is called with the connection, or with the error that there is none.
type Work = Box<dyn FnOnce(Result<&Connection, StoreError>) -> Reply + Send>;

/// Work for a thread.
pub(crate) struct Job {
    run: Work,
    /// How much it writes.
    pub(crate) size: Size,
}

/// How much a job writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// A few rows.
    Small,
    /// So many pages that a savepoint of its own costs more than a commit of its own: SQLite
    /// copies each page that is changed within one, and each statement walks along the copies.
    Large,
}

impl Size {
    /// Rows from which on a job is large.
    const LARGE_ROWS: usize = 64;

    /// The size of a job that writes so many rows.
    pub(crate) fn of(rows: usize) -> Self {
        if rows < Self::LARGE_ROWS { Self::Small } else { Self::Large }
    }
}

impl Job {
    /// Runs it with the connection, or reports to it why it is not run.
    pub(crate) fn run(self, connection: Result<&Connection, StoreError>) -> Reply {
        (self.run)(connection)
    }
}

/// The reply to the caller of a job, which gets nothing before [`Reply::send`].
pub(crate) struct Reply {
    /// Whether its writes are to be kept.
    pub(crate) succeeded: bool,
    send: Box<dyn FnOnce(Result<(), StoreError>)>,
}

impl Reply {
    /// Sends it: with the job's result if it is `kept`, else with the error.
    pub(crate) fn send(self, kept: Result<(), StoreError>) {
        (self.send)(kept);
    }
}

/// A message to the thread.
enum Message {
    Run(Job),
    Stop,
}

/// The threads' end of the queue.
///
/// The lock lets one thread at a time wait for a job; it is not held while a job runs. There is
/// nothing in it that a panic could leave half done, so a poisoned one is taken.
pub(crate) struct Queue(Arc<Mutex<mpsc::Receiver<Message>>>);

impl Queue {
    /// Waits for a job. Returns `None` when the worker was stopped or dropped, and every job that
    /// was queued before is taken.
    pub(crate) fn next(&mut self) -> Option<Job> {
        let mut jobs = self.jobs();
        loop {
            match jobs.blocking_recv()? {
                Message::Run(job) => return Some(job),
                Message::Stop => jobs.close(),
            }
        }
    }

    /// A job that is waiting already.
    pub(crate) fn waiting(&mut self) -> Option<Job> {
        let mut jobs = self.jobs();
        loop {
            match jobs.try_recv().ok()? {
                Message::Run(job) => return Some(job),
                Message::Stop => jobs.close(),
            }
        }
    }

    fn jobs(&self) -> MutexGuard<'_, mpsc::Receiver<Message>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Threads and the way to them. Dropping it waits until they have done the queued jobs.
pub(crate) struct Worker {
    /// Declared before the threads, hence dropped before them, which ends them.
    queue: mpsc::Sender<Message>,
    /// Closed when all threads have ended.
    running: watch::Sender<()>,
    /// Held for being dropped.
    threads: Vec<Thread>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queued = self.queue.max_capacity() - self.queue.capacity();
        f.debug_struct("Worker")
            .field("threads", &self.threads.len())
            .field("queued", &queued)
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts a thread for each of `works`, which runs until the queue says that there is no more.
    ///
    /// # Errors
    ///
    /// Returns the system's error if it has no thread left.
    pub(crate) fn start<W>(name: &str, works: impl IntoIterator<Item = W>) -> io::Result<Self>
    where
        W: FnOnce(&mut Queue) + Send + 'static,
    {
        let (queue, jobs) = mpsc::channel(QUEUE_LEN);
        let (running, runs) = watch::channel(());
        let jobs = Arc::new(Mutex::new(jobs));
        // Whole from the beginning: if the system has too few threads, dropping it ends the first.
        let mut worker = Self { queue, running, threads: Vec::new() };
        for work in works {
            let (runs, jobs) = (runs.clone(), Arc::clone(&jobs));
            let run = move || {
                // Declared first, dropped last: when a waiter sees it dropped all else is gone,
                // even after a panic. The jobs that a panic leaves in the queue are dropped, which
                // wakes their callers.
                let _runs = runs;
                let mut queue = Queue(jobs);
                work(&mut queue);
            };
            let handle = thread::Builder::new().name(name.to_owned()).spawn(run)?;
            worker.threads.push(Thread(Some(handle)));
        }
        Ok(worker)
    }

    /// Runs `work` in a thread and waits for its result. Queued work is done even if no caller
    /// waits for it any more.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the work fails, was not kept, or there is no thread to do it.
    pub(crate) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, SqlError> + Send + 'static,
    {
        self.call_sized(Size::Small, work).await
    }

    /// As [`Worker::call`], for work of this size.
    ///
    /// # Errors
    ///
    /// As [`Worker::call`].
    pub(crate) async fn call_sized<T, F>(&self, size: Size, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, SqlError> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let run = Box::new(|connection: Result<&Connection, StoreError>| {
            let result = connection.and_then(|connection| Ok(work(connection)?));
            let succeeded = result.is_ok();
            let send = |kept: Result<(), StoreError>| {
                // The receiver is gone if the caller's future was dropped.
                drop(tell.send(result.and_then(|value| kept.map(|()| value))));
            };
            Reply { succeeded, send: Box::new(send) }
        });
        let gone =
            || StoreError::Unavailable("the store is closed, or its thread broke down".into());
        self.queue.send(Message::Run(Job { run, size })).await.map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }

    /// Whether there is a thread to do work: it was not stopped and did not break down.
    pub(crate) fn is_running(&self) -> bool {
        !self.queue.is_closed()
    }

    /// Stops the threads and waits until they have ended. Jobs queued before are done; later ones
    /// are rejected. Stopping twice is fine.
    pub(crate) async fn stop(&self) {
        // Threads that take no message have ended, or are about to.
        drop(self.queue.send(Message::Stop).await);
        self.running.closed().await;
    }
}

/// A thread that is waited for when this is dropped.
struct Thread(Option<JoinHandle<()>>);

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            // If it ended in a panic, the callers got errors and the panic was printed.
            drop(handle.join());
        }
    }
}
