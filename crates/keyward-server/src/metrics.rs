//! The metrics of the program, which `GET /metrics` shows in a text form of Prometheus.
//!
//! Nothing is registered globally. Each source reads numbers that are counted anyway, when the page
//! is asked for; no label is a key, a name, an owner, a scope, an address, a path or the text of an
//! error.

mod admin;
mod build;
mod cluster;
mod connections;
mod counted;
mod durations;
mod keys;
mod page;
mod process;
mod requests;
mod spans;
mod stores;
mod tickets;
mod trail;
mod usage;
mod verdicts;

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, VARY};
use keyward_axum::{Guard, Rejection};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::Registry;

pub(crate) use connections::Connections;
pub(crate) use counted::Counted;
pub(crate) use requests::{Requests, TemplateId, method_word};
pub(crate) use spans::DroppedSpans;
pub(crate) use stores::{Commits, Metered, StoreTimes};

use admin::Admin;
use build::Build;
use cluster::Cluster;
use keys::Keys;
use page::Page;
use process::Process;
use tickets::Tickets;
use trail::Trail;
use usage::Usage;
use verdicts::Verdicts;

/// The media type of OpenMetrics, without parameters.
const OPENMETRICS: &str = "application/openmetrics-text";
/// The same with the version that is written.
const OPENMETRICS_WRITTEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The media type of the text form of Prometheus, without parameters.
const PLAIN: &str = "text/plain";

/// Writes families of metrics that belong together.
pub(crate) trait Source: fmt::Debug + Send + Sync + 'static {
    /// Writes all of them, those without samples too: a query for a name that is always there
    /// cannot be mistaken.
    fn write(&self, page: &mut Page<'_>) -> fmt::Result;
}

/// All metrics. A clone shares everything.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    /// Counted before a page is written; `None` in tests of other parts.
    keys: Option<Keys>,
}

impl Metrics {
    /// The metrics of this process, of a guard and of these sources.
    pub(crate) fn new(guard: &Guard, sources: Vec<Box<dyn Source>>) -> Self {
        let keys = Keys::new(guard.clone());
        let own: [Box<dyn Source>; 5] = [
            Box::new(Verdicts(guard.clone())),
            Box::new(keys.clone()),
            Box::new(Usage(guard.clone())),
            Box::new(Cluster::new(guard.clone())),
            Box::new(Tickets(guard.clone())),
        ];
        Self { keys: Some(keys), ..Self::of(own.into_iter().chain(sources).collect()) }
    }

    /// The metrics of this process and of these sources, in this order.
    pub(crate) fn of(sources: Vec<Box<dyn Source>>) -> Self {
        let own: [Box<dyn Source>; 2] = [Box::new(Build), Box::new(Process)];
        let sources = own.into_iter().chain(sources).collect();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Sources(sources)));
        Self { registry: Arc::new(registry), keys: None }
    }

    /// The page in this form.
    fn text(&self, form: Form) -> Result<String, fmt::Error> {
        let mut page = String::new();
        match form {
            Form::Prometheus => prometheus_text::encode(&mut page, &self.registry)?,
            Form::OpenMetrics => text::encode(&mut page, &self.registry)?,
        }
        Ok(page)
    }
}

/// The one collector of the registry.
#[derive(Debug)]
struct Sources(Vec<Box<dyn Source>>);

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        self.0.iter().try_for_each(|source| source.write(&mut page))
    }
}

/// A text form of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Version 0.0.4 of the text form of Prometheus, which every reader of metrics knows.
    Prometheus,
    /// Version 1.0.0 of OpenMetrics.
    OpenMetrics,
}

impl Form {
    /// The form that the client prefers (RFC 9110, section 12.5.1). OpenMetrics has to be named:
    /// a browser or curl, which accept anything, get the plainer one.
    fn of(headers: &HeaderMap) -> Self {
        let (mut openmetrics, mut plain) = (0, 0);
        for line in headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok()) {
            for range in line.split(',') {
                let mut parts = range.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default();
                let weight =
                    parts.find_map(|part| part.strip_prefix("q=")).map_or(1_000, thousandths);
                if name.eq_ignore_ascii_case(OPENMETRICS) {
                    openmetrics = openmetrics.max(weight);
                } else if name.eq_ignore_ascii_case(PLAIN) {
                    plain = plain.max(weight);
                }
            }
        }
        if 0 < openmetrics && plain <= openmetrics { Self::OpenMetrics } else { Self::Prometheus }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => OPENMETRICS_WRITTEN,
        }
    }
}

/// A weight, such as `0.5`, in thousandths; 0 if it is not a weight.
fn thousandths(weight: &str) -> u32 {
    let (whole, rest) = weight.trim().split_once('.').unwrap_or((weight.trim(), ""));
    let digits = format!("{rest:0<3}");
    match (whole, digits.get(..3).and_then(|digits| digits.parse::<u32>().ok())) {
        ("1", _) => 1_000,
        ("0", Some(thousandths)) => thousandths,
        _ => 0,
    }
}

/// Shows the metrics of the program.
///
/// The form is version 0.0.4 of the text form of Prometheus, or OpenMetrics 1.0.0 if the client
/// prefers it.
#[utoipa::path(get, path = "/metrics", tag = "health", responses(
    (status = 200, description = "All metrics", content(
        (String = "text/plain"), (String = "application/openmetrics-text"),
    )),
))]
pub(crate) async fn show_metrics(
    State(metrics): State<Metrics>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let form = Form::of(&headers);
    if let Some(keys) = &metrics.keys {
        keys.refresh().await;
    }
    // Writing into memory never fails.
    let page = metrics.text(form).map_err(|_| Rejection::unavailable())?;
    Ok(([(CONTENT_TYPE, form.media_type()), (VARY, "Accept")], page).into_response())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(accept: &str, expected: Form) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        assert_eq!(Form::of(&headers), expected, "{accept}");
    }

    #[test]
    fn openmetrics_is_for_clients_that_prefer_it() {
        assert_eq!(Form::of(&HeaderMap::new()), Form::Prometheus);
        check("*/*", Form::Prometheus);
        check("text/html,*/*;q=0.8", Form::Prometheus);
        check("application/openmetrics-text", Form::OpenMetrics);
        // As Prometheus asks.
        check(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,\
             text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            Form::OpenMetrics,
        );
        check("application/openmetrics-text;q=0.2, text/plain;q=0.9", Form::Prometheus);
        check("application/openmetrics-text;q=0, */*", Form::Prometheus);
        check("Application/OpenMetrics-Text; Q=1", Form::OpenMetrics);
    }

    #[test]
    fn a_weight_has_three_decimals() {
        let weights = [("1", 1_000), ("1.0", 1_000), ("0.5", 500), ("0.125", 125), ("0", 0)];
        for (text, expected) in weights {
            assert_eq!(thousandths(text), expected, "{text}");
        }
        for text in ["", "2", "-1", "0.x", "ä"] {
            assert_eq!(thousandths(text), 0, "{text}");
        }
    }
}
