//! Taking from buckets whose state is elsewhere: they come and go as the times at which they will
//! be full.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use crate::time::SteadyNanos;

use super::bucket::{ARRIVAL_MAX, full_at};
use super::{Buckets, Cost, Era, Limit, Limits, SharedBuckets, Standings, TakeError};

/// Limits, and for each of them the time at which its bucket will be full, on the clock by which
/// the request is judged.
pub(crate) struct Times<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) full_at: Vec<u64>,
}

impl Times<'_> {
    fn words(&self) -> impl Iterator<Item = u64> {
        self.full_at.iter().map(|full_at| Era::FIRST.at(*full_at))
    }
}

/// Takes the cost of one request from each bucket or from none, by [`Buckets::take`], and
/// moves their times. The limits of an owner have the names that responses use.
///
/// # Errors
///
/// Returns [`TakeError`] if a limit is reached or can never allow that much.
pub(crate) fn take_from_times(
    own: &mut Times<'_>,
    owner: Option<&mut Times<'_>>,
    cost: Cost,
    now: SteadyNanos,
    told: &mut Standings,
) -> Result<(), TakeError> {
    let words: Vec<_> = own.words().map(AtomicU64::new).collect();
    let shared = owner
        .as_ref()
        .map(|owner| SharedBuckets::holding(owner.limits.clone(), owner.words().collect()));
    let buckets = Buckets { limits: own.limits, told: own.limits, era: Era::FIRST, words: &words };
    let taken = buckets.take(&Mutex::new(()), shared.as_ref(), cost, now, told);
    own.full_at = words.into_iter().map(|word| full_at(word.into_inner())).collect();
    if let (Some(owner), Some(shared)) = (owner, shared) {
        owner.full_at = shared.into_words().into_iter().map(full_at).collect();
    }
    taken
}

impl Era {
    /// The word of a bucket that will be full then.
    fn at(self, full_at: u64) -> u64 {
        self.word(0, full_at.min(ARRIVAL_MAX))
    }
}

impl Limit {
    /// The time at which a bucket that is empty at `at` will be full: no bucket of this limit is
    /// further from full.
    pub(crate) fn full_from_empty(&self, at: u64) -> u64 {
        at.saturating_add(self.tolerance()).min(ARRIVAL_MAX)
    }
}
