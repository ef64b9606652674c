//! Moving usage from memory to the store.

use crate::index::Index;
use crate::key::RandomError;
use crate::store::{StoreError, UsageBatch};
use crate::time::{ReadClock, UnixMillis};
use crate::usage::{BATCH_ROWS_MAX, Collector, Usage};

use super::Gate;

/// What one flush did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flushed {
    /// Rows that the store now has.
    pub rows: usize,
    /// Whether more may be waiting; then flush again.
    pub more: bool,
}

/// What is on its way to the store.
pub(super) struct Outbox {
    collector: Collector,
    writer: [u8; 16],
    number: u64,
    /// Taken from memory and not known to be in the store. It is sent again, under the same
    /// number, until it is.
    pending: Option<UsageBatch>,
}

impl Gate {
    /// Moves one batch of usage from memory to the store, which tries anew what it is troubled by.
    ///
    /// It may be dropped, fail, and be called again: nothing is lost and nothing counts twice. The
    /// clock is read when no other flush is under way any more, so that what waited for that
    /// counts for the right hour.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store did not take the batch, which then waits for the next
    /// flush.
    pub async fn flush(&self, clock: ReadClock<'_>) -> Result<Flushed, StoreError> {
        let mut outbox = self.outbox.lock().await;
        // Even if nothing was counted: a store must recover without a change or a request.
        if self.store.trouble().is_some() {
            self.store.mend().await?;
        }
        // A batch that is sent again says nothing about what was counted since.
        let again = outbox.pending.is_some();
        let batch = outbox.fill(&self.usage, &self.index, clock().unix);
        let Some(batch) = batch else { return Ok(Flushed { rows: 0, more: false }) };
        let rows = batch.rows.len();
        self.store.add_usage(batch).await?;
        outbox.pending = None;
        Ok(Flushed { rows, more: again || BATCH_ROWS_MAX <= rows })
    }
}

impl Outbox {
    /// An empty one, of a writer that never was before.
    pub(super) fn new() -> Result<Self, RandomError> {
        let mut writer = [0; 16];
        getrandom::fill(&mut writer).map_err(RandomError::from)?;
        Ok(Self { collector: Collector::default(), writer, number: 0, pending: None })
    }

    /// The batch to send: the one that is pending, or a new one if anything was counted.
    fn fill(&mut self, usage: &Usage, index: &Index, now: UnixMillis) -> Option<UsageBatch> {
        if self.pending.is_none() {
            let rows = self.collector.take(usage, index, now);
            if rows.is_empty() {
                return None;
            }
            self.number += 1;
            self.pending = Some(UsageBatch { writer: self.writer, number: self.number, rows });
        }
        self.pending.clone()
    }
}
