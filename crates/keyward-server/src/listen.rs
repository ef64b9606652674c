//! Serving connections, with a bound on everything that a client can make grow.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::Service as _;

use crate::app::Front;
use crate::connection_slots::{ConnectionSlot, ConnectionSlots};
use crate::listener::Listener;
use crate::request_head::{AmbiguousLength, HEAD_BYTES_MAX, HeadQueue};
use crate::wire::{Timeouts, Wire};

/// A pause after accepting a connection failed, such as for want of file descriptors: trying again
/// at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The limits on clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Connections at once. For one more, an idle or a slow one gives way.
    pub(crate) connections_max: NonZeroU32,
    /// The time limits between requests, and of request heads.
    pub(crate) timeouts: Timeouts,
    /// The time limit for a client to read a response.
    pub(crate) request_timeout: Duration,
    /// For requests under way when the server stops.
    pub(crate) stop_within: Duration,
}

/// Serves on every listener until `stop`, then lets the requests under way finish. Returns whether
/// all of them did. Each listener has its own bounds: clients who take all connections of the one
/// leave the others alone.
pub(crate) async fn serve_all(
    listeners: Vec<(Front, Listener)>,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
) -> bool {
    let (stopping, stopped) = watch::channel(());
    let mut serving = JoinSet::new();
    for (front, listener) in listeners {
        let mut stopped = stopped.clone();
        // A change and the error that the sender is gone both mean the end.
        let stop = async move { drop(stopped.changed().await) };
        serving.spawn(serve(listener.socket, front, bounds, stop));
    }
    let pass_on = async {
        stop.await;
        drop(stopping);
    };
    let (finished, ()) = tokio::join!(serving.join_all(), pass_on);
    finished.into_iter().all(|finished| finished)
}

async fn serve(
    listener: TcpListener,
    front: Front,
    bounds: Bounds,
    stop: impl Future<Output = ()>,
) -> bool {
    let connections = GracefulShutdown::new();
    let slots = ConnectionSlots::new(bounds.connections_max);
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer, slot) = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = &mut stop => break,
        };
        if let Err(error) = prepare(&stream, bounds) {
            tracing::debug!(%error, "A connection was gone before it was served");
            continue;
        }
        let wire = Connection { stream, peer, slot, timeouts: bounds.timeouts };
        let connection = connections.watch(wire.serve(front.clone()));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "A connection ended early");
            }
        });
    }
    drop(listener);
    tokio::time::timeout(bounds.stop_within, connections.shutdown()).await.is_ok()
}

/// Accepts a connection, and then finds a slot for it: so a connection gives way only if another
/// one comes.
async fn accept(
    listener: &TcpListener,
    slots: &ConnectionSlots,
) -> (TcpStream, SocketAddr, ConnectionSlot) {
    let mut is_logged = false;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, slots.take(peer.ip()).await),
            Err(error) => {
                // Once, until one is accepted: out of descriptors, it fails ten times a second.
                if !is_logged {
                    tracing::warn!(%error, "Could not accept a connection; trying again");
                }
                is_logged = true;
                // Descriptors may be short, which connections that leave give back.
                slots.make_room();
                slots.change_within(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn prepare(stream: &TcpStream, bounds: Bounds) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // A client that never reads its responses is cut off by the system; no other timer sees it.
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(bounds.request_timeout))?;
    Ok(())
}

/// A connection that was accepted.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    slot: ConnectionSlot,
    timeouts: Timeouts,
}

impl Connection {
    fn serve(
        self,
        front: Front,
    ) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
        let Self { stream, peer, slot, timeouts } = self;
        let heads = HeadQueue::default();
        let wire = Wire::new(stream, heads.clone(), slot, timeouts);
        let service = service_fn(move |mut request: http::Request<Incoming>| {
            let head = heads.next();
            request.extensions_mut().insert(ConnectInfo(peer));
            if head.ambiguous {
                request.extensions_mut().insert(AmbiguousLength);
            }
            if let Some(bad) = head.bad {
                request.extensions_mut().insert(bad);
            }
            let responding = front.clone().call(request.map(Body::new));
            async move {
                let mut response = responding.await?;
                if head.chunked {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        http1::Builder::new()
            // The wire has the limits on time; hyper never sees half a request head.
            .header_read_timeout(None)
            // A client may close its sending side after its last request, and read the response.
            .half_close(true)
            .max_header_size(HEAD_BYTES_MAX)
            .max_buf_size(2 * HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(wire), service)
    }
}
