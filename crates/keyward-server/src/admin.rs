//! The admin API: who may use it, and what its resources have in common.

pub(crate) mod keys;
pub(crate) mod tiers;

use std::error::Error as _;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, put};
use http::header::HeaderName;
use http::{Extensions, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use keyward::store::{Actor, Audit, StoreError};
use keyward_axum::{Guard, Refusal};

use crate::app::App;
use crate::edge::RequestId;

/// Where the admin key stands in a request.
pub(crate) const X_ADMIN_KEY: HeaderName = HeaderName::from_static("x-admin-key");
/// Most bytes of a body on an admin route, imports aside.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Every admin route, one line each.
pub(crate) fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/admin/api-keys", get(keys::list_keys).post(keys::issue_key))
        .route("/admin/api-keys/{key_id}", get(keys::find_key).delete(keys::revoke_key))
        .route("/admin/api-keys/{key_id}/usage", get(keys::show_usage))
        .route("/admin/tiers", get(tiers::list_tiers))
        .route("/admin/tiers/{name}", put(tiers::put_tier))
        .merge(keyward_news::admin_routes())
        .route_layer(middleware::from_fn_with_state(app.clone(), require_admin_key))
}

/// Lets a request pass that holds the admin key. It is asked before anything else is looked at.
async fn require_admin_key(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let Some(admin_key) = app.admin_key.as_deref() else {
        let detail = "ADMIN_API_KEY is not configured";
        return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, detail));
    };
    let mut presented = request.headers().get_all(X_ADMIN_KEY).iter();
    match (presented.next(), presented.next()) {
        (Some(key), None) if admin_key.equals(key.as_bytes()) => Ok(next.run(request).await),
        _ => Err(Refusal::new(StatusCode::FORBIDDEN, "Invalid admin key")),
    }
}

/// What the audit entry says of a change that this request asks for.
fn audit(guard: &Guard, extensions: &Extensions) -> Audit {
    let id = extensions.get::<RequestId>().map(|RequestId(id)| id.clone());
    guard.audit(Actor::AdminKey, id)
}

/// Reads a whole body of at most 64 KiB.
async fn read_body(body: Body) -> Result<Bytes, Refusal> {
    let read = Limited::new(body, BODY_BYTES_MAX).collect().await;
    read.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "Content Too Large")
        } else {
            Refusal::new(StatusCode::BAD_REQUEST, "The body ended early or is malformed")
        }
    })
}

/// A store that breaks down: the log learns why, the client that trying later may help.
pub(crate) fn broken(error: StoreError) -> Refusal {
    let cause = error.source().map(ToString::to_string);
    tracing::error!(%error, cause, "The store failed");
    drop(error);
    Refusal::unavailable()
}
