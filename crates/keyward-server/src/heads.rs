//! A second look at the heads of requests, as they come off the wire.
//!
//! hyper drops `Content-Length` when a request also says `Transfer-Encoding`, as RFC 9112 permits;
//! but a proxy in front may have believed the length, and then the two see different requests.
//! Nobody behind hyper can tell any more, so this looks at the bytes before hyper does.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Most header lines of a request; hyper has the same bound.
const HEADERS_MAX: usize = 100;

/// Marks a request that said both how long its body is and that it comes in chunks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AmbiguousLength;

/// What is known of the requests on one connection that hyper has not handed over yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heads(Arc<Mutex<Scanner>>);

impl Heads {
    /// What to know about the next request, in the order in which they came.
    pub(crate) fn next(&self) -> Head {
        self.lock().seen.pop_front().unwrap_or_default()
    }

    /// Locked for one read of the socket or one request of this connection, never while waiting.
    fn lock(&self) -> MutexGuard<'_, Scanner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a head said about its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// It said a length and chunks.
    pub(crate) ambiguous: bool,
    /// It said chunks. Where they end is hyper's to know, so the connection closes after it.
    pub(crate) chunked: bool,
}

#[derive(Debug, Default)]
struct Scanner {
    /// Bytes of a head that is not complete yet; hyper bounds how many there can be.
    partial: Vec<u8>,
    /// Bytes of the current body that are still to come.
    body: u64,
    /// Set when the rest of the connection cannot be followed: it closes after what is under way.
    done: bool,
    seen: VecDeque<Head>,
}

impl Scanner {
    fn scan(&mut self, mut bytes: &[u8]) {
        while !self.done && !bytes.is_empty() {
            let skipped = usize::try_from(self.body).unwrap_or(usize::MAX).min(bytes.len());
            self.body -= skipped as u64;
            bytes = bytes.get(skipped..).unwrap_or_default();
            bytes = self.scan_head(bytes);
        }
    }

    /// Reads up to the end of a head and returns what follows.
    fn scan_head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if bytes.is_empty() {
            return bytes;
        }
        let before = self.partial.len();
        let whole = before == 0;
        if !whole {
            self.partial.extend_from_slice(bytes);
            // Only a line end can complete a head; without one, parsing again is in vain.
            if !bytes.contains(&b'\n') {
                return &[];
            }
        }
        let text = if whole { bytes } else { &self.partial };
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(text) {
            Ok(httparse::Status::Complete(end)) => {
                let (head, length) = summary(request.headers);
                self.done = head.chunked;
                self.body = length;
                self.seen.push_back(head);
                self.partial.clear();
                bytes.get(end.saturating_sub(before)..).unwrap_or_default()
            }
            Ok(httparse::Status::Partial) => {
                if whole {
                    self.partial.extend_from_slice(bytes);
                }
                &[]
            }
            // hyper refuses it as well, and closes the connection.
            Err(_) => {
                self.done = true;
                &[]
            }
        }
    }
}

fn summary(headers: &[httparse::Header<'_>]) -> (Head, u64) {
    let is = |header: &httparse::Header<'_>, name| header.name.eq_ignore_ascii_case(name);
    let chunked = headers.iter().any(|header| is(header, "transfer-encoding"));
    let length = headers.iter().find(|header| is(header, "content-length"));
    let bytes =
        length.and_then(|header| std::str::from_utf8(header.value).ok()?.trim().parse().ok());
    (Head { ambiguous: chunked && length.is_some(), chunked }, bytes.unwrap_or(0))
}

/// A stream whose incoming bytes are looked at on their way.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    heads: Heads,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, heads: Heads) -> Self {
        Self { stream, heads }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.heads.lock().scan(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Head = Head { ambiguous: false, chunked: false };
    const CHUNKED: Head = Head { ambiguous: false, chunked: true };
    const BOTH: Head = Head { ambiguous: true, chunked: true };

    /// Whatever the pieces in which the bytes arrive, the heads are the same.
    #[track_caller]
    fn check(bytes: &str, expected: &[Head]) {
        for piece in 1..=bytes.len() {
            let mut scanner = Scanner::default();
            bytes.as_bytes().chunks(piece).for_each(|chunk| scanner.scan(chunk));
            assert_eq!(scanner.seen, expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn heads_are_found_behind_bodies_and_in_pipelines() {
        check("GET / HTTP/1.1\r\nhost: a\r\n\r\n", &[PLAIN]);
        check("GET / HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n", &[PLAIN, PLAIN]);
        let post = "POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nGET / HT\n";
        check(&format!("{post}{post}GET / HTTP/1.0\n\n"), &[PLAIN, PLAIN, PLAIN]);
    }

    #[test]
    fn a_length_beside_chunks_is_seen_in_either_order() {
        check("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", &[CHUNKED]);
        check(
            "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
            &[BOTH],
        );
        check("POST / HTTP/1.1\r\ntransfer-encoding: x\r\ncontent-length: 4\r\n\r\n", &[BOTH]);
    }

    #[test]
    fn nothing_is_read_into_what_is_no_request() {
        check("zzz\r\n\r\nGET / HTTP/1.1\r\n\r\n", &[]);
    }
}
