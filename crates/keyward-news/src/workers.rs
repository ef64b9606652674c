//! Threads that own connections and answer questions about them, one after the other.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::ArticlesError;

/// A question, with the place for its answer inside.
type Question = Box<dyn FnOnce(&mut Connection) + Send>;

/// Threads with one connection each, and the queue that feeds all of them.
///
/// Dropping it lets the threads finish what was asked and waits for them; answers that nobody
/// waits for any more are not looked up.
#[derive(Debug)]
pub(crate) struct Workers {
    /// `None` only while dropping.
    queue: Option<SyncSender<Question>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts a thread for each connection, and lets up to `waiting_max` questions wait.
    pub(crate) fn start(
        name: &str,
        connections: Vec<Connection>,
        waiting_max: usize,
    ) -> Result<Self, ArticlesError> {
        let (queue, questions) = sync_channel(waiting_max);
        // A blocking lock, and a thread holds it while it waits for the next question: then the
        // others have nothing to do either. It is never held while a question is answered, so no
        // panic can poison it; there is nothing inside that could be left half-done.
        let questions = Arc::new(Mutex::new(questions));
        let mut workers = Self { queue: Some(queue), threads: Vec::new() };
        for connection in connections {
            let questions = Arc::clone(&questions);
            let answering = move || answer(&questions, connection);
            let thread = thread::Builder::new().name(name.to_owned()).spawn(answering);
            workers.threads.push(thread.map_err(ArticlesError::Thread)?);
        }
        Ok(workers)
    }

    /// Asks, and waits for the answer without holding up the async thread.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        asked: Asked,
        question: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ArticlesError> {
        let (reply, answer) = oneshot::channel();
        let question = move |connection: &mut Connection| {
            if asked == Asked::ToRead && reply.is_closed() {
                return;
            }
            // It comes back if the asker has gone, who then does not need it.
            drop(reply.send(question(connection)));
        };
        let queue = self.queue.as_ref().ok_or(ArticlesError::Closed)?;
        queue.try_send(Box::new(question)).map_err(|error| match error {
            TrySendError::Full(_) => ArticlesError::Busy,
            TrySendError::Disconnected(_) => ArticlesError::Closed,
        })?;
        Ok(answer.await.map_err(|_| ArticlesError::Closed)??)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("A thread of the articles ended early");
            }
        }
    }
}

/// What a question does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It reads: if the asker has gone before its turn, it is passed over.
    ToRead,
    /// It writes: once it waits, it is done.
    ToWrite,
}

fn answer(questions: &Mutex<Receiver<Question>>, mut connection: Connection) {
    loop {
        let next = questions.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(question) => question(&mut connection),
            Err(_) => return,
        }
    }
}
