//! Which keys have something counted that is not in the store yet.
//!
//! A request adds to the counters of its key and, if it is the first since the last flush, leaves
//! the key in a bounded queue. The flush takes keys from the queue and empties their counters. If
//! more keys are used between two flushes than the queue holds, the flush looks through the whole
//! index instead, a part at a time: slower, and nothing is lost.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_queue::ArrayQueue;
use triomphe::Arc;

use crate::count::{Counts, Outcome};
use crate::index::{Entry, Index};
use crate::record::KeyId;
use crate::time::{UnixHour, UnixMillis};

/// Most keys that wait for a flush by name. At 16 bytes each this is 1 MB.
pub(crate) const QUEUE_LEN: usize = 65_536;
/// Most rows of one batch, so that a flush holds the store up for a few milliseconds only.
pub const BATCH_ROWS_MAX: usize = 4_096;

/// What one key did in one hour, to be added to what the store knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// Whose it is.
    pub key_id: KeyId,
    /// When it was.
    pub hour: UnixHour,
    /// What is to be added.
    pub counts: Counts,
    /// When the key was last allowed in, if this process knows.
    pub last_used_at: Option<UnixMillis>,
}

/// The keys whose counters are not empty.
pub struct Usage {
    queue: ArrayQueue<Arc<Entry>>,
    /// Set when a key found the queue full. `Release` and `Acquire` pair the setting with the
    /// look through the index, which then sees the count that was added before.
    overflowed: AtomicBool,
    /// What keys were before they were changed. A request may still hold on to one and count
    /// there, where no look through the index would find it. Locked by changes and flushes, never
    /// by a request.
    replaced: Mutex<Vec<Arc<Entry>>>,
    /// Requests whose text was no key's. Relaxed: a number to look at, nothing depends on it.
    unknown: AtomicU64,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            queue: ArrayQueue::new(QUEUE_LEN),
            overflowed: AtomicBool::new(false),
            replaced: Mutex::default(),
            unknown: AtomicU64::new(0),
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
    pub(crate) fn count(&self, entry: &Arc<Entry>, outcome: Outcome, at: UnixMillis) {
        let first = entry.counters().add(outcome, at);
        if first && self.queue.push(Arc::clone(entry)).is_err() {
            self.overflowed.store(true, Ordering::Release);
        }
    }

    /// Counts one request whose text is no key's.
    pub(crate) fn count_unknown(&self) {
        self.unknown.fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps an entry in view that is no longer in the index, until all that was counted there is
    /// taken. One that no request holds and where nothing was counted needs no view: an owner may
    /// have a million of those, all changed at once.
    pub(crate) fn keep(&self, replaced: Arc<Entry>) {
        if !is_done_with(&replaced) {
            self.replaced().push(replaced);
        }
    }

    fn replaced(&self) -> MutexGuard<'_, Vec<Arc<Entry>>> {
        self.replaced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests since the start whose text was no key's.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }
}

/// Takes counts out of memory, batch by batch. There is one, owned by whoever flushes.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    /// The part of the index to look through next, after an overflow.
    shard: Option<usize>,
}

impl Collector {
    /// Takes up to about [`BATCH_ROWS_MAX`] rows; empty when nothing is left to take.
    ///
    /// What is taken is no longer in memory: the caller keeps it until the store has it.
    pub(crate) fn take(&mut self, usage: &Usage, index: &Index, now: UnixMillis) -> Vec<UsageRow> {
        let mut rows = Vec::new();
        while rows.len() < BATCH_ROWS_MAX
            && let Some(entry) = usage.queue.pop()
        {
            take_from(&entry, now, &mut rows);
        }
        usage.replaced().retain(|entry| {
            if BATCH_ROWS_MAX <= rows.len() {
                return true;
            }
            take_from(entry, now, &mut rows);
            !is_done_with(entry)
        });
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
        rows
    }
}

/// Whether nothing is counted in an entry that is no longer in the index, and nothing will be.
fn is_done_with(replaced: &Arc<Entry>) -> bool {
    // Asked first: nobody comes to hold on to an entry that nobody holds on to.
    Arc::count(replaced) == 1 && replaced.counters().are_empty()
}

fn take_from(entry: &Entry, now: UnixMillis, rows: &mut Vec<UsageRow>) {
    let last_used_at = entry.counters().last_used_at();
    let row = |(hour, counts)| UsageRow { key_id: entry.id(), hour, counts, last_used_at };
    rows.extend(entry.counters().take(now).map(row));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::limit::Limits;
    use crate::record::Record;
    use crate::tier::Tier;
    use crate::time::{Now, SteadyNanos};

    /// Multiplied so that the keys spread over the shards as digests do.
    fn digest_of(id: u64) -> Digest {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&id.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        Digest::from_stored(bytes)
    }

    fn filled(keys: u64) -> (Index, Vec<Arc<Entry>>) {
        let limits = Limits::new(Vec::new()).unwrap();
        let tier = std::sync::Arc::new(Tier::new("basic".parse().unwrap(), limits));
        let index = Index::default();
        let mut entries = Vec::new();
        for id in 1..=keys {
            let record = Record::plain(KeyId::new(id).unwrap(), "a".parse().unwrap());
            let digest = digest_of(id);
            index.insert(Entry::new(digest, record, std::sync::Arc::clone(&tier)));
            entries.push(index.find(&digest).unwrap().entry);
        }
        (index, entries)
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
        let (index, entries) = filled(1);
        let usage = Usage::default();
        for _ in 0..3 {
            usage.count(&entries[0], Outcome::Allowed, UnixMillis(1));
        }
        let rows = collect_all(&usage, &index);
        let [row] = rows.as_slice() else { panic!("one row, not {rows:?}") };
        assert_eq!(row.counts[Outcome::Allowed], 3);
        assert_eq!(row.last_used_at, Some(UnixMillis(1)));
        assert!(collect_all(&usage, &index).is_empty());
    }

    #[test]
    fn more_keys_than_the_queue_holds_lose_nothing() {
        let keys = QUEUE_LEN as u64 + 5_000;
        let (index, entries) = filled(keys);
        let usage = Usage::default();
        for entry in &entries {
            usage.count(entry, Outcome::Limited, UnixMillis(1));
        }
        let rows = collect_all(&usage, &index);
        assert_eq!(rows.iter().map(|row| row.counts[Outcome::Limited]).sum::<u64>(), keys);
        let ids: std::collections::HashSet<_> = rows.iter().map(|row| row.key_id).collect();
        assert_eq!(ids.len() as u64, keys);
    }

    /// What is in the index now, in the place of what was there.
    fn replace(index: &Index, usage: &Usage, entries: &[Arc<Entry>]) {
        entries.iter().for_each(|entry| usage.keep(replaced(index, entry.id())));
    }

    fn replaced(index: &Index, id: KeyId) -> Arc<Entry> {
        let record = Record::plain(id, "b".parse().unwrap());
        let limits = Limits::new(Vec::new()).unwrap();
        let tier = Tier::new("basic".parse().unwrap(), limits);
        let after = Entry::new(digest_of(id.get()), record, std::sync::Arc::new(tier));
        let clock = || Now::new(UnixMillis(0), SteadyNanos(0));
        index.replace(after, &clock).unwrap()
    }

    /// A request found the key before it was changed, and is counted after that, again and again.
    #[test]
    fn what_is_counted_where_a_key_was_before_is_not_lost() {
        let (index, entries) = filled(3);
        let usage = Usage::default();
        replace(&index, &usage, &entries);
        assert!(collect_all(&usage, &index).is_empty());
        for round in 1..4 {
            for entry in &entries {
                usage.count(entry, Outcome::Allowed, UnixMillis(round));
            }
            assert_eq!(collect_all(&usage, &index).len(), 3);
        }
        assert_eq!(usage.replaced().len(), 3, "requests hold on to them");
        drop(entries);
        assert!(collect_all(&usage, &index).is_empty());
        assert!(usage.replaced().is_empty(), "nobody will count there any more");
    }

    /// An owner's million keys, all suspended at once.
    #[test]
    fn what_nobody_holds_and_nothing_was_counted_on_is_not_kept() {
        let (index, entries) = filled(3);
        let usage = Usage::default();
        let [counted, held] = [0, 1].map(|at| Arc::clone(&entries[at]));
        usage.count(&counted, Outcome::Limited, UnixMillis(1));
        drop(collect_all(&usage, &index));
        let _ = counted.counters().add(Outcome::Limited, UnixMillis(1));
        let ids: Vec<_> = entries.iter().map(|entry| entry.id()).collect();
        drop((entries, counted));
        for id in ids {
            usage.keep(replaced(&index, id));
        }
        let kept: Vec<_> = usage.replaced().iter().map(|entry| entry.id().get()).collect();
        assert_eq!(kept, [1, 2]);
        drop(held);
    }

    #[test]
    fn nor_is_it_lost_when_the_queue_is_full() {
        let keys = QUEUE_LEN as u64 + 5_000;
        let (index, entries) = filled(keys);
        let usage = Usage::default();
        let (fill, late) = entries.split_at(QUEUE_LEN);
        replace(&index, &usage, late);
        for entry in fill.iter().chain(late) {
            usage.count(entry, Outcome::Limited, UnixMillis(1));
        }
        assert!(usage.overflowed.load(Ordering::Relaxed));
        let rows = collect_all(&usage, &index);
        assert_eq!(rows.iter().map(|row| row.counts[Outcome::Limited]).sum::<u64>(), keys);
    }

    #[test]
    fn a_batch_is_bounded() {
        let (index, entries) = filled(3 * BATCH_ROWS_MAX as u64);
        let usage = Usage::default();
        for entry in &entries {
            usage.count(entry, Outcome::Allowed, UnixMillis(1));
        }
        let rows = Collector::default().take(&usage, &index, UnixMillis(2));
        assert_eq!(rows.len(), BATCH_ROWS_MAX);
    }
}
