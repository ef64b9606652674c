//! A signal for tasks that wait until something has moved.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Counts how often it was given. Locked for one look, never while waiting.
#[derive(Debug, Default)]
pub(super) struct Signal(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    given: u64,
    waiting: Vec<Waker>,
}

impl Signal {
    /// Wakes every task that waits.
    pub(super) fn give(&self) {
        let waiting = {
            let mut state = self.lock();
            state.given += 1;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// How often it was given.
    pub(super) fn given(&self) -> u64 {
        self.lock().given
    }

    /// Waits until it is given once more after it was given so often.
    pub(super) async fn after(&self, given: u64) {
        poll_fn(|context| {
            let mut state = self.lock();
            if given < state.given {
                return Poll::Ready(());
            }
            if state.waiting.iter().all(|waker| !waker.will_wake(context.waker())) {
                state.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
