//! One bucket: a word that says when it will be full.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::time::SteadyNanos;

use super::{Cost, Exceeded, Limit, Standing, TakeError};

/// Bits of a word that say under which edition of a tier's limits it was last used.
const GENERATION_BITS: u32 = 4;
const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;
/// Editions that a word can distinguish.
pub(crate) const GENERATIONS: usize = 1 << GENERATION_BITS;
/// The latest time that a word can hold: 36 years after the process started. Later, every request
/// is rejected.
pub(super) const ARRIVAL_MAX: u64 = u64::MAX >> GENERATION_BITS;

/// The content of a bucket's word: when it will be full, and the edition under which that was so.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    pub(super) full_at: u64,
    pub(super) generation: u64,
}

impl Mark {
    pub(super) fn word(self) -> u64 {
        self.full_at << GENERATION_BITS | self.generation
    }
}

/// Which edition of a tier's limits is in force, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Era {
    generation: u64,
    since: SteadyNanos,
}

impl Era {
    /// Of limits that nothing came before.
    pub(crate) const FIRST: Self = Self { generation: 0, since: SteadyNanos(0) };

    /// The edition with this number, below [`GENERATIONS`], in force from `since`.
    ///
    /// That must not be before any request that the edition before allowed, or what such a request
    /// took is given back. [`SteadyNanos::NEVER`] is always right: then a caller that used up its
    /// limit waits as long as it would have before.
    pub(crate) fn new(generation: usize, since: SteadyNanos) -> Self {
        Self { generation: generation as u64 & GENERATION_MASK, since }
    }

    /// Reads a word as it counts in this era.
    ///
    /// A bucket last used under older limits may lie further in the future than an empty one can
    /// under these; it is read as empty at the moment when these came into force. That depends on
    /// no reading of the clock, so threads cannot disagree. A word from a newer era stays as it is:
    /// this request overlaps the change, and adding to the word rejects more, never less.
    #[inline]
    pub(super) fn mark(self, word: u64, limit: &Limit) -> Mark {
        let mark = Mark { full_at: word >> GENERATION_BITS, generation: word & GENERATION_MASK };
        if self.generation <= mark.generation {
            return mark;
        }
        let empty = self.since.0.saturating_add(limit.tolerance());
        Mark { full_at: mark.full_at.min(empty), generation: self.generation }
    }

    /// The word that replaces a bucket's word, under this edition or a newer one.
    #[inline]
    pub(super) fn word(self, before: u64, full_at: u64) -> u64 {
        let generation = self.generation.max(before & GENERATION_MASK);
        Mark { full_at, generation }.word()
    }

    /// The word of a bucket that was filled under other limits, as it counts under `limit` from
    /// `now` on: consumed units stay consumed, and the bucket is at worst empty.
    pub(super) fn adopt(self, full_at: u64, limit: &Limit, now: SteadyNanos) -> u64 {
        let empty = now.0.saturating_add(limit.tolerance()).min(ARRIVAL_MAX);
        Mark { full_at: full_at.min(empty), generation: self.generation }.word()
    }

    /// The word of a full bucket.
    pub(super) fn full(self) -> u64 {
        Mark { full_at: 0, generation: self.generation }.word()
    }
}

/// When a bucket will be full whose word counts under no edition.
pub(super) fn full_at(word: u64) -> u64 {
    word >> GENERATION_BITS
}

/// The check of one bucket for one request.
#[derive(Clone, Copy)]
pub(super) struct Check {
    pub(super) mark: Mark,
    /// When the bucket will be full, if the request is accepted.
    pub(super) next: u64,
    /// How much too early the request is, in nanoseconds; 0 if the bucket has room for it.
    pub(super) wait: u64,
}

impl Check {
    #[inline]
    pub(super) fn new(mark: Mark, limit: &Limit, step: u64, now: u64) -> Self {
        let latest = now.saturating_add(limit.tolerance()).min(ARRIVAL_MAX);
        let next = mark.full_at.max(now).saturating_add(step);
        Self { mark, next, wait: next.saturating_sub(latest) }
    }

    /// The word after an accepted request.
    #[inline]
    pub(super) fn word(self) -> u64 {
        Mark { full_at: self.next, ..self.mark }.word()
    }
}

/// One bucket by itself, which belongs to no key.
///
/// It is one word, so that taking needs no lock and a panic leaves nothing half done.
#[derive(Debug, Default)]
pub struct Meter(AtomicU64);

impl Meter {
    /// Takes one request of this limit, which is always the same for one meter.
    ///
    /// # Errors
    ///
    /// Returns [`Exceeded`] if the limit is reached; then nothing was taken.
    pub fn take(&self, limit: &Limit, now: SteadyNanos) -> Result<Standing, Exceeded> {
        let bucket = Bucket { limit, era: Era::FIRST, word: &self.0 };
        bucket.take(Cost::ONE, now).map_err(|error| {
            let wait = match error {
                TakeError::Exceeded(wait) => wait,
                // Every bucket holds one.
                TakeError::TooCostly => limit.per(),
            };
            Exceeded::new(bucket.standing(now), wait)
        })
    }
}

/// A bucket with the limit that is in force for it.
#[derive(Clone, Copy)]
pub(crate) struct Bucket<'a> {
    pub(super) limit: &'a Limit,
    /// Under which edition the word counts.
    pub(super) era: Era,
    pub(super) word: &'a AtomicU64,
}

impl Bucket<'_> {
    /// Takes the cost of one request, and returns the state of the limit after it.
    ///
    /// # Errors
    ///
    /// Returns [`TakeError`] if the limit is reached or can never allow that much.
    #[inline]
    pub(crate) fn take(self, cost: Cost, now: SteadyNanos) -> Result<Standing, TakeError> {
        let Self { limit, era, word } = self;
        let step = limit.step(cost.judged()).ok_or(TakeError::TooCostly)?;
        // Relaxed: the number guards nothing but itself, and the exchange below is atomic.
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            let check = Check::new(era.mark(seen, limit), limit, step, now.0);
            if check.wait != 0 {
                return Err(TakeError::Exceeded(Duration::from_nanos(check.wait)));
            }
            if cost == Cost::NOTHING {
                return Ok(limit.standing(check.mark.full_at, now.0));
            }
            let next = check.word();
            match word.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(limit.standing(check.next, now.0)),
                Err(newer) => seen = newer,
            }
        }
    }

    /// The state of the limit if nothing is taken.
    pub(crate) fn standing(self, now: SteadyNanos) -> Standing {
        let mark = self.era.mark(self.word.load(Ordering::Relaxed), self.limit);
        self.limit.standing(mark.full_at, now.0)
    }
}
