//! A span for each request, sent to a collector of OpenTelemetry.
//!
//! The feature `otlp` has it; a program without it has no spans, and no cost of them.

#[cfg(not(feature = "otlp"))]
mod absent;
#[cfg(feature = "otlp")]
mod collector;
#[cfg(feature = "otlp")]
mod facts;
#[cfg(feature = "otlp")]
mod queue;
#[cfg(feature = "otlp")]
mod sent;

#[cfg(not(feature = "otlp"))]
pub(crate) use absent::Spans;
#[cfg(feature = "otlp")]
pub(crate) use sent::Spans;
