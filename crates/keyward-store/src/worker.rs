//! A thread that owns a connection and does what it is asked, one job after the other.
//!
//! SQLite blocks, so it must not run where async code does. What becomes of the jobs is up to the
//! writer and the reader, which hand their loops in.

use std::fmt;
use std::io;
use std::thread::{self, JoinHandle};

use keyward::store::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use crate::fault::Fault;

/// Most jobs that wait. Whoever comes when there are as many waits for room, without a thread.
const QUEUE_LEN: usize = 1_024;

/// Work for a thread: it is run with the connection, or told why it is not run.
pub(crate) type Job = Box<dyn FnOnce(Result<&Connection, StoreError>) -> Outcome + Send>;

/// What became of a job. Whoever asked for it hears nothing before [`Outcome::answer`].
pub(crate) struct Outcome {
    /// Whether what it did is to be kept.
    pub(crate) succeeded: bool,
    answer: Box<dyn FnOnce(Result<(), StoreError>)>,
}

impl Outcome {
    /// Answers whoever asked: with what the job returned if it is `kept`, else with the error.
    pub(crate) fn answer(self, kept: Result<(), StoreError>) {
        (self.answer)(kept);
    }
}

/// What travels to the thread.
enum Message {
    Run(Job),
    Stop,
}

/// The thread's end of the queue.
pub(crate) struct Queue(mpsc::Receiver<Message>);

impl Queue {
    /// Waits for a job. Returns `None` when the worker was stopped or dropped, and every job that
    /// was queued before is done.
    pub(crate) fn next(&mut self) -> Option<Job> {
        loop {
            match self.0.blocking_recv()? {
                Message::Run(job) => return Some(job),
                Message::Stop => self.0.close(),
            }
        }
    }

    /// A job that is waiting already.
    pub(crate) fn waiting(&mut self) -> Option<Job> {
        loop {
            match self.0.try_recv().ok()? {
                Message::Run(job) => return Some(job),
                Message::Stop => self.0.close(),
            }
        }
    }
}

/// A thread and the way to it. Dropping it waits until the thread has done what was queued.
pub(crate) struct Worker {
    /// Declared before the thread, hence dropped before it, which ends the thread.
    queue: mpsc::Sender<Message>,
    thread: Thread,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queued = self.queue.max_capacity() - self.queue.capacity();
        f.debug_struct("Worker").field("queued", &queued).finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts a thread that runs `work` until the queue says that there is no more.
    ///
    /// # Errors
    ///
    /// Returns the system's error if it has no thread left.
    pub(crate) fn start(
        name: &str,
        work: impl FnOnce(&mut Queue) + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE_LEN);
        let (running, runs) = watch::channel(());
        let run = move || {
            // Declared first, dropped last: whoever waits for it finds all else gone, even if
            // there was a panic. The jobs that a panic leaves are dropped, which answers them.
            let _runs = runs;
            let mut queue = Queue(jobs);
            work(&mut queue);
        };
        let handle = thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self { queue, thread: Thread { running, handle: Some(handle) } })
    }

    /// Runs `work` in the thread and waits for what it returns. Work that was queued is done even
    /// if nobody waits for it any more.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the work fails, was not kept, or there is no thread to do it.
    pub(crate) async fn call<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(|connection| {
            let result = connection.and_then(|connection| Ok(work(connection)?));
            let succeeded = result.is_ok();
            let answer = |kept: Result<(), StoreError>| {
                // Nobody listens if the caller's future was dropped.
                drop(tell.send(result.and_then(|value| kept.map(|()| value))));
            };
            Outcome { succeeded, answer: Box::new(answer) }
        });
        let gone =
            || StoreError::Unavailable("the store is closed, or its thread broke down".into());
        self.queue.send(Message::Run(job)).await.map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }

    /// Stops the thread and waits until it has ended. What was queued before is done; what comes
    /// later is refused. Stopping twice is fine.
    pub(crate) async fn stop(&self) {
        // A thread that takes no message has ended, or is about to.
        drop(self.queue.send(Message::Stop).await);
        self.thread.running.closed().await;
    }
}

/// A thread that is waited for when this is dropped.
struct Thread {
    /// Closed when the thread has ended.
    running: watch::Sender<()>,
    handle: Option<JoinHandle<()>>,
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            // If it ended in a panic, the callers were told and the panic was printed.
            drop(handle.join());
        }
    }
}
