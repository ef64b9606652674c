//! Which keys have something counted that is not in the store yet.
//!
//! A request adds to the counters of its key and, if it is the first since the last flush, leaves
//! the key in a bounded queue. The flush takes keys from the queue and empties their counters. If
//! more keys are used between two flushes than the queue holds, the flush looks through the whole
//! index instead, a part at a time: slower, and nothing is lost.

mod tiers;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;

use crate::count::{Added, COUNTER_FULL, Counts, Outcome};
use crate::digest::Digest;
use crate::index::{Entry, Index};
use crate::record::KeyId;
use crate::striped::Striped;
use crate::tier::TierName;
use crate::time::{UnixHour, UnixMillis};

pub use tiers::{TIERS_NAMED_MAX, TierCounts, TierTotals};

/// Most keys that wait for a flush by name. At 40 bytes each this is 2.6 MB.
pub(crate) const QUEUE_LEN: usize = 65_536;
/// Most rows of one batch, so that a flush holds the store up for a few milliseconds only.
pub const BATCH_ROWS_MAX: usize = 4_096;

/// How much later a use of a key has to be than its last one on record, to be put on record.
/// Without it, each flush would write the row of every key that is in use.
pub const LAST_USED_STEP: Duration = Duration::from_secs(60);

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
    /// The same for each tier. Locked while counts are taken, and by readers.
    tiers: Mutex<TierTotals>,
    /// Requests whose text was no key's.
    unknown: Striped<1>,
}

/// The counts of no entry of the index.
#[derive(Default)]
struct Beside {
    /// Each with the tier that the key had.
    rows: Vec<(TierName, UsageRow)>,
    entries: Vec<Entry>,
    apart: HashMap<(KeyId, UnixHour), Counts>,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            queue: ArrayQueue::new(QUEUE_LEN),
            overflowed: AtomicBool::new(false),
            beside: Mutex::default(),
            totals: Mutex::default(),
            tiers: Mutex::default(),
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
    /// Counts one request of a known key: part of each decision, wherever that is made.
    #[inline]
    pub(crate) fn count(&self, entry: &Entry, outcome: Outcome, at: UnixMillis) {
        match entry.counters().add(outcome, at) {
            Added::First => self.enqueue(*entry.digest()),
            Added::More => {}
            Added::Full => self.keep_full(entry, outcome, at),
            Added::Apart => self.count_apart(entry.id(), outcome, at),
        }
    }

    /// Counts one request whose text is no key's.
    pub(crate) fn count_unknown(&self) {
        self.unknown.add(0, 1);
    }

    /// Leaves a key where the next flush finds it, whatever becomes of it until then: once between
    /// two of them, so that all other requests go without its code.
    #[inline(never)]
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
    fn keep_full(&self, entry: &Entry, outcome: Outcome, at: UnixMillis) {
        let counts = Counts::from([(outcome, COUNTER_FULL)]);
        let row = UsageRow { key_id: entry.id(), hour: at.hour(), counts, last_used_at: None };
        self.beside().rows.push((entry.tier().name().clone(), row));
    }

    /// Counts one request for which the key has no counter: so few keys have such requests that a
    /// counter in each would be a waste.
    #[cold]
    fn count_apart(&self, key_id: KeyId, outcome: Outcome, at: UnixMillis) {
        self.beside().apart.entry((key_id, at.hour())).or_default()[outcome] += 1;
    }

    /// Drops the counts of these keys, which have these ids. Returns how many requests they are of.
    pub(crate) fn drop_of(&self, entries: &[Entry], ids: &HashSet<KeyId>, now: UnixMillis) -> u64 {
        let mut dropped = Counts::default();
        let all = |entry: &Entry, dropped: &mut Counts| {
            entry.counters().take(now).for_each(|(_, counts)| dropped.add(&counts));
        };
        entries.iter().for_each(|entry| all(entry, &mut dropped));
        let mut beside = self.beside();
        beside.rows.retain(|(_, row)| {
            let is_kept = !ids.contains(&row.key_id);
            if !is_kept {
                dropped.add(&row.counts);
            }
            is_kept
        });
        beside.apart.retain(|(id, _), counts| {
            let is_kept = !ids.contains(id);
            if !is_kept {
                dropped.add(counts);
            }
            is_kept
        });
        beside.entries.retain(|entry| {
            let is_kept = !ids.contains(&entry.id());
            if !is_kept {
                all(entry, &mut dropped);
            }
            is_kept
        });
        dropped.requests()
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

    /// Requests since the start that were allowed or met a limit, by tier, as of the last flush; as
    /// [`Usage::totals`] in all other respects.
    #[must_use]
    pub fn tier_totals(&self) -> TierTotals {
        self.tiers().clone()
    }

    /// How many keys have counts that no flush has taken yet. Above 65 536 keys it stays there.
    #[must_use]
    pub fn pending(&self) -> usize {
        let beside = self.beside();
        self.queue.len() + beside.rows.len() + beside.entries.len() + beside.apart.len()
    }

    fn tiers(&self) -> MutexGuard<'_, TierTotals> {
        self.tiers.lock().unwrap_or_else(PoisonError::into_inner)
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
        let (mut rows, mut tiers) = (Vec::new(), usage.tiers());
        while rows.len() < BATCH_ROWS_MAX
            && let Some(digest) = usage.queue.pop()
        {
            index.look(&digest, |held| {
                held.into_iter().for_each(|held| take_from(held.entry, now, &mut rows, &mut tiers));
            });
        }
        let mut beside = usage.beside();
        let full = BATCH_ROWS_MAX.saturating_sub(rows.len()).min(beside.rows.len());
        for (tier, row) in beside.rows.drain(..full) {
            tiers.add(&tier, &row.counts);
            rows.push(row);
        }
        let room = BATCH_ROWS_MAX.saturating_sub(rows.len());
        let apart: Vec<_> = beside.apart.keys().take(room).copied().collect();
        rows.extend(apart.into_iter().filter_map(|(key_id, hour)| {
            let counts = beside.apart.remove(&(key_id, hour))?;
            Some(UsageRow { key_id, hour, counts, last_used_at: None })
        }));
        while rows.len() < BATCH_ROWS_MAX
            && let Some(entry) = beside.entries.pop()
        {
            take_from(&entry, now, &mut rows, &mut tiers);
        }
        drop(beside);
        if usage.overflowed.swap(false, Ordering::Acquire) {
            self.shard = Some(0);
        }
        while rows.len() < BATCH_ROWS_MAX
            && let Some(shard) = self.shard
        {
            let visited = index.each_in_shard(shard, |entry| {
                take_from(entry, now, &mut rows, &mut tiers);
            });
            self.shard = visited.map(|()| shard + 1);
        }
        usage.add_totals(&rows);
        rows
    }
}

fn take_from(entry: &Entry, now: UnixMillis, rows: &mut Vec<UsageRow>, tiers: &mut TierTotals) {
    let last_used_at = entry.counters().last_used_at();
    for (hour, counts) in entry.counters().take(now) {
        tiers.add(entry.tier().name(), &counts);
        rows.push(UsageRow { key_id: entry.id(), hour, counts, last_used_at });
    }
}

#[cfg(test)]
mod tests;
