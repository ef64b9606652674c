//! The frames of a connection of HTTP/2 as they come in: whether a request head has begun that has
//! not ended.
//!
//! hyper collects the parts of a head for as long as they take; here they are seen, so that they
//! have a time limit as they do in HTTP/1. Nothing is changed and nothing judged: frames that do
//! not fit are rejected by hyper, which ends the connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::streams::Streams;

/// The bytes of the preface, before the first frame.
const PREFACE_LEN: u32 = 24;
/// The bytes in front of each frame's content (RFC 9113, section 4.1).
const FRAME_HEAD_LEN: usize = 9;
/// The types of the frames that request heads are made of, and the flag of the last one.
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// A position in the frames of a client.
#[derive(Debug)]
struct FrameScanner {
    /// Bytes of the current frame that are still to come.
    content: u32,
    /// The first bytes of the next frame.
    head: [u8; FRAME_HEAD_LEN],
    came: usize,
    /// Set while the content of a frame comes after which a request head goes on.
    goes_on: bool,
    /// Set while a request head has begun and not ended.
    in_head: bool,
}

impl FrameScanner {
    fn new() -> Self {
        let head = [0; FRAME_HEAD_LEN];
        Self { content: PREFACE_LEN, head, came: 0, goes_on: false, in_head: false }
    }

    /// Goes on with these bytes, and returns whether a request head has begun and not ended.
    fn scan(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((first, rest)) = bytes.split_first() {
            if 0 < self.content {
                let skipped = usize::try_from(self.content).unwrap_or(bytes.len());
                let skipped = skipped.min(bytes.len());
                // No more than there were to come, which fit.
                self.content -= u32::try_from(skipped).unwrap_or(self.content);
                bytes = bytes.get(skipped..).unwrap_or_default();
                self.end_frame();
                continue;
            }
            if let Some(place) = self.head.get_mut(self.came) {
                *place = *first;
            }
            self.came += 1;
            bytes = rest;
            if self.came == FRAME_HEAD_LEN {
                self.came = 0;
                self.begin_frame();
            }
        }
        self.in_head
    }

    fn begin_frame(&mut self) {
        let [long, middle, short, kind, flags, ..] = self.head;
        self.content = u32::from_be_bytes([0, long, middle, short]);
        if kind == HEADERS || kind == CONTINUATION {
            self.in_head = true;
            self.goes_on = flags & END_HEADERS == 0;
        }
        self.end_frame();
    }

    fn end_frame(&mut self) {
        if self.content == 0 && !self.goes_on {
            self.in_head = false;
        }
    }
}

/// A stream of HTTP/2 whose frames are looked at as they are read.
#[derive(Debug)]
pub(crate) struct Frames<S> {
    stream: S,
    scanner: FrameScanner,
    streams: Streams,
}

impl<S> Frames<S> {
    pub(crate) fn new(stream: S, streams: Streams) -> Self {
        Self { stream, scanner: FrameScanner::new(), streams }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Frames<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let was_in_head = this.scanner.in_head;
        let in_head = this.scanner.scan(buffer.filled().get(before..).unwrap_or_default());
        if in_head != was_in_head {
            this.streams.await_head(in_head);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Frames<S> {
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

    fn frame(kind: u8, flags: u8, content: &[u8]) -> Vec<u8> {
        let len = u8::try_from(content.len()).unwrap();
        let mut frame = vec![0, 0, len, kind, flags, 0, 0, 0, 1];
        frame.extend_from_slice(content);
        frame
    }

    /// After each byte, whether a request head has begun and not ended: `1` or `0`.
    fn walk(bytes: &[u8]) -> String {
        let mut scanner = FrameScanner::new();
        scanner.scan(&[b'p'; PREFACE_LEN as usize]);
        bytes.iter().map(|byte| if scanner.scan(&[*byte]) { '1' } else { '0' }).collect()
    }

    #[test]
    fn a_head_lasts_from_its_first_frame_to_the_end_of_its_last() {
        let settings = frame(4, 0, &[0; 6]);
        let whole = frame(HEADERS, END_HEADERS, b"abc");
        let begun = frame(HEADERS, 0, b"ab");
        let last = frame(CONTINUATION, END_HEADERS, b"");
        let bytes = [settings, whole, begun, last].concat();
        let expected = concat!("000000000", "000000", "000000001", "110", "000000001", "11");
        assert_eq!(walk(&bytes), format!("{expected}{}0", "1".repeat(8)));
        // In one piece as byte by byte.
        let mut scanner = FrameScanner::new();
        let piece = [vec![b'p'; PREFACE_LEN as usize], bytes].concat();
        assert!(!scanner.scan(&piece));
        assert!(scanner.scan(&frame(HEADERS, 0, b"")));
    }

    #[test]
    fn bodies_and_unknown_frames_are_no_heads() {
        let bytes = [frame(0, END_HEADERS, b"data"), frame(0xbe, 0, b"?")].concat();
        assert_eq!(walk(&bytes), "0".repeat(bytes.len()));
    }
}
