//! The collector, to which batches of spans are sent on a thread of their own.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use keyward_axum::Guard;
use keyward_tls::{Flaw, Trust};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use ureq::Agent;
use url::Url;

use super::queue::Queue;

/// How long the collector may take for a batch; meanwhile spans wait or are dropped.
const RESPONSE_WITHIN: Duration = Duration::from_secs(10);
/// Most bytes of its response that are read: it is empty, or says why spans were not taken.
const RESPONSE_LEN_MAX: u64 = 64 * 1_024;
/// How often the log says that spans are dropped.
const WARN_EVERY_NANOS: u64 = 60_000_000_000;

/// Sends batches, and counts the spans that the collector does not take.
#[derive(Debug)]
pub(super) struct Collector {
    otlp: opentelemetry_otlp::SpanExporter,
    queue: Queue,
    fault: Fault,
    guard: Guard,
    told: Mutex<Told>,
}

/// What the log says of dropped spans.
#[derive(Debug, Default)]
struct Told {
    /// When it said so last, in nanoseconds of the steady clock.
    at: Option<u64>,
    /// How many had been dropped then.
    count: u64,
}

/// Why the last request to the collector failed.
#[derive(Clone, Debug, Default)]
struct Fault(Arc<Mutex<Option<String>>>);

impl Fault {
    fn set(&self, words: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }

    fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Collector {
    /// The collector at this URL.
    ///
    /// # Errors
    ///
    /// Returns an error for variables of OpenTelemetry that do not fit.
    pub(super) fn at(url: &Url, queue: Queue, guard: Guard) -> anyhow::Result<Self> {
        let fault = Fault::default();
        let otlp = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(Client { agent: agent(url), fault: fault.clone() })
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url.as_str())
            .with_timeout(RESPONSE_WITHIN)
            .build()?;
        Ok(Self { otlp, queue, fault, guard, told: Mutex::default() })
    }

    /// Logs that spans are dropped, unless the log said so a short time ago.
    fn warn(&self) {
        let (count, now) = (self.queue.dropped(), self.guard.now().steady.0);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = told.at.is_none_or(|at| WARN_EVERY_NANOS <= now.saturating_sub(at));
        if count == told.count || !is_due {
            return;
        }
        let dropped = count - told.count;
        *told = Told { at: Some(now), count };
        drop(told);
        let why = self.fault.get();
        let why = why.as_deref().unwrap_or("it takes them too slowly");
        tracing::warn!(dropped, "Spans did not reach the collector of otlp_endpoint: {why}");
    }
}

impl SpanExporter for Collector {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.queue.leave(count);
        let sent = self.otlp.export(batch).await;
        if sent.is_err() {
            self.queue.drop(count);
        }
        self.warn();
        sent
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}

/// The client. Its thread does nothing else, so that it may block.
#[derive(Debug)]
struct Client {
    agent: Agent,
    fault: Fault,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.send(request);
        self.fault.set(match &sent {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it responded with {}", response.status())),
            Err(error) => Some(words(error)),
        });
        Ok(sent?)
    }
}

impl Client {
    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let (head, body) = request.into_parts();
        let response = self.agent.run(Request::from_parts(head, &*body))?;
        let (head, mut body) = response.into_parts();
        let body = body.with_config().limit(RESPONSE_LEN_MAX).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}

fn agent(url: &Url) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(RESPONSE_WITHIN));
    // The certificates of the system are read for this alone.
    let is_https = url.scheme() == "https";
    let config = if is_https { config.tls_config(Trust::System.tls()) } else { config };
    config.https_only(is_https).build().into()
}

/// The fault of a request, with what to do about a certificate.
fn words(error: &ureq::Error) -> String {
    let give = "have the system trust that authority, or name its file in SSL_CERT_FILE";
    match (Flaw::of(error), error) {
        (Some(flaw), _) => format!("{flaw}; {}", flaw.advice(give)),
        (None, ureq::Error::Io(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            "nothing listens there".to_owned()
        }
        (None, error) => error.to_string(),
    }
}
