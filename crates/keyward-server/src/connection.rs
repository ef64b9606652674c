//! A connection from its first byte until its protocol is known.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use tokio::net::TcpStream;

use crate::patience::Patience;
use crate::stream::{Protocol, Stream};

/// A connection, and how long its client is waited for.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) peer: SocketAddr,
    pub(crate) patience: Patience,
}

impl Connection {
    /// A connection that was accepted. Its first request head is awaited from now on.
    pub(crate) fn new(stream: TcpStream, peer: SocketAddr, patience: Patience) -> Self {
        Self { stream: Stream::plain(stream), peer, patience }
    }

    /// The protocol that the client speaks; `None` if it did not say so in time, or has to leave.
    pub(crate) async fn protocol(&mut self) -> io::Result<Option<Protocol>> {
        poll_fn(|context| match self.stream.poll_protocol(context) {
            Poll::Ready(protocol) => Poll::Ready(protocol.map(Some)),
            Poll::Pending if self.patience.is_over(context) => Poll::Ready(Ok(None)),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}
