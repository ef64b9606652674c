//! Which keys have something counted that is not in the store yet.
//!
//! A request adds to the counters of its key and, if it is the first since the last flush, leaves
//! the key in a bounded queue. The flush takes keys from the queue and empties their counters. If
//! more keys are used between two flushes than the queue holds, the flush looks through the whole
//! index instead, a part at a time: slower, and nothing is lost.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_queue::ArrayQueue;

use crate::count::{Added, COUNTER_FULL, Counts, Outcome};
use crate::digest::Digest;
use crate::index::{Entry, Index};
use crate::record::KeyId;
use crate::striped::Striped;
use crate::time::{UnixHour, UnixMillis};

/// Most keys that wait for a flush by name. At 40 bytes each this is 2.6 MB.
pub(crate) const QUEUE_LEN: usize = 65_536;
/// Most rows of one batch, so that a flush holds the store up for a few milliseconds only.
pub const BATCH_ROWS_MAX: usize = 4_096;

/// The counts of one key in one hour, to be added to those in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// Whose it is.
    pub key_id: KeyId,
    /// When it was.
    pub hour: UnixHour,
    /// The counts to add.
    pub counts: Counts,
    /// When the key was last allowed in, if this process knows.
    pub last_used_at: Option<UnixMillis>,
}

/// The keys whose counters are not empty.
///
/// ```
/// use keyward::count::Counts;
/// use keyward::usage::Usage;
///
/// let usage = Usage::default();
/// assert_eq!((usage.totals(), usage.unknown()), (Counts::default(), 0));
/// ```
pub struct Usage {
    /// By the digest of the secret that is, or was, the key's: the index leads from there.
    queue: ArrayQueue<Digest>,
    /// Set when a key found the queue full. `Release` and `Acquire` pair the setting with the
    /// look through the index, which then sees the count that was added before.
    overflowed: AtomicBool,
    /// Counts to which neither the queue nor the index leads. Locked by flushes, by changes, and by
    /// a request that fills a counter.
    beside: Mutex<Beside>,
    /// The sum of all counts taken so far. Locked by flushes and by readers.
    totals: Mutex<Counts>,
    /// Requests whose text was no key's.
    unknown: Striped<1>,
}

/// The counts of no entry of the index.
#[derive(Default)]
struct Beside {
    rows: Vec<UsageRow>,
    entries: Vec<Entry>,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            queue: ArrayQueue::new(QUEUE_LEN),
            overflowed: AtomicBool::new(false),
            beside: Mutex::default(),
            totals: Mutex::default(),
            unknown: Striped::default(),
        }
    }
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Usage").field("queued", &self.queue.len()).finish()
    }
}

impl Usage {
    /// Counts one request of a known key.
    pub(crate) fn count(&self, entry: &Entry, outcome: Outcome, at: UnixMillis) {
        match entry.counters().add(outcome, at) {
            Added::First => self.enqueue(*entry.digest()),
            Added::More => {}
            Added::Full => self.keep_full(entry.id(), outcome, at),
        }
    }

    /// Counts one request whose text is no key's.
    pub(crate) fn count_unknown(&self) {
        self.unknown.add(0, 1);
    }

    /// Leaves a key where the next flush finds it, whatever becomes of it until then.
    fn enqueue(&self, digest: Digest) {
        if self.queue.push(digest).is_err() {
            self.overflowed.store(true, Ordering::Release);
        }
    }

    /// Keeps an entry until the next flush that is no longer in the index.
    pub(crate) fn keep(&self, entry: Entry) {
        self.beside().entries.push(entry);
    }

    /// Keeps the content of a counter that is full: once in as many requests of one key that are
    /// all denied.
    #[cold]
    fn keep_full(&self, key_id: KeyId, outcome: Outcome, at: UnixMillis) {
        let counts = Counts::from([(outcome, COUNTER_FULL)]);
        let row = UsageRow { key_id, hour: at.hour(), counts, last_used_at: None };
        self.beside().rows.push(row);
    }

    fn beside(&self) -> MutexGuard<'_, Beside> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests of known keys since the start, by outcome, as of the last flush: a sum for each
    /// request would make all of them share one cache line.
    ///
    /// No number in it ever decreases, and each request is in it once, also if its batch is sent to
    /// the store again. While the store takes none, it does not grow and nothing is lost.
    #[must_use]
    pub fn totals(&self) -> Counts {
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add_totals(&self, rows: &[UsageRow]) {
        let mut taken = Counts::default();
        rows.iter().for_each(|row| taken.add(&row.counts));
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).add(&taken);
    }

    /// Requests since the start whose text was no key's.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown.sum(0)
    }
}

/// Takes counts out of memory, batch by batch. There is one, owned by the flush.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    /// The part of the index to look through next, after an overflow.
    shard: Option<usize>,
}

impl Collector {
    /// Takes up to about [`BATCH_ROWS_MAX`] rows; empty when nothing is left to take.
    ///
    /// The taken counts are no longer in memory: the caller keeps them until the store has them.
    pub(crate) fn take(&mut self, usage: &Usage, index: &Index, now: UnixMillis) -> Vec<UsageRow> {
        let mut rows = Vec::new();
        while rows.len() < BATCH_ROWS_MAX
            && let Some(digest) = usage.queue.pop()
        {
            index.look(&digest, |held| {
                held.into_iter().for_each(|held| take_from(held.entry, now, &mut rows));
            });
        }
        let mut beside = usage.beside();
        let full = BATCH_ROWS_MAX.saturating_sub(rows.len()).min(beside.rows.len());
        rows.extend(beside.rows.drain(..full));
        while rows.len() < BATCH_ROWS_MAX
            && let Some(entry) = beside.entries.pop()
        {
            take_from(&entry, now, &mut rows);
        }
        drop(beside);
        if usage.overflowed.swap(false, Ordering::Acquire) {
            self.shard = Some(0);
        }
        while rows.len() < BATCH_ROWS_MAX
            && let Some(shard) = self.shard
        {
            let visited = index.each_in_shard(shard, |entry| {
                take_from(entry, now, &mut rows);
            });
            self.shard = visited.map(|()| shard + 1);
        }
        usage.add_totals(&rows);
        rows
    }
}

fn take_from(entry: &Entry, now: UnixMillis, rows: &mut Vec<UsageRow>) {
    let last_used_at = entry.counters().last_used_at();
    let row = |(hour, counts)| UsageRow { key_id: entry.id(), hour, counts, last_used_at };
    rows.extend(entry.counters().take(now).map(row));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Limits;
    use crate::stored::Key;
    use crate::tier::Tier;
    use crate::time::{Now, SteadyNanos};

    /// Multiplied so that the keys spread over the shards as digests do.
    fn digest_of(id: u64) -> Digest {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&id.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        Digest::from_stored(bytes)
    }

    fn key(id: KeyId, name: &str, digest: Digest) -> Key {
        Key::plain(id, name.parse().unwrap(), "basic".parse().unwrap(), digest)
    }

    fn filled(keys: u64) -> (Index, Vec<Digest>) {
        let limits = Limits::new(Vec::new()).unwrap();
        let tier = std::sync::Arc::new(Tier::new("basic".parse().unwrap(), limits));
        let index = Index::default();
        let mut digests = Vec::new();
        for id in 1..=keys {
            let digest = digest_of(id);
            let key = key(KeyId::new(id).unwrap(), "a", digest);
            index.insert(Entry::new(&key, std::sync::Arc::clone(&tier)));
            digests.push(digest);
        }
        (index, digests)
    }

    fn count(usage: &Usage, index: &Index, digest: &Digest, outcome: Outcome, at: u64) {
        index.ask(digest, |entry| usage.count(entry, outcome, UnixMillis(at))).unwrap();
    }

    fn collect_all(usage: &Usage, index: &Index) -> Vec<UsageRow> {
        let mut collector = Collector::default();
        let mut all = Vec::new();
        loop {
            let rows = collector.take(usage, index, UnixMillis(2));
            if rows.is_empty() {
                return all;
            }
            all.extend(rows);
        }
    }

    #[test]
    fn what_is_taken_is_taken_once() {
        let (index, digests) = filled(1);
        let usage = Usage::default();
        for _ in 0..3 {
            count(&usage, &index, &digests[0], Outcome::Allowed, 1);
        }
        let rows = collect_all(&usage, &index);
        let [row] = rows.as_slice() else { panic!("one row, not {rows:?}") };
        assert_eq!(row.counts[Outcome::Allowed], 3);
        assert_eq!(row.last_used_at, Some(UnixMillis(1)));
        assert!(collect_all(&usage, &index).is_empty());
    }

    #[test]
    fn totals_have_each_request_once_and_never_decrease() {
        let (index, digests) = filled(2);
        let usage = Usage::default();
        let mut before = usage.totals();
        for round in 1..4 {
            for (digest, outcome) in digests.iter().cycle().zip(Outcome::ALL) {
                count(&usage, &index, digest, outcome, round);
            }
            assert_eq!(usage.totals(), before, "it is without counts not taken yet");
            collect_all(&usage, &index);
            let after = usage.totals();
            for outcome in Outcome::ALL {
                assert_eq!(after[outcome], before[outcome] + 1, "{outcome:?}");
            }
            before = after;
        }
    }

    #[test]
    fn more_keys_than_the_queue_holds_lose_nothing() {
        let keys = QUEUE_LEN as u64 + 5_000;
        let (index, digests) = filled(keys);
        let usage = Usage::default();
        for digest in &digests {
            count(&usage, &index, digest, Outcome::Limited, 1);
        }
        let rows = collect_all(&usage, &index);
        assert_eq!(rows.iter().map(|row| row.counts[Outcome::Limited]).sum::<u64>(), keys);
        let ids: std::collections::HashSet<_> = rows.iter().map(|row| row.key_id).collect();
        assert_eq!(ids.len() as u64, keys);
    }

    /// Changes the keys.
    fn replace(index: &Index, digests: &[Digest]) {
        for (id, digest) in (1..).zip(digests) {
            let limits = Limits::new(Vec::new()).unwrap();
            let tier = Tier::new("basic".parse().unwrap(), limits);
            let key = key(KeyId::new(id).unwrap(), "b", *digest);
            let after = Entry::new(&key, std::sync::Arc::new(tier));
            index.replace(after, &|| Now::new(UnixMillis(0), SteadyNanos(0)));
        }
    }

    #[test]
    fn what_was_counted_before_a_key_was_changed_is_taken_once() {
        let (index, digests) = filled(3);
        let usage = Usage::default();
        for round in 1..4 {
            for digest in &digests {
                count(&usage, &index, digest, Outcome::Allowed, round);
            }
            replace(&index, &digests);
            replace(&index, &digests);
            let rows = collect_all(&usage, &index);
            assert_eq!(rows.len(), 3);
            assert!(rows.iter().all(|row| row.counts[Outcome::Allowed] == 1));
            assert!(rows.iter().all(|row| row.last_used_at == Some(UnixMillis(round))));
        }
    }

    #[test]
    fn nor_is_it_lost_when_the_queue_is_full() {
        let keys = QUEUE_LEN as u64 + 5_000;
        let (index, digests) = filled(keys);
        let usage = Usage::default();
        for digest in &digests {
            count(&usage, &index, digest, Outcome::Limited, 1);
        }
        replace(&index, &digests);
        assert!(usage.overflowed.load(Ordering::Relaxed));
        let rows = collect_all(&usage, &index);
        let limited = rows.iter().map(|row| row.counts[Outcome::Limited]);
        assert_eq!(limited.sum::<u64>(), keys);
    }

    #[test]
    fn a_batch_is_bounded() {
        let (index, digests) = filled(3 * BATCH_ROWS_MAX as u64);
        let usage = Usage::default();
        for digest in &digests {
            count(&usage, &index, digest, Outcome::Allowed, 1);
        }
        let rows = Collector::default().take(&usage, &index, UnixMillis(2));
        assert_eq!(rows.len(), BATCH_ROWS_MAX);
    }

    #[test]
    fn more_denials_than_a_counter_holds_are_all_there() {
        let (index, digests) = filled(1);
        let usage = Usage::default();
        for _ in 0..3 * COUNTER_FULL + 7 {
            count(&usage, &index, &digests[0], Outcome::Revoked, 1);
        }
        let rows = collect_all(&usage, &index);
        let revoked = rows.iter().map(|row| row.counts[Outcome::Revoked]);
        assert_eq!(revoked.sum::<u64>(), 3 * COUNTER_FULL + 7);
        assert_eq!(usage.totals()[Outcome::Revoked], 3 * COUNTER_FULL + 7);
    }

    #[test]
    fn what_leaves_the_index_is_taken_once() {
        let (index, digests) = filled(1);
        let usage = Usage::default();
        count(&usage, &index, &digests[0], Outcome::Allowed, 1);
        let passed = index.put_former(digests[0], digest_of(2), UnixMillis(1)).unwrap();
        usage.keep(passed);
        assert_eq!(collect_all(&usage, &index).len(), 1);
        assert!(collect_all(&usage, &index).is_empty());
    }

    /// A flush finds a key by a secret that it no longer has.
    #[test]
    fn what_was_counted_before_a_rotation_is_taken_once() {
        let (index, digests) = filled(1);
        let usage = Usage::default();
        for (round, next) in (2..5).enumerate() {
            let (before, after) = (digest_of(next - 1), digest_of(next));
            count(&usage, &index, &digests[0], Outcome::Allowed, 1);
            let limits = Limits::new(Vec::new()).unwrap();
            let tier = std::sync::Arc::new(Tier::new("basic".parse().unwrap(), limits));
            let entry = Entry::new(&key(KeyId::new(1).unwrap(), "a", after), tier);
            let clock = || Now::new(UnixMillis(0), SteadyNanos(0));
            index.rotate(entry, before, UnixMillis(9), &clock);
            count(&usage, &index, &after, Outcome::Allowed, 1);
            let rows = collect_all(&usage, &index);
            assert_eq!(rows.len(), 1, "{round}");
            assert_eq!((rows[0].key_id.get(), rows[0].counts[Outcome::Allowed]), (1, 2));
        }
    }
}
