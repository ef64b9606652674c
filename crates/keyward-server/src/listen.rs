//! Serving connections, with a bound on everything that a client can make grow.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service as _;

use crate::heads::{AmbiguousLength, Heads, Watched};

/// Most bytes of a request line and its headers together.
pub(crate) const HEADER_BYTES_MAX: usize = 16 * 1024;
/// A pause after the system refused a connection, such as for want of file descriptors: trying
/// again at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Connections at once. More wait in the system's queue.
    pub(crate) connections_max: NonZeroU32,
    /// For sending a request's headers, and between two requests of one connection.
    pub(crate) header_timeout: Duration,
    /// For reading an answer that was sent.
    pub(crate) request_timeout: Duration,
    /// For requests under way when the server stops.
    pub(crate) stop_within: Duration,
}

/// Serves until `stop`, then lets the requests under way finish. Returns whether all of them did.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
) -> bool {
    let connections = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(bounds.connections_max.get() as usize));
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer, permit) = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            () = &mut stop => break,
        };
        if let Err(error) = prepare(&stream, bounds) {
            tracing::debug!(%error, "A connection was gone before it was served");
            continue;
        }
        let connection = connections.watch(connection(stream, peer, router.clone(), bounds));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "A connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    tokio::time::timeout(bounds.stop_within, connections.shutdown()).await.is_ok()
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let mut is_told = false;
    loop {
        let permit = Arc::clone(permits).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) => {
                // Once, until one is accepted: out of descriptors, it fails ten times a second.
                if !is_told {
                    tracing::warn!(%error, "Could not accept a connection; trying again");
                }
                is_told = true;
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn prepare(stream: &TcpStream, bounds: Bounds) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // A client that never reads its answers is cut off by the system; no other timer sees it.
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(bounds.request_timeout))?;
    Ok(())
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    bounds: Bounds,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    let heads = Heads::default();
    let stream = Watched::new(stream, heads.clone());
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        let head = heads.next();
        request.extensions_mut().insert(ConnectInfo(peer));
        if head.ambiguous {
            request.extensions_mut().insert(AmbiguousLength);
        }
        let answer = router.clone().call(request.map(Body::new));
        async move {
            let mut answer = answer.await?;
            if head.chunked {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_timeout)
        .max_header_size(HEADER_BYTES_MAX)
        .max_buf_size(2 * HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
}
