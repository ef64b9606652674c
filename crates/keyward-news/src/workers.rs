//! Threads that own connections and run queries on them, one after the other.

mod queue;

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use self::queue::{Queue, QueueError};
use crate::error::ArticlesError;

/// A query, with the sender of its result inside.
type Question = Box<dyn FnOnce(&mut Connection) + Send>;

/// Threads with one connection each, and the queue that feeds all of them.
///
/// Dropping it lets the threads finish the queued queries and waits for them; queries whose caller
/// is gone are not run.
#[derive(Debug)]
pub(crate) struct Workers {
    questions: Arc<Queue<Question>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts a thread for each connection, and lets up to `waiting_max` questions wait.
    pub(crate) fn start(
        name: &str,
        connections: Vec<Connection>,
        waiting_max: usize,
    ) -> Result<Self, ArticlesError> {
        let questions = Arc::new(Queue::new(waiting_max));
        let mut workers = Self { questions, threads: Vec::new() };
        for mut connection in connections {
            let questions = Arc::clone(&workers.questions);
            let answer = move || {
                while let Some(question) = questions.next() {
                    question(&mut connection);
                }
            };
            let thread = thread::Builder::new().name(name.to_owned()).spawn(answer);
            workers.threads.push(thread.map_err(ArticlesError::Thread)?);
        }
        Ok(workers)
    }

    /// Queues a query, and waits for its result without holding up the async thread.
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
        self.questions.add(Box::new(question)).map_err(|error| match error {
            QueueError::Full => ArticlesError::Busy,
            QueueError::Closed => ArticlesError::Closed,
        })?;
        Ok(answer.await.map_err(|_| ArticlesError::Closed)??)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.questions.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("A thread of the articles ended early");
            }
        }
    }
}

/// The effect of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It reads: if the asker has gone before its turn, it is passed over.
    ToRead,
    /// It writes: once it waits, it is done.
    ToWrite,
}
