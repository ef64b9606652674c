//! Serving a connection of HTTP/1.

use std::convert::Infallible;
use std::pin::pin;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tower::Service as _;

use crate::app::Front;
use crate::connection::Connection;
use crate::request_head::{AmbiguousLength, HEAD_BYTES_MAX, HeadQueue};
use crate::wire::Wire;

/// Serves until the client leaves or has to, or until the server stops and the request under way
/// has its response.
pub(crate) async fn serve(
    connection: Connection,
    front: Front,
    mut stopped: watch::Receiver<()>,
) -> hyper::Result<()> {
    let Connection { stream, peer, patience } = connection;
    let heads = HeadQueue::default();
    let wire = Wire::new(stream, heads.clone(), patience);
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
            Ok::<_, Infallible>(response)
        }
    });
    let serving = http1::Builder::new()
        // The wire has the limits on time; hyper never sees half a request head.
        .header_read_timeout(None)
        // A client may close its sending side after its last request, and read the response.
        .half_close(true)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(2 * HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(wire), service);
    let mut serving = pin!(serving);
    tokio::select! {
        biased;
        ended = serving.as_mut() => return ended,
        // A change and the error that the sender is gone both mean the end.
        _ = stopped.changed() => {}
    }
    serving.as_mut().graceful_shutdown();
    serving.await
}
