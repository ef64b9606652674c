//! The requests under way on one connection of HTTP/2, and when the connection has to end.
//!
//! The connection holds one slot, whatever the number of its requests: it is busy while there is
//! one, and idle or slow as one of HTTP/1 otherwise.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

use crate::connection_slots::{ConnectionSlot, Phase};
use crate::patience::{Patience, Timeouts};

/// The requests under way on a connection. A clone shares them.
#[derive(Clone, Debug)]
pub(crate) struct Streams(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    slot: ConnectionSlot,
    timeouts: Timeouts,
    /// How long a client may read nothing of the responses that it asked for.
    reading: Duration,
    /// Locked for a few assignments, by the tasks of this connection alone.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The requests whose response has not been handed over whole.
    open: u32,
    /// Those of them whose response has begun.
    responding: u32,
    /// When the request head began that has not ended.
    head_since: Option<Instant>,
    /// The phase while no request is under way and no head comes.
    waiting: Phase,
    /// When something of a response was last handed over.
    moved: Instant,
}

/// When a connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It is idle, and may be so for a while.
    Idle { since: Instant, until: Instant },
    /// Then, even with requests under way: its client makes no progress.
    Stalled(Instant),
}

impl State {
    fn phase(&self) -> Phase {
        match self.head_since {
            _ if 0 < self.open => Phase::Busy,
            Some(since) => Phase::Head(since),
            None => self.waiting,
        }
    }
}

impl Streams {
    /// None yet, on a connection whose first request head is awaited.
    pub(crate) fn none(patience: Patience, reading: Duration) -> Self {
        let (slot, timeouts, waiting) = patience.into_parts();
        let moved = Instant::now();
        let state = State { open: 0, responding: 0, head_since: None, waiting, moved };
        Self(Arc::new(Inner { slot, timeouts, reading, state: Mutex::new(state) }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and then the phase of the slot.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        let before = state.phase();
        change(&mut state);
        let phase = state.phase();
        if phase != before {
            // Under the lock, so that the last change of the state is that of the slot. A
            // connection that has to leave sees it at its next wait.
            self.0.slot.enter(phase);
        }
        drop(state);
        if matches!(phase, Phase::Idle(_)) {
            // The task of the connection sets its alarm for the end of that.
            self.0.slot.wake();
        }
    }

    /// A request has come, and is under way until the result is dropped.
    pub(crate) fn begin(&self) -> UnderWay {
        self.change(|state| state.open += 1);
        UnderWay { streams: self.clone(), is_responding: false }
    }

    /// A request head has begun and goes on, or it has ended.
    pub(crate) fn await_head(&self, is_awaited: bool) {
        let now = Instant::now();
        self.change(|state| {
            state.head_since = is_awaited.then_some(now);
            if let Phase::Idle(since) = &mut state.waiting {
                *since = now;
            }
        });
    }

    /// Whether no request is under way and the slot is needed; if not, `waker` is woken then.
    pub(crate) fn is_leaving(&self, waker: &Waker) -> bool {
        self.0.slot.is_leaving(waker)
    }

    /// When the connection has to end if nothing changes.
    pub(crate) fn end(&self) -> Option<End> {
        let state = self.lock();
        let Inner { timeouts, reading, .. } = *self.0;
        if let Some(since) = state.head_since {
            return Some(End::Stalled(since + timeouts.head));
        }
        match state.phase() {
            // Requests without a response yet have a time limit of their own.
            Phase::Busy if state.responding < state.open => None,
            Phase::Busy => Some(End::Stalled(state.moved + reading)),
            Phase::Head(since) => Some(End::Stalled(since + timeouts.head)),
            Phase::Idle(since) => Some(End::Idle { since, until: since + timeouts.idle }),
        }
    }
}

/// A request, until the end of its response is handed over or its client gives up.
#[derive(Debug)]
pub(crate) struct UnderWay {
    streams: Streams,
    is_responding: bool,
}

impl UnderWay {
    /// The response has begun, with this body.
    pub(crate) fn respond(mut self, body: Body) -> ResponseBody {
        let now = Instant::now();
        self.is_responding = true;
        self.streams.change(|state| {
            state.responding += 1;
            state.moved = now;
        });
        ResponseBody { body, under_way: self }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let now = Instant::now();
        let was_responding = u32::from(self.is_responding);
        self.streams.change(|state| {
            state.open -= 1;
            state.responding -= was_responding;
            state.moved = now;
            state.waiting = Phase::Idle(now);
        });
    }
}

/// The body of a response, which keeps its request under way.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    body: Body,
    under_way: UnderWay,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        if polled.is_ready() {
            let now = Instant::now();
            this.under_way.streams.change(|state| state.moved = now);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
