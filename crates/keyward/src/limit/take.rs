//! Taking from all buckets of a request as one step.

use std::iter;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::time::SteadyNanos;

use super::bucket::{Check, take_one};
use super::shared::{Shared, SharedBuckets};
use super::{Cost, Era, Exceeded, Limit, Limits, STANDINGS_MAX, Standing, Standings};

/// Why nothing was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakeError {
    /// A limit is reached.
    Exceeded(Exceeded),
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
    /// none.
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
    ) -> Result<Standings, TakeError> {
        let owner = owner.filter(|owner| owner.are_set());
        match (self.limits.list(), self.words, owner) {
            ([], _, None) => Ok(Standings::NONE),
            ([limit], [word], None) => {
                take_one(limit, self.era, word, cost, now).map(Standings::one)
            }
            _ => self.take_several(lock, owner, cost, now),
        }
    }

    #[inline(never)]
    fn take_several(
        &self,
        lock: &Mutex<()>,
        owner: Option<&SharedBuckets>,
        cost: Cost,
        now: SteadyNanos,
    ) -> Result<Standings, TakeError> {
        // Always the key's before the owner's. A single word of a key is exchanged below, since
        // requests that found its owner without limits take from it without a lock.
        let _lock = (1 < self.words.len()).then(|| guard(lock));
        let mut owner = owner.map(SharedBuckets::lock);
        let mut owner = owner.as_mut().and_then(|owner| owner.as_deref_mut());
        loop {
            let tried = self.check(owner.as_deref(), cost, now)?;
            let is_taken = match (tried.wait, cost) {
                (0, Cost::NOTHING) => false,
                (0, _) if self.write(&tried, owner.as_deref_mut()) => true,
                (0, _) => continue,
                (wait, _) => {
                    let shown = tried.longest;
                    let standings = self.standings(&tried, false, shown, owner.as_deref());
                    return Err(TakeError::Exceeded(Exceeded::of(standings, wait)));
                }
            };
            let shown = self.tightest(&tried, is_taken, owner.as_deref());
            return Ok(self.standings(&tried, is_taken, shown, owner.as_deref()));
        }
    }

    /// Looks at each bucket and changes none.
    #[inline]
    fn check(
        &self,
        owner: Option<&Shared>,
        cost: Cost,
        now: SteadyNanos,
    ) -> Result<Tried, TakeError> {
        let mut tried = Tried { now: now.0, ..Tried::default() };
        // In the place of a word that is missing stands one that lets nothing through.
        let words = self.words.iter().map(|word| word.load(Ordering::Relaxed));
        let words = words.chain(iter::repeat(u64::MAX));
        for (limit, word) in self.limits.list().iter().zip(words) {
            tried.add(limit, word, self.era, cost)?;
        }
        if let Some(owner) = owner {
            for (limit, word) in owner.limits.list().iter().zip(&owner.words) {
                tried.add(limit, *word, Era::FIRST, cost)?;
            }
        }
        Ok(tried)
    }

    /// Writes each bucket; `false` if another request was faster, and nothing is written.
    #[inline]
    fn write(&self, tried: &Tried, owner: Option<&mut Shared>) -> bool {
        let own = self.limits.list().len();
        let mut pairs = self.words.iter().zip(tried.words.iter().take(own));
        if let Some((word, next)) = pairs.next() {
            let order = Ordering::Relaxed;
            if word.compare_exchange(tried.first, *next, order, order).is_err() {
                return false;
            }
        }
        for (word, next) in pairs {
            word.store(*next, Ordering::Relaxed);
        }
        if let Some(owner) = owner {
            for (word, next) in owner.words.iter_mut().zip(tried.words.iter().skip(own)) {
                *word = *next;
            }
        }
        true
    }

    /// Which of the limits has the smallest remaining.
    fn tightest(&self, tried: &Tried, is_taken: bool, owner: Option<&Shared>) -> usize {
        let owner = owner.map_or(&[][..], |owner| owner.limits.list());
        let limits = self.limits.list().iter().chain(owner);
        let mut tightest = (u32::MAX, 0);
        for (at, (limit, until_full)) in limits.zip(tried.until_full(is_taken)).enumerate() {
            let remaining = Standing::at(*limit, *until_full).remaining;
            if remaining < tightest.0 {
                tightest = (remaining, at);
            }
        }
        tightest.1
    }

    fn standings(
        &self,
        tried: &Tried,
        is_taken: bool,
        shown: usize,
        owner: Option<&Shared>,
    ) -> Standings {
        let owner = owner.map(|owner| owner.limits.clone());
        Standings::several(self.told.clone(), owner, *tried.until_full(is_taken), shown)
    }
}

/// What all buckets say to one request, the key's before the owner's.
#[derive(Default)]
struct Tried {
    now: u64,
    len: usize,
    /// What the first word was.
    first: u64,
    /// The words behind an accepted request.
    words: [u64; STANDINGS_MAX],
    /// Nanoseconds until each bucket is full, before the request and behind it.
    before: [u64; STANDINGS_MAX],
    behind: [u64; STANDINGS_MAX],
    /// The longest time that the request comes too early by, and for which limit.
    wait: u64,
    longest: usize,
}

impl Tried {
    #[inline]
    fn add(&mut self, limit: &Limit, word: u64, era: Era, cost: Cost) -> Result<(), TakeError> {
        let step = limit.step(cost.judged()).ok_or(TakeError::TooCostly)?;
        let (at, now) = (self.len, self.now);
        let check = Check::new(era.mark(word, limit), limit, step, now);
        if at == 0 {
            self.first = word;
        }
        let places = (self.words.get_mut(at), self.before.get_mut(at), self.behind.get_mut(at));
        if let (Some(next), Some(before), Some(behind)) = places {
            *next = check.word();
            *before = check.mark.full_at.saturating_sub(now);
            *behind = check.next.saturating_sub(now);
        }
        if self.wait < check.wait {
            (self.wait, self.longest) = (check.wait, at);
        }
        self.len += 1;
        Ok(())
    }

    fn until_full(&self, is_taken: bool) -> &[u64; STANDINGS_MAX] {
        if is_taken { &self.behind } else { &self.before }
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
