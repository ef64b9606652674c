//! The one loop: it follows the wall clock and moves usage to the store.

use std::time::Duration;

use keyward::store::StoreError;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::guard::Guard;

/// How often the wall clock is looked at, however seldom usage is flushed.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Upkeep under way. There is one for a guard; without it nothing is flushed.
#[derive(Debug)]
pub struct Upkeep {
    guard: Guard,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Upkeep {
    /// Starts the loop on the current tokio runtime. Counts younger than `flush_every` are lost if
    /// the process is killed; a store that fails is tried again at each turn, and nothing is lost
    /// or counted twice by that.
    #[must_use]
    pub fn start(guard: Guard, flush_every: Duration) -> Self {
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(run(guard.clone(), flush_every, stopped));
        Self { guard, stop, running }
    }

    /// Stops the loop and flushes what was counted until now.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the last flush failed; then the counts since the one before it
    /// are lost with the process.
    pub async fn stop(self) -> Result<(), StoreError> {
        // Neither can fail in a way that matters: the loop is gone, or it is about to be.
        let _ = self.stop.send(true);
        if let Err(error) = self.running.await {
            tracing::error!(%error, "Upkeep ended early");
        }
        self.guard.flush().await
    }
}

async fn run(guard: Guard, flush_every: Duration, stopped: watch::Receiver<bool>) {
    // Side by side, since a store may keep a flush waiting for long. It is the flush that ends:
    // one that has begun is waited for.
    tokio::select! {
        () = follow(&guard) => {}
        () = flush(&guard, flush_every, stopped) => {}
    }
}

async fn follow(guard: &Guard) {
    loop {
        guard.clock().sync();
        tokio::time::sleep(SYNC_EVERY).await;
    }
}

async fn flush(guard: &Guard, flush_every: Duration, mut stopped: watch::Receiver<bool>) {
    let mut turn = tokio::time::interval(flush_every);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = turn.tick() => {}
            _ = stopped.changed() => return,
        }
        if let Err(error) = guard.flush().await {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, cause, "Kept usage for the next flush");
        }
    }
}
