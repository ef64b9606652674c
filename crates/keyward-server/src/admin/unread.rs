//! Rejects input that a route does not read: an ignored parameter or field was meant to do
//! something, such as to end a grace at once, or to give a reason. So was the first of two
//! parameters of one name, of which a route would read the last alone.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use keyward::json;
use keyward_axum::Rejection;
use keyward_axum::input::{self, Members, Query};

use super::change::Whole;
use super::precondition::{Named, Preconditions};
use crate::routes::Registered;

/// The routes that read their query. Each rejects unknown parameters.
const QUERIES: [(&str, &str); 8] = [
    ("GET", "/admin/api-keys"),
    ("DELETE", "/admin/api-keys/{key_id}"),
    ("GET", "/admin/api-keys/{key_id}/usage"),
    ("GET", "/admin/usage"),
    ("GET", "/admin/owners"),
    ("GET", "/admin/audit"),
    ("POST", "/admin/import"),
    ("GET", "/admin/export"),
];
/// The routes that read their body. Each rejects unknown fields.
const BODIES: [(&str, &str); 8] = [
    ("POST", "/admin/api-keys"),
    ("POST", "/admin/api-keys/identify"),
    ("PATCH", "/admin/api-keys/{key_id}"),
    ("POST", "/admin/api-keys/{key_id}/rotate"),
    ("PUT", "/admin/tiers/{name}"),
    ("PATCH", "/admin/owners/{owner}"),
    ("POST", "/admin/import"),
    ("POST", "/admin/articles"),
];

/// The routes that read `If-Match` and `If-None-Match`: all routes of resources with an `ETag`,
/// except for reading.
const PRECONDITIONS: [(&str, &str); 10] = [
    ("PATCH", "/admin/api-keys/{key_id}"),
    ("DELETE", "/admin/api-keys/{key_id}"),
    ("POST", "/admin/api-keys/{key_id}/suspend"),
    ("POST", "/admin/api-keys/{key_id}/resume"),
    ("POST", "/admin/api-keys/{key_id}/rotate"),
    ("PUT", "/admin/tiers/{name}"),
    ("DELETE", "/admin/tiers/{name}"),
    ("PATCH", "/admin/owners/{owner}"),
    ("POST", "/admin/owners/{owner}/suspend"),
    ("POST", "/admin/owners/{owner}/resume"),
];

/// Whether a route reads its query.
pub(crate) fn reads_query(route: (&str, &str)) -> bool {
    QUERIES.contains(&route)
}

/// Whether a route reads its body.
pub(crate) fn reads_body(route: (&str, &str)) -> bool {
    BODIES.contains(&route)
}

/// Lets a request pass unless it contains input that its route does not read. An empty body, and
/// one that is `{}`, contain none.
pub(crate) async fn reject_unread(
    State(route): State<Registered>,
    request: Request,
    next: Next,
) -> Response {
    match read_nothing((route.method, route.path), request).await {
        Ok(request) => next.run(request).await,
        Err(rejection) => rejection.into_response(),
    }
}

async fn read_nothing(route: (&str, &str), request: Request) -> Result<Request, Rejection> {
    let (parts, mut body) = request.into_parts();
    let query = Query::parse(parts.uri.query());
    let mut faults = match reads_query(route) {
        true => query.repeated(),
        false => query.unknown(&[]),
    };
    if route.0 != "GET" && !PRECONDITIONS.contains(&route) {
        // A list of keys, of articles and so on: it is there, and no `ETag` is ever that of it.
        Preconditions::read(&parts.headers)?.check_change("list", Named::Untagged)?;
    }
    if !reads_body(route) {
        let bytes = Whole::of(body).await?.0;
        if !json::without_mark(&bytes).iter().all(u8::is_ascii_whitespace) {
            // Any body is misplaced here.
            let members = input::json_object(&bytes).map_err(Rejection::masked)?;
            faults.extend(Members::new(vec!["body".into()], members).finish());
        }
        body = bytes.into();
    }
    if faults.is_empty() {
        Ok(Request::from_parts(parts, body))
    } else {
        Err(Rejection::unprocessable(faults))
    }
}
