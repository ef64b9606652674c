//! A bounded queue that several threads take from, each of which is woken only for something.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

/// The waiting entries, and the threads that wait for some.
///
/// A thread that finds nothing leaves its handle and parks; adding something unparks one of them.
/// Threads that waited for their turn to wait on one lock would be woken two by two: one for the
/// new entry, and one that waits next.
pub(super) struct Queue<T> {
    waiting_max: usize,
    state: Mutex<State<T>>,
}

struct State<T> {
    waiting: VecDeque<T>,
    /// Threads that are parked, or about to. The last one is the first to be woken: its caches are
    /// the warmest.
    idle: Vec<Thread>,
    closed: bool,
    /// How often a thread went on after it was parked.
    #[cfg(test)]
    woken: usize,
}

/// Why something was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueError {
    /// As much waits as may.
    Full,
    /// Nothing is taken from it any more.
    Closed,
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("waiting", &self.state().waiting.len()).finish()
    }
}

impl<T> Queue<T> {
    /// An empty queue where up to `waiting_max` may wait.
    pub(super) fn new(waiting_max: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            idle: Vec::new(),
            closed: false,
            #[cfg(test)]
            woken: 0,
        };
        Self { waiting_max, state: Mutex::new(state) }
    }

    /// Adds something, and wakes one thread for it if there is one that has nothing to do.
    pub(super) fn add(&self, item: T) -> Result<(), QueueError> {
        let mut state = self.state();
        if state.closed {
            return Err(QueueError::Closed);
        }
        if self.waiting_max <= state.waiting.len() {
            return Err(QueueError::Full);
        }
        state.waiting.push_back(item);
        let idle = state.idle.pop();
        drop(state);
        // If another thread takes the item first, this one finds nothing and parks again.
        if let Some(thread) = idle {
            thread.unpark();
        }
        Ok(())
    }

    /// Takes the oldest entry, and waits for one; `None` once the queue is closed and empty.
    pub(super) fn next(&self) -> Option<T> {
        let this = thread::current();
        let mut state = self.state();
        loop {
            if let Some(item) = state.waiting.pop_front() {
                return Some(item);
            }
            if state.closed {
                return None;
            }
            state.idle.push(this.clone());
            drop(state);
            thread::park();
            state = self.state();
            // The thread that woke this one took its handle away; parking may end without that,
            // too.
            state.idle.retain(|thread| thread.id() != this.id());
            #[cfg(test)]
            {
                state.woken += 1;
            }
        }
    }

    /// Takes nothing more in. Waiting entries are still taken out.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.idle.drain(..).for_each(|thread| thread.unpark());
    }

    /// Held for moments, and never while something is worked on, so no panic leaves it half done.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn wait_until<T>(queue: &Queue<T>, is_so: impl Fn(&State<T>) -> bool) {
        while !is_so(&queue.state()) {
            thread::yield_now();
        }
    }

    #[test]
    fn one_thread_is_woken_for_one_thing() {
        const THINGS: usize = 100;
        let queue = Queue::new(THINGS);
        let woken = thread::scope(|scope| {
            let (done, taken) = mpsc::channel();
            for _ in 0..3 {
                let (queue, done) = (&queue, done.clone());
                scope.spawn(move || {
                    while let Some(thing) = queue.next() {
                        done.send(thing).unwrap();
                    }
                });
            }
            for thing in 0..THINGS {
                wait_until(&queue, |state| state.idle.len() == 3);
                queue.add(thing).unwrap();
                taken.recv().unwrap();
            }
            wait_until(&queue, |state| state.idle.len() == 3);
            let woken = queue.state().woken;
            queue.close();
            woken
        });
        assert_eq!(woken, THINGS);
        assert_eq!(queue.add(0), Err(QueueError::Closed));
    }

    #[test]
    fn nothing_that_was_taken_in_is_left() {
        const THINGS: usize = 10_000;
        let queue = Queue::new(THINGS);
        let taken: usize = thread::scope(|scope| {
            let take = || std::iter::from_fn(|| queue.next()).count();
            let takers = [0; 4].map(|_| scope.spawn(take));
            let add = || (0..THINGS / 4).for_each(|thing| queue.add(thing).unwrap());
            let adders = [0; 4].map(|_| scope.spawn(add));
            adders.into_iter().for_each(|adder| adder.join().unwrap());
            queue.close();
            takers.into_iter().map(|taker| taker.join().unwrap()).sum()
        });
        assert_eq!(taken, THINGS);
    }

    #[test]
    fn what_waits_is_bounded_and_comes_out_in_order() {
        let queue = Queue::new(2);
        assert_eq!(
            [queue.add(1), queue.add(2), queue.add(3)],
            [Ok(()), Ok(()), Err(QueueError::Full)]
        );
        queue.close();
        assert_eq!([queue.next(), queue.next(), queue.next()], [Some(1), Some(2), None]);
    }
}
