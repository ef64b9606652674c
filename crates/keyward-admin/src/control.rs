//! The control plane of a guard.

mod counts;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::MethodRouter;
use http::header::{CACHE_CONTROL, HeaderValue};
use keyward::store::{Reports, StoreError};
use keyward_axum::Guard;
use serde_json::Value;

use crate::access::{AccessOptions, Authentication, Changed, identify};
use crate::admin_key::AdminKeyDigests;
use crate::leaks::Leaks;
use crate::options::AdminOptions;
use crate::role::Role;
use crate::routes::{Access, Endpoint, Routes};
use crate::shared::Shared;
use crate::{audit, backup, export, import, keys, openapi, owners, tiers};

/// The control plane of a guard, which an app mounts. A clone shares everything.
///
/// Its [routes](Control::routes) bring along all that makes them safe: authentication, the check of
/// roles, the rejection of input that a route does not read, and `Cache-Control: no-store`. They
/// need the address of each client, as a guard does: `ConnectInfo<SocketAddr>` among the extensions
/// of a request. A `RequestId` among them goes into the audit trail.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::net::SocketAddr;
/// use std::sync::Arc;
///
/// use axum::body::Body;
/// use axum::extract::ConnectInfo;
/// use http::{Request, StatusCode};
/// use keyward_admin::admin_key::{AdminKey, AdminKeyDigests};
/// use keyward_admin::{AccessOptions, AdminOptions, Control};
/// use keyward_axum::keyward::Gate;
/// use keyward_axum::keyward::memory::MemoryStore;
/// use keyward_axum::{Guard, GuardOptions, SystemClock};
/// use tower::ServiceExt as _;
///
/// # let store = Arc::new(MemoryStore::default());
/// # let gate = Gate::open(Arc::clone(&store) as _, "kw".parse()?).await?;
/// # let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
/// // The guard of the app, and the store below it.
/// let admin_keys = AdminKeyDigests::only(&AdminKey::parse("an-admin-key-of-an-example")?);
/// let access = AccessOptions { admin_keys, ..AccessOptions::default() };
/// let options = AdminOptions { access, ..AdminOptions::default() };
/// let control = Control::open(guard.clone(), store, options).await?;
/// let app = control.router().layer(guard.responses());
///
/// let peer = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 50_000)));
/// let list = |key: &str| {
///     let request = Request::get("/admin/api-keys").header("x-admin-key", key).extension(peer);
///     request.body(Body::empty())
/// };
/// let response = app.clone().oneshot(list("an-admin-key-of-an-example")?).await?;
/// assert_eq!(response.status(), StatusCode::OK);
/// let response = app.oneshot(list("another")?).await?;
/// assert_eq!(response.status(), StatusCode::FORBIDDEN);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Control {
    guard: Guard,
    authentication: Authentication,
    leaks: Leaks,
    operators: Routes,
}

impl Control {
    /// The control plane of this guard, with the reports of its store.
    ///
    /// First the keys are revoked that were reported as leaked before: the program may have been
    /// killed between a response to such a report and the revocations that it promised.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward_admin::{AdminOptions, Control};
    /// use keyward_axum::keyward::Gate;
    /// use keyward_axum::keyward::memory::MemoryStore;
    /// use keyward_axum::{Guard, GuardOptions, SystemClock};
    ///
    /// let store = Arc::new(MemoryStore::default());
    /// let gate = Gate::open(Arc::clone(&store) as _, "kw".parse()?).await?;
    /// let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    /// let control = Control::open(guard, store, AdminOptions::default()).await?;
    /// assert!(control.admin_keys().are_none(), "closed by default");
    /// control.close().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if these keys cannot be revoked.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub async fn open(
        guard: Guard,
        reports: Arc<dyn Reports>,
        options: AdminOptions,
    ) -> Result<Self, StoreError> {
        let AdminOptions { access, leak_reports, github_leaks, backups } = options;
        let leaks = Leaks::new(leak_reports, github_leaks.as_ref());
        leaks.start(&guard).await?;
        let authentication = Authentication::new(access);
        let shared = Shared { guard: guard.clone(), reports };
        let backups = backups.iter().map(|backups| backup::routes().with_state(backups));
        let operators = backups.fold(resources().with_state(&shared), Routes::merge);
        Ok(Self { guard, authentication, leaks, operators })
    }

    /// Adds a route of the app to those of operators, for users with this role or a higher one. Its
    /// handler finds the [`Who`](crate::access::Who) of a request among its extensions.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward_admin::routes::route;
    /// use keyward_admin::{AdminOptions, Control, Role};
    /// use keyward_axum::keyward::Gate;
    /// use keyward_axum::keyward::memory::MemoryStore;
    /// use keyward_axum::{Guard, GuardOptions, SystemClock};
    ///
    /// let store = Arc::new(MemoryStore::default());
    /// let gate = Gate::open(Arc::clone(&store) as _, "kw".parse()?).await?;
    /// let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    /// let control = Control::open(guard, store, AdminOptions::default()).await?;
    /// /// Shown to every operator.
    /// #[utoipa::path(get, path = "/admin/motto", responses((status = 200)))]
    /// async fn show_motto() -> &'static str {
    ///     "once and final"
    /// }
    ///
    /// let control = control.with_route(Role::Viewer, route!(show_motto));
    /// assert!(control.openapi()["paths"]["/admin/motto"]["get"].is_object());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_route(self, role: Role, endpoint: Endpoint) -> Self {
        Self { operators: self.operators.add(Access::Admin(role), endpoint), ..self }
    }

    /// All routes: those of operators, and those for reports of leaks.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward_admin::{AdminOptions, Control};
    /// use keyward_axum::keyward::Gate;
    /// use keyward_axum::keyward::memory::MemoryStore;
    /// use keyward_axum::{Guard, GuardOptions, SystemClock};
    ///
    /// let store = Arc::new(MemoryStore::default());
    /// let gate = Gate::open(Arc::clone(&store) as _, "kw".parse()?).await?;
    /// let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    /// let control = Control::open(guard, store, AdminOptions::default()).await?;
    /// let routes = control.routes();
    /// let mut paths = routes.iter().map(|route| (route.method(), route.path()));
    /// assert!(paths.any(|route| route == ("POST", "/admin/api-keys")));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn routes(&self) -> Routes {
        self.operator_routes().merge(self.leak_routes())
    }

    /// The routes of operators: everything under `/admin`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward_admin::{AdminOptions, Control};
    /// use keyward_axum::keyward::Gate;
    /// use keyward_axum::keyward::memory::MemoryStore;
    /// use keyward_axum::{Guard, GuardOptions, SystemClock};
    ///
    /// let store = Arc::new(MemoryStore::default());
    /// let gate = Gate::open(Arc::clone(&store) as _, "kw".parse()?).await?;
    /// let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    /// let control = Control::open(guard, store, AdminOptions::default()).await?;
    /// let routes = control.operator_routes();
    /// assert!(routes.iter().all(|route| route.path().starts_with("/admin")));
    /// // For a listener of their own.
    /// let app = routes.into_router();
    /// # let _ = app;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn operator_routes(&self) -> Routes {
        let state = (self.authentication.clone(), self.guard.clone());
        let identify = from_fn_with_state(state, identify);
        let identified = |handler: MethodRouter| handler.route_layer(identify.clone());
        self.operators.clone().map(identified).map(uncached)
    }

    /// The routes for reports of leaked keys, which any client may send: everything under `/leaks`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward_admin::{AdminOptions, Control};
    /// use keyward_axum::keyward::Gate;
    /// use keyward_axum::keyward::memory::MemoryStore;
    /// use keyward_axum::{Guard, GuardOptions, SystemClock};
    ///
    /// let store = Arc::new(MemoryStore::default());
    /// let gate = Gate::open(Arc::clone(&store) as _, "kw".parse()?).await?;
    /// let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    /// let control = Control::open(guard, store, AdminOptions::default()).await?;
    /// assert_eq!(control.leak_routes().iter().count(), 0, "they are off by default");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn leak_routes(&self) -> Routes {
        self.leaks.routes(&self.guard).map(uncached)
    }

    /// The router of all routes, which any app merges with its own.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward_admin::{AdminOptions, Control};
    /// use keyward_axum::keyward::Gate;
    /// use keyward_axum::keyward::memory::MemoryStore;
    /// use keyward_axum::{Guard, GuardOptions, SystemClock};
    ///
    /// let store = Arc::new(MemoryStore::default());
    /// let gate = Gate::open(Arc::clone(&store) as _, "kw".parse()?).await?;
    /// let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    /// let control = Control::open(guard, store, AdminOptions::default()).await?;
    /// let own = axum::Router::new().route("/", axum::routing::get(async || "hello"));
    /// let app = own.merge(control.router());
    /// # let _: axum::Router = app;
    /// # Ok(())
    /// # }
    /// ```
    pub fn router(&self) -> Router {
        self.routes().into_router()
    }

    /// The description of all routes, as OpenAPI 3.1.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward_admin::{AdminOptions, Control};
    /// use keyward_axum::keyward::Gate;
    /// use keyward_axum::keyward::memory::MemoryStore;
    /// use keyward_axum::{Guard, GuardOptions, SystemClock};
    ///
    /// let store = Arc::new(MemoryStore::default());
    /// let gate = Gate::open(Arc::clone(&store) as _, "kw".parse()?).await?;
    /// let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    /// let control = Control::open(guard, store, AdminOptions::default()).await?;
    /// assert_eq!(control.openapi()["openapi"], "3.1.0");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn openapi(&self) -> Value {
        openapi::document(openapi::front(), self.routes().iter())
    }

    /// Takes these options from now on, and returns the changes. A request that is being
    /// authenticated meanwhile is judged by the old ones or by the new ones.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward_admin::admin_key::{AdminKey, AdminKeyDigests};
    /// use keyward_admin::{AccessOptions, AdminOptions, Control};
    /// use keyward_axum::keyward::Gate;
    /// use keyward_axum::keyward::memory::MemoryStore;
    /// use keyward_axum::{Guard, GuardOptions, SystemClock};
    ///
    /// let store = Arc::new(MemoryStore::default());
    /// let gate = Gate::open(Arc::clone(&store) as _, "kw".parse()?).await?;
    /// let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    /// let control = Control::open(guard, store, AdminOptions::default()).await?;
    /// let admin_keys = AdminKeyDigests::only(&AdminKey::parse("another-key-of-an-example")?);
    /// let changed = control.set_access(AccessOptions { admin_keys, ..AccessOptions::default() });
    /// assert!(changed.admin_key && !changed.people);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_access(&self, options: AccessOptions) -> Changed {
        self.authentication.set(options)
    }

    /// The admin keys in force.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward_admin::{AdminOptions, Control};
    /// use keyward_axum::keyward::Gate;
    /// use keyward_axum::keyward::memory::MemoryStore;
    /// use keyward_axum::{Guard, GuardOptions, SystemClock};
    ///
    /// let store = Arc::new(MemoryStore::default());
    /// let gate = Gate::open(Arc::clone(&store) as _, "kw".parse()?).await?;
    /// let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    /// let control = Control::open(guard, store, AdminOptions::default()).await?;
    /// assert!(control.admin_keys().find(b"an-admin-key-of-an-example").is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn admin_keys(&self) -> AdminKeyDigests {
        self.authentication.admin_keys()
    }

    /// Takes no more reports of leaks without authentication, and waits until the keys of earlier
    /// ones are revoked. To be called after the app has handled its last request, and before the
    /// store is closed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward_admin::{AdminOptions, Control};
    /// use keyward_axum::keyward::Gate;
    /// use keyward_axum::keyward::memory::MemoryStore;
    /// use keyward_axum::{Guard, GuardOptions, SystemClock};
    ///
    /// let store = Arc::new(MemoryStore::default());
    /// let gate = Gate::open(Arc::clone(&store) as _, "kw".parse()?).await?;
    /// let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    /// let control = Control::open(guard, store, AdminOptions::default()).await?;
    /// // After the last request, and before the store is closed:
    /// control.close().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(&self) {
        self.leaks.finish().await;
    }
}

/// The routes of all resources.
fn resources() -> Routes<Shared> {
    let others = [owners::routes(), tiers::routes(), audit::routes()];
    let moving = [import::routes(), export::routes()];
    others.into_iter().chain(moving).fold(keys::routes(), Routes::merge)
}

/// Nothing that operators see and no response to a report of a leak may be kept by a cache,
/// rejections included. Caches know that `Authorization` protects a response (RFC 9111, section
/// 3.5), but nothing of an admin key.
fn uncached(handler: MethodRouter) -> MethodRouter {
    handler.route_layer(map_response(async |mut response: Response| {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }))
}
