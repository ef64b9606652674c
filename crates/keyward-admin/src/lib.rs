//! The control plane of Keyward, which any axum app mounts: issuing, changing and revoking keys,
//! tiers and owners, usage, the audit trail, import and export, copies, reports of leaks, and who
//! may use all that.
//!
//! ```
//! use axum::{Router, routing::get};
//! use http::{Request, StatusCode};
//! use keyward_admin::admin_key::{AdminKey, AdminKeyDigests};
//! use keyward_admin::{AccessOptions, AdminOptions, Control};
//! use keyward_axum::{Caller, SqliteGuard};
//! use tower::ServiceExt as _;
//!
//! async fn greet(caller: Caller) -> String {
//!     format!("Hello, {}!", caller.name())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("keys.db");
//! let keys = SqliteGuard::open(&path).await?;
//! let guard = keys.guard().clone();
//! let admin_keys = AdminKeyDigests::only(&AdminKey::parse("an-admin-key-of-an-example")?);
//! let access = AccessOptions { admin_keys, ..AccessOptions::default() };
//! let options = AdminOptions { access, ..AdminOptions::default() };
//! let control = Control::open(guard.clone(), keys.reports(), options).await?;
//!
//! let own = Router::new().route("/", get(greet)).with_state(guard.clone());
//! let app = own.merge(control.router()).layer(guard.responses());
//! # let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 50_000));
//! let list = Request::get("/admin/api-keys").header("x-admin-key", "another");
//! # let list = list.extension(axum::extract::ConnectInfo(peer));
//! let response = app.oneshot(list.body(String::new())?).await?;
//! assert_eq!(response.status(), StatusCode::FORBIDDEN);
//! control.close().await;
//! keys.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Ways to begin
//!
//! | for | begin with |
//! |---|---|
//! | a service over a SQLite file | `SqliteGuard` of `keyward-axum`, and [`Control::open`] |
//! | a guard over another store | [`Control::open`], with the store as its reports |
//!
//! [`AdminOptions`] say who may use it ([`AccessOptions`]: [`AdminKeyDigests`], people of an OpenID
//! Connect issuer, networks) and which routes there are ([`Backups`], reports of leaks).
//!
//! # Mounting
//!
//! | to | call |
//! |---|---|
//! | add all routes to an app | [`Control::router`], [`Control::routes`] |
//! | serve operators on a listener of their own | [`Control::operator_routes`] |
//! | take reports of leaks elsewhere | [`Control::leak_routes`] |
//! | add a route of the app, for a [`Role`] | [`Control::with_route`] |
//! | describe all of it | [`Control::openapi`] |
//! | take other options while serving | [`Control::set_access`], [`Control::admin_keys`] |
//! | end | [`Control::close`], and then the store |
//!
//! A handler of the app finds out [`Who`] uses it, and gives requests a [`RequestId`], which the
//! audit trail shows. Routes of any kind are [`Routes`], each with its [`Access`].
//!
//! # Guarantees
//!
//! - It is closed by default: without an admin key and without an issuer, each request is rejected.
//! - Each route states who may use it; there is no other way in.
//! - An API key is no credential here, with any scopes.
//! - Requests with a parameter or a field that a route does not read are rejected.
//! - No response of it is kept by a cache, and no admin key is logged or echoed.
//!
//! [`Access`]: routes::Access
//! [`AdminKeyDigests`]: admin_key::AdminKeyDigests
//! [`Routes`]: routes::Routes
//! [`Who`]: access::Who
//!
//! Each module uses only those above it in this list.

mod failure;

mod counts;

pub mod role;

pub mod request_id;

pub mod admin_key;

pub mod people;

mod fetch;

mod body;

pub mod misplaced_key;

pub mod access;

mod precondition;

mod once;

mod change;

mod unread;

pub mod routes;

mod shared;

mod keys;

mod owners;

mod tiers;

mod audit;

mod import;

mod export;

pub mod backup;

mod leaks;

pub mod options;

pub mod openapi;

pub mod control;

/// The parser of tokens with the properties that hold for it, for the fuzzer alone.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::access::fuzzing::token;
}

pub use access::AccessOptions;
pub use backup::Backups;
pub use body::read_whole;
pub use control::Control;
pub use counts::AdminCounts;
pub use failure::broken;
pub use options::AdminOptions;
pub use request_id::RequestId;
pub use role::Role;

/// The examples of the README, which compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
