//! A place for a value that one task waits for, whatever runtime it has.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// A place for one value. Locked for one look, never while waiting.
#[derive(Debug)]
pub(super) struct Slot<T>(Mutex<(Option<T>, Option<Waker>)>);

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Mutex::new((None, None)))
    }
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, (Option<T>, Option<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a value there, in the place of one that was not taken.
    pub(super) fn set(&self, value: T) {
        let waker = {
            let mut slot = self.lock();
            slot.0 = Some(value);
            slot.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// Takes the value as soon as there is one. Of several tasks, the one that asked last is woken.
    pub(super) async fn take(&self) -> T {
        poll_fn(|context| {
            let mut slot = self.lock();
            match slot.0.take() {
                Some(value) => Poll::Ready(value),
                None => {
                    slot.1 = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}
