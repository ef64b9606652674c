//! How often a key may be used: a token bucket, kept as one number a key.
//!
//! The algorithm is GCRA, the generic cell rate algorithm (ITU-T I.371, annex A; also known as
//! "leaky bucket as a meter"). A [`Meter`] holds the theoretical arrival time: the instant at
//! which the bucket will be full again. Each accepted request moves it `per / amount` further
//! into the future, and a request is refused if that would pass `now` by more than `burst` such
//! steps.
//!
//! **Guarantee:** in any span of time `t`, at most `burst + t * amount / per` requests are
//! accepted, by any number of threads, in whatever order they read the clock. A refused request
//! changes nothing.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use compact_str::CompactString;
use thiserror::Error;

use crate::time::{ReadClock, SteadyNanos};

/// Shortest time that a limit counts over.
pub const PER_MIN: Duration = Duration::from_secs(1);
/// Longest time that a limit counts over, and that an empty bucket takes to fill.
pub const PER_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// Most requests that a limit allows in its time.
pub const AMOUNT_MAX: u32 = 1_000_000_000;
/// Most characters of a limit's name; they fit the answer's headers without taking memory.
pub const LIMIT_NAME_LEN_MAX: usize = 24;

/// How often, per what time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    name: CompactString,
    amount: NonZeroU32,
    per: Duration,
    burst: NonZeroU32,
    /// Nanoseconds that one request costs, rounded up, so that rounding never allows more.
    interval: u64,
    /// Nanoseconds that an empty bucket takes to fill: `burst * interval`.
    tolerance: u64,
}

/// Says what is wrong with a limit.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitError {
    /// The name is not 1 to 24 of `a-z`, `0-9`, `_` and `-`.
    #[error("a limit's name has 1 to 24 characters of a-z, 0-9, `_` and `-`")]
    Name,
    /// The amount is above [`AMOUNT_MAX`].
    #[error("a limit allows at most 1000000000 requests")]
    Amount,
    /// The time is not a whole number of seconds from [`PER_MIN`] to [`PER_MAX`].
    #[error("a limit counts over whole seconds, from 1 second to 366 days")]
    Per,
    /// An empty bucket would take longer than [`PER_MAX`] to fill.
    #[error("at this rate the burst would take more than 366 days to fill up again")]
    Burst,
}

impl Limit {
    /// A limit of `amount` requests `per` time, of which `burst` may come at once.
    ///
    /// # Errors
    ///
    /// Returns [`LimitError`] if a part is out of bounds, which the variants name.
    pub fn new(
        name: &str,
        amount: NonZeroU32,
        per: Duration,
        burst: NonZeroU32,
    ) -> Result<Self, LimitError> {
        let in_name =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
        if name.is_empty() || LIMIT_NAME_LEN_MAX < name.len() || !name.bytes().all(in_name) {
            return Err(LimitError::Name);
        }
        if AMOUNT_MAX < amount.get() {
            return Err(LimitError::Amount);
        }
        if !(PER_MIN..=PER_MAX).contains(&per) || per.subsec_nanos() != 0 {
            return Err(LimitError::Per);
        }
        let per_nanos = per.as_secs() * 1_000_000_000;
        let interval = per_nanos.div_ceil(u64::from(amount.get()));
        let tolerance = interval
            .checked_mul(u64::from(burst.get()))
            .filter(|nanos| Duration::from_nanos(*nanos) <= PER_MAX)
            .ok_or(LimitError::Burst)?;
        Ok(Self { name: name.into(), amount, per, burst, interval, tolerance })
    }

    /// What the limit is called, such as `requests`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Requests allowed in [`Limit::per`], in the long run.
    #[must_use]
    pub fn amount(&self) -> NonZeroU32 {
        self.amount
    }

    /// The time that [`Limit::amount`] is counted over.
    #[must_use]
    pub fn per(&self) -> Duration {
        self.per
    }

    /// Requests that may come at once after a pause.
    #[must_use]
    pub fn burst(&self) -> NonZeroU32 {
        self.burst
    }

    /// Takes one request from the bucket, or says when there will be one.
    fn take(&self, meter: &Meter, era: Era, now: SteadyNanos) -> Result<Standing, TakeError> {
        let now = now.0;
        let latest = now.saturating_add(self.tolerance).min(ARRIVAL_MAX);
        // Relaxed: the number guards nothing but itself, and the exchange below is atomic.
        let mut word = meter.0.load(Ordering::Relaxed);
        loop {
            if word == RETIRED {
                return Err(TakeError::Retired);
            }
            let mark = era.mark(word, self.tolerance);
            let next = mark.full_at.max(now).saturating_add(self.interval);
            if latest < next {
                let retry_after = Duration::from_nanos(next - latest);
                let standing = self.standing(mark.full_at, now);
                return Err(TakeError::Exceeded(Exceeded { standing, retry_after }));
            }
            let marked = Mark { full_at: next, ..mark }.word();
            match meter.0.compare_exchange_weak(word, marked, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Ok(self.standing(next, now)),
                Err(newer) => word = newer,
            }
        }
    }

    fn standing(&self, full_at: u64, now: u64) -> Standing {
        let until_full = full_at.saturating_sub(now);
        let room = self.tolerance.saturating_sub(until_full) / self.interval;
        Standing {
            limit: self.clone(),
            // The room is at most `burst`, which is a `u32`.
            remaining: u32::try_from(room).unwrap_or(u32::MAX),
            full_after: Duration::from_nanos(until_full),
        }
    }
}

/// How a caller stands with its limit after a request: what the answer's headers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The limit that is spoken of, as it was in force.
    pub limit: Limit,
    /// Requests that would be accepted at once; at most the limit's burst.
    pub remaining: u32,
    /// Until the bucket is full again, if no request comes.
    pub full_after: Duration,
}

/// A request was refused because its limit is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// How the caller stands.
    pub standing: Standing,
    /// A request that comes this much later is accepted, unless another one takes its place.
    pub retry_after: Duration,
}

/// Why no request was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TakeError {
    /// The limit is reached.
    Exceeded(Exceeded),
    /// The meter was retired: another one has taken its place. Look for it and take from that.
    Retired,
}

/// Bits of a meter that say under which limits it was last used.
const GENERATION_BITS: u32 = 5;
const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;
/// The latest time that a meter can hold: 18 years after the process started. Later, every
/// request is refused.
const ARRIVAL_MAX: u64 = (u64::MAX >> GENERATION_BITS) - 1;
/// The word of a meter that nothing may be taken from any more. No time has it.
const RETIRED: u64 = u64::MAX;

/// The state of one key's bucket: when it will be full, and under which limits that was so.
///
/// An atomic, since all requests of one key meet here; it is one word, so that taking needs no
/// lock and a panic leaves nothing half done.
#[derive(Debug, Default)]
pub struct Meter(AtomicU64);

impl Meter {
    /// A meter that nothing can be taken from until [`Meter::take_over`].
    pub(crate) fn closed() -> Self {
        Self(AtomicU64::new(RETIRED))
    }

    /// Opens a meter that took nothing over: its bucket is full.
    pub(crate) fn open(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Continues where `before` stood, which is retired: whoever holds on to that one must look
    /// for this one, so that no request is taken from both.
    ///
    /// `limits` are those that count from now on, if they are others than before.
    pub(crate) fn take_over(&self, before: &Self, limits: Option<(&Limits, ReadClock<'_>)>) {
        // Relaxed: as for taking, the word guards nothing but itself.
        let word = before.0.swap(RETIRED, Ordering::Relaxed);
        let word = match limits {
            // The clock is read now that nothing can be taken from `before`: an earlier reading
            // would give back what was taken since.
            Some((limits, clock)) if word != RETIRED => limits.adopt(word, clock().steady),
            _ => word,
        };
        self.0.store(word, Ordering::Relaxed);
    }
}

/// What the word of a meter says.
#[derive(Clone, Copy)]
struct Mark {
    full_at: u64,
    generation: u64,
}

impl Mark {
    fn word(self) -> u64 {
        self.full_at << GENERATION_BITS | self.generation
    }
}

/// Which edition of a tier's limits is in force, and since when.
///
/// A meter has room for the last bits of the number, so an edition is told from the 15 before it.
/// A meter that was last used longer ago counts as used under these limits, or newer ones: it is
/// not read as empty, and its caller waits as long as it would have under the limits of that time,
/// at most [`PER_MAX`]. Nothing passes that should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Era {
    generation: u64,
    since: SteadyNanos,
}

impl Era {
    const FIRST: Self = Self { generation: 0, since: SteadyNanos(0) };

    /// Reads a meter as it counts in this era.
    ///
    /// A meter last used under older limits may lie further in the future than an empty bucket
    /// can under these; it is read as empty at the moment when these came into force. That depends
    /// on no reading of the clock, so threads cannot disagree. A meter from a newer era stays as
    /// it is: this request overlaps the change, and adding to the meter refuses more, never less.
    fn mark(self, word: u64, tolerance: u64) -> Mark {
        let mark = Mark { full_at: word >> GENERATION_BITS, generation: word & GENERATION_MASK };
        let behind = self.generation.wrapping_sub(mark.generation) & GENERATION_MASK;
        if behind == 0 || GENERATION_MASK / 2 < behind {
            return mark;
        }
        let empty = self.since.0.saturating_add(tolerance);
        Mark { full_at: mark.full_at.min(empty), generation: self.generation }
    }
}

/// The limits that a tier sets, as they are in force at one time.
///
/// One limit for now. Everything that asks does so through [`Limits::take`], which will answer for
/// the tightest of several without a change to those who call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    list: Vec<Limit>,
    era: Era,
}

/// Most limits of one tier.
pub const LIMITS_MAX: usize = 1;

/// Says that a tier was given more than [`LIMITS_MAX`] limits.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a tier has at most 1 limit")]
pub struct TooManyLimitsError;

impl Limits {
    /// The first limits of a tier. An empty list is no limit.
    ///
    /// # Errors
    ///
    /// Returns [`TooManyLimitsError`] if there are more than [`LIMITS_MAX`].
    pub fn new(list: Vec<Limit>) -> Result<Self, TooManyLimitsError> {
        if LIMITS_MAX < list.len() {
            return Err(TooManyLimitsError);
        }
        Ok(Self { list, era: Era::FIRST })
    }

    /// One limit, or none.
    #[must_use]
    pub fn of(limit: Option<Limit>) -> Self {
        Self { list: limit.into_iter().collect(), era: Era::FIRST }
    }

    /// The same limits as the successors of `before`, in force from `since`.
    ///
    /// That must not be before any request that `before` allowed, or what such a request took is
    /// given back. [`SteadyNanos::NEVER`] is always right: then a caller that used up its limit
    /// waits as long as it would have under `before`.
    #[must_use]
    pub fn succeeding(self, before: &Self, since: SteadyNanos) -> Self {
        let generation = (before.era.generation + 1) & GENERATION_MASK;
        Self { era: Era { generation, since }, ..self }
    }

    /// The limits themselves.
    #[must_use]
    pub fn list(&self) -> &[Limit] {
        &self.list
    }

    /// Takes one request, if the limits allow it; `None` if there is no limit.
    ///
    /// # Errors
    ///
    /// Returns [`TakeError`] if a limit is reached, or the meter is retired; then nothing was
    /// taken.
    pub fn take(&self, meter: &Meter, now: SteadyNanos) -> Result<Option<Standing>, TakeError> {
        self.list.first().map(|limit| limit.take(meter, self.era, now)).transpose()
    }

    /// The word of a meter that was filled under other limits, as it counts under these: what was
    /// used stays used, and an empty bucket is the worst that it can be.
    fn adopt(&self, word: u64, now: SteadyNanos) -> u64 {
        let tolerance = self.list.first().map_or(0, |limit| limit.tolerance);
        let empty = now.0.saturating_add(tolerance).min(ARRIVAL_MAX);
        let full_at = (word >> GENERATION_BITS).min(empty);
        Mark { full_at, generation: self.era.generation }.word()
    }
}

#[cfg(test)]
mod tests;
