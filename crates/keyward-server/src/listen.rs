//! Accepting connections, with a bound on how many there are, and serving them until the end.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::Front;
use crate::connection::Connection;
use crate::connection_slots::{ConnectionSlot, ConnectionSlots};
use crate::listener::Listener;
use crate::metrics::Connections;
use crate::patience::{Patience, Timeouts};
use crate::stream::Protocol;
use crate::tls::Tls;
use crate::{http1, http2};

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

/// A listener, and what its clients are served with.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) listener: Listener,
    pub(crate) tls: Tls,
    pub(crate) front: Front,
}

/// Serves on every listener until `stop`, then lets the requests under way finish. Returns whether
/// all of them did. Each listener has its own bounds: clients who take all connections of the one
/// leave the others alone. The slots are added to `connections`.
pub(crate) async fn serve_all(
    listeners: Vec<Serving>,
    bounds: Bounds,
    connections: &Connections,
    stop: impl Future<Output = ()>,
) -> bool {
    let (stopping, stopped) = watch::channel(());
    let mut serving = JoinSet::new();
    for listener in listeners {
        let slots = ConnectionSlots::new(bounds.connections_max);
        connections.add(listener.listener.at.name, &slots);
        serving.spawn(serve(listener, bounds, slots, stopped.clone()));
    }
    drop(stopped);
    let tell_all = async {
        stop.await;
        stopping.send_replace(());
    };
    tokio::join!(serving.join_all(), tell_all);
    // Each connection holds a receiver until its end.
    tokio::time::timeout(bounds.stop_within, stopping.closed()).await.is_ok()
}

/// Accepts connections, each of which is served by a task of its own, until the server stops.
async fn serve(
    Serving { listener, tls, front }: Serving,
    bounds: Bounds,
    slots: ConnectionSlots,
    mut stopped: watch::Receiver<()>,
) {
    // What each connection watches: it has not seen the end either.
    let watched = stopped.clone();
    loop {
        let (stream, peer, slot) = tokio::select! {
            accepted = accept(&listener.socket, &slots) => accepted,
            // A change and the error that the sender is gone both mean the end.
            _ = stopped.changed() => break,
        };
        if let Err(error) = prepare(&stream, bounds) {
            tracing::debug!(%error, "A connection was gone before it was served");
            continue;
        }
        let patience = Patience::new(slot, bounds.timeouts);
        let connecting = Connection::begin(stream, tls.current(), peer, patience);
        let serving = serve_connection(connecting, front.clone(), bounds, watched.clone());
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::debug!(error = %format!("{error:#}"), "A connection ended early");
            }
        });
    }
}

async fn serve_connection(
    connecting: impl Future<Output = io::Result<Option<(Connection, Protocol)>>>,
    front: Front,
    bounds: Bounds,
    mut stopped: watch::Receiver<()>,
) -> anyhow::Result<()> {
    let connected = tokio::select! {
        biased;
        connected = connecting => connected?,
        // It has sent no request.
        _ = stopped.changed() => None,
    };
    match connected {
        None => {}
        Some((connection, Protocol::Http1)) => http1::serve(connection, front, stopped).await?,
        Some((connection, Protocol::Http2)) => {
            http2::serve(connection, front, bounds.request_timeout, stopped).await?;
        }
    }
    Ok(())
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
    set_patience(stream, bounds.request_timeout)
}

/// A client that never reads its responses is cut off by the system; no other timer sees it.
#[cfg(target_os = "linux")]
fn set_patience(stream: &TcpStream, patience: Duration) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(patience))
}

/// Other systems have no such option, and end the connection by their own timers.
#[cfg(not(target_os = "linux"))]
fn set_patience(_: &TcpStream, _: Duration) -> io::Result<()> {
    Ok(())
}
