//! How long responses took, by method, route and status.
//!
//! The names are those of OpenTelemetry's semantic conventions, so that dashboards for any server
//! fit. A route is its template: a path would be a label that clients choose.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use http::{Method, StatusCode};
use keyward::time::SteadyNanos;
use keyward_axum::{Clock as _, SystemClock};

use super::Source;
use super::durations::{Durations, OF_REQUESTS};
use super::page::Page;

/// Most combinations that are counted by themselves. At 4 KiB each this is 8 MiB; a program with a
/// hundred routes has some 300, unless clients try every method on each.
const SERIES_MAX: usize = 2_048;

/// The durations of responses. A clone shares everything.
#[derive(Clone, Debug)]
pub(crate) struct Requests(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: SystemClock,
    /// A combination that was there before is found without a lock and without an allocation.
    series: ArcSwap<BTreeMap<Labels, Arc<Durations>>>,
    /// The templates that have a number. Locked while a listener is made, to add a series and to
    /// write a page; a panic inside leaves whole lists.
    templates: Mutex<Vec<String>>,
}

/// A route by the number of its template; the number 0 is a path without a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TemplateId(u16);

/// What a response is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    template: TemplateId,
    method: &'static str,
    status: u16,
}

impl Default for Requests {
    fn default() -> Self {
        Self(Arc::new(Inner {
            clock: SystemClock::start(),
            series: ArcSwap::default(),
            templates: Mutex::new(vec![String::new()]),
        }))
    }
}

impl Requests {
    /// The number of a template.
    pub(crate) fn template(&self, path: &str) -> TemplateId {
        let mut templates = self.templates();
        let at = templates.iter().position(|known| known == path).unwrap_or_else(|| {
            templates.push(path.to_owned());
            templates.len() - 1
        });
        TemplateId(u16::try_from(at).unwrap_or_default())
    }

    /// The time, for [`Requests::end`].
    pub(crate) fn begin(&self) -> SteadyNanos {
        self.0.clock.now().steady
    }

    /// Counts a response, and returns how many nanoseconds it took.
    pub(crate) fn end(
        &self,
        begun: SteadyNanos,
        template: TemplateId,
        method: &'static str,
        status: StatusCode,
    ) -> u64 {
        let nanos = self.begin().0.saturating_sub(begun.0);
        let labels = Labels { template, method, status: status.as_u16() };
        match self.0.series.load().get(&labels) {
            Some(series) => series.add(nanos),
            None => self.add_series(labels, nanos),
        }
        nanos
    }

    #[cold]
    fn add_series(&self, labels: Labels, nanos: u64) {
        // Held, so that of two threads with the same new combination one finds the other's.
        let _templates = self.templates();
        let mut all = BTreeMap::clone(&self.0.series.load());
        if SERIES_MAX <= all.len() && !all.contains_key(&labels) {
            return;
        }
        let series = all.entry(labels).or_insert_with(|| Arc::new(Durations::new(&OF_REQUESTS)));
        series.add(nanos);
        self.0.series.store(Arc::new(all));
    }

    fn templates(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.templates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Requests {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let templates = self.templates().clone();
        let all = self.0.series.load_full();
        let samples = all.iter().map(|(labels, durations)| {
            let route = templates.get(usize::from(labels.template.0)).map_or("", String::as_str);
            let labels = [
                ("http_request_method", labels.method.to_owned()),
                ("http_route", route.to_owned()),
                ("http_response_status_code", labels.status.to_string()),
            ];
            (labels, durations.shown())
        });
        let help = "Time from the whole head of a request to its response.";
        page.durations(("http_server_request_duration_seconds", help), samples)
    }
}

/// The word of a method: that of a method that servers know, or `_OTHER`.
pub(crate) fn method_word(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] =
        ["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("_OTHER")
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    fn page(requests: &Requests) -> String {
        Metrics::of(vec![Box::new(requests.clone())]).text(super::super::Form::Prometheus).unwrap()
    }

    #[test]
    fn a_response_is_counted_under_its_template() {
        let requests = Requests::default();
        let template = requests.template("/admin/api-keys/{key_id}");
        assert_eq!(requests.template("/admin/api-keys/{key_id}"), template);
        for (template, method, status) in
            [(template, "GET", 200), (template, "GET", 200), (TemplateId::default(), "_OTHER", 404)]
        {
            let status = StatusCode::from_u16(status).unwrap();
            requests.end(requests.begin(), template, method, status);
        }
        let page = page(&requests);
        let count = |labels: &str| {
            let name = format!("http_server_request_duration_seconds_count{{{labels}}} ");
            page.lines().find_map(|line| line.strip_prefix(&name)).map(str::to_owned)
        };
        let route = concat!(
            r#"http_request_method="GET",http_route="/admin/api-keys/{key_id}","#,
            r#"http_response_status_code="200""#
        );
        assert_eq!(count(route).as_deref(), Some("2"));
        let none = r#"http_request_method="_OTHER",http_route="",http_response_status_code="404""#;
        assert_eq!(count(none).as_deref(), Some("1"));
    }

    #[test]
    fn a_response_counted_before_takes_no_memory() {
        let requests = Requests::default();
        let (template, status) = (requests.template("/key"), StatusCode::OK);
        let count = || {
            requests.end(requests.begin(), template, "GET", status);
        };
        count();
        assert_eq!(allocation_counter::measure(count).count_total, 0);
    }

    #[test]
    fn clients_cannot_make_combinations_without_end() {
        let requests = Requests::default();
        for status in 0..u16::try_from(SERIES_MAX).unwrap() + 5 {
            requests.add_series(Labels { template: TemplateId(1), method: "GET", status }, 1);
        }
        assert_eq!(requests.0.series.load().len(), SERIES_MAX);
    }

    #[test]
    fn an_unknown_method_is_another() {
        assert_eq!(method_word(&Method::PATCH), "PATCH");
        assert_eq!(method_word(&Method::from_bytes(b"BREW").unwrap()), "_OTHER");
        assert_eq!(method_word(&Method::from_bytes(b"get").unwrap()), "_OTHER");
    }
}
