//! The first layer of every request: its host, its id, its time limit, and the masking of its keys.

use std::convert::Infallible;
use std::future::poll_fn;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONNECTION, HOST, HeaderName, HeaderValue};
use http::{StatusCode, Version};
use keyward::scan::hide_keys;
use keyward_admin::access::X_ADMIN_KEY;
use keyward_admin::admin_key::AdminKeyDigests;
use keyward_admin::routes::Route;
use keyward_admin::{Control, RequestId, misplaced_key};
use keyward_axum::{DecisionSlot, Rejection, credentials};
use percent_encoding::percent_decode_str;
use tower::Service;
use tracing::{Instrument as _, Span};

use crate::access_log;
use crate::http2_head;
use crate::listener::ListenerName;
use crate::metrics::{Requests, method_word};
use crate::request_head::{AmbiguousLength, BadHead};
use crate::request_slots::RequestSlots;
use crate::seen::Seen;
use crate::spans::Spans;
use crate::templates::Templates;
use crate::trace::Trace;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The bounds of requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestBounds {
    /// The time for reading a body and responding.
    pub(crate) time: Duration,
    /// Most requests under way, over all listeners.
    pub(crate) at_once: NonZeroU32,
}

/// The state of the edge. A clone shares everything.
#[derive(Clone, Debug)]
pub(crate) struct Edge(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    request_timeout: Duration,
    slots: RequestSlots,
    /// Different in each process, so that ids of two runs do not meet.
    base: u64,
    /// Relaxed: each number is given once, in any order.
    count: AtomicU64,
    /// The control plane, whose admin keys are masked.
    control: Option<Control>,
    /// The paths whose responses may take as long as they take.
    unlimited: Vec<String>,
    watch: Watch,
}

/// What the edge tells of requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    /// Where responses are counted.
    pub(crate) requests: Requests,
    /// Whether each request is logged.
    pub(crate) access_log: bool,
    /// Where spans go.
    pub(crate) spans: Spans,
}

impl Watch {
    /// Whether each request is told of by itself.
    fn is_close(&self) -> bool {
        self.access_log || self.spans.is_on()
    }
}

impl Edge {
    /// An edge that knows no admin key, and limits the time of each response.
    #[cfg(test)]
    pub(crate) fn new(request_timeout: Duration, base: u64) -> Self {
        let bounds = RequestBounds { time: request_timeout, at_once: NonZeroU32::MAX };
        Self::of(bounds, base, None, Watch::default())
    }

    /// An edge that bounds each request, masks the admin keys of this control plane, and tells of
    /// requests as `watch` says.
    pub(crate) fn hiding(bounds: RequestBounds, base: u64, control: Control, watch: Watch) -> Self {
        Self::of(bounds, base, Some(control), watch)
    }

    fn of(bounds: RequestBounds, base: u64, control: Option<Control>, watch: Watch) -> Self {
        let routes = control.as_ref().map(Control::routes).unwrap_or_default();
        let unlimited = routes.iter().filter(|route| !route.has_time_limit()).map(Route::path);
        let unlimited = unlimited.map(str::to_owned).collect();
        Self(Arc::new(Inner {
            request_timeout: bounds.time,
            slots: RequestSlots::new(bounds.at_once),
            base,
            count: AtomicU64::new(0),
            control,
            unlimited,
            watch,
        }))
    }

    /// Puts the edge in front of a router of a listener, with routes of these templates.
    pub(crate) fn receive(
        &self,
        listener: ListenerName,
        templates: Templates,
        router: Router,
    ) -> EdgeService {
        EdgeService { edge: self.clone(), listener, templates: Arc::new(templates), router }
    }

    /// Where responses are counted.
    pub(crate) fn requests(&self) -> &Requests {
        &self.0.watch.requests
    }

    /// How long a response under this path may take.
    fn time_limit(&self, path: &str) -> Duration {
        let is_unlimited = self.0.unlimited.iter().any(|unlimited| unlimited == path);
        if is_unlimited { Duration::MAX } else { self.0.request_timeout }
    }

    fn next_number(&self) -> u64 {
        self.0.count.fetch_add(1, Ordering::Relaxed)
    }

    fn next_id(&self) -> RequestId {
        RequestId::of_number(self.0.base.wrapping_add(self.next_number()))
    }
}

/// A router with the edge in front: each request and each response passes through the edge.
///
/// The edge is in front of the whole router, once. `Router::layer` would put it in front of each
/// route, with one more box for the request and one for the response.
#[derive(Clone, Debug)]
pub(crate) struct EdgeService {
    edge: Edge,
    listener: ListenerName,
    templates: Arc<Templates>,
    router: Router,
}

impl Service<Request> for EdgeService {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // As a router always is.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { edge, listener, templates, router } = self.clone();
        Box::pin(async move {
            let (begun, method) = (edge.requests().begin(), method_word(request.method()));
            let template = templates.find(request.uri().path());
            let id = template.map(|template| template.id).unwrap_or_default();
            let received = Received::new(&edge, request);
            let watch = &edge.0.watch;
            let seen = watch.is_close().then(|| Seen {
                listener,
                method,
                route: template.map_or_else(String::new, |template| template.path.clone()),
                request_id: received.id,
                trace: Trace::of(received.request.headers(), edge.0.base, edge.next_number()),
                slot: DecisionSlot::of(received.request.extensions()),
            });
            let logged = seen.as_ref().filter(|_| watch.access_log);
            let span = logged.map_or_else(Span::none, access_log::span);
            let response = receive(&edge, router, received).instrument(span.clone()).await;
            let took = edge.requests().end(begun, id, method, response.status());
            if let Some(seen) = seen {
                let responded = seen.responded(&response, took);
                if watch.access_log {
                    access_log::write(&span, &seen, &responded);
                }
                watch.spans.end(&seen, &responded);
            }
            Ok(response)
        })
    }
}

/// A request whose id is known, and whose keys are masked.
struct Received {
    request: Request,
    id: RequestId,
    keys: AdminKeyDigests,
}

impl Received {
    fn new(edge: &Edge, mut request: Request) -> Self {
        let keys = edge.0.control.as_ref().map(Control::admin_keys).unwrap_or_default();
        let id = request_id(&request, &keys).unwrap_or_else(|| edge.next_id());
        mark_sensitive(&mut request);
        Self { request, id, keys }
    }
}

async fn receive(edge: &Edge, router: Router, received: Received) -> Response {
    let Received { mut request, id, keys } = received;
    let misplaced = misplaced_key::rejection(&keys, request.uri(), request.headers());
    let is_misplaced = misplaced.is_some();
    let rejection = malformed(&request).or(misplaced);
    let is_read = request.extensions().get::<BadHead>().is_none();
    request.extensions_mut().insert(id);
    let is_uncached = is_uncached(request.uri().path());
    let logged = tracing::enabled!(tracing::Level::DEBUG)
        .then(|| (request.method().clone(), request.uri().clone()));
    let slot = edge.0.slots.take();
    let mut response = match rejection {
        // The next request on this connection may not begin where it seems to.
        Some(rejection) => {
            rejection.header(CONNECTION, HeaderValue::from_static("close")).into_response()
        }
        // Without a slot, the health of the server is told nevertheless.
        None if slot.is_none() && !is_health(request.uri().path()) => {
            edge.0.slots.warn();
            Rejection::unavailable().into_response()
        }
        None => {
            let limit = edge.time_limit(request.uri().path());
            respond_in_time(router, request, limit).await
        }
    };
    drop(slot);
    if let Some((method, uri)) = logged {
        let (status, request_id) = (response.status().as_u16(), id.as_str());
        if is_read {
            let method = hide_keys(method.as_str());
            let path = if is_misplaced { "…".to_owned() } else { shown(uri.path()) };
            let words = format!("Responded to {method} {path} with {status}");
            tracing::debug!(%method, path, status, request_id, "{words}");
        } else {
            tracing::debug!(status, request_id, "Responded to an unreadable head with {status}");
        }
    }
    if let Ok(mut id) = HeaderValue::from_str(id.as_str()) {
        // HTTP/2 then keeps it out of its table, where no later response would find its like.
        id.set_sensitive(true);
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    if is_uncached {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

async fn respond_in_time(router: Router, request: Request, limit: Duration) -> Response {
    tokio::time::timeout(limit, respond(router, request)).await.unwrap_or_else(|_| {
        Rejection::new(StatusCode::REQUEST_TIMEOUT, "Request Timeout")
            .header(CONNECTION, HeaderValue::from_static("close"))
            .into_response()
    })
}

/// The router's response, or ours if a handler panics.
async fn respond(mut router: Router, request: Request) -> Response {
    let mut responding = pin!(async { router.call(request).await });
    let response = poll_fn(|context| {
        // A future that panicked is not polled again, only dropped.
        let polled = catch_unwind(AssertUnwindSafe(|| responding.as_mut().poll(context)));
        polled.unwrap_or_else(|_panic| Poll::Ready(Ok(panicked())))
    });
    response.await.unwrap_or_else(|never| match never {})
}

/// The response to a panic; it was logged when it happened.
fn panicked() -> Response {
    Rejection::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response()
}

/// Two readers of one message must not see two messages (RFC 9112, sections 3.2 and 6.3).
fn malformed(request: &Request) -> Option<Rejection> {
    let bad = |detail| Some(Rejection::new(StatusCode::BAD_REQUEST, detail));
    if let Some(bad) = request.extensions().get::<BadHead>() {
        return Some(unreadable(*bad));
    }
    let hosts = request.headers().get_all(HOST).iter().count();
    match hosts {
        0 if request.version() == Version::HTTP_11 => return bad("Missing Host header"),
        0 | 1 => {}
        _ => return bad("More than one Host header"),
    }
    if request.version() == Version::HTTP_2
        && let Some(detail) = http2_head::fault(request)
    {
        return bad(detail);
    }
    if request.extensions().get::<AmbiguousLength>().is_some() {
        return bad("Content-Length beside Transfer-Encoding");
    }
    if !is_text(request.uri().path()) {
        return bad("The path is not UTF-8");
    }
    None
}

/// The response to a request head that cannot be read.
fn unreadable(bad: BadHead) -> Rejection {
    let (status, detail) = match bad {
        BadHead::Line => (StatusCode::BAD_REQUEST, "Malformed request line"),
        BadHead::Field => (StatusCode::BAD_REQUEST, "Malformed header field"),
        BadHead::Length => {
            (StatusCode::BAD_REQUEST, "Malformed Content-Length or Transfer-Encoding")
        }
        BadHead::LineTooLong => (StatusCode::URI_TOO_LONG, "URI Too Long"),
        BadHead::TooLarge => {
            (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large")
        }
    };
    Rejection::new(status, detail)
}

/// A path as the log has it: a key in it, which a client put there and not into a header, is cut
/// down to its hint.
fn shown(path: &str) -> String {
    let text = percent_decode_str(path).decode_utf8_lossy();
    let hidden = hide_keys(&text);
    if hidden == text {
        return path.to_owned();
    }
    // Escapes may have torn the key apart, so the decoded text is shown, without line breaks.
    hidden.chars().filter(|c| !c.is_control()).collect()
}

/// Whether a path is UTF-8 once its `%XX` are decoded.
fn is_text(path: &str) -> bool {
    // As nearly all are.
    !path.contains('%') || percent_decode_str(path).decode_utf8().is_ok()
}

/// Whether a path tells the health of the server.
fn is_health(path: &str) -> bool {
    ["/healthz", "/readyz"].contains(&path)
}

/// Whether no cache may keep the responses under a path, rejections included: the responses to
/// operators, to the clients of doors and to reports of leaks, the health of the server and its
/// metrics. Caches know that
/// `Authorization` protects a response (RFC 9111, section 3.5), but nothing of an admin key.
fn is_uncached(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    // The last is the door of gRPC.
    [
        "admin",
        "leaks",
        "healthz",
        "readyz",
        "metrics",
        "verify",
        "doors",
        "introspect",
        "envoy.service.auth.v3.Authorization",
    ]
    .contains(&first)
}

fn mark_sensitive(request: &mut Request) {
    credentials::mark_sensitive(request.headers_mut());
    if let http::header::Entry::Occupied(mut lines) = request.headers_mut().entry(X_ADMIN_KEY) {
        lines.iter_mut().for_each(|line| line.set_sensitive(true));
    }
}

fn request_id(request: &Request, admin_keys: &AdminKeyDigests) -> Option<RequestId> {
    let id = request.headers().get(X_REQUEST_ID)?.to_str().ok()?;
    let decent = RequestId::parse(id)?;
    // It goes into the log, the audit trail and the response: none may hold a key.
    let is_admin_key = admin_keys.iter().any(|key| key.is_as_long_and_equals(id.as_bytes()));
    (!is_admin_key).then_some(decent)
}

#[cfg(test)]
mod tests;
