//! Spans that are sent: each request's is put into a queue, which a thread empties.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use keyward_axum::Guard;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor as _,
};
use url::Url;

use super::collector::Collector;
use super::facts;
use super::queue::{QUEUE_MAX, Queue};
use crate::listener::ListenerName;
use crate::metrics::DroppedSpans;
use crate::seen::{Responded, Seen};
use crate::settings::TlsSettings;

/// Most spans in one request to the collector.
const BATCH_MAX: usize = 512;
/// How long a span waits for others.
const SEND_EVERY: Duration = Duration::from_secs(1);
/// How long the end of the program waits for the last spans to be taken.
const STOP_WITHIN: Duration = Duration::from_secs(2);
/// The name of the program, and of the scope in it.
const NAME: &str = "keyward";

/// Where spans go; nowhere unless a collector is set. A clone shares everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spans(Option<Arc<Sender>>);

#[derive(Debug)]
struct Sender {
    processor: BatchSpanProcessor,
    queue: Queue,
    /// It follows the wall clock.
    guard: Guard,
    scope: InstrumentationScope,
    /// The listeners that speak TLS.
    https: Vec<ListenerName>,
}

impl Spans {
    /// Starts the thread that sends spans, if a collector is set.
    ///
    /// # Errors
    ///
    /// Returns an error for variables of OpenTelemetry that do not fit.
    pub(crate) fn start(
        endpoint: Option<&Url>,
        tls: &TlsSettings,
        guard: &Guard,
        dropped: &DroppedSpans,
    ) -> anyhow::Result<Self> {
        let Some(url) = endpoint else { return Ok(Self(None)) };
        let queue = Queue::new(dropped.clone());
        let collector = Collector::at(url, queue.clone(), guard.clone());
        let collector = collector.context("starting what sends spans to otlp_endpoint")?;
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE_MAX)
            .with_max_export_batch_size(BATCH_MAX)
            .with_scheduled_delay(SEND_EVERY)
            .build();
        let mut processor = BatchSpanProcessor::new(collector, config);
        let version = env!("CARGO_PKG_VERSION");
        let resource = Resource::builder()
            .with_service_name(NAME)
            .with_attribute(KeyValue::new("service.version", version))
            .build();
        processor.set_resource(&resource);
        let speaks_tls = |name: &ListenerName| name.identity(tls).is_some();
        Ok(Self(Some(Arc::new(Sender {
            processor,
            queue,
            guard: guard.clone(),
            scope: InstrumentationScope::builder(NAME).with_version(version).build(),
            https: ListenerName::ALL.into_iter().filter(speaks_tls).collect(),
        }))))
    }

    /// Whether requests have spans.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Ends the span of a request, which is sent if its trace is recorded and the queue has room.
    pub(crate) fn end(&self, seen: &Seen, responded: &Responded<'_>) {
        let Some(sender) = &self.0 else { return };
        if seen.trace.span.is_sampled && sender.queue.enter() {
            sender.processor.on_end(sender.span(seen, responded));
        }
    }

    /// Has the spans sent that wait, if that takes no longer than two seconds.
    pub(crate) async fn stop(self) {
        let Some(sender) = self.0 else { return };
        let stop = move || sender.processor.shutdown_with_timeout(STOP_WITHIN);
        let stopped = tokio::task::spawn_blocking(stop).await;
        if !matches!(stopped, Ok(Ok(()))) {
            tracing::warn!("The last spans did not reach the collector of otlp_endpoint in time");
        }
    }
}

impl Sender {
    fn span(&self, seen: &Seen, responded: &Responded<'_>) -> SpanData {
        let ids = seen.trace.span;
        let trace = TraceId::from_bytes(seen.trace.id.to_bytes());
        let context = SpanContext::new(
            trace,
            SpanId::from_bytes(ids.own.to_be_bytes()),
            TraceFlags::SAMPLED,
            false,
            // That of the client is text of its own, which may hold anything.
            TraceState::NONE,
        );
        let parent = ids.parent.map(|id| SpanId::from_bytes(id.to_be_bytes()));
        let ended = self.unix_now();
        SpanData {
            span_context: context,
            parent_span_id: parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: parent.is_some(),
            span_kind: SpanKind::Server,
            name: facts::name(seen),
            start_time: at(ended.saturating_sub(Duration::from_nanos(responded.nanos))),
            end_time: at(ended),
            attributes: facts::attributes(self.scheme(seen.listener), seen, responded),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: facts::status(responded),
            instrumentation_scope: self.scope.clone(),
        }
    }

    /// The time since 1970. Within a millisecond, the steady clock goes on.
    fn unix_now(&self) -> Duration {
        let now = self.guard.now();
        let nanos = now.steady.0 % 1_000_000;
        Duration::from_millis(now.unix.0).saturating_add(Duration::from_nanos(nanos))
    }

    fn scheme(&self, listener: ListenerName) -> &'static str {
        if self.https.contains(&listener) { "https" } else { "http" }
    }
}

fn at(since_1970: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH + since_1970
}
