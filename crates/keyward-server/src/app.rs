//! The app: its state, and the list of all routes.

use std::sync::Arc;

use axum::extract::FromRef;
use axum::routing::MethodRouter;
use keyward::store::Reports;
use keyward_admin::Control;
#[cfg(feature = "news")]
use keyward_admin::Role;
use keyward_admin::routes::{Access, Endpoint, Routes, route};
use keyward_axum::layer::GuardService;
use keyward_axum::{Guard, Pulse, Rejection};
use keyward_doors::Doors;
use tower::Layer as _;
use tower_http::cors::CorsLayer;

use crate::cors;
use crate::edge::{Edge, EdgeService};
use crate::health::{self, Stopping, StoreCheck};
use crate::listener::ListenerName;
use crate::metrics::{self, Metrics};
#[cfg(feature = "news")]
use crate::news::News;
use crate::openapi::{self, Document};
use crate::own_key::{self, UsageCache};
use crate::settings::Settings;
use crate::templates::Templates;

/// The shared state of handlers. A clone shares everything.
#[derive(Clone, Debug, FromRef)]
pub(crate) struct App {
    pub(crate) guard: Guard,
    pub(crate) reports: Arc<dyn Reports>,
    #[cfg(feature = "news")]
    pub(crate) news: News,
    pub(crate) stopping: Stopping,
    pub(crate) store_check: StoreCheck,
    pub(crate) usage_cache: UsageCache,
    pub(crate) pulse: Pulse,
    pub(crate) metrics: Metrics,
    pub(crate) doors: Option<Doors>,
}

impl App {
    /// The control plane, with the routes of this app for operators.
    pub(crate) fn mount(&self, control: Control) -> Control {
        #[cfg(feature = "news")]
        let control = control.with_route(Role::Admin, self.news.for_operators());
        control
    }
}

/// The routes of every listener: whether the program runs.
fn health() -> Routes<App> {
    Routes::new()
        .add(Access::Open, route!(health::show_health))
        .add(Access::Open, route!(health::show_readiness))
}

/// The routes of callers. With a layer, pages of other origins may use them.
fn for_callers(app: &App, cors: Option<&CorsLayer>) -> Routes {
    let shared = |endpoint: Endpoint| match cors {
        None => endpoint,
        // A fallback of its own, so that the layer gets the preflight, for which there is no
        // handler.
        Some(cors) => endpoint.map(|handler: MethodRouter| {
            handler.fallback(async || Rejection::method_not_allowed()).layer(cors.clone())
        }),
    };
    let own_key = route!(own_key::show_own_key).with_state(app.clone());
    let routes = Routes::new().add(Access::Key, shared(own_key));
    #[cfg(feature = "news")]
    let routes = routes.add(Access::Key, shared(app.news.for_callers()));
    routes
}

/// The routes of each listener, without the routes of their descriptions.
#[derive(Debug)]
pub(crate) struct Listed {
    /// On the public listener.
    pub(crate) public: Routes,
    /// On the listener of the control plane, if it has one of its own.
    pub(crate) control: Option<Routes>,
    /// On the listener of the doors, if there are any.
    pub(crate) doors: Option<Routes>,
    /// On the listener of the metrics, if they have one of their own.
    pub(crate) metrics: Option<Routes>,
}

/// The metrics, open to every client that reaches their listener.
fn metrics() -> Routes<App> {
    Routes::new().add(Access::Open, route!(metrics::show_metrics))
}

/// Every route; on one listener, or with the control plane on a listener of its own. Callers are
/// never shown the metrics: these have a listener of their own, or that of the control plane.
pub(crate) fn listed(app: &App, control: &Control, settings: &Settings) -> Listed {
    let cors = settings.cors_origins.as_ref().map(cors::layer);
    let health = health().with_state(app);
    let public = health.clone().merge(for_callers(app, cors.as_ref()));
    let public = public.merge(control.leak_routes());
    let operators = control.operator_routes();
    let counted = metrics().with_state(app);
    let doors = app.doors.as_ref().map(|doors| health.clone().merge(doors.routes()));
    let (public, control, metrics) = match (settings.admin_listen, settings.metrics_listen) {
        (None, None) => (public.merge(operators), None, None),
        (None, Some(_)) => (public.merge(operators), None, Some(health.merge(counted))),
        (Some(_), None) => (public, Some(health.merge(operators).merge(counted)), None),
        (Some(_), Some(_)) => {
            (public, Some(health.clone().merge(operators)), Some(health.merge(counted)))
        }
    };
    Listed { public, control, doors, metrics }
}

/// A router with the layers in front of it. The layer that finishes responses comes first, so that
/// the responses of the edge, which responds in a handler's stead, are finished too.
pub(crate) type Front = GuardService<EdgeService>;

/// The routers of the listeners.
#[derive(Debug)]
pub(crate) struct Served {
    /// On the public listener.
    pub(crate) public: Front,
    /// On the listener of the control plane, if it has one of its own.
    pub(crate) control: Option<Front>,
    /// On the listener of the doors, if there are any.
    pub(crate) doors: Option<Front>,
    /// On the listener of the metrics, if they have one of their own.
    pub(crate) metrics: Option<Front>,
}

impl Served {
    /// The router of a listener, if it has one.
    pub(crate) fn front(&self, name: ListenerName) -> Option<&Front> {
        match name {
            ListenerName::Public => Some(&self.public),
            ListenerName::Admin => self.control.as_ref(),
            ListenerName::Doors => self.doors.as_ref(),
            ListenerName::Metrics => self.metrics.as_ref(),
        }
    }
}

/// Every route, with the layers in front of it. Each listener describes its own.
pub(crate) fn served(app: &App, control: &Control, edge: &Edge, settings: &Settings) -> Served {
    let Listed { public, control, doors, metrics } = listed(app, control, settings);
    let finish = |name| move |routes| finished(name, routes, &app.guard, edge);
    Served {
        public: finish(ListenerName::Public)(public),
        control: control.map(finish(ListenerName::Admin)),
        doors: doors.map(finish(ListenerName::Doors)),
        metrics: metrics.map(finish(ListenerName::Metrics)),
    }
}

fn finished(name: ListenerName, routes: Routes, guard: &Guard, edge: &Edge) -> Front {
    let pages = openapi::routes();
    let document = Document::of(routes.iter().chain(pages.iter()));
    let routes = routes.merge(pages.with_state(&document));
    let templates = Templates::of(&routes, edge.requests());
    let router = routes.into_router().fallback(async || Rejection::not_found());
    guard.responses().layer(edge.receive(name, templates, router))
}

#[cfg(test)]
mod tests;
