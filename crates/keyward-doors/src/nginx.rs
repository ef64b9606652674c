//! nginx's `auth_request`, which lets only 200, 401 and 403 pass, and no body.
//!
//! Every other status is a 403 here, with the true one in `X-Keyward-Status`, and the sentence of
//! the body in `X-Keyward-Detail`.

use axum::extract;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use keyward_admin::routes::{Access, Routes, route};
use keyward_axum::{Door, Rejection};

use crate::asker::Asker;
use crate::forward::{below, judge, let_in};
use crate::identity::quotable;
use crate::needs::Needs;
use crate::state::State;

const X_KEYWARD_STATUS: HeaderName = HeaderName::from_static("x-keyward-status");
const X_KEYWARD_DETAIL: HeaderName = HeaderName::from_static("x-keyward-detail");

/// The route of nginx.
pub(crate) fn routes() -> Routes<State> {
    let door = route!(ask_nginx).map(|_| any(ask_nginx)).with_paths_below();
    Routes::new().add(Access::Door, door)
}

/// Says whether nginx may hand a request on.
///
/// What the route needs follows the path: `/doors/nginx/scope/articles:read/cost/5`.
/// Every method is allowed.
#[utoipa::path(get, path = "/doors/nginx", tag = "doors", responses(
    (status = 200, description = "The request is allowed; `X-Keyward-*` name the caller"),
    (status = 401, description = "As the client gets it, without its body"),
    (status = 403, description = "`X-Keyward-Status` is the status for the client"),
))]
pub(crate) async fn ask_nginx(
    extract::State(state): extract::State<State>,
    asker: Result<Asker, Rejection>,
    request: Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    let needs = Needs::parse(below(parts.uri.path(), "/doors/nginx"));
    // An operator's mistake is never the client's.
    let admitted = asker.map_err(|_| Rejection::unavailable());
    let asked = match admitted {
        Ok(asker) => judge(&state, &asker, Door::Nginx, (needs, &mut parts.headers), None).await,
        Err(rejection) => Err(rejection),
    };
    match asked {
        Ok(allowed) => with_status(let_in(&state, &allowed), StatusCode::OK),
        Err(rejection) => denied(&rejection),
    }
}

fn denied(rejection: &Rejection) -> Response {
    let status = rejection.status();
    let shown = if status == StatusCode::UNAUTHORIZED { status } else { StatusCode::FORBIDDEN };
    let mut response = shown.into_response();
    *response.headers_mut() = rejection.headers().clone();
    if let Ok(detail) = HeaderValue::try_from(quotable(rejection.detail())) {
        response.headers_mut().insert(X_KEYWARD_DETAIL, detail);
    }
    with_status(response, status)
}

fn with_status(mut response: Response, status: StatusCode) -> Response {
    response.headers_mut().insert(X_KEYWARD_STATUS, HeaderValue::from(status.as_u16()));
    response
}
