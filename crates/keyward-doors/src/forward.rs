//! Forward authentication: a proxy asks before it hands a request on.
//!
//! A request is allowed by 200 and an empty body, and denied by the response for its client. Its
//! body is never read, and neither is the query, which Caddy takes from the client's own request.

use axum::extract;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use keyward_admin::routes::{Access, Endpoint, Routes, route};
use keyward_api::verify::RequestName;
use keyward_axum::credentials::X_API_KEY;
use keyward_axum::{Authenticated, Door, Rejection};

use crate::asker::Asker;
use crate::asks::Parts;
use crate::identity;
use crate::needs::{Needs, NeedsError};
use crate::state::State;

/// The name that our script for HAProxy gives each request. HAProxy asks up to four times if no
/// response comes; the script deletes the field that a client sends.
const X_KEYWARD_ASK: HeaderName = HeaderName::from_static("x-keyward-ask");

/// The routes of forward authentication, but for nginx's.
pub(crate) fn routes() -> Routes<State> {
    let [forwarded, haproxy, envoy] = [
        route!(ask_forwarded).map(|_| any(ask_forwarded)),
        route!(ask_haproxy).map(|_| any(ask_haproxy)),
        route!(ask_envoy).map(|_| any(ask_envoy)),
    ]
    .map(Endpoint::with_paths_below);
    Routes::new().add(Access::Door, forwarded).add(Access::Door, haproxy).add(Access::Door, envoy)
}

/// Says whether Traefik, Caddy or a proxy that asks as they do may hand a request on.
///
/// What the route needs follows the path: `/doors/forwarded/scope/articles:read/cost/5`.
/// Every method is allowed.
#[utoipa::path(get, path = "/doors/forwarded", tag = "doors", responses(
    (status = 200, description = "The request is allowed; `X-Keyward-*` name the caller"),
))]
pub(crate) async fn ask_forwarded(
    extract::State(state): extract::State<State>,
    asker: Asker,
    request: Request,
) -> Result<Response, Rejection> {
    let (mut parts, _) = request.into_parts();
    let needs = Needs::parse(below(parts.uri.path(), "/doors/forwarded"));
    let allowed = judge(&state, &asker, Door::Forwarded, (needs, &mut parts.headers), None).await?;
    Ok(let_in(&state, &allowed))
}

/// Says whether HAProxy may hand a request on.
///
/// What the route needs follows the path: `/doors/haproxy/scope/articles:read/cost/5`.
/// Every method is allowed. The same request with the same `X-Keyward-Ask` takes its cost once.
#[utoipa::path(get, path = "/doors/haproxy", tag = "doors", responses(
    (status = 200, description = "The request is allowed; `X-Keyward-*` name the caller"),
))]
pub(crate) async fn ask_haproxy(
    extract::State(state): extract::State<State>,
    asker: Asker,
    request: Request,
) -> Result<Response, Rejection> {
    let (mut parts, _) = request.into_parts();
    let needs = Needs::parse(below(parts.uri.path(), "/doors/haproxy"));
    let id = parts.headers.remove(X_KEYWARD_ASK);
    let id = id.as_ref().and_then(|id| RequestName::parse(id.to_str().ok()?));
    let allowed = judge(&state, &asker, Door::Haproxy, (needs, &mut parts.headers), id).await?;
    Ok(let_in(&state, &allowed))
}

/// Says whether Envoy may hand a request on.
///
/// What the route needs follows the path, and `/-` ends it, since Envoy adds the client's own path:
/// `/doors/envoy/scope/articles:read/cost/5/-`. Every method is allowed.
#[utoipa::path(get, path = "/doors/envoy", tag = "doors", responses(
    (status = 200, description = "The request is allowed; `X-Keyward-*` name the caller"),
))]
pub(crate) async fn ask_envoy(
    extract::State(state): extract::State<State>,
    asker: Asker,
    request: Request,
) -> Result<Response, Rejection> {
    let (mut parts, _) = request.into_parts();
    let needs = Needs::parse_before_path(below(parts.uri.path(), "/doors/envoy"));
    let allowed = judge(&state, &asker, Door::Envoy, (needs, &mut parts.headers), None).await?;
    Ok(let_in(&state, &allowed))
}

/// The part of a path that follows the name of the door.
pub(crate) fn below<'a>(path: &'a str, door: &str) -> &'a str {
    path.strip_prefix(door).unwrap_or_default()
}

/// Decides about a request to a route with these needs, and notes the decision. With an id, the
/// same request takes its cost once.
pub(crate) async fn judge(
    state: &State,
    asker: &Asker,
    door: Door,
    (needs, headers): (Result<Needs<'_>, NeedsError>, &mut HeaderMap),
    id: Option<RequestName>,
) -> Result<Authenticated, Rejection> {
    let needs = needs.map_err(|error| malformed(state, error))?;
    let ask = id.map(|id| {
        let (asker, presented, cost) =
            (asker.name.as_deref(), presented_lines(headers), needs.cost);
        state.ask(&Parts { door, asker, presented: &presented, id: id.as_str(), cost })
    });
    let needs = &needs;
    let judged = state
        .once(
            ask,
            move |purpose| async move { state.authenticate(door, headers, needs, purpose).await },
        )
        .await;
    asker.note(&judged);
    judged
}

/// 503: the operator has to mend the path of the door. No client may read that as its own mistake.
pub(crate) fn malformed(state: &State, error: NeedsError) -> Rejection {
    let detail = error.to_string();
    state.log_mistake(&detail);
    Rejection::unavailable().with_detail(detail)
}

/// The lines that present a key.
fn presented_lines(headers: &HeaderMap) -> Vec<&[u8]> {
    let lines = |name: HeaderName| headers.get_all(name).iter().map(|line| line.as_bytes());
    lines(AUTHORIZATION).chain([&b"\n"[..]]).chain(lines(X_API_KEY)).collect()
}

/// 200: the fields that name the caller and report its limits, and nothing else.
pub(crate) fn let_in(state: &State, allowed: &Authenticated) -> Response {
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    // Once, and not for each group of fields.
    headers.reserve(identity::RESPONSE_FIELDS);
    state.guard().complete(headers, Some(allowed));
    identity::write(headers, allowed.caller.key());
    response
}
