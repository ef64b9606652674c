//! Which buckets are waited for: asks for them go another way, so that the others need not wait.

use std::collections::HashMap;

use keyward::ticket::{Ask, BucketId, StoreNanos};

/// A batch that took its locks within this has not waited.
const WAIT_MIN: u64 = 2_000_000;
/// How long a bucket counts as slow after it was last waited for.
const SLOW: u64 = 1_000_000_000;
/// Buckets until those are removed that are slow no more.
const SWEEP_AT: usize = 4_096;

/// The buckets of batches that waited for their locks, by the store's clock.
///
/// The store does not say for which of its buckets a batch waited. One that is asked for by many is
/// in one such batch after the other, and the others are not: a bucket is slow from the second one
/// on.
#[derive(Debug, Default)]
pub(super) struct SlowBuckets {
    now: StoreNanos,
    waits: HashMap<BucketId, Wait>,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    last: StoreNanos,
    times: u32,
}

impl SlowBuckets {
    /// Notes that a batch had its locks at this time, and how long after it had begun.
    pub(super) fn note<'a>(
        &mut self,
        at: StoreNanos,
        waited: u64,
        buckets: impl Iterator<Item = &'a BucketId>,
    ) {
        self.now = self.now.max(at);
        if waited < WAIT_MIN {
            return;
        }
        let now = self.now;
        if SWEEP_AT <= self.waits.len() {
            self.waits.retain(|_, wait| wait.is_recent(now));
        }
        for bucket in buckets {
            let wait = self.waits.entry(*bucket).or_insert(Wait { last: at, times: 0 });
            wait.times = if wait.is_recent(now) { wait.times.saturating_add(1) } else { 1 };
            wait.last = at;
        }
    }

    /// Whether a bucket of this ask is slow.
    pub(super) fn has(&self, ask: &Ask) -> bool {
        let is_slow = |wait: &Wait| 1 < wait.times && wait.is_recent(self.now);
        ask.places().any(|place| self.waits.get(&place.bucket).is_some_and(is_slow))
    }
}

impl Wait {
    fn is_recent(self, now: StoreNanos) -> bool {
        now.0.saturating_sub(self.last.0) < SLOW
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keyward::KeyId;
    use keyward::limit::{Cost, Limit, Limits};
    use keyward::ticket::{Revision, Terms};

    use super::*;

    #[test]
    fn a_bucket_is_slow_that_was_waited_for_twice_in_a_second() {
        let one = std::num::NonZeroU32::MIN;
        let limits = Limits::of(Limit::new("a", one, Duration::from_secs(1), one).ok());
        let own = Terms::of_key(KeyId::new(1).unwrap(), limits, Revision(1));
        let ask = Ask { own, owner: None, cost: Cost::ONE };
        let bucket = ask.places().next().unwrap().bucket;
        let mut slow = SlowBuckets::default();
        let mut note = |ms: u64, waited, expected: bool| {
            slow.note(StoreNanos(ms * 1_000_000), waited, [&bucket].into_iter());
            assert_eq!(slow.has(&ask), expected, "{ms}");
        };
        note(1, WAIT_MIN - 1, false);
        note(2, WAIT_MIN - 1, false);
        note(3, WAIT_MIN, false);
        note(900, WAIT_MIN, true);
        note(1_899, 0, true);
        note(1_900, 0, false);
        note(2_000, WAIT_MIN, false);
    }
}
