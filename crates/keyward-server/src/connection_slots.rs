//! Slots for connections: how many there may be, and which connection gives way when they are few.
//!
//! When all are taken and one more connection waits, the address that holds most of them gives one
//! up: the one that has been idle longest, else the one that has been without a whole request head
//! longest. A connection with a request under way is never cut. Without this, a client that opens
//! as many connections as there are slots, and sends nothing, would lock out all others.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Of more slots than these, several are made free at a time: one for each so many, so that a
/// search through all of them is rare enough.
const SLOTS_PER_VICTIM: usize = 1_024;
/// How often the log says that slots run short.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The holder of connections: an address, or of IPv6 its first 64 bits, since one host has all
/// addresses of a network of that size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Holder(IpAddr);

impl Holder {
    fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// The phase of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A request is under way: from its whole head until its response is written.
    Busy,
    /// A request head is awaited, or has begun, since then.
    Head(Instant),
    /// The last response was written then, and nothing has come since.
    Idle(Instant),
}

/// The kind of a phase, in the lowest bits of the word of a slot; the microseconds since the
/// start are above them.
const BUSY: u64 = 0;
/// It has to leave.
const LEAVING: u64 = 1;
const HEAD: u64 = 2;
const IDLE: u64 = 3;
const KIND_BITS: u32 = 2;

/// The slot of one connection, as both sides see it.
#[derive(Debug)]
struct SlotState {
    /// The phase, or that it has to leave. Changed by its connection, but for the change to
    /// `LEAVING`, which is made under the lock of the slots, from a phase that gives way alone. It
    /// is ordered with `Inner::short`: either the search for room sees a connection that may give
    /// way, or the connection sees that room is needed.
    word: AtomicU64,
    /// The task to wake when the connection has to leave. Locked for one exchange.
    waker: Mutex<Option<Waker>>,
}

/// All slots of a listener. A clone shares them.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionSlots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    start: Instant,
    /// The slots by holder. Locked when a connection comes, goes or has to go, never while a
    /// request is served; a panic inside leaves at worst a slot that is counted as taken.
    held: Mutex<Held>,
    /// Set while a connection waits for a slot.
    short: AtomicBool,
    /// Notified when a slot is free, or may be made free.
    changed: Notify,
}

#[derive(Debug)]
struct Held {
    holders: HashMap<Holder, BTreeMap<u64, Arc<SlotState>>>,
    count: usize,
    /// How many of them have to leave.
    leaving: usize,
    next_id: u64,
    warned: Option<Instant>,
}

/// The longest idle first, then the longest without a whole request head; of equals the older
/// connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    is_idle: Reverse<bool>,
    micros: u64,
    id: u64,
}

impl Rank {
    /// `None` if the connection does not give way.
    fn of(id: u64, word: u64) -> Option<Self> {
        let micros = word >> KIND_BITS;
        match word & ((1 << KIND_BITS) - 1) {
            IDLE => Some(Self { is_idle: Reverse(true), micros, id }),
            HEAD => Some(Self { is_idle: Reverse(false), micros, id }),
            _ => None,
        }
    }

    /// The word from which it was made.
    fn word(self) -> u64 {
        (self.micros << KIND_BITS) | if self.is_idle.0 { IDLE } else { HEAD }
    }
}

impl ConnectionSlots {
    /// Returns `most` slots, all of them free.
    pub(crate) fn new(most: NonZeroU32) -> Self {
        let held = Held { holders: HashMap::new(), count: 0, leaving: 0, next_id: 0, warned: None };
        Self(Arc::new(Inner {
            most: most.get() as usize,
            start: Instant::now(),
            held: Mutex::new(held),
            short: AtomicBool::new(false),
            changed: Notify::new(),
        }))
    }

    /// Takes a slot for a connection from this address, and waits until there is one. Only one
    /// task waits at a time: the one that accepts connections. The wait may be cancelled.
    pub(crate) async fn take(&self, from: IpAddr) -> ConnectionSlot {
        loop {
            if let Some(slot) = self.try_take(from) {
                self.0.short.store(false, Ordering::SeqCst);
                return slot;
            }
            self.0.short.store(true, Ordering::SeqCst);
            self.make_room();
            self.0.changed.notified().await;
        }
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.0.lock().count
    }

    /// Waits until a slot is free or may be made free, but no longer than this.
    pub(crate) async fn change_within(&self, limit: Duration) {
        // The error of a timeout means the same to the caller.
        drop(tokio::time::timeout(limit, self.0.changed.notified()).await);
    }

    /// A slot, if one is free. The connection awaits its first request head from now on.
    fn try_take(&self, from: IpAddr) -> Option<ConnectionSlot> {
        let mut held = self.0.lock();
        if self.0.most <= held.count {
            return None;
        }
        let id = held.next_id;
        held.next_id += 1;
        held.count += 1;
        let word = AtomicU64::new(self.0.word(Phase::Head(Instant::now())));
        let state = Arc::new(SlotState { word, waker: Mutex::default() });
        let holder = Holder::of(from);
        held.holders.entry(holder).or_default().insert(id, Arc::clone(&state));
        drop(held);
        Some(ConnectionSlot { slots: Arc::clone(&self.0), state, holder, id })
    }

    /// Makes connections leave, unless earlier ones that have to leave are still open.
    pub(crate) fn make_room(&self) {
        let mut held = self.0.lock();
        if 0 < held.leaving {
            return;
        }
        let victims = held.victims(self.0.most.div_ceil(SLOTS_PER_VICTIM));
        let mut left = 0;
        for (rank, state) in victims {
            let (from, to) = (rank.word(), LEAVING);
            // One that has got a request meanwhile stays.
            if state.word.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                left += 1;
                state.wake();
            }
        }
        held.leaving += left;
        let now = Instant::now();
        let is_news = held.warned.is_none_or(|then| WARN_EVERY <= now - then);
        if is_news {
            held.warned = Some(now);
        }
        drop(held);
        if is_news {
            let most = self.0.most;
            tracing::warn!(
                connections_max = most,
                "All {most} connections are taken; idle and slow ones give way"
            );
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn word(&self, phase: Phase) -> u64 {
        let at = |then: Instant, kind| {
            let micros = then.saturating_duration_since(self.start).as_micros();
            // 62 bits of microseconds are 146 000 years.
            (u64::try_from(micros).unwrap_or(u64::MAX) << KIND_BITS) | kind
        };
        match phase {
            Phase::Busy => BUSY,
            Phase::Head(since) => at(since, HEAD),
            Phase::Idle(since) => at(since, IDLE),
        }
    }
}

impl Held {
    /// The connections that leave when `wanted` slots are needed, one after the other: each time
    /// one of the holder that then has most.
    fn victims(&self, wanted: usize) -> Vec<(Rank, Arc<SlotState>)> {
        let mut candidates = BinaryHeap::new();
        for (holder, states) in &self.holders {
            let rank = |(id, state): (&u64, &Arc<SlotState>)| {
                Rank::of(*id, state.word.load(Ordering::SeqCst))
            };
            let mut ranks: Vec<Rank> = states.iter().filter_map(rank).collect();
            ranks.sort_unstable();
            // Before one leaves, those of this holder that rank before it have left.
            let ranks = ranks.into_iter().take(wanted).enumerate();
            candidates.extend(
                ranks.map(|(before, rank)| (states.len() - before, Reverse(rank), *holder)),
            );
        }
        let in_order = std::iter::from_fn(|| candidates.pop()).take(wanted);
        let state = |(_, Reverse(rank), holder): (usize, Reverse<Rank>, Holder)| {
            Some((rank, Arc::clone(self.holders.get(&holder)?.get(&rank.id)?)))
        };
        in_order.filter_map(state).collect()
    }
}

impl SlotState {
    fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The slot of a connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionSlot {
    slots: Arc<Inner>,
    state: Arc<SlotState>,
    holder: Holder,
    id: u64,
}

impl ConnectionSlot {
    /// Sets the phase of the connection. Returns `false` if it has to leave; a request that is
    /// under way takes the slot back.
    pub(crate) fn enter(&self, phase: Phase) -> bool {
        let word = self.slots.word(phase);
        let order = Ordering::SeqCst;
        let entered = self
            .state
            .word
            .fetch_update(order, order, |old| (old != LEAVING || word == BUSY).then_some(word));
        match entered {
            Ok(LEAVING) => {
                self.slots.lock().leaving -= 1;
                self.slots.changed.notify_one();
            }
            Ok(_) if word != BUSY && self.slots.short.load(order) => {
                self.slots.changed.notify_one();
            }
            Ok(_) => {}
            Err(_) => return false,
        }
        true
    }

    /// Whether it has to leave; if not, `waker` is woken when it has to.
    pub(crate) fn is_leaving(&self, waker: &Waker) -> bool {
        let mut stored = self.state.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if !stored.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *stored = Some(waker.clone());
        }
        drop(stored);
        self.state.word.load(Ordering::SeqCst) == LEAVING
    }

    /// Wakes the task that asked last whether it has to leave.
    pub(crate) fn wake(&self) {
        self.state.wake();
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut held = self.slots.lock();
        if let Some(states) = held.holders.get_mut(&self.holder) {
            states.remove(&self.id);
            if states.is_empty() {
                held.holders.remove(&self.holder);
            }
        }
        held.count -= 1;
        if self.state.word.load(Ordering::SeqCst) == LEAVING {
            held.leaving -= 1;
        }
        drop(held);
        self.slots.changed.notify_one();
    }
}

#[cfg(test)]
mod tests;
