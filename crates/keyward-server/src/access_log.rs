//! A line of the log for each request.

use axum::response::Response;
use http::header::HeaderMap;
use keyward::scan::hide_keys;
use keyward_admin::RequestId;
use keyward_axum::DecisionSlot;
use keyward_doors::Resource;
use tracing::Span;
use tracing::field::Empty;

use crate::listener::ListenerName;
use crate::trace::TraceId;

/// A request as far as it is known when it comes.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) listener: ListenerName,
    pub(crate) method: &'static str,
    /// The template of the route; empty for a path without one. Never the path: a client may have
    /// put a key into it.
    pub(crate) route: String,
    pub(crate) request_id: RequestId,
    trace: TraceId,
    slot: Option<DecisionSlot>,
}

/// What a request is and where it belongs.
pub(crate) struct Came<'a> {
    pub(crate) listener: ListenerName,
    pub(crate) method: &'static str,
    pub(crate) route: &'a str,
    pub(crate) request_id: RequestId,
    pub(crate) headers: &'a HeaderMap,
    /// The place where the decision about it will be noted.
    pub(crate) slot: Option<DecisionSlot>,
    /// The trace that it begins if it names none.
    pub(crate) trace: TraceId,
}

impl Seen {
    pub(crate) fn of(came: Came<'_>) -> Self {
        let Came { listener, method, route, request_id, headers, slot, trace } = came;
        let trace = TraceId::of(headers).unwrap_or(trace);
        Self { listener, method, route: route.to_owned(), request_id, trace, slot }
    }

    /// The span in which the request is handled: all lines that are logged meanwhile have its
    /// fields.
    pub(crate) fn span(&self) -> Span {
        let (method, route) = (self.method, self.route.as_str());
        let trace_id = tracing::field::display(self.trace);
        tracing::info_span!(
            "request",
            trace_id,
            method,
            route,
            verdict = Empty,
            key_id = Empty,
            resource = Empty,
            status = Empty
        )
    }

    /// Logs the response, and completes the span.
    pub(crate) fn responded(&self, span: &Span, response: &Response, nanos: u64) {
        let decision = self.slot.as_ref().and_then(DecisionSlot::decision);
        let verdict = decision.map(|decision| decision.outcome.as_str());
        let key_id = decision.and_then(|decision| decision.key_id).map(|id| id.get());
        let door = decision.map(|decision| decision.door.as_str());
        let status = response.status().as_u16();
        // A service that asks at a door names it; it may have put a key into it.
        let resource = response.extensions().get::<Resource>().map(|it| hide_keys(&it.0));
        let resource = resource.as_deref();
        span.record("resource", resource);
        span.record("verdict", verdict).record("key_id", key_id).record("status", status);
        let Self { listener, method, route, request_id, trace, .. } = self;
        let shown = if route.is_empty() { "a path without a route" } else { route };
        let words = format!("{method} {shown}: {status}");
        let duration_ms = millis(nanos);
        tracing::info!(
            target: "keyward::access",
            listener = listener.as_str(),
            method,
            route,
            status,
            verdict,
            key_id,
            door,
            resource,
            duration_ms,
            request_id = request_id.as_str(),
            trace_id = %trace,
            "{words}"
        );
    }
}

/// To the microsecond.
#[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
fn millis(nanos: u64) -> f64 {
    (nanos / 1_000) as f64 / 1e3
}
