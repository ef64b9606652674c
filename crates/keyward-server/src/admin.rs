//! The admin API: who may use it, and what its resources have in common.

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod owners;
pub(crate) mod query;
pub(crate) mod tiers;

use std::error::Error as _;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post, put};
use http::header::HeaderName;
use http::{Extensions, HeaderMap, StatusCode};
use keyward::audit::{Actor, Audit};
use keyward::store::StoreError;
use keyward_axum::{Guard, Refusal};

use crate::app::App;
use crate::body::read_whole;
use crate::edge::RequestId;

pub(crate) use self::backup::Backups;

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
        .route("/admin/tiers/{name}", put(tiers::put_tier).delete(tiers::delete_tier))
        .route("/admin/owners/{owner}", get(owners::show_owner))
        .route("/admin/owners/{owner}/suspend", post(owners::suspend_owner))
        .route("/admin/owners/{owner}/resume", post(owners::resume_owner))
        .route("/admin/audit", get(audit::list_audit))
        .route("/admin/import", post(import::import_keys))
        .route("/admin/export", get(export::export_keys))
        .route("/admin/backup", get(backup::back_up))
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
    let address = guard.client_address(&HeaderMap::new(), extensions);
    guard.audit(Actor::AdminKey, address, id)
}

/// Reads a whole body of at most 64 KiB.
async fn read_body(body: Body) -> Result<Bytes, Refusal> {
    read_whole(body, BODY_BYTES_MAX).await
}

/// A store that breaks down: the log learns why, the client that trying later may help.
pub(crate) fn broken(error: StoreError) -> Refusal {
    let cause = error.source().map(ToString::to_string);
    tracing::error!(%error, cause, "The store failed");
    drop(error);
    Refusal::unavailable()
}
