//! Buckets that all keys of one owner share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::time::ReadClock;

use super::take::guard;
use super::{Era, Limits};

/// The limits of an owner and their buckets. They begin full.
#[derive(Debug)]
pub(crate) struct SharedBuckets {
    /// Whether there are any, so that a request of an owner without limits takes no lock.
    /// `Release` and `Acquire`: whoever learned that there are limits is held to them.
    are_set: AtomicBool,
    /// Held for one request's step, or one change of the limits, and by nothing that waits.
    shared: Mutex<Shared>,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct Shared {
    /// By the names that callers are told.
    pub(super) limits: Limits,
    pub(super) words: Vec<u64>,
}

impl SharedBuckets {
    #[cfg_attr(not(test), expect(dead_code, reason = "owners get their limits next"))]
    pub(crate) fn new(limits: &Limits) -> Self {
        let words = vec![Era::FIRST.full(); limits.list().len()];
        Self {
            are_set: AtomicBool::new(!limits.list().is_empty()),
            shared: Mutex::new(Shared { limits: limits.of_owner(), words }),
        }
    }

    /// Puts other limits in force. A name that was there keeps what was used, as far as the new
    /// limit allows; a new name begins full.
    #[cfg_attr(not(test), expect(dead_code, reason = "owners get their limits next"))]
    pub(crate) fn set(&self, limits: &Limits, clock: ReadClock<'_>) {
        let limits = limits.of_owner();
        let mut shared = self.lock();
        // Read now that nothing is taken any more: an earlier reading would give back what was
        // taken since.
        let now = clock().steady;
        let mut words = Vec::with_capacity(limits.list().len());
        for (at, limit) in limits.list().iter().enumerate() {
            let before = limits.place_before(at, &shared.limits);
            let word = before.and_then(|place| shared.words.get(place));
            words.push(
                word.map_or(Era::FIRST.full(), |word| Era::FIRST.adopt_word(*word, limit, now)),
            );
        }
        let are_set = !limits.list().is_empty();
        *shared = Shared { limits, words };
        self.are_set.store(are_set, Ordering::Release);
    }

    pub(super) fn are_set(&self) -> bool {
        self.are_set.load(Ordering::Acquire)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        guard(&self.shared)
    }
}
