//! A signal for tasks that wait until something has moved.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Counts how often it was given. Locked for one look, never while waiting.
#[derive(Debug, Default)]
pub(super) struct Signal(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    given: u64,
    /// Each that waits has one place, by its number: two wakers of one task need not look the same,
    /// so that a list of wakers that differ would grow with each poll.
    waiting: Vec<(u64, Waker)>,
    /// The number of the last one that began to wait.
    last: u64,
}

impl Signal {
    /// Wakes every task that waits.
    pub(super) fn give(&self) {
        let waiting = {
            let mut state = self.lock();
            state.given += 1;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// How often it was given.
    pub(super) fn given(&self) -> u64 {
        self.lock().given
    }

    /// Waits until it is given once more after it was given so often.
    pub(super) fn after(&self, given: u64) -> After<'_> {
        After { signal: self, given, number: None }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a signal.
#[derive(Debug)]
pub(super) struct After<'a> {
    signal: &'a Signal,
    given: u64,
    /// Its number among the tasks that wait, if it ever did.
    number: Option<u64>,
}

impl Future for After<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.signal.lock();
        if self.given < state.given {
            return Poll::Ready(());
        }
        let number = self.number.unwrap_or_else(|| {
            state.last += 1;
            state.last
        });
        match state.waiting.iter_mut().find(|(there, _)| *there == number) {
            Some((_, waker)) => waker.clone_from(context.waker()),
            None => state.waiting.push((number, context.waker().clone())),
        }
        drop(state);
        self.number = Some(number);
        Poll::Pending
    }
}

impl Drop for After<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.signal.lock().waiting.retain(|(there, _)| *there != number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    struct Other;

    impl Wake for Other {
        fn wake(self: Arc<Self>) {}
    }

    fn waiting(signal: &Signal) -> usize {
        signal.lock().waiting.len()
    }

    #[test]
    fn each_that_waits_has_one_place_until_it_is_dropped() {
        let signal = Signal::default();
        let mut first = Box::pin(signal.after(0));
        let mut second = Box::pin(signal.after(0));
        for _ in 0..10 {
            let waker = Waker::from(Arc::new(Other));
            for after in [&mut first, &mut second] {
                assert!(after.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
            assert_eq!(waiting(&signal), 2);
        }
        drop(first);
        assert_eq!(waiting(&signal), 1);
        signal.give();
        assert_eq!((waiting(&signal), signal.given()), (0, 1));
        assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }
}
