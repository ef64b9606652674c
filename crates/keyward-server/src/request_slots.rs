//! Slots for requests: how many there may be at once, over all listeners and connections.
//!
//! A request holds its slot until its response is made, not until the client has read it: a client
//! that reads nothing holds up its own connection alone.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The shares that the slots are divided into. A thread takes from its own, so that threads do not
/// write to the same word, and from others once that is empty.
const SHARES: u32 = 16;
/// How often the log says that slots run short.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The next thread's share.
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// This thread's share, one after the other and for ever.
    static PLACE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The free slots of a share; two cache lines, since processors fetch them in pairs. Relaxed: the
/// number alone is of interest, and each slot is taken and given back in the same word.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Share(AtomicU32);

/// All slots.
#[derive(Debug)]
pub(crate) struct RequestSlots {
    most: u32,
    shares: [Share; SHARES as usize],
    warned: Mutex<Option<Instant>>,
}

impl RequestSlots {
    /// Returns `most` slots, all of them free.
    pub(crate) fn new(most: NonZeroU32) -> Self {
        let shares: [Share; SHARES as usize] = Default::default();
        let (each, over) = (most.get() / SHARES, (most.get() % SHARES) as usize);
        for (number, share) in shares.iter().enumerate() {
            share.0.store(each + u32::from(number < over), Ordering::Relaxed);
        }
        Self { most: most.get(), shares, warned: Mutex::default() }
    }

    /// Takes a slot; `None` if no share has one.
    pub(crate) fn take(&self) -> Option<RequestSlot<'_>> {
        let place = PLACE.get().unwrap_or_else(|| {
            let place = NEXT.fetch_add(1, Ordering::Relaxed) % SHARES as usize;
            PLACE.set(Some(place));
            place
        });
        let (before, from) = self.shares.split_at_checked(place)?;
        let taken = from.iter().chain(before).find(|share| share.take());
        taken.map(RequestSlot)
    }

    /// Logs that slots run short, unless the log said so a short time ago.
    pub(crate) fn warn(&self) {
        let now = Instant::now();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_some_and(|then| now - then < WARN_EVERY) {
            return;
        }
        *warned = Some(now);
        drop(warned);
        let most = self.most;
        tracing::warn!(requests_max = most, "{most} requests are under way; more get 503");
    }
}

impl Share {
    fn take(&self) -> bool {
        let order = Ordering::Relaxed;
        self.0.fetch_update(order, order, |free| free.checked_sub(1)).is_ok()
    }
}

/// A slot, until it is dropped.
#[derive(Debug)]
pub(crate) struct RequestSlot<'a>(&'a Share);

impl Drop for RequestSlot<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_requests_hold_slots_as_there_are() {
        for most in [1, 15, 16, 17, 1_000] {
            let slots = RequestSlots::new(NonZeroU32::new(most).unwrap());
            let mut held: Vec<_> = std::iter::from_fn(|| slots.take()).collect();
            assert_eq!(held.len(), most as usize);
            held.pop();
            assert!(slots.take().is_some());
            drop(held);
            let again: Vec<_> = std::iter::from_fn(|| slots.take()).collect();
            assert_eq!(again.len(), most as usize);
        }
    }

    #[test]
    fn threads_take_from_shares_of_their_own_and_then_from_all() {
        let slots = RequestSlots::new(NonZeroU32::new(100).unwrap());
        let taken = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARES {
                scope.spawn(|| {
                    let held: Vec<_> = (0..10).map_while(|_| slots.take()).collect();
                    taken.fetch_add(held.len(), Ordering::Relaxed);
                    // They are never given back, so that no more than there are can be taken.
                    held.into_iter().for_each(std::mem::forget);
                });
            }
        });
        assert_eq!(taken.into_inner(), 100);
        assert_eq!((size_of::<Share>(), align_of::<RequestSlots>()), (128, 128));
    }
}
