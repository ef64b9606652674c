//! What a span says of a request: the names are those of OpenTelemetry's semantic conventions for
//! HTTP servers (1.43), and ours begin with `keyward.`.
//!
//! `url.path` and `client.address`, which the conventions ask for, are left out: a path may hold a
//! key, and an address is a person's.

use std::borrow::Cow;

use opentelemetry::KeyValue;
use opentelemetry::trace::Status;

use crate::seen::{Responded, Seen};

/// The name: the method and the template of the route.
pub(super) fn name(seen: &Seen) -> Cow<'static, str> {
    // As the conventions have it for methods that are not known.
    let method = if seen.method == "_OTHER" { "HTTP" } else { seen.method };
    match seen.route.as_str() {
        "" => method.into(),
        route => format!("{method} {route}").into(),
    }
}

/// The attributes; `scheme` is that of the listener.
pub(super) fn attributes(
    scheme: &'static str,
    seen: &Seen,
    responded: &Responded<'_>,
) -> Vec<KeyValue> {
    let Responded { status, verdict, key_id, door, resource, .. } = responded;
    let mut all = Vec::with_capacity(10);
    all.push(KeyValue::new("http.request.method", seen.method));
    if !seen.route.is_empty() {
        all.push(KeyValue::new("http.route", seen.route.clone()));
    }
    all.push(KeyValue::new("http.response.status_code", i64::from(*status)));
    if is_failure(*status) {
        all.push(KeyValue::new("error.type", status.to_string()));
    }
    all.push(KeyValue::new("url.scheme", scheme));
    all.push(KeyValue::new("keyward.listener", seen.listener.as_str()));
    all.extend(door.map(|door| KeyValue::new("keyward.door", door)));
    all.extend(verdict.map(|verdict| KeyValue::new("keyward.verdict", verdict)));
    // Ids are numbered from 1, so that none comes near the end of this type.
    let key_id = key_id.and_then(|id| i64::try_from(id).ok());
    all.extend(key_id.map(|id| KeyValue::new("keyward.key_id", id)));
    all.extend(resource.as_ref().map(|it| KeyValue::new("keyward.resource", it.to_string())));
    all
}

/// Only a failure of this server is an error: a rejected request is the client's.
pub(super) fn status(responded: &Responded<'_>) -> Status {
    if is_failure(responded.status) { Status::error("") } else { Status::Unset }
}

fn is_failure(status: u16) -> bool {
    500 <= status
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use keyward_admin::RequestId;

    use super::*;
    use crate::listener::ListenerName;
    use crate::trace::Trace;

    fn seen(method: &'static str, route: &str) -> Seen {
        Seen {
            listener: ListenerName::Public,
            method,
            route: route.to_owned(),
            request_id: RequestId::of_number(1),
            trace: Trace::of(&HeaderMap::new(), 1, 1),
            slot: None,
        }
    }

    #[test]
    fn a_name_is_a_method_and_a_template() {
        assert_eq!(name(&seen("GET", "/key")), "GET /key");
        assert_eq!(name(&seen("_OTHER", "/key")), "HTTP /key");
        assert_eq!(name(&seen("GET", "")), "GET");
    }

    #[test]
    fn only_a_failure_of_the_server_is_an_error() {
        for (code, is_error) in [(200, false), (401, false), (429, false), (500, true), (503, true)]
        {
            let responded = Responded {
                status: code,
                verdict: None,
                key_id: None,
                door: None,
                resource: None,
                nanos: 1,
            };
            assert_eq!(status(&responded) != Status::Unset, is_error, "{code}");
            let all = attributes("http", &seen("GET", ""), &responded);
            let kind = all.iter().find(|one| one.key.as_str() == "error.type");
            assert_eq!(kind.map(|one| one.value.as_str().into_owned()), {
                is_error.then(|| code.to_string())
            });
        }
    }
}
