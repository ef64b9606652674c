//! A connection from its first byte until its protocol is known.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::patience::Patience;
use crate::stream::{Protocol, Stream};

/// The response to HTTP without TLS where TLS is spoken. It is the one response that is not made of
/// a rejection: the request is not read.
const SPEAKS_HTTPS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n\
    content-length: 27\r\nconnection: close\r\n\r\nThis listener speaks HTTPS\n";
/// Most bytes that are read of a client that does not speak TLS, so that it gets that response: a
/// connection that is closed with bytes unread is reset.
const DRAINED_MAX: u64 = 64 * 1024;

/// A connection, and how long its client is waited for.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) peer: SocketAddr,
    pub(crate) patience: Patience,
}

impl Connection {
    /// Finds out the protocol of a connection that was accepted, through TLS if there is a
    /// configuration; `None` if the client was not clear in time, has to leave, or speaks no TLS.
    pub(crate) async fn begin(
        stream: TcpStream,
        tls: Option<Arc<ServerConfig>>,
        peer: SocketAddr,
        mut patience: Patience,
    ) -> io::Result<Option<(Self, Protocol)>> {
        let stream = match tls {
            None => Some(Stream::plain(stream)),
            Some(config) => shake_hands(stream, config, &mut patience).await?,
        };
        let Some(mut stream) = stream else { return Ok(None) };
        let protocol = patience.wait(|context| stream.poll_protocol(context)).await;
        let protocol = protocol.transpose()?;
        Ok(protocol.map(|protocol| (Self { stream, peer, patience }, protocol)))
    }
}

/// Agrees with the client on keys; `None` if it did not in time, has to leave, or speaks no TLS.
async fn shake_hands(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
    patience: &mut Patience,
) -> io::Result<Option<Stream>> {
    let mut first = [0];
    let mut buffer = ReadBuf::new(&mut first);
    let peeked = patience.wait(|context| stream.poll_peek(context, &mut buffer)).await;
    if peeked.transpose()?.is_none() {
        return Ok(None);
    }
    // No record of TLS begins with a letter, and every request of HTTP does.
    if first[0].is_ascii_alphabetic() {
        turn_away(&mut stream, patience).await?;
        return Ok(None);
    }
    let mut shaking = pin!(TlsAcceptor::from(config).accept(stream));
    let shaken = patience.wait(|context| shaking.as_mut().poll(context)).await;
    Ok(shaken.transpose()?.map(Stream::tls))
}

async fn turn_away(stream: &mut TcpStream, patience: &mut Patience) -> io::Result<()> {
    let mut turning = pin!(async {
        stream.write_all(SPEAKS_HTTPS).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(DRAINED_MAX), &mut tokio::io::sink()).await
    });
    let turned = patience.wait(|context| turning.as_mut().poll(context)).await;
    turned.transpose().map(|_| ())
}
