//! Buckets that all keys of one owner share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::time::ReadClock;

use super::bucket::full_at;
use super::{Era, Limit, Limits, Revision};

/// The limits of an owner and their buckets. They begin full. Without limits, it is 24 bytes.
#[derive(Debug, Default)]
pub(crate) struct SharedBuckets {
    /// Whether there are any, so that a request of an owner without limits takes no lock. `Release`
    /// and `Acquire`: a request that saw that there are limits is held to them.
    are_set: AtomicBool,
    /// Held for one request's step, or one change of the limits, and by nothing that waits.
    shared: Mutex<Option<Box<Shared>>>,
}

/// The state that the lock guards.
#[derive(Debug)]
pub(super) struct Shared {
    /// By the names that responses use.
    pub(super) limits: Limits,
    pub(super) words: Vec<u64>,
    /// When the limits were changed, on a cluster.
    revision: Revision,
}

impl SharedBuckets {
    /// These limits, by the names that responses use, with the word of each.
    pub(super) fn holding(limits: Limits, words: Vec<u64>) -> Self {
        let are_set = AtomicBool::new(!limits.list().is_empty());
        let shared = Shared { limits, words, revision: Revision::default() };
        Self { are_set, shared: Mutex::new(Some(Box::new(shared))) }
    }

    /// The words of the limits, in their order.
    pub(super) fn into_words(self) -> Vec<u64> {
        let shared = self.shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        shared.map(|shared| shared.words).unwrap_or_default()
    }

    /// Puts other limits in force. A limit whose name was there keeps its use, as far as the new
    /// limit allows; one with a new name begins full. Unchanged limits stay as they are.
    pub(crate) fn set(&self, limits: &Limits, revision: Revision, clock: ReadClock<'_>) {
        let limits = limits.of_owner();
        let mut shared = self.lock();
        if let Some(shared) = shared.as_mut().filter(|shared| shared.limits == limits) {
            shared.revision = revision;
            return;
        }
        let before = shared.take();
        // Read now that requests no longer take from it: an earlier reading would give back the
        // units taken since.
        let now = clock().steady;
        let word_of = |(at, limit): (usize, &Limit)| {
            let before = before.as_ref()?;
            let place = limits.place_before(at, &before.limits)?;
            Some(Era::FIRST.adopt(full_at(*before.words.get(place)?), limit, now))
        };
        let words = limits.list().iter().enumerate();
        let words = words.map(|limit| word_of(limit).unwrap_or(Era::FIRST.full())).collect();
        let are_set = !limits.list().is_empty();
        *shared = are_set.then(|| Box::new(Shared { limits, words, revision }));
        self.are_set.store(are_set, Ordering::Release);
    }

    /// The limits, by the names that responses use, and when they were changed; `None` if there are
    /// none.
    pub(crate) fn terms(&self) -> Option<(Limits, Revision)> {
        let shared = self.lock();
        shared.as_ref().map(|shared| (shared.limits.clone(), shared.revision))
    }

    /// Whether there are limits.
    pub(crate) fn are_set(&self) -> bool {
        self.are_set.load(Ordering::Acquire)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Box<Shared>>> {
        guard(&self.shared)
    }
}

/// Nothing panics while one of these locks is held; if it did, the words would be whole.
pub(super) fn guard<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
