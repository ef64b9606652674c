//! What a gate has asked the store about limits, for metrics.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The ends of the spans that waits are counted in; the last span has none.
pub const TICKET_WAITS: [Duration; 6] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
];

/// What a gate has asked the store about limits so far.
///
/// ```
/// use keyward::gate::{TicketCounts, TICKET_WAITS};
///
/// let counts = TicketCounts::default();
/// assert_eq!((counts.asked, counts.waits.len()), (0, TICKET_WAITS.len() + 1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TicketCounts {
    /// Asks that were sent.
    pub asked: u64,
    /// Asks that were not sent, since a denial was remembered.
    pub remembered: u64,
    /// Asks that took, or may have taken, and let nothing in.
    pub wasted: u64,
    /// Requests that the store said nothing about in time.
    pub unavailable: u64,
    /// How many responses came within each of [`TICKET_WAITS`], and not within the one before; in
    /// the last place, the responses that took longer.
    pub waits: [u64; TICKET_WAITS.len() + 1],
    /// How long all of these took together.
    pub waited: Duration,
}

/// The numbers of [`TicketCounts`]. Relaxed: each is one number.
#[derive(Debug, Default)]
pub(super) struct Counts {
    asked: AtomicU64,
    remembered: AtomicU64,
    wasted: AtomicU64,
    unavailable: AtomicU64,
    waits: [AtomicU64; TICKET_WAITS.len() + 1],
    waited_nanos: AtomicU64,
}

fn add(count: &AtomicU64, added: u64) {
    count.fetch_add(added, Ordering::Relaxed);
}

impl Counts {
    pub(super) fn ask(&self) {
        add(&self.asked, 1);
    }

    pub(super) fn remember(&self) {
        add(&self.remembered, 1);
    }

    pub(super) fn waste(&self) {
        add(&self.wasted, 1);
    }

    pub(super) fn miss(&self) {
        add(&self.unavailable, 1);
    }

    pub(super) fn wait(&self, nanos: u64) {
        let waited = Duration::from_nanos(nanos);
        let at = TICKET_WAITS.iter().position(|end| waited <= *end).unwrap_or(TICKET_WAITS.len());
        self.waits.get(at).into_iter().for_each(|count| add(count, 1));
        add(&self.waited_nanos, nanos);
    }

    pub(super) fn read(&self) -> TicketCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TicketCounts {
            asked: read(&self.asked),
            remembered: read(&self.remembered),
            wasted: read(&self.wasted),
            unavailable: read(&self.unavailable),
            waits: array::from_fn(|at| self.waits.get(at).map(read).unwrap_or_default()),
            waited: Duration::from_nanos(read(&self.waited_nanos)),
        }
    }
}
