//! A line of the log for each request.

use tracing::Span;
use tracing::field::Empty;

use crate::seen::{Responded, Seen};

/// The span in which a request is handled: all lines that are logged meanwhile have its fields.
pub(crate) fn span(seen: &Seen) -> Span {
    let (method, route) = (seen.method, seen.route.as_str());
    let trace_id = tracing::field::display(seen.trace.id);
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
pub(crate) fn write(span: &Span, seen: &Seen, responded: &Responded<'_>) {
    let Responded { status, verdict, key_id, door, resource, nanos } = responded;
    let resource = resource.as_deref();
    span.record("resource", resource);
    span.record("verdict", verdict).record("key_id", key_id).record("status", status);
    let Seen { listener, method, route, request_id, trace, .. } = seen;
    let shown = if route.is_empty() { "a path without a route" } else { route };
    let words = format!("{method} {shown}: {status}");
    let duration_ms = millis(*nanos);
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
        trace_id = %trace.id,
        "{words}"
    );
}

/// To the microsecond.
#[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
fn millis(nanos: u64) -> f64 {
    (nanos / 1_000) as f64 / 1e3
}
