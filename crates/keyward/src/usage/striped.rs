//! A number that all threads count up, without a word that all of them write to.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Slots of one number. Threads beyond as many share them, which costs time and nothing else.
const STRIPES: usize = 32;

/// The next thread's slot.
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// This thread's slot, one after the other and for ever.
    static PLACE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Two cache lines, since processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

/// Each thread adds to a slot of its own: 4 KiB in all. It never decreases, short of 2^64.
///
/// Relaxed: a number to look at, nothing depends on it.
#[derive(Debug, Default)]
pub(super) struct Striped([Stripe; STRIPES]);

impl Striped {
    pub(super) fn count(&self) {
        let place = PLACE.with(|place| {
            if place.get() == usize::MAX {
                place.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
            }
            place.get()
        });
        if let Some(stripe) = self.0.get(place) {
            stripe.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The sum of all slots.
    pub(super) fn sum(&self) -> u64 {
        let each = self.0.iter().map(|stripe| stripe.0.load(Ordering::Relaxed));
        each.fold(0, u64::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More threads than slots.
    #[test]
    fn what_all_threads_count_is_in_the_sum() {
        let striped = Striped::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * STRIPES + 1 {
                scope.spawn(|| (0..100).for_each(|_| striped.count()));
            }
        });
        assert_eq!(striped.sum(), 100 * (2 * STRIPES as u64 + 1));
        let places = striped.0.iter().filter(|stripe| stripe.0.load(Ordering::Relaxed) != 0);
        assert!(1 < places.count(), "threads count in several slots");
    }

    #[test]
    fn two_places_share_no_cache_line() {
        assert_eq!(size_of::<Stripe>(), 128);
        assert_eq!(align_of::<Striped>(), 128);
    }
}
