//! The latest reading of the wall clock, carried on by the steady one: it detects that the wall
//! clock was set back, which would let expired keys work again.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::time::{EARLIEST, Now, SteadyNanos, UnixMillis};

/// How much earlier than the carried reading the wall clock may be, in milliseconds: one minute.
/// Correcting a clock by hand or by a time service moves it by less.
const LAG_MAX_MS: i64 = 60_000;

/// The carried reading gives way to a wall clock that is earlier by less than that at a rate of one
/// part in so many of the time that passes. Time services correct a clock by at most 500 parts in a
/// million (`adjtimex(2)`), so that many small corrections never add up to a doubt.
const GIVES_WAY: u64 = 2_000;

/// No reading is known: so long ago that every wall clock is ahead of it.
const NONE: i64 = i64::MIN;

/// Added to the carried reading where the wall clock is the store's: above every time, so that a
/// request finds out by the comparison that it makes anyway.
const OF_STORE: i64 = 1 << 62;

/// The latest reading of the wall clock, carried on by the steady one.
///
/// A wall clock that is ahead of it is followed. While the wall clock is before [`EARLIEST`], or
/// more than a minute earlier than the carried reading, it is unknown which of the two is right,
/// and a request is judged by both.
///
/// Where several nodes share a store, the wall clock is the store's, carried on by the steady clock
/// of this node, and all of the above is about that one.
#[derive(Debug)]
pub(crate) struct Carried {
    /// The carried reading in milliseconds, when the steady clock was at 0; or [`NONE`]. Relaxed:
    /// it is one number, and a request just before or just after it moves is judged rightly.
    origin_ms: AtomicI64,
    /// The store's time in milliseconds, when the steady clock was at 0, or [`NONE`]; only looked
    /// at where the carried reading is in the range of [`OF_STORE`].
    store_ms: AtomicI64,
    /// Held for a few additions, never while waiting and never by a request; a panic cannot
    /// happen between them, so a poisoned lock is taken.
    follower: Mutex<Follower>,
}

#[derive(Debug, Default)]
struct Follower {
    /// When the wall clock was last looked at; `None` is that a reading from an earlier start is
    /// not joined to the steady clock of this one yet.
    last: Option<SteadyNanos>,
    /// How far the carried reading may give way, in nanoseconds times [`GIVES_WAY`].
    slack: u64,
}

impl Carried {
    /// Goes on from the latest reading of an earlier start, if one is known.
    pub(crate) fn since(latest: Option<UnixMillis>) -> Self {
        Self::with_origin(latest.map_or(NONE, signed))
    }

    /// The same for a node of a cluster, which goes by its own wall clock until the store has said
    /// what time it is.
    pub(crate) fn of_store_since(latest: Option<UnixMillis>) -> Self {
        Self::with_origin(latest.map_or(0, signed).saturating_add(OF_STORE))
    }

    fn with_origin(origin_ms: i64) -> Self {
        let (origin_ms, store_ms) = (AtomicI64::new(origin_ms), AtomicI64::new(NONE));
        Self { origin_ms, store_ms, follower: Mutex::default() }
    }

    /// The reading, judged by the carried one.
    #[inline]
    pub(crate) fn judge(&self, now: Now) -> Now {
        let carried = self.carried(now.steady);
        if carried.saturating_sub(LAG_MAX_MS).max(signed(EARLIEST)) <= signed(now.unix) {
            return now;
        }
        if carried < OF_STORE / 2 {
            return now.or_as_late_as(unsigned(carried));
        }
        self.judge_by_store(now, carried - OF_STORE)
    }

    #[inline(never)]
    fn judge_by_store(&self, now: Now, carried: i64) -> Now {
        let now = self.by_store(now);
        if carried.saturating_sub(LAG_MAX_MS).max(signed(EARLIEST)) <= signed(now.unix) {
            return now;
        }
        now.or_as_late_as(unsigned(carried))
    }

    /// The reading with the store's wall clock, if that is known.
    fn by_store(&self, now: Now) -> Now {
        match self.store_ms.load(Ordering::Relaxed) {
            NONE => now,
            origin => {
                let at = origin.saturating_add_unsigned(now.steady.0 / NANOS_PER_MS);
                Now::new(unsigned(at), now.steady)
            }
        }
    }

    /// Whether the clock is the one to go by: on a cluster, the store has said what time it is.
    pub(crate) fn knows_time(&self) -> bool {
        !self.is_of_store() || self.store_ms.load(Ordering::Relaxed) != NONE
    }

    /// The store's time at a reading of the steady clock, from now on.
    pub(crate) fn set_store(&self, at: UnixMillis, steady: SteadyNanos) {
        let origin = signed(at).saturating_sub_unsigned(steady.0 / NANOS_PER_MS);
        self.store_ms.store(origin, Ordering::Relaxed);
    }

    /// The carried reading; `None` if there was no reading yet.
    pub(crate) fn at(&self, steady: SteadyNanos) -> Option<UnixMillis> {
        let origin = self.origin_ms.load(Ordering::Relaxed);
        let carried = self.carried(steady) - if self.is_of_store() { OF_STORE } else { 0 };
        (origin != NONE && origin != OF_STORE).then(|| unsigned(carried))
    }

    fn is_of_store(&self) -> bool {
        OF_STORE / 2 <= self.origin_ms.load(Ordering::Relaxed)
    }

    /// Follows the wall clock, as far as it can be right, and returns the judged reading.
    pub(crate) fn follow(&self, now: Now) -> Now {
        let mut follower = self.follower();
        let (now, base) = match self.is_of_store() {
            true => (self.by_store(now), OF_STORE),
            false => (now, 0),
        };
        let wall = signed(now.unix);
        // The reading that an earlier start left goes on from here: the time since then is unknown.
        let carried = match follower.last {
            Some(_) => self.carried(now.steady).saturating_sub(base),
            None => self.origin_ms.load(Ordering::Relaxed).saturating_sub(base),
        };
        let passed = follower.last.map_or(0, |last| now.steady.0.saturating_sub(last.0));
        let slack_max = LAG_MAX_MS.unsigned_abs() * NANOS_PER_MS * GIVES_WAY;
        follower.slack = follower.slack.saturating_add(passed).min(slack_max);
        follower.last = Some(now.steady);
        let lag = carried.saturating_sub(wall);
        let carried = if lag <= 0 {
            wall
        } else if lag <= LAG_MAX_MS && EARLIEST <= now.unix {
            let gives_way = lag.min(signed_ms(follower.slack / GIVES_WAY));
            follower.slack -= gives_way.unsigned_abs() * NANOS_PER_MS * GIVES_WAY;
            carried - gives_way
        } else {
            carried
        };
        self.set(carried.saturating_add(base), now.steady);
        drop(follower);
        self.judge(now)
    }

    /// Accepts the wall clock as right, however early it is.
    pub(crate) fn accept(&self, now: Now) {
        let mut follower = self.follower();
        follower.last = Some(now.steady);
        let base = if self.is_of_store() { OF_STORE } else { 0 };
        self.set(signed(now.unix).saturating_add(base), now.steady);
    }

    #[inline]
    fn carried(&self, steady: SteadyNanos) -> i64 {
        let passed = steady.0 / NANOS_PER_MS;
        self.origin_ms.load(Ordering::Relaxed).saturating_add_unsigned(passed)
    }

    fn set(&self, carried: i64, steady: SteadyNanos) {
        let origin = carried.saturating_sub_unsigned(steady.0 / NANOS_PER_MS);
        self.origin_ms.store(origin, Ordering::Relaxed);
    }

    fn follower(&self) -> MutexGuard<'_, Follower> {
        self.follower.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const NANOS_PER_MS: u64 = 1_000_000;

fn signed(at: UnixMillis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

fn unsigned(at: i64) -> UnixMillis {
    UnixMillis(u64::try_from(at).unwrap_or(0))
}

/// Nanoseconds as whole milliseconds.
fn signed_ms(nanos: u64) -> i64 {
    i64::try_from(nanos / NANOS_PER_MS).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
