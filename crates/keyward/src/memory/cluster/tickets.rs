//! The buckets of a server: the rows of both tables, and since when the brief ones are whole.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::store::ServerId;
use crate::ticket::{
    Ask, Batch, Keeping, Place, Revision, Row, Server, StoreNanos, Ticket, whole_since,
};
use crate::time::UnixMillis;

/// Of a clock that stands at the beginning of 2026, the time for buckets: no bucket is still
/// filling from before.
const STARTS_AT: Duration = Duration::from_secs(2 * 366 * 86_400);

/// What a server keeps.
#[derive(Clone, Debug)]
pub(super) struct TicketTable {
    rows: BTreeMap<Place, Row>,
    /// Is lost with the brief rows.
    whole_since: Option<StoreNanos>,
    /// The server that last began the table, and since when it was whole then.
    noted: (ServerId, StoreNanos),
}

impl TicketTable {
    /// Of a new database: all buckets are full.
    pub(super) fn new(server: ServerId) -> Self {
        let since = StoreNanos(0);
        Self { rows: BTreeMap::new(), whole_since: Some(since), noted: (server, since) }
    }

    /// Loses what a crash loses.
    pub(super) fn crash(&mut self) {
        self.rows.retain(|place, _| place.keeping == Keeping::Kept);
        self.whole_since = None;
    }

    /// Decides about one ask, as a batch by itself.
    pub(super) fn take(
        &mut self,
        ask: &Ask,
        server: &ServerId,
        at: UnixMillis,
        lease: Duration,
    ) -> Ticket {
        let at = StoreNanos::from_unix_micros(at.0.saturating_mul(1_000)).unwrap_or_default();
        let after = u64::try_from(STARTS_AT.as_nanos()).unwrap_or(u64::MAX);
        let at = StoreNanos(at.0.saturating_add(after));
        let since = self.whole_since.unwrap_or_else(|| self.begin(server, at, lease));
        let row = |place| (place, self.rows.get(&place).copied().unwrap_or(Row::FULL));
        let mut batch = Batch::new(at, Some(since), ask.places().map(row).collect());
        let ticket = batch.decide(ask);
        self.rows.extend(batch.writes());
        ticket
    }

    /// Has buckets forget terms that are in no trail any more.
    pub(super) fn forget(&mut self, ask: &Ask, from: Revision) {
        for place in ask.places() {
            if let Some(row) = self.rows.get_mut(&place).filter(|row| from <= row.revision) {
                row.revision = Revision(0);
            }
        }
    }

    /// Begins the table of brief rows anew.
    fn begin(&mut self, server: &ServerId, at: StoreNanos, lease: Duration) -> StoreNanos {
        let (known, noted) = &self.noted;
        let is = if known == server { Server::Same } else { Server::Other };
        let since = whole_since(at, is, lease).max(*noted);
        self.noted = (server.clone(), since);
        self.whole_since = Some(since);
        since
    }
}
