//! Taking from all buckets of a request as one step.

use std::iter;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::time::SteadyNanos;

use super::bucket::{ARRIVAL_MAX, Bucket, Check};
use super::shared::{Shared, SharedBuckets, guard};
use super::standing::Several;
use super::{Cost, Era, Limit, Limits, STANDINGS_MAX, Standings};

/// Why nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeError {
    /// A limit is reached. A request of the same cost that comes this much later is accepted,
    /// unless another request comes first.
    Exceeded(Duration),
    /// The request costs more than the burst of a limit: waiting does not help.
    TooCostly,
}

/// The buckets of one key, and the limits that are in force for them.
pub(crate) struct Buckets<'a> {
    /// As many as there are words, and in their order.
    pub(crate) limits: &'a Limits,
    /// The same limits, to which the reported state of several refers.
    pub(crate) told: &'a Limits,
    /// Under which edition the words count.
    pub(crate) era: Era,
    /// The key's own words.
    pub(crate) words: &'a [AtomicU64],
}

impl<'a> Buckets<'a> {
    /// The bucket, if there is one only.
    #[inline]
    pub(crate) fn only(&self) -> Option<Bucket<'a>> {
        match (self.limits.list(), self.words) {
            ([limit], [word]) => Some(Bucket { limit, era: self.era, word }),
            _ => None,
        }
    }

    /// Takes the cost of one request from each of these buckets and each of the owner's, or from
    /// none. `told` receives the state of the limits; it is written in place, since it is long. For
    /// a request that is too costly, it means nothing.
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
        if let Some(owner) = owner
            && let Some(taken) = self.take_with_owner(lock, owner, cost, now, told)
        {
            return taken;
        }
        if self.limits.list().is_empty() {
            return Ok(());
        }
        let Some(only) = self.only() else { return self.take_several(lock, cost, now, told) };
        let taken = only.take(cost, now);
        if taken != Err(TakeError::TooCostly) {
            *told = Standings::one(taken.unwrap_or_else(|_| only.standing(now)));
        }
        taken.map(drop)
    }

    /// Takes from the key's buckets alone, which are several.
    #[inline]
    fn take_several(
        &self,
        lock: &Mutex<()>,
        cost: Cost,
        now: SteadyNanos,
        told: &mut Standings,
    ) -> Result<(), TakeError> {
        let _lock = guard(lock);
        let several = told.begin(self.told.clone(), None);
        self.check(None, cost, now, several)?;
        if cost != Cost::NOTHING {
            self.write(several, now);
        }
        Ok(())
    }

    /// Takes from the key's buckets, however many they are, and the owner's; `None` if the owner's
    /// limits were removed since.
    #[inline(never)]
    fn take_with_owner(
        &self,
        lock: &Mutex<()>,
        owner: &SharedBuckets,
        cost: Cost,
        now: SteadyNanos,
        told: &mut Standings,
    ) -> Option<Result<(), TakeError>> {
        // Always the key's before the owner's.
        let _lock = (1 < self.words.len()).then(|| guard(lock));
        let mut owner = owner.lock();
        let owner = owner.as_deref_mut()?;
        let several = told.begin(self.told.clone(), Some(owner.limits.clone()));
        loop {
            // A single word of a key is written on a copy and then exchanged, since requests that
            // found its owner without limits take from it without a lock.
            let single = match self.words {
                [word] => Some((word, word.load(Ordering::Relaxed))),
                _ => None,
            };
            let copy = [AtomicU64::new(single.map_or(0, |(_, seen)| seen))];
            let words = if single.is_some() { &copy } else { self.words };
            let own = Buckets { words, ..*self };
            let checked = own.check(Some(owner), cost, now, several);
            if checked.is_err() || cost == Cost::NOTHING {
                return Some(checked);
            }
            own.write(several, now);
            let [next] = copy.map(AtomicU64::into_inner);
            let is_written = |(word, seen): (&AtomicU64, u64)| {
                word.compare_exchange(seen, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            };
            if single.is_none_or(is_written) {
                owner.write(several.until_full.iter().skip(self.limits.list().len()), now);
                return Some(Ok(()));
            }
        }
    }

    /// Looks at each bucket and changes none. `several` receives the state of the limits, once the
    /// cost is taken.
    #[inline]
    fn check(
        &self,
        owner: Option<&Shared>,
        cost: Cost,
        now: SteadyNanos,
        several: &mut Several,
    ) -> Result<(), TakeError> {
        if !self.have_room(owner, Request::new(cost, now), &mut several.until_full) {
            return Err(self.denied(owner, cost, now, several));
        }
        if cost == Cost::NOTHING {
            self.look(owner, now, &mut several.until_full);
        }
        Ok(())
    }

    /// Whether each bucket has room for a request. If so, `behind` receives how many nanoseconds
    /// each of them takes to be full then.
    #[inline]
    fn have_room(
        &self,
        owner: Option<&Shared>,
        request: Request,
        behind: &mut [u64; STANDINGS_MAX],
    ) -> bool {
        let limits = self.limits.list();
        // A missing word allows nothing.
        let Some(words) = self.words.get(..limits.len()) else { return false };
        for ((limit, word), place) in limits.iter().zip(words).zip(behind.iter_mut()) {
            let word = word.load(Ordering::Relaxed);
            let Some(behind) = request.behind(limit, word, self.era) else { return false };
            *place = behind;
        }
        let Some(owner) = owner else { return true };
        let places = behind.iter_mut().skip(limits.len());
        for ((limit, word), place) in owner.limits.list().iter().zip(&owner.words).zip(places) {
            let Some(behind) = request.behind(limit, *word, Era::FIRST) else { return false };
            *place = behind;
        }
        true
    }

    /// The limits with their words, those of the key before those of the owner.
    fn each(&self, owner: Option<&'a Shared>) -> impl Iterator<Item = (&'a Limit, u64, Era)> {
        // A missing word is replaced by one that allows nothing.
        let words = self.words.iter().map(|word| word.load(Ordering::Relaxed));
        let words = words.chain(iter::repeat(u64::MAX));
        let own = self.limits.list().iter().zip(words).map(|(limit, word)| (limit, word, self.era));
        let owner = owner.into_iter().flat_map(|owner| {
            let each = owner.limits.list().iter().zip(&owner.words);
            each.map(|(limit, word)| (limit, *word, Era::FIRST))
        });
        own.chain(owner)
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

    /// Why a request for which a bucket lacks room is not accepted. `several` receives the state of
    /// the buckets as they are.
    #[cold]
    fn denied(
        &self,
        owner: Option<&Shared>,
        cost: Cost,
        now: SteadyNanos,
        several: &mut Several,
    ) -> TakeError {
        self.look(owner, now, &mut several.until_full);
        let (mut wait, mut longest) = (0, 0);
        for (at, (limit, word, era)) in (0..).zip(self.each(owner)) {
            let Some(step) = limit.step(cost.judged()) else { return TakeError::TooCostly };
            let check = Check::new(era.mark(word, limit), limit, step, now.0);
            if wait < check.wait {
                (wait, longest) = (check.wait, at);
            }
        }
        several.longest = Some(longest);
        TakeError::Exceeded(Duration::from_nanos(wait))
    }

    /// Writes each of the key's buckets as it was checked.
    #[inline]
    fn write(&self, several: &Several, now: SteadyNanos) {
        let limits = self.limits.list().iter();
        for ((word, behind), _) in self.words.iter().zip(&several.until_full).zip(limits) {
            let seen = word.load(Ordering::Relaxed);
            // It does not overflow: a time beyond the latest is denied.
            let full_at = now.0.wrapping_add(*behind);
            word.store(self.era.word(seen, full_at), Ordering::Relaxed);
        }
    }
}

impl Shared {
    /// Writes each bucket as it was checked.
    #[inline]
    fn write<'a>(&mut self, behind: impl Iterator<Item = &'a u64>, now: SteadyNanos) {
        for (word, behind) in self.words.iter_mut().zip(behind) {
            *word = Era::FIRST.word(*word, now.0.wrapping_add(*behind));
        }
    }
}

/// One request, as each of several buckets is asked about it.
#[derive(Clone, Copy)]
struct Request {
    /// The room that a bucket must have.
    cost: Cost,
    now: u64,
    /// Nanoseconds until the latest time that a word can hold.
    left: u64,
}

impl Request {
    #[inline]
    fn new(cost: Cost, now: SteadyNanos) -> Self {
        Self { cost: cost.judged(), now: now.0, left: ARRIVAL_MAX.saturating_sub(now.0) }
    }

    /// How many nanoseconds a bucket takes to be full once the request is accepted; `None` if it
    /// lacks room.
    #[inline]
    fn behind(self, limit: &Limit, word: u64, era: Era) -> Option<u64> {
        let step = limit.step(self.cost)?;
        // It does not overflow: neither is more than a word can hold.
        let behind = era.mark(word, limit).full_at.saturating_sub(self.now).wrapping_add(step);
        (behind <= limit.tolerance() && behind <= self.left).then_some(behind)
    }
}

/// The words of buckets for the limits `after`, filled as those of `before` were: a limit whose
/// name both have keeps its use, and one with a new name begins full. One limit that replaces one
/// other keeps its use, under any names.
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
