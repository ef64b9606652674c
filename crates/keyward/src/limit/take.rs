//! Taking from all buckets of a request as one step.

use std::iter;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::time::SteadyNanos;

use super::bucket::{Check, take_one};
use super::shared::{Shared, SharedBuckets};
use super::{Cost, Era, Limit, Limits, STANDINGS_MAX, Standings};

/// Why nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeError {
    /// A limit is reached. A request of the same cost that comes this much later is accepted,
    /// unless another one takes its place.
    Exceeded(Duration),
    /// The request costs more than the burst of a limit: waiting does not help.
    TooCostly,
}

/// The buckets of one key, and the limits that are in force for them.
pub(crate) struct Buckets<'a> {
    /// As many as there are words, and in their order.
    pub(crate) limits: &'a Limits,
    /// The same limits, to which what is told of several refers.
    pub(crate) told: &'a Limits,
    /// Under which edition the words count.
    pub(crate) era: Era,
    /// The key's own words.
    pub(crate) words: &'a [AtomicU64],
}

impl Buckets<'_> {
    /// Takes the cost of one request from each of these buckets and each of the owner's, or from
    /// none. `told` comes to say how the caller stands then; it is written in its place, since it
    /// is long. It stays as it is if the request is too costly.
    ///
    /// One bucket by itself is taken from without a lock. Several of one key are written under
    /// `lock`, which is the same for all requests of the key, and those of an owner under its own.
    ///
    /// # Errors
    ///
    /// Returns [`TakeError`] if a limit is reached or can never allow that much.
    #[inline]
    pub(crate) fn take(
        &self,
        lock: &Mutex<()>,
        owner: Option<&SharedBuckets>,
        cost: Cost,
        now: SteadyNanos,
        told: &mut Standings,
    ) -> Result<(), TakeError> {
        let owner = owner.filter(|owner| owner.are_set());
        match (self.limits.list(), self.words, owner) {
            ([], _, None) => Ok(()),
            ([limit], [word], None) => {
                let (full_at, taken) = take_one(limit, self.era, word, cost, now)?;
                *told = Standings::one(limit.standing(full_at, now.0));
                taken
            }
            _ => self.take_several(lock, owner, cost, now, told),
        }
    }

    #[inline(never)]
    fn take_several(
        &self,
        lock: &Mutex<()>,
        owner: Option<&SharedBuckets>,
        cost: Cost,
        now: SteadyNanos,
        told: &mut Standings,
    ) -> Result<(), TakeError> {
        // Always the key's before the owner's. A single word of a key is exchanged below, since
        // requests that found its owner without limits take from it without a lock.
        let _lock = (1 < self.words.len()).then(|| guard(lock));
        let mut owner = owner.map(SharedBuckets::lock);
        let mut owner = owner.as_mut().and_then(|owner| owner.as_deref_mut());
        let of_owner = owner.as_ref().map(|owner| owner.limits.clone());
        let several = told.begin(self.told.clone(), of_owner);
        loop {
            let tried = self.check(owner.as_deref(), cost, now, &mut several.until_full)?;
            if 0 < tried.wait {
                self.look(owner.as_deref(), now, &mut several.until_full);
                several.shown = tried.longest;
                return Err(TakeError::Exceeded(Duration::from_nanos(tried.wait)));
            }
            several.shown = tried.tightest;
            if cost == Cost::NOTHING {
                self.look(owner.as_deref(), now, &mut several.until_full);
                return Ok(());
            }
            let behind = &several.until_full;
            if self.write(tried.first, behind, owner.as_deref_mut(), now) {
                return Ok(());
            }
        }
    }

    /// The limits with their words, those of the key before those of the owner.
    #[inline]
    fn each<'a>(
        &'a self,
        owner: Option<&'a Shared>,
    ) -> impl Iterator<Item = (&'a Limit, u64, Era)> {
        // In the place of a word that is missing stands one that lets nothing through.
        let words = self.words.iter().map(|word| word.load(Ordering::Relaxed));
        let words = words.chain(iter::repeat(u64::MAX));
        let own = self.limits.list().iter().zip(words).map(|(limit, word)| (limit, word, self.era));
        let owner = owner.into_iter().flat_map(|owner| {
            let each = owner.limits.list().iter().zip(&owner.words);
            each.map(|(limit, word)| (limit, *word, Era::FIRST))
        });
        own.chain(owner)
    }

    /// Looks at each bucket and changes none. `behind` comes to say how many nanoseconds each of
    /// them takes to be full, if the request is accepted.
    #[inline]
    fn check(
        &self,
        owner: Option<&Shared>,
        cost: Cost,
        now: SteadyNanos,
        behind: &mut [u64; STANDINGS_MAX],
    ) -> Result<Tried, TakeError> {
        let mut tried = Tried::default();
        for (at, (limit, place)) in self.limits.list().iter().zip(behind.iter_mut()).enumerate() {
            // A word that is missing lets nothing through.
            let word = self.words.get(at).map_or(u64::MAX, |word| word.load(Ordering::Relaxed));
            *place = tried.add(limit, word, self.era, cost, now.0)?;
        }
        if let Some(owner) = owner {
            let places = behind.iter_mut().skip(tried.len);
            for ((limit, word), place) in owner.limits.list().iter().zip(&owner.words).zip(places) {
                *place = tried.add(limit, *word, Era::FIRST, cost, now.0)?;
            }
        }
        Ok(tried)
    }

    /// How many nanoseconds each bucket takes to be full as it is.
    #[cold]
    fn look(
        &self,
        owner: Option<&Shared>,
        now: SteadyNanos,
        until_full: &mut [u64; STANDINGS_MAX],
    ) {
        for ((limit, word, era), place) in self.each(owner).zip(until_full) {
            *place = era.mark(word, limit).full_at.saturating_sub(now.0);
        }
    }

    /// Writes each bucket; `false` if another request was faster, and nothing is written.
    #[inline]
    fn write(
        &self,
        first: u64,
        behind: &[u64; STANDINGS_MAX],
        owner: Option<&mut Shared>,
        now: SteadyNanos,
    ) -> bool {
        // It does not overflow: a time beyond the latest is denied.
        let full_at = |until_full: &u64| now.0.wrapping_add(*until_full);
        let limits = self.limits.list().len();
        let mut pairs = self.words.iter().zip(behind.iter().take(limits));
        if let Some((word, next)) = pairs.next() {
            let marked = self.era.word(first, full_at(next));
            let order = Ordering::Relaxed;
            if word.compare_exchange(first, marked, order, order).is_err() {
                return false;
            }
        }
        for (word, next) in pairs {
            // Under the lock, and so as it was checked.
            let seen = word.load(Ordering::Relaxed);
            word.store(self.era.word(seen, full_at(next)), Ordering::Relaxed);
        }
        if let Some(owner) = owner {
            for (word, next) in owner.words.iter_mut().zip(behind.iter().skip(limits)) {
                *word = Era::FIRST.word(*word, full_at(next));
            }
        }
        true
    }
}

/// What all buckets say to one request, the key's before the owner's.
#[derive(Default)]
struct Tried {
    len: usize,
    /// What the first word was.
    first: u64,
    /// The longest time that the request comes too early by, and for which limit.
    wait: u64,
    longest: usize,
    /// The smallest remaining once the cost is taken, and for which limit.
    remaining: u32,
    tightest: usize,
}

impl Tried {
    /// Checks one more bucket. Returns how many nanoseconds it takes to be full, if the request is
    /// accepted.
    #[inline]
    fn add(
        &mut self,
        limit: &Limit,
        word: u64,
        era: Era,
        cost: Cost,
        now: u64,
    ) -> Result<u64, TakeError> {
        let step = limit.step(cost.judged()).ok_or(TakeError::TooCostly)?;
        let at = self.len;
        let check = Check::new(era.mark(word, limit), limit, step, now);
        if at == 0 {
            self.first = word;
        }
        if self.wait < check.wait {
            (self.wait, self.longest) = (check.wait, at);
        }
        let behind = check.next.saturating_sub(now);
        // What costs nothing leaves one more than what costs one, of every limit.
        let remaining = limit.room(behind);
        if at == 0 || remaining < self.remaining {
            (self.remaining, self.tightest) = (remaining, at);
        }
        self.len += 1;
        Ok(behind)
    }
}

/// The words of buckets for the limits `after`, filled as those of `before` were: a name that both
/// have keeps what was used, and a new name begins full. One limit that takes the place of one
/// other keeps what was used, whatever they are called.
///
/// Nothing may be taken from `before` any more.
pub(crate) fn carried(
    before: &Buckets<'_>,
    after: &Limits,
    era: Era,
    now: SteadyNanos,
) -> Vec<u64> {
    let word_of = |(at, limit): (usize, &Limit)| {
        let place = after.place_before(at, before.limits)?;
        let word = before.words.get(place)?.load(Ordering::Relaxed);
        let mark = before.era.mark(word, before.limits.list().get(place)?);
        Some(era.adopt(mark.full_at, limit, now))
    };
    let limits = after.list().iter().enumerate();
    limits.map(|limit| word_of(limit).unwrap_or(era.full())).collect()
}

/// Nothing panics while one of these locks is held; if it did, the words would be whole.
pub(super) fn guard<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
