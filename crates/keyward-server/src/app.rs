//! The app: its state, and the list of all routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use keyward::store::{Backup, Reports};
use keyward_axum::layer::GuardService;
use keyward_axum::{Guard, Pulse, Rejection};
#[cfg(feature = "news")]
use keyward_news::Articles;
use tower::Layer as _;
use tower_http::cors::CorsLayer;

use crate::admin::{self, Backups};
use crate::cors;
use crate::edge::{Edge, Received};
use crate::health::{Question, show_health, show_readiness};
use crate::leaks::Leaks;
#[cfg(feature = "news")]
use crate::news;
use crate::openapi;
use crate::own_key::{self, KnownUsage};
use crate::routes::{Access, Routes};
use crate::settings::Settings;
use keyward_admin::access::Door;

/// The shared state of handlers. A clone shares everything.
#[derive(Clone, Debug, FromRef)]
pub(crate) struct App {
    pub(crate) guard: Guard,
    pub(crate) reports: Arc<dyn Reports>,
    pub(crate) backup: Arc<dyn Backup>,
    #[cfg(feature = "news")]
    pub(crate) articles: Articles,
    pub(crate) door: Door,
    pub(crate) leaks: Leaks,
    pub(crate) backups: Backups,
    pub(crate) question: Question,
    pub(crate) known_usage: KnownUsage,
    pub(crate) pulse: Pulse,
}

/// Every route of the program, with the routes for leaks that are on.
pub(crate) fn routes(leaks: &Leaks, cors: Option<CorsLayer>) -> Routes {
    let routes = Routes::new(cors)
        .get("/healthz", Access::Open, show_health)
        .get("/readyz", Access::Open, show_readiness)
        .get("/key", Access::Key, own_key::show_own_key);
    #[cfg(feature = "news")]
    let routes = news::add_routes(routes);
    leaks.add_routes(openapi::add_routes(admin::add_routes(routes)))
}

/// A router with the layers in front of it. The layer that finishes responses comes first, so that
/// the responses of the edge, which responds in a handler's stead, are finished too.
pub(crate) type Front = GuardService<Received>;

/// The routers of the listeners.
#[derive(Debug)]
pub(crate) struct Served {
    /// On the public listener.
    pub(crate) public: Front,
    /// On the listener of the control plane, if it has one of its own.
    pub(crate) control: Option<Front>,
}

/// Every route, with the layers in front of it; on one listener, or with the control plane on a
/// listener of its own.
pub(crate) fn served(app: &App, edge: &Edge, settings: &Settings) -> Served {
    let cors = settings.cors_origins.as_ref().map(cors::layer);
    let routers = routes(&app.leaks, cors).into_routers(app);
    let finish = |router| finished(router, app, edge);
    if settings.admin_listen.is_some() {
        let (public, control) = routers.apart(finish);
        Served { public, control: Some(control) }
    } else {
        Served { public: routers.together(finish), control: None }
    }
}

fn finished(router: Router<App>, app: &App, edge: &Edge) -> Front {
    let router = router
        .method_not_allowed_fallback(async || Rejection::method_not_allowed())
        .fallback(async || Rejection::not_found())
        .with_state(app.clone());
    app.guard.responses().layer(edge.receive(router))
}

#[cfg(test)]
mod tests;
