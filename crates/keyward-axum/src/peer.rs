//! The peer of a connection, as axum knows it.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::Extensions;

/// The address of the peer, if [`ConnectInfo<SocketAddr>`](ConnectInfo) is among the extensions of
/// the request, where axum's `into_make_service_with_connect_info` puts it.
///
/// For a request through a proxy this is the proxy; see
/// [`TrustedProxies::client_address`](crate::origin::TrustedProxies::client_address).
///
/// ```
/// use std::net::SocketAddr;
///
/// use axum::extract::ConnectInfo;
/// use http::Extensions;
/// use keyward_axum::peer_address;
///
/// let mut extensions = Extensions::new();
/// assert_eq!(peer_address(&extensions), None);
/// extensions.insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 50_000))));
/// assert_eq!(peer_address(&extensions), Some([192, 0, 2, 1].into()));
/// ```
#[must_use]
pub fn peer_address(extensions: &Extensions) -> Option<IpAddr> {
    let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(peer.ip())
}
