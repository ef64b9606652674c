//! Routes: one record each, from which the router, the access rule, the description and the
//! rejection of unread input follow.
//!
//! [`Routes`] is the only way for a handler into the control plane, so that each route states who
//! may use it.

use std::fmt;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;
use keyward_axum::Rejection;
use utoipa::openapi::path::{HttpMethod, Operation, ParameterIn, PathItem};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{OpenApi, RefOr};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::access::require_role;
use crate::role::Role;
use crate::unread::{Reads, reject_unread};

/// Makes an [`Endpoint`] of a handler that has a `#[utoipa::path]`.
///
/// The crate that uses it has `axum` and `utoipa` among its dependencies.
#[doc(hidden)]
#[macro_export]
macro_rules! __route {
    ($handler:path) => {
        $crate::routes::Endpoint::from($crate::routes::utoipa_axum::routes!($handler))
    };
}

#[doc(inline)]
pub use crate::__route as route;
#[doc(hidden)]
pub use utoipa_axum;

/// Who may use a route.
///
/// ```
/// use keyward_admin::Role;
/// use keyward_admin::routes::{Access, Routes, route};
///
/// /// Responds while the program runs.
/// #[utoipa::path(get, path = "/healthz", responses((status = 200)))]
/// async fn show_health() -> &'static str {
///     "ok"
/// }
///
/// /// Shown to every operator.
/// #[utoipa::path(get, path = "/admin/motto", responses((status = 200)))]
/// async fn show_motto() -> &'static str {
///     "once and final"
/// }
///
/// let routes: Routes = Routes::new()
///     .add(Access::Open, route!(show_health))
///     .add(Access::Admin(Role::Viewer), route!(show_motto));
/// let listed: Vec<_> = routes.iter().map(|route| (route.path(), route.access())).collect();
/// assert_eq!(listed[0], ("/healthz", Access::Open));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Every client.
    Open,
    /// The holders of a key. The handler asks for it, by a parameter such as `Caller`, since it
    /// alone knows which scope.
    Key,
    /// Clients of a door, such as a proxy. The handler asks for one by a parameter, which checks
    /// the network and the door key.
    Door,
    /// Users with this role on the control plane, or a higher one. [`Routes::add`] puts the check
    /// in front of the handler; without the authentication of a `Control` in front of that, every
    /// request is rejected.
    Admin(Role),
}

/// The parts of a route that its handler's `#[utoipa::path]` has.
#[derive(Clone)]
struct Description {
    path: String,
    method: HttpMethod,
    operation: Operation,
    schemas: Vec<(String, RefOr<Schema>)>,
    has_time_limit: bool,
    has_paths_below: bool,
    is_described: bool,
}

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", word(&self.method), self.path)
    }
}

/// The name of a method.
fn word(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Get => "GET",
        HttpMethod::Put => "PUT",
        HttpMethod::Post => "POST",
        HttpMethod::Delete => "DELETE",
        HttpMethod::Options => "OPTIONS",
        HttpMethod::Head => "HEAD",
        HttpMethod::Patch => "PATCH",
        HttpMethod::Trace => "TRACE",
    }
}

/// A route, apart from its handler.
#[derive(Clone, Debug)]
pub struct Route {
    description: Description,
    access: Access,
}

impl Route {
    /// The path, with its parameters in braces.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.description.path
    }

    /// The method, in capital letters. Where GET is served, HEAD is, too.
    #[must_use]
    pub fn method(&self) -> &'static str {
        word(&self.description.method)
    }

    /// Who may use it.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// Whether its responses are expected in the time that an app gives its requests; see
    /// [`Endpoint::without_time_limit`].
    #[must_use]
    pub fn has_time_limit(&self) -> bool {
        self.description.has_time_limit
    }

    /// The patterns of the paths that it takes, as a router has them: that of its path, and those
    /// of the paths below if it has them; see [`Endpoint::with_paths_below`].
    #[must_use]
    pub fn patterns(&self) -> Vec<String> {
        let path = self.path();
        if self.description.has_paths_below {
            vec![path.to_owned(), format!("{path}/"), format!("{path}/{{*below}}")]
        } else {
            vec![path.to_owned()]
        }
    }

    /// Adds it to a router.
    fn put_into<S: Clone + Send + Sync + 'static>(
        &self,
        router: Router<S>,
        handler: &MethodRouter<S>,
    ) -> Router<S> {
        let patterns = self.patterns().into_iter();
        patterns.fold(router, |router, pattern| router.route(&pattern, handler.clone()))
    }

    /// Adds it to a document.
    pub(crate) fn describe(&self, document: &mut OpenApi) {
        let Description { path, method, operation, schemas, is_described, .. } = &self.description;
        if !is_described {
            return;
        }
        document.paths.add_path_operation(path, vec![method.clone()], operation.clone());
        let components = document.components.get_or_insert_default();
        components.schemas.extend(schemas.iter().cloned());
    }
}

/// A handler with its method, its path and its description; [`route!`] makes it.
#[derive(Clone, Debug)]
pub struct Endpoint<S = ()> {
    description: Description,
    handler: MethodRouter<S>,
}

impl<S> From<UtoipaMethodRouter<S>> for Endpoint<S> {
    /// Takes what `utoipa_axum::routes!` makes of one handler for one method.
    ///
    /// # Panics
    ///
    /// Panics if there are several handlers or methods: each route states who may use it.
    fn from((schemas, paths, handler): UtoipaMethodRouter<S>) -> Self {
        let path = only(paths.paths);
        let described = path.and_then(|(path, item)| Some((path, described(item)?)));
        let (path, (method, operation)) = described.expect("a route has one handler and method");
        let description = Description {
            path,
            method,
            operation,
            schemas,
            has_time_limit: true,
            has_paths_below: false,
            is_described: true,
        };
        Self { description, handler }
    }
}

/// The method of a path with one, and its description.
fn described(item: PathItem) -> Option<(HttpMethod, Operation)> {
    let operations = [
        (HttpMethod::Get, item.get),
        (HttpMethod::Put, item.put),
        (HttpMethod::Post, item.post),
        (HttpMethod::Delete, item.delete),
        (HttpMethod::Options, item.options),
        (HttpMethod::Head, item.head),
        (HttpMethod::Patch, item.patch),
        (HttpMethod::Trace, item.trace),
    ];
    only(operations.into_iter().filter_map(|(method, operation)| Some((method, operation?))))
}

/// The item, if there is no other.
fn only<T>(items: impl IntoIterator<Item = T>) -> Option<T> {
    let mut items = items.into_iter();
    let item = items.next()?;
    items.next().is_none().then_some(item)
}

impl<S: Clone + Send + Sync + 'static> Endpoint<S> {
    /// The same with another handler, such as one with a layer in front.
    #[must_use]
    pub fn map(self, change: impl FnOnce(MethodRouter<S>) -> MethodRouter<S>) -> Self {
        Self { handler: change(self.handler), ..self }
    }

    /// The same, with a response that may take as long as it takes, such as a copy of a database.
    #[must_use]
    pub fn without_time_limit(self) -> Self {
        let description = Description { has_time_limit: false, ..self.description };
        Self { description, ..self }
    }

    /// The same without a place in a document of OpenAPI, which cannot describe gRPC.
    #[must_use]
    pub fn without_description(self) -> Self {
        let description = Description { is_described: false, ..self.description };
        Self { description, ..self }
    }

    /// The same for every path below its own, which the handler reads.
    #[must_use]
    pub fn with_paths_below(self) -> Self {
        let description = Description { has_paths_below: true, ..self.description };
        Self { description, ..self }
    }

    /// Gives the handler its state.
    #[must_use]
    pub fn with_state(self, state: S) -> Endpoint {
        Endpoint { description: self.description, handler: self.handler.with_state(state) }
    }

    /// The input that it reads, as its description says.
    fn reads(&self) -> Reads {
        let Description { method, operation, .. } = &self.description;
        let parameters = || {
            operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
                RefOr::T(parameter) => Some(parameter),
                RefOr::Ref(_) => None,
            })
        };
        let reads_if_match = parameters().any(|it| it.name.eq_ignore_ascii_case("if-match"));
        Reads {
            query: parameters().any(|it| it.parameter_in == ParameterIn::Query),
            body: operation.request_body.is_some(),
            preconditions: reads_if_match || *method == HttpMethod::Get,
        }
    }
}

/// The routes so far, in the order in which they were added. A clone shares the handlers.
///
/// ```
/// use keyward_admin::routes::{Access, Routes, route};
///
/// /// Responds while the program runs.
/// #[utoipa::path(get, path = "/healthz", responses((status = 200)))]
/// async fn show_health() -> &'static str {
///     "ok"
/// }
///
/// let routes: Routes = Routes::new().add(Access::Open, route!(show_health));
/// assert_eq!(routes.iter().next().map(|route| route.method()), Some("GET"));
/// let app: axum::Router = routes.into_router();
/// # let _ = app;
/// ```
#[derive(Clone, Debug)]
pub struct Routes<S = ()> {
    list: Vec<(Route, MethodRouter<S>)>,
}

impl<S> Default for Routes<S> {
    fn default() -> Self {
        Self { list: Vec::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a route, and says who may use it.
    ///
    /// Requests to a route of the control plane are rejected for any parameter or field that its
    /// description does not name: it was meant to do something.
    #[must_use]
    pub fn add(mut self, access: Access, endpoint: Endpoint<S>) -> Self {
        let reads = endpoint.reads();
        let Endpoint { description, handler } = endpoint;
        let handler = match access {
            Access::Open | Access::Key | Access::Door => handler,
            Access::Admin(role) => handler
                .route_layer(from_fn_with_state(reads, reject_unread))
                .route_layer(from_fn_with_state(role, require_role)),
        };
        self.list.push((Route { description, access }, handler));
        self
    }

    /// Adds other routes.
    ///
    /// ```
    /// use keyward_admin::routes::Routes;
    ///
    /// let routes: Routes = Routes::new().merge(Routes::new());
    /// assert_eq!(routes.iter().count(), 0);
    /// ```
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.list.extend(other.list);
        self
    }

    /// Puts something in front of each handler, such as a layer.
    #[must_use]
    pub(crate) fn map(self, change: impl Fn(MethodRouter<S>) -> MethodRouter<S>) -> Self {
        let list = self.list.into_iter().map(|(route, handler)| (route, change(handler)));
        Self { list: list.collect() }
    }

    /// Gives the handlers their state.
    ///
    /// ```
    /// use keyward_admin::routes::{Access, Routes, route};
    ///
    /// /// The state of the app's own handlers.
    /// #[derive(Clone)]
    /// struct App {
    ///     motto: &'static str,
    /// }
    ///
    /// /// Shown to every client.
    /// #[utoipa::path(get, path = "/motto", responses((status = 200)))]
    /// async fn show_motto(axum::extract::State(app): axum::extract::State<App>) -> &'static str {
    ///     app.motto
    /// }
    ///
    /// let routes = Routes::new().add(Access::Open, route!(show_motto));
    /// let routes = routes.with_state(&App { motto: "once and final" });
    /// assert_eq!(routes.iter().count(), 1);
    /// ```
    #[must_use]
    pub fn with_state(self, state: &S) -> Routes {
        let list = self.list.into_iter();
        let list = list.map(|(route, handler)| (route, handler.with_state(state.clone())));
        Routes { list: list.collect() }
    }

    /// Each route, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.list.iter().map(|(route, _)| route)
    }

    /// The router, which responds with 405 where a path has another method.
    pub fn into_router(self) -> Router<S> {
        let router = self
            .list
            .into_iter()
            .fold(Router::new(), |router, (route, handler)| route.put_into(router, &handler));
        router.method_not_allowed_fallback(async || Rejection::method_not_allowed())
    }
}
