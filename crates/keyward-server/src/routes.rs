//! Registering routes: each with the access that it asks for, on the listener where it belongs.
//!
//! [`Routes`] is the only way for a handler into the program, so that each route states who may use
//! it.

use axum::Router;
use axum::extract::Extension;
use axum::handler::Handler;
use axum::middleware;
use axum::routing::{MethodFilter, on};
use keyward_axum::Rejection;
use tower_http::cors::CorsLayer;

use crate::admin::unread;
use crate::app::App;
use crate::openapi::{Document, Part};
use keyward_admin::Role;
use keyward_admin::access;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Every client.
    Open,
    /// The holders of a key. The handler asks for it, by a parameter such as `Caller`, since it
    /// alone knows which scope; `tests/it/access.rs` sees that each of them does.
    Key,
    /// Users with this role on the control plane, or a higher one. The router asks for it.
    Admin(Role),
}

/// A route, as the table of all of them has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Registered {
    /// The method.
    pub(crate) method: &'static str,
    /// The path, with its parameters in braces.
    pub(crate) path: &'static str,
    /// Who may use it.
    pub(crate) access: Access,
}

/// The routes so far.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    /// The routes of callers and unauthenticated clients.
    public: Router<App>,
    /// Whether the program runs, for the monitoring of a listener.
    health: Router<App>,
    /// The description of a listener, for its clients.
    described: Router<App>,
    /// With authentication: everything under `/admin`.
    admin: Router<App>,
    /// In front of the routes that ask for a key, if pages of other origins may use them.
    cors: Option<CorsLayer>,
    table: Vec<Registered>,
}

/// The routers that the routes make. No route is added to them later: they leave this module with
/// all layers in front of them.
#[derive(Debug)]
pub(crate) struct Routers {
    public: Router<App>,
    health: Router<App>,
    described: Router<App>,
    admin: Router<App>,
}

impl Routers {
    /// One for all, with the layers of `finish` in front.
    pub(crate) fn together<F>(self, finish: impl Fn(Router<App>) -> F) -> F {
        let described = self.described(Part::Whole);
        finish(self.public.merge(self.health).merge(described).merge(self.admin))
    }

    /// One for the public and one for operators, each with the layers of `finish` in front. Both
    /// report the health of the program, and each describes its own routes.
    pub(crate) fn apart<F>(self, finish: impl Fn(Router<App>) -> F) -> (F, F) {
        let (callers, operators) = (self.described(Part::Callers), self.described(Part::Operators));
        let public = self.public.merge(self.health.clone()).merge(callers);
        (finish(public), finish(self.admin.merge(self.health).merge(operators)))
    }

    fn described(&self, part: Part) -> Router<App> {
        self.described.clone().layer(Extension(Document::of(part)))
    }
}

impl Routes {
    /// None yet. With a layer, pages of other origins may use the routes that ask for a key.
    pub(crate) fn new(cors: Option<CorsLayer>) -> Self {
        Self { cors, ..Self::default() }
    }

    /// A route for GET, and HEAD with it.
    pub(crate) fn get<H, T>(self, path: &'static str, access: Access, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(("GET", MethodFilter::GET), path, access, handler)
    }

    /// A route for POST.
    pub(crate) fn post<H, T>(self, path: &'static str, access: Access, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(("POST", MethodFilter::POST), path, access, handler)
    }

    /// A route for PUT.
    pub(crate) fn put<H, T>(self, path: &'static str, access: Access, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(("PUT", MethodFilter::PUT), path, access, handler)
    }

    /// A route for PATCH.
    pub(crate) fn patch<H, T>(self, path: &'static str, access: Access, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(("PATCH", MethodFilter::PATCH), path, access, handler)
    }

    /// A route for DELETE.
    pub(crate) fn delete<H, T>(self, path: &'static str, access: Access, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        self.add(("DELETE", MethodFilter::DELETE), path, access, handler)
    }

    fn add<H, T>(
        mut self,
        (method, filter): (&'static str, MethodFilter),
        path: &'static str,
        access: Access,
        handler: H,
    ) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let registered = Registered { method, path, access };
        self.table.push(registered);
        match access {
            Access::Admin(role) => {
                let unread = middleware::from_fn_with_state(registered, unread::reject_unread);
                let role = middleware::from_fn_with_state(role, access::require_role);
                let route = on(filter, handler).route_layer(unread).route_layer(role);
                self.admin = self.admin.route(path, route);
            }
            Access::Open if is_description(path) => {
                self.described = self.described.route(path, on(filter, handler));
            }
            Access::Open if is_health(path) => {
                self.health = self.health.route(path, on(filter, handler));
            }
            Access::Open => self.public = self.public.route(path, on(filter, handler)),
            Access::Key => {
                let route = on(filter, handler);
                let route = match &self.cors {
                    None => route,
                    // A fallback of its own, so that the layer gets the preflight, for which
                    // there is no handler.
                    Some(cors) => {
                        route.fallback(async || Rejection::method_not_allowed()).layer(cors.clone())
                    }
                };
                self.public = self.public.route(path, route);
            }
        }
        self
    }

    /// Every route, in the order of registration.
    #[cfg(test)]
    pub(crate) fn table(&self) -> &[Registered] {
        &self.table
    }

    /// The routers, with authentication in front of everything under `/admin`.
    pub(crate) fn into_routers(self, app: &App) -> Routers {
        let door = middleware::from_fn_with_state(app.clone(), access::identify);
        let admin = self.admin.route_layer(door);
        Routers { public: self.public, health: self.health, described: self.described, admin }
    }
}

/// Whether no cache may keep the responses under a path, rejections included: the responses to
/// operators and to reports of leaks, and the health of the server. Caches know that
/// `Authorization` protects a response (RFC 9111, section 3.5), but nothing of an admin key.
pub(crate) fn is_uncached(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    ["admin", "leaks", "healthz", "readyz"].contains(&first)
}

/// Whether a path describes the program rather than being a part of its work.
fn is_description(path: &str) -> bool {
    path == "/openapi.json" || path == "/docs" || path.starts_with("/docs/")
}

fn is_health(path: &str) -> bool {
    ["/healthz", "/readyz"].contains(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_callers_get_may_be_kept() {
        for path in ["/admin", "/admin/", "/admin/a/b", "/leaks", "/leaks/github", "/healthz"] {
            assert!(is_uncached(path), "{path}");
        }
        for path in ["/", "", "/articles", "/key", "/docs/admin", "/administer", "/openapi.json"] {
            assert!(!is_uncached(path), "{path}");
        }
    }

    #[test]
    fn every_method_can_be_registered() {
        let access = Access::Admin(Role::Viewer);
        let routes = Routes::default()
            .get("/admin/a", access, async || ())
            .post("/admin/a", access, async || ())
            .put("/admin/a", access, async || ())
            .patch("/admin/a", access, async || ())
            .delete("/admin/a", access, async || ());
        let methods: Vec<_> = routes.table().iter().map(|route| route.method).collect();
        assert_eq!(methods, ["GET", "POST", "PUT", "PATCH", "DELETE"]);
    }
}
