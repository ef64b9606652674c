//! How long a client is waited for: until a time limit has passed, or its slot is needed.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::connection_slots::{ConnectionSlot, Phase};

/// How long a connection may send nothing, or an incomplete request head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// From the first byte of a request head to its end, and from the start of a connection to the
    /// first byte of its first one.
    pub(crate) head: Duration,
    /// From a response to the next request.
    pub(crate) idle: Duration,
}

impl Timeouts {
    /// The end of a phase; a request under way has none here.
    pub(crate) fn end_of(self, phase: Phase) -> Option<Instant> {
        match phase {
            Phase::Busy => None,
            Phase::Head(since) => Some(since + self.head),
            Phase::Idle(since) => Some(since + self.idle),
        }
    }
}

/// Wakes a task at one time, then at another.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Whether this time has passed; if not, the task is woken at the latest then.
    pub(crate) fn has_passed(&mut self, deadline: Instant, context: &mut Context<'_>) -> bool {
        // Made at the first wait.
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        loop {
            // A timer for an earlier time only wakes in vain, which is rarer than requests are.
            if deadline < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(context).is_pending() {
                return false;
            }
            if deadline <= timer.deadline() {
                return true;
            }
        }
    }
}

/// The slot of a connection that has one request at a time, its phase, and its time limits.
#[derive(Debug)]
pub(crate) struct Patience {
    slot: ConnectionSlot,
    timeouts: Timeouts,
    phase: Phase,
    alarm: Alarm,
}

impl Patience {
    /// With a client whose first request head is awaited from now on.
    pub(crate) fn new(slot: ConnectionSlot, timeouts: Timeouts) -> Self {
        let phase = Phase::Head(Instant::now());
        Self { slot, timeouts, phase, alarm: Alarm::default() }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        // A connection that has to leave ends at its next wait.
        self.slot.enter(phase);
    }

    /// Whether a connection that waits for its client has to end: its time has passed, or its slot
    /// is needed. If not, the task is woken when it has to.
    pub(crate) fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let Some(deadline) = self.timeouts.end_of(self.phase) else { return false };
        self.slot.is_leaving(context.waker()) || self.alarm.has_passed(deadline, context)
    }

    /// Waits for the client; `None` if the connection has to end before.
    pub(crate) async fn wait<T>(
        &mut self,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        poll_fn(|context| match poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if self.is_over(context) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// For a connection that has several requests at a time: the slot, its time limits, and since
    /// when a request head is awaited.
    pub(crate) fn into_parts(self) -> (ConnectionSlot, Timeouts, Phase) {
        (self.slot, self.timeouts, self.phase)
    }
}
