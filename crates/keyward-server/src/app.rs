//! The app: its state, and every route in one place.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::middleware;
use axum::routing::get;
use keyward_axum::{Guard, Refusal};
use keyward_news::Articles;
use serde_json::{Value, json};
use tower_http::catch_panic::CatchPanicLayer;

use crate::admin;
use crate::edge::{self, Edge};
use crate::settings::AdminKey;

/// What handlers share. A clone shares everything.
#[derive(Clone, Debug, FromRef)]
pub(crate) struct App {
    pub(crate) guard: Guard,
    pub(crate) articles: Articles,
    pub(crate) admin_key: Option<Arc<AdminKey>>,
}

/// Every route, with what stands in front of it.
pub(crate) fn router(app: App, edge: Edge) -> Router {
    let answers = app.guard.answers();
    Router::new()
        .route("/healthz", get(show_health))
        .route("/readyz", get(show_readiness))
        .merge(keyward_news::routes())
        .merge(admin::routes(&app))
        .method_not_allowed_fallback(async || Refusal::method_not_allowed())
        .fallback(async || Refusal::not_found())
        .layer(answers)
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(middleware::from_fn_with_state(edge, edge::receive))
        .with_state(app)
}

/// The process runs.
async fn show_health() -> axum::Json<Value> {
    axum::Json(json!({ "status": "ok" }))
}

/// The store answers, so that changes can be made.
async fn show_readiness(State(guard): State<Guard>) -> Result<axum::Json<Value>, Refusal> {
    guard.gate().store().tiers().await.map_err(admin::broken)?;
    Ok(axum::Json(json!({ "status": "ready" })))
}
