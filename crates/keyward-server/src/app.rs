//! The app: its state, and every route in one place.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::middleware;
use axum::routing::get;
use keyward_axum::{Guard, Refusal};
use keyward_news::Articles;
use serde::Serialize;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::ToSchema;

use crate::admin::{self, Backups};
use crate::edge::{self, Edge};
use crate::leaks::Leaks;
use crate::openapi;
use crate::settings::AdminKey;

/// What handlers share. A clone shares everything.
#[derive(Clone, Debug, FromRef)]
pub(crate) struct App {
    pub(crate) guard: Guard,
    pub(crate) articles: Articles,
    pub(crate) admin_key: Option<Arc<AdminKey>>,
    pub(crate) leaks: Leaks,
    pub(crate) backups: Backups,
}

/// Every route, with what stands in front of it.
pub(crate) fn router(app: App, edge: Edge) -> Router {
    let answers = app.guard.answers();
    Router::new()
        .route("/healthz", get(show_health))
        .route("/readyz", get(show_readiness))
        .merge(keyward_news::routes())
        .merge(admin::routes(&app))
        .merge(app.leaks.routes())
        .merge(openapi::routes())
        .method_not_allowed_fallback(async || Refusal::method_not_allowed())
        .fallback(async || Refusal::not_found())
        .layer(answers)
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(middleware::from_fn_with_state(edge, edge::receive))
        .with_state(app)
}

/// Says that the process runs.
#[utoipa::path(get, path = "/healthz", tag = "health", responses(
    (status = 200, description = "It runs", body = Health),
))]
pub(crate) async fn show_health() -> axum::Json<Health> {
    axum::Json(Health { status: Status::Ok })
}

/// Says whether the store answers, so that changes can be made.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "It is ready", body = Readiness),
    (status = 503, description = "Service Unavailable"),
))]
pub(crate) async fn show_readiness(
    State(guard): State<Guard>,
) -> Result<axum::Json<Readiness>, Refusal> {
    guard.gate().store().tiers().await.map_err(admin::broken)?;
    Ok(axum::Json(Readiness { status: Ready::Ready }))
}

/// That the process runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(inline)]
    status: Status,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
}

/// That changes can be made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    #[schema(inline)]
    status: Ready,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Ready {
    Ready,
}
