//! How many spans wait to be sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::metrics::DroppedSpans;

/// Most spans that wait. Each has some 600 bytes.
pub(super) const QUEUE_MAX: usize = 4_096;

/// The spans that wait; one that finds no room is dropped. A clone shares it.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    /// Relaxed: the number alone is of interest.
    waiting: Arc<AtomicUsize>,
    dropped: DroppedSpans,
}

impl Queue {
    /// A queue in which none waits.
    pub(super) fn new(dropped: DroppedSpans) -> Self {
        Self { waiting: Arc::default(), dropped }
    }

    /// Whether there is room for one more, which it then has; otherwise it is counted as dropped.
    pub(super) fn enter(&self) -> bool {
        let order = Ordering::Relaxed;
        let more = |waiting| (waiting < QUEUE_MAX).then_some(waiting + 1);
        let has_room = self.waiting.fetch_update(order, order, more).is_ok();
        if !has_room {
            self.dropped.add(1);
        }
        has_room
    }

    /// Gives the room of these spans back: they are being sent.
    pub(super) fn leave(&self, count: usize) {
        self.waiting.fetch_sub(count, Ordering::Relaxed);
    }

    /// Counts spans that were not taken.
    pub(super) fn drop(&self, count: usize) {
        self.dropped.add(count);
    }

    /// How many were dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_without_room_is_dropped_and_counted() {
        let queue = Queue::new(DroppedSpans::default());
        assert!((0..QUEUE_MAX).all(|_| queue.enter()));
        assert!(!queue.enter() && !queue.enter());
        assert_eq!(queue.dropped(), 2);
        queue.leave(1);
        assert!(queue.enter() && !queue.enter());
        assert_eq!(queue.dropped(), 3);
    }
}
