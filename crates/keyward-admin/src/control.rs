//! The control plane of a guard.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::MethodRouter;
use http::header::{CACHE_CONTROL, HeaderValue};
use keyward::store::{Reports, StoreError};
use keyward_axum::Guard;
use serde_json::Value;
use url::Url;

use crate::access::{AccessOptions, Authentication, Changed, identify};
use crate::admin_key::AdminKeyDigests;
use crate::backup::Backups;
use crate::leaks::Leaks;
use crate::role::Role;
use crate::routes::{Access, Endpoint, Routes};
use crate::shared::Shared;
use crate::{audit, backup, export, import, keys, openapi, owners, tiers};

/// Options of a control plane. By default it is closed: there is neither an admin key nor an
/// issuer, so that every request is rejected.
#[derive(Clone, Debug, Default)]
pub struct AdminOptions {
    /// Who may use it, and from where. [`Control::set_access`] changes this while it serves.
    pub access: AccessOptions,
    /// Most reports of leaked keys that one address may send in a minute to `POST /leaks`, where
    /// any client that holds a secret may have its key revoked. `None`, the default, leaves that
    /// route out.
    pub leak_reports: Option<NonZeroU32>,
    /// The URL of the public keys with which GitHub signs its reports to `POST /leaks/github`.
    /// `None`, the default, leaves that route out.
    pub github_leaks: Option<Url>,
    /// What makes the copies of `GET /admin/backup`. `None`, the default, leaves that route out, as
    /// for a store that cannot be copied.
    pub backups: Option<Backups>,
}

/// The control plane of a guard, which an app mounts. A clone shares everything.
///
/// Its [routes](Control::routes) bring along all that makes them safe: authentication, the check of
/// roles, the rejection of input that a route does not read, and `Cache-Control: no-store`. They
/// need the address of each client, as a guard does: `ConnectInfo<SocketAddr>` among the extensions
/// of a request. A `RequestId` among them goes into the audit trail.
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
    #[must_use]
    pub fn with_route(self, role: Role, endpoint: Endpoint) -> Self {
        Self { operators: self.operators.add(Access::Admin(role), endpoint), ..self }
    }

    /// All routes: those of operators, and those for reports of leaks.
    #[must_use]
    pub fn routes(&self) -> Routes {
        self.operator_routes().merge(self.leak_routes())
    }

    /// The routes of operators: everything under `/admin`.
    #[must_use]
    pub fn operator_routes(&self) -> Routes {
        let state = (self.authentication.clone(), self.guard.clone());
        let identify = from_fn_with_state(state, identify);
        let identified = |handler: MethodRouter| handler.route_layer(identify.clone());
        self.operators.clone().map(identified).map(uncached)
    }

    /// The routes for reports of leaked keys, which any client may send: everything under `/leaks`.
    #[must_use]
    pub fn leak_routes(&self) -> Routes {
        self.leaks.routes(&self.guard).map(uncached)
    }

    /// The router of all routes, which any app merges with its own.
    #[must_use]
    pub fn router(&self) -> Router {
        self.routes().into_router()
    }

    /// The description of all routes, as OpenAPI 3.1.
    #[must_use]
    pub fn openapi(&self) -> Value {
        openapi::document(openapi::front(), self.routes().iter())
    }

    /// Takes these options from now on, and returns the changes. A request that is being
    /// authenticated meanwhile is judged by the old ones or by the new ones.
    pub fn set_access(&self, options: AccessOptions) -> Changed {
        self.authentication.set(options)
    }

    /// The admin keys in force.
    #[must_use]
    pub fn admin_keys(&self) -> AdminKeyDigests {
        self.authentication.admin_keys()
    }

    /// Takes no more reports of leaks without authentication, and waits until the keys of earlier
    /// ones are revoked. To be called after the app has handled its last request, and before the
    /// store is closed.
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
