//! The stream of a connection, as hyper sees it: whole request heads, in time, or the end.
//!
//! hyper alone would give idle connections and unfinished heads one time limit, and reject an
//! unreadable head with a response of its own form. So a head is held back here until it is whole;
//! until then the connection is idle or slow, which have limits of their own, and gives way when
//! slots run short. A head that cannot be read is replaced by a placeholder, whose request the
//! service responds to with the fault.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::connection_slots::Phase;
use crate::patience::Patience;
use crate::request_head::{BadHead, HEAD_BYTES_MAX, Head, HeadQueue, Scanner};

/// The replacement that hyper gets for a request head that cannot be read. Clients see only the
/// response to it.
const PLACEHOLDER: &[u8] = b"GET / HTTP/1.1\r\nhost: -\r\nconnection: close\r\n\r\n";

/// A stream that hands over whole request heads.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    stream: S,
    heads: HeadQueue,
    patience: Patience,
    scanner: Scanner,
    /// The beginning of a request head, at most a little more than it may be long.
    held: Vec<u8>,
    /// How many bytes of that are to be handed over.
    ready: usize,
    /// Set while hyper waits for a request head: it has encoded every response before.
    wants_head: bool,
    /// Set while something that was written is not flushed.
    unflushed: bool,
    /// Set when nothing more is read.
    ended: bool,
}

impl<S> Wire<S> {
    /// A connection whose first request head is awaited.
    pub(crate) fn new(stream: S, heads: HeadQueue, patience: Patience) -> Self {
        Self {
            stream,
            heads,
            patience,
            scanner: Scanner::default(),
            held: Vec::new(),
            ready: 0,
            wants_head: false,
            unflushed: false,
            ended: false,
        }
    }

    /// Ends the request under way when hyper wants the next one and the response is written.
    /// Returns whether it did.
    fn settle(&mut self) -> bool {
        let has_ended = self.patience.phase() == Phase::Busy && self.wants_head && !self.unflushed;
        if has_ended {
            let now = Instant::now();
            let is_idle = self.held.is_empty();
            self.patience.enter(if is_idle { Phase::Idle(now) } else { Phase::Head(now) });
        }
        has_ended
    }

    /// Hands over the bytes that are ready, as far as there is room.
    fn hand_over(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = self.ready.min(buffer.remaining());
        buffer.put_slice(self.held.get(..count).unwrap_or_default());
        self.held.drain(..count);
        self.ready -= count;
    }

    /// Scans the new bytes, which are in the buffer from `before` on. The beginning of a request
    /// head is taken out again.
    fn scan(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        let came = buffer.filled().get(before..).unwrap_or_default();
        let mut heads = self.heads.lock();
        let found_before = heads.len();
        // As nearly always: nothing is held, and whole heads and bodies come.
        let bad = if self.held.is_empty() {
            let scanned = self.scanner.scan(came, &mut heads);
            self.held.extend_from_slice(came.get(scanned.whole..).unwrap_or_default());
            buffer.set_filled(before + scanned.whole);
            scanned.bad
        } else {
            self.held.extend_from_slice(came);
            // Only a line end can complete a head; without one, parsing again is in vain.
            let is_worth_it = came.contains(&b'\n') || HEAD_BYTES_MAX < self.held.len();
            buffer.set_filled(before);
            if !is_worth_it {
                return;
            }
            let scanned = self.scanner.scan(&self.held, &mut heads);
            self.ready = scanned.whole;
            scanned.bad
        };
        if let Some(bad) = bad {
            heads.push_back(Head { bad: Some(bad), ..Head::default() });
        }
        let found = found_before < heads.len();
        drop(heads);
        self.note(found, bad);
    }

    fn note(&mut self, found: bool, bad: Option<BadHead>) {
        if bad.is_some() {
            self.held.truncate(self.ready);
            self.held.extend_from_slice(PLACEHOLDER);
            self.ready = self.held.len();
            self.ended = true;
        }
        if found {
            self.wants_head = false;
            self.patience.enter(Phase::Busy);
        } else if matches!(self.patience.phase(), Phase::Idle(_)) {
            self.patience.enter(Phase::Head(Instant::now()));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        loop {
            this.hand_over(buffer);
            if this.ended || before < buffer.filled().len() {
                return Poll::Ready(Ok(()));
            }
            if this.scanner.is_at_head() {
                this.wants_head = true;
                this.settle();
            }
            match Pin::new(&mut this.stream).poll_read(context, buffer) {
                Poll::Pending if !this.patience.is_over(context) => return Poll::Pending,
                Poll::Pending => this.ended = true,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) if buffer.filled().len() == before => this.ended = true,
                Poll::Ready(Ok(())) => this.scan(buffer, before),
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.unflushed = true;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unflushed = true;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.unflushed = false;
        if self.settle() {
            // hyper asked for the next request head before; it has to ask again, so that time runs.
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
