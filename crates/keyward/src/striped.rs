//! Numbers that all threads count up, without a word that all of them write to.

use std::array;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Slots of one table. Threads beyond as many share them, which costs time and nothing else.
const STRIPES: usize = 32;

/// The next thread's slot.
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// This thread's slot, one after the other and for ever.
    static PLACE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Whole pairs of cache lines, since processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Stripe<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Stripe<N> {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// A table of `N` numbers. Each thread adds to numbers of its own: 32 times as many in all, each
/// group on whole pairs of cache lines, which is 4 KiB for up to 16 numbers.
///
/// Adding takes no lock and allocates nothing. Numbers wrap around at 2^64. They are to look at: a
/// sum that is read while threads add may have some of these additions and not others, whatever
/// their order, and nothing else depends on it.
///
/// ```
/// use keyward::striped::Striped;
///
/// let doors: Striped<3> = Striped::default();
/// doors.add(2, 5);
/// std::thread::scope(|scope| {
///     scope.spawn(|| doors.add(2, 1));
/// });
/// assert_eq!(doors.sums(), [0, 0, 6]);
/// // A place past the end counts nothing.
/// doors.add(3, 1);
/// assert_eq!((doors.sum(2), doors.sum(3)), (6, 0));
/// ```
#[derive(Debug)]
pub struct Striped<const N: usize>(Box<[Stripe<N>]>);

impl<const N: usize> Default for Striped<N> {
    fn default() -> Self {
        Self((0..STRIPES).map(|_| Stripe::default()).collect())
    }
}

impl<const N: usize> Striped<N> {
    /// Adds to the number at this place; nothing if there is no such place.
    #[inline]
    pub fn add(&self, at: usize, more: u64) {
        let place = PLACE.with(|place| {
            if place.get() == usize::MAX {
                place.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
            }
            place.get()
        });
        if let Some(number) = self.0.get(place).and_then(|stripe| stripe.0.get(at)) {
            // Relaxed: a number to look at.
            number.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// The number at this place, over all threads; 0 if there is no such place.
    #[must_use]
    pub fn sum(&self, at: usize) -> u64 {
        self.sums().get(at).copied().unwrap_or_default()
    }

    /// Each number, over all threads.
    #[must_use]
    pub fn sums(&self) -> [u64; N] {
        let mut sums = [0_u64; N];
        for stripe in &self.0 {
            for (sum, number) in sums.iter_mut().zip(&stripe.0) {
                *sum = sum.wrapping_add(number.load(Ordering::Relaxed));
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More threads than slots.
    #[test]
    fn what_all_threads_count_is_in_the_sum() {
        let striped: Striped<2> = Striped::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * STRIPES + 1 {
                scope.spawn(|| (0..100).for_each(|_| striped.add(1, 3)));
            }
        });
        assert_eq!(striped.sums(), [0, 300 * (2 * STRIPES as u64 + 1)]);
        let used = |stripe: &&Stripe<2>| stripe.0[1].load(Ordering::Relaxed) != 0;
        assert!(1 < striped.0.iter().filter(used).count(), "threads count in several slots");
    }

    #[test]
    fn two_threads_share_no_pair_of_cache_lines() {
        assert_eq!((align_of::<Stripe<1>>(), size_of::<Stripe<1>>()), (128, 128));
        assert_eq!((align_of::<Stripe<17>>(), size_of::<Stripe<17>>()), (128, 256));
    }
}
