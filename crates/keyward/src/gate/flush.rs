//! Moving usage, and the latest reading of the clock, from memory to the store.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::index::Index;
use crate::key::RandomError;
use crate::record::KeyId;
use crate::store::{StoreError, UsageBatch};
use crate::time::{ReadClock, UnixHour, UnixMillis};
use crate::usage::{BATCH_ROWS_MAX, Collector, Usage, UsageRow};

use super::Gate;

/// How much older than the latest reading of the clock the one in the store may be while nothing
/// else is flushed: this often a server writes that does nothing else.
const READING_AGE_MAX: Duration = Duration::from_secs(10);

/// The result of one flush.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use keyward::Gate;
/// use keyward::gate::Flushed;
/// use keyward::key::Prefix;
/// use keyward::memory::MemoryStore;
/// use keyward::time::{Now, SteadyNanos, UnixMillis};
///
/// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
/// let clock = || Now::new(UnixMillis(1_767_225_600_000), SteadyNanos(0));
/// // All of it, a batch at a time.
/// while let Flushed { more: true, .. } = gate.flush(&clock).await? {}
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flushed {
    /// Rows that the store now has.
    pub rows: usize,
    /// Whether more may be waiting; then flush again.
    pub more: bool,
}

/// What flushes have done since the gate was opened.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use keyward::Gate;
/// use keyward::gate::Flushes;
/// use keyward::key::Prefix;
/// use keyward::memory::MemoryStore;
/// use keyward::time::{Now, SteadyNanos, UnixMillis};
///
/// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
/// assert_eq!(gate.flushes(), Flushes { rows: 0, last: None, pending: 0 });
/// let at = UnixMillis(1_767_225_600_000);
/// gate.flush(&|| Now::new(at, SteadyNanos(0))).await?;
/// assert_eq!(gate.flushes().last, Some(at));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flushes {
    /// Rows of usage, one for a key and an hour, that the store has taken.
    pub rows: u64,
    /// The reading of the clock at the last flush that succeeded, with rows or without.
    pub last: Option<UnixMillis>,
    /// Rows on their way to the store, and keys with counts that no flush has taken yet. It stays
    /// at about 70 000 if there are more.
    pub pending: u64,
}

/// The numbers of [`Flushes`]. Relaxed: numbers to look at.
#[derive(Debug, Default)]
pub(super) struct FlushCounts {
    rows: AtomicU64,
    /// 0 before the first one.
    last: AtomicU64,
    sending: AtomicU64,
}

impl FlushCounts {
    fn begun(&self, rows: usize) {
        self.sending.store(rows as u64, Ordering::Relaxed);
    }

    fn succeeded(&self, rows: usize, at: UnixMillis) {
        self.sending.store(0, Ordering::Relaxed);
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.last.store(at.0, Ordering::Relaxed);
    }
}

/// The data on its way to the store.
pub(super) struct Outbox {
    collector: Collector,
    writer: [u8; 16],
    number: u64,
    /// Taken from memory and not known to be in the store. It is sent again, under the same
    /// number, until it is.
    pending: Option<UsageBatch>,
    /// The latest reading of the clock that is known to be in the store.
    kept: Option<UnixMillis>,
}

impl Gate {
    /// Moves one batch of usage from memory to the store, which retries what failed before, and
    /// with it the latest reading of the wall clock, which is [followed](Gate::follow). Where
    /// nothing was counted, the reading goes alone, if the store has none of the last ten seconds.
    ///
    /// It may be dropped, fail, and be called again: nothing is lost and nothing counts twice. The
    /// clock is read when no other flush is under way any more, so that counts that waited for it
    /// get the right hour.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::{Asked, Gate};
    /// use keyward::audit::Audit;
    /// use keyward::issue::NewKey;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let at = UnixMillis(1_767_225_600_000);
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// let issued = gate.issue(key, Audit::program(at)).await?;
    /// let clock = || Now::new(at, SteadyNanos(0));
    /// gate.verify(&Asked::of(issued.secret.expose()), clock()).unwrap();
    /// let flushed = gate.flush(&clock).await?;
    /// assert_eq!((flushed.rows, flushed.more), (1, false));
    /// let flushed = gate.flush(&clock).await?;
    /// assert_eq!(flushed.rows, 0, "nothing counts twice");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store did not take the batch, which then waits for the next
    /// flush.
    pub async fn flush(&self, clock: ReadClock<'_>) -> Result<Flushed, StoreError> {
        self.send(clock, READING_AGE_MAX).await
    }

    /// Moves the latest reading of the wall clock to the store, however lately it was moved there,
    /// and a batch of usage with it: for an orderly end, after the last flush.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let clock = || Now::new(UnixMillis(1_767_225_600_000), SteadyNanos(0));
    /// gate.keep_reading(&clock).await?;
    /// assert_eq!(gate.store().latest_reading().await?, Some(clock().unix));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store did not take it.
    pub async fn keep_reading(&self, clock: ReadClock<'_>) -> Result<(), StoreError> {
        self.send(clock, Duration::ZERO).await.map(drop)
    }

    /// Does a piece of the work that usage leaves in the store, and returns whether more is
    /// left; see [`KeyStore::tend_usage`](crate::store::KeyStore::tend_usage). Call it again after
    /// a moment if so, and within the hour if not.
    ///
    /// `days` is of how many days before today (UTC) usage is kept; `None` keeps all. Where several
    /// gates share a store, today is as the store says, and nothing is done before
    /// it has said so.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward::Gate;
    /// use keyward::key::Prefix;
    /// use keyward::memory::MemoryStore;
    /// use keyward::time::{Now, SteadyNanos, UnixMillis};
    ///
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await?;
    /// let clock = || Now::new(UnixMillis(1_767_225_600_000), SteadyNanos(0));
    /// // Yesterday and today.
    /// while gate.tend_usage(&clock, Some(1)).await? {}
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store fails; nothing is lost by that.
    pub async fn tend_usage(
        &self,
        clock: ReadClock<'_>,
        days: Option<u32>,
    ) -> Result<bool, StoreError> {
        if !self.carried.knows_time() {
            // The clock of this node may differ from that of the store by any time.
            return Ok(true);
        }
        // Of a clock that is in doubt, the earlier time: forgotten usage does not come back.
        let now = self.judge(clock()).unix.hour();
        let from = days.map_or(UnixHour(0), |days| now.days_before(days));
        let tended = self.store.tend_usage(now, from).await;
        self.usage_edition.fetch_add(1, Ordering::Release);
        tended
    }

    /// Which edition of the usage the store has, as far as this process writes it: if it is the
    /// same before and after the store was asked, and later, the store would say the same again.
    #[must_use]
    pub fn usage_edition(&self) -> u64 {
        self.usage_edition.load(Ordering::Acquire)
    }

    /// What flushes have done since the gate was opened; waits for none.
    #[must_use]
    pub fn flushes(&self) -> Flushes {
        let FlushCounts { rows, last, sending } = &self.flushed;
        let last = last.load(Ordering::Relaxed);
        let pending = self.usage.pending() as u64;
        Flushes {
            rows: rows.load(Ordering::Relaxed),
            last: (last != 0).then_some(UnixMillis(last)),
            pending: pending.saturating_add(sending.load(Ordering::Relaxed)),
        }
    }

    /// Sends a batch, if anything was counted or the store's reading is so old.
    async fn send(&self, clock: ReadClock<'_>, age: Duration) -> Result<Flushed, StoreError> {
        let mut outbox = self.outbox.lock().await;
        // Even if nothing was counted: a store must recover without a change or a request.
        if self.store.trouble().is_some() {
            self.store.mend().await?;
        }
        let now = clock();
        self.follow(now);
        // A batch that is sent again says nothing about later counts.
        let again = outbox.pending.is_some();
        let reading = self.carried.at(now.steady);
        outbox.fill(&self.usage, &self.index, now.unix);
        outbox.note(reading, age);
        let Some(batch) = outbox.pending.clone() else {
            self.flushed.succeeded(0, now.unix);
            return Ok(Flushed { rows: 0, more: false });
        };
        let (rows, reading) = (batch.rows.len(), batch.reading);
        self.flushed.begun(rows);
        if rows == 0 {
            self.store.add_usage(batch).await?;
        } else {
            // A reader of the store may get the rows or not meanwhile; both changes of the edition
            // show it.
            self.usage_edition.fetch_add(1, Ordering::Release);
            self.store.add_usage(batch).await?;
            self.usage_edition.fetch_add(1, Ordering::Release);
        }
        self.flushed.succeeded(rows, now.unix);
        outbox.pending = None;
        outbox.kept = reading.or(outbox.kept);
        Ok(Flushed { rows, more: again || BATCH_ROWS_MAX <= rows })
    }
}

impl Outbox {
    /// An empty one, of a writer that never was before, where the store has this reading of the
    /// clock.
    pub(super) fn new(kept: Option<UnixMillis>) -> Result<Self, RandomError> {
        let mut writer = [0; 16];
        getrandom::fill(&mut writer).map_err(RandomError::from)?;
        Ok(Self { collector: Collector::default(), writer, number: 0, pending: None, kept })
    }

    /// Knows that the store has this reading now. One that is pending gets another one before it
    /// is sent again.
    pub(super) fn know_kept(&mut self, reading: UnixMillis) {
        self.kept = Some(reading);
    }

    /// Fills the batch to send, unless one is pending, if anything was counted.
    /// Drops the waiting rows of these keys. Returns how many requests they are of. A batch that
    /// the store may have had already is not sent with other rows under its number: it counts once.
    pub(super) fn drop_of(&mut self, ids: &HashSet<KeyId>) -> u64 {
        let Some(batch) = &mut self.pending else { return 0 };
        let of_these = |row: &&UsageRow| ids.contains(&row.key_id);
        let dropped = batch.rows.iter().filter(of_these).map(|row| row.counts.requests()).sum();
        batch.rows.retain(|row| !ids.contains(&row.key_id));
        dropped
    }

    fn fill(&mut self, usage: &Usage, index: &Index, now: UnixMillis) {
        if self.pending.is_none() {
            let rows = self.collector.take(usage, index, now);
            if !rows.is_empty() {
                self.begin(rows);
            }
        }
    }

    /// Sends the reading with the batch, or alone if the one in the store is so much older.
    fn note(&mut self, reading: Option<UnixMillis>, age: Duration) {
        let is_old = |kept: UnixMillis| reading.is_some_and(|now| kept.later_by(age) <= now);
        if self.pending.is_none() && self.kept.map_or(reading.is_some(), is_old) {
            self.begin(Vec::new());
        }
        if let Some(pending) = &mut self.pending {
            pending.reading = reading;
        }
    }

    fn begin(&mut self, rows: Vec<UsageRow>) {
        self.number += 1;
        let (writer, number) = (self.writer, self.number);
        self.pending = Some(UsageBatch { writer, number, rows, reading: None });
    }
}
