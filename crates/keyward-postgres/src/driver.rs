//! The thread of a store: it runs the connections, whatever else the program's threads do.
//!
//! A flood of requests starves no connection, and calls may come from any runtime.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::{io, thread};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::pg_error::PgError;

/// A thread with a runtime of its own. It ends, and with it all that runs on it, when this is
/// stopped or dropped.
#[derive(Debug)]
pub(crate) struct Driver {
    handle: Handle,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    stopped: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Driver {
    /// Starts the thread.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopping) = oneshot::channel();
        let (ended, stopped) = oneshot::channel();
        thread::Builder::new().name("keyward-postgres".to_owned()).spawn(move || {
            // An error is that the store was dropped.
            runtime.block_on(async { stopping.await.unwrap_or_default() });
            drop(runtime);
            // Perhaps no task waits for it.
            ended.send(()).unwrap_or_default();
        })?;
        let (stop, stopped) = (Mutex::new(Some(stop)), Mutex::new(Some(stopped)));
        Ok(Self { handle, stop, stopped })
    }

    /// Runs a future on the thread, to its end.
    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Runs a future on the thread, and returns its result.
    pub(crate) async fn run<T, F>(&self, future: F) -> Result<T, PgError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, PgError>> + Send + 'static,
    {
        let ended = self.spawn(future).await;
        ended.unwrap_or_else(|_| Err(PgError::gone("the store is closed")))
    }

    /// Ends the thread, and waits for that.
    pub(crate) async fn stop(&self) {
        drop(take(&self.stop));
        let stopped = take(&self.stopped);
        if let Some(stopped) = stopped {
            // An error is that the thread is gone already.
            stopped.await.unwrap_or_default();
        }
    }
}

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}
