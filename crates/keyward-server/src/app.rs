//! The app: its state, and every route in one place.

use axum::Router;
use axum::extract::FromRef;
use axum::middleware;
use keyward_axum::{Guard, Pulse, Refusal};
use keyward_news::{Articles, list_articles};
use tower_http::catch_panic::CatchPanicLayer;

use crate::access::Door;
use crate::admin::{self, Backups};
use crate::edge::{self, Edge};
use crate::health::{Question, show_health, show_readiness};
use crate::leaks::Leaks;
use crate::openapi;
use crate::own_key;
use crate::routes::{Access, Routes};

/// What handlers share. A clone shares everything.
#[derive(Clone, Debug, FromRef)]
pub(crate) struct App {
    pub(crate) guard: Guard,
    pub(crate) articles: Articles,
    pub(crate) door: Door,
    pub(crate) leaks: Leaks,
    pub(crate) backups: Backups,
    pub(crate) question: Question,
    pub(crate) pulse: Pulse,
}

/// Every route of the program, with those for leaks that are on.
pub(crate) fn routes(leaks: &Leaks) -> Routes {
    let routes = Routes::default()
        .get("/healthz", Access::Open, show_health)
        .get("/readyz", Access::Open, show_readiness)
        .get("/articles", Access::Key, list_articles)
        .get("/key", Access::Key, own_key::show_own_key);
    leaks.add_routes(openapi::add_routes(admin::add_routes(routes)))
}

/// What the listeners serve.
#[derive(Debug)]
pub(crate) struct Served {
    /// On the public listener.
    pub(crate) public: Router,
    /// On the listener of the control plane, if it has one of its own.
    pub(crate) control: Option<Router>,
}

/// Every route, with what stands in front of it; on one listener, or with the control plane on a
/// listener of its own.
pub(crate) fn served(app: &App, edge: &Edge, control_apart: bool) -> Served {
    let routers = routes(&app.leaks).into_routers(app);
    let finish = |router| finished(router, app, edge);
    if control_apart {
        let (public, control) = routers.apart(finish);
        Served { public, control: Some(control) }
    } else {
        Served { public: routers.together(finish), control: None }
    }
}

fn finished(router: Router<App>, app: &App, edge: &Edge) -> Router {
    router
        .method_not_allowed_fallback(async || Refusal::method_not_allowed())
        .fallback(async || Refusal::not_found())
        .layer(CatchPanicLayer::custom(edge::panicked))
        .layer(middleware::from_fn_with_state(edge.clone(), edge::receive))
        // In front of what answers in a handler's stead, so that those responses are finished too.
        .layer(app.guard.answers())
        .with_state(app.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The table that `tests/it/access.rs` walks with every kind of caller.
    const TABLE: &str = include_str!("../tests/it/access/routes.txt");

    #[test]
    fn every_route_has_its_row_in_the_table_of_access() {
        let row = |line: &str| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
        let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let expected: BTreeSet<_> = lines.clone().map(row).collect();
        assert_eq!(expected.len(), lines.count(), "no row stands there twice");
        let routes = routes(&Leaks::all());
        let registered: BTreeSet<_> = routes
            .table()
            .iter()
            .map(|route| {
                let access = match route.access {
                    Access::Open => "open",
                    Access::Key => "key",
                    Access::Admin(role) => role.as_str(),
                };
                format!("{} {} {access}", route.method, route.path)
            })
            .collect();
        assert_eq!(registered.len(), routes.table().len(), "no route is registered twice");
        assert_eq!(registered, expected, "tests/it/access/routes.txt has every route");
    }

    #[test]
    fn everything_under_admin_asks_for_a_role_and_nothing_else_does() {
        for route in routes(&Leaks::all()).table() {
            let asks = matches!(route.access, Access::Admin(_));
            assert_eq!(asks, route.path.starts_with("/admin"), "{route:?}");
        }
    }
}
