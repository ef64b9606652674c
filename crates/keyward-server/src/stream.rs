//! The bytes of a connection, in the clear or through TLS, and the protocol that the first of them
//! announce.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The beginning of a connection of HTTP/2 whose client knows beforehand that we speak it
/// (RFC 9113, section 3.4). No request of HTTP/1 begins so.
const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What TLS calls HTTP/2 when both sides choose a protocol (RFC 9113, section 3.3).
pub(crate) const ALPN_HTTP2: &[u8] = b"h2";
/// What TLS calls HTTP/1.1.
pub(crate) const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// The stream of a connection.
#[derive(Debug)]
pub(crate) struct Stream {
    transport: Transport,
    /// The first bytes, which were read to find out the protocol.
    first: [u8; PREFACE.len()],
    /// How many of them have come.
    came: usize,
    /// How many of them were handed over.
    passed_on: usize,
}

#[derive(Debug)]
enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(crate) fn plain(stream: TcpStream) -> Self {
        Self::over(Transport::Plain(stream))
    }

    pub(crate) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self::over(Transport::Tls(Box::new(stream)))
    }

    fn over(transport: Transport) -> Self {
        Self { transport, first: [0; PREFACE.len()], came: 0, passed_on: 0 }
    }

    /// The protocol: the one that was chosen in TLS, or else the one that the first bytes show.
    /// Those are read here, and handed over again as if they came then.
    pub(crate) fn poll_protocol(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Protocol>> {
        if let Some(chosen) = self.transport.chosen() {
            return Poll::Ready(Ok(chosen));
        }
        loop {
            let (came, rest) = self.first.split_at_mut(self.came);
            if !PREFACE.starts_with(came) {
                return Poll::Ready(Ok(Protocol::Http1));
            }
            if rest.is_empty() {
                return Poll::Ready(Ok(Protocol::Http2));
            }
            let mut buffer = ReadBuf::new(rest);
            ready!(Pin::new(&mut self.transport).poll_read(context, &mut buffer))?;
            let read = buffer.filled().len();
            if read == 0 {
                // The end comes again at the next read.
                return Poll::Ready(Ok(Protocol::Http1));
            }
            self.came += read;
        }
    }
}

impl Transport {
    /// What both sides chose, if they did.
    fn chosen(&self) -> Option<Protocol> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => match stream.get_ref().1.alpn_protocol()? {
                ALPN_HTTP2 => Some(Protocol::Http2),
                ALPN_HTTP1 => Some(Protocol::Http1),
                _ => None,
            },
        }
    }
}

/// One expression for either transport.
macro_rules! through {
    ($transport:expr, $stream:ident => $call:expr) => {
        match $transport {
            Transport::Plain($stream) => $call,
            Transport::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        through!(self.get_mut(), stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let again = this.first.get(this.passed_on..this.came).unwrap_or_default();
        if again.is_empty() {
            return Pin::new(&mut this.transport).poll_read(context, buffer);
        }
        let count = again.len().min(buffer.remaining());
        buffer.put_slice(again.get(..count).unwrap_or_default());
        this.passed_on += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        through!(&mut self.get_mut().transport, stream => {
            Pin::new(stream).poll_write(context, bytes)
        })
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        through!(&mut self.get_mut().transport, stream => {
            Pin::new(stream).poll_write_vectored(context, slices)
        })
    }

    fn is_write_vectored(&self) -> bool {
        through!(&self.transport, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        through!(&mut self.get_mut().transport, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        through!(&mut self.get_mut().transport, stream => Pin::new(stream).poll_shutdown(context))
    }
}
