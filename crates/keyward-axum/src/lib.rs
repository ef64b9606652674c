//! Keyward in a web app: one handler parameter guards a route.
//!
//! A [`Guard`] goes into the app's state; a handler that takes a [`Caller`] runs only for requests
//! with a key that works. All other requests get the rejection that the HTTP contract names.
//!
//! ```
//! use axum::{Router, extract::FromRef, routing::get};
//! use http::{Request, StatusCode};
//! use keyward_axum::{Caller, Guard, testing};
//! use tower::ServiceExt as _;
//!
//! #[derive(Clone, FromRef)]
//! struct App {
//!     guard: Guard,
//! }
//!
//! async fn greet(caller: Caller) -> String {
//!     format!("Hello, {}!", caller.name())
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (guard, _clock) = testing::guard().await;
//! let secret = testing::issue(&guard, "weather-bot").await;
//! // The layer adds the rate-limit headers to responses, and keeps them out of shared caches.
//! let responses = guard.responses();
//! let app = Router::new().route("/", get(greet)).layer(responses).with_state(App { guard });
//!
//! let request = Request::get("/").header("authorization", format!("Bearer {secret}"));
//! let response = app.clone().oneshot(request.body(axum::body::Body::empty())?).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//! assert_eq!(response.headers()["x-ratelimit-remaining"], "99");
//!
//! let response = app.oneshot(Request::get("/").body(axum::body::Body::empty())?).await?;
//! assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(response.headers()["www-authenticate"], "Bearer");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Ways to begin
//!
//! | the keys are | begin with |
//! |---|---|
//! | in a SQLite file (feature `sqlite`) | [`SqliteGuard::open`], or [`SqliteGuard::open_with`] |
//! | in a store of your own | [`Guard::new`] over a [`Gate`], and [`Upkeep::start`] |
//! | in memory, in a test (feature `testing`) | [`testing::guard`] and [`testing::issue`] |
//!
//! For frameworks other than axum there is [`keyward_http`], on which this crate is built.
//!
//! # Requests
//!
//! | to | write |
//! |---|---|
//! | let a handler run only for a key that works | a parameter [`Caller`] |
//! | let requests without a key pass too | a parameter `Option<Caller>` |
//! | require a scope | a parameter [`Scoped`], which a [`RequiredScope`] names |
//! | require a scope that depends on the request | [`Caller::require`] |
//! | guard a whole router, or any tower service | [`Guard::layer`], a [`GuardLayer`] |
//! | require a scope there | [`GuardLayer::scope`] |
//! | count a request as several | [`GuardLayer::cost`], [`RequiredScope::COST`] |
//! | report limits on responses, and keep them out of shared caches | [`Guard::responses`] |
//! | know the address of a client | [`Guard::client_address`], [`peer_address`] |
//! | decide about a key that comes another way | [`verify`](keyward_http::Authenticator::verify) |
//!
//! # Changes
//!
//! A change is durable and in force when its future has returned; the next request is judged by it.
//!
//! | of | methods |
//! |---|---|
//! | keys | [`Guard::issue`], [`Guard::change`], [`Guard::rotate`], [`Guard::revoke`] |
//! | keys of another system | [`Guard::import`] |
//! | tiers | [`Guard::put_tier`], [`Guard::delete_tier`] |
//! | owners | [`Guard::edit_owner`], [`Guard::set_owner_suspended`] |
//! | anything | [`Guard::run`] |
//! | the clock | [`Guard::accept_clock`] |
//!
//! Reports are the store's: [`SqliteGuard::store`] and [`Gate::store`].
//!
//! # Running
//!
//! [`Upkeep`] is the one loop that a guard needs; a [`SqliteGuard`] has it already. Its [`Pulse`]
//! says whether it works, for a health check: [`SqliteGuard::pulse`], [`Upkeep::pulse`],
//! [`Pulse::is_well`]. After the server has handled its last request comes [`SqliteGuard::close`],
//! or [`Upkeep::stop`].
//!
//! # Guarantees
//!
//! - A handler with a [`Caller`] runs only for a key that works. Unknown, revoked, suspended and
//!   expired keys get one response, to the letter.
//! - A decision waits for no disk, no network and no other task, and reads the clock once.
//! - A request is verified, counted and taken from the limits once, whatever layers and extractors
//!   there are; a rejected one takes nothing from the limits.
//! - A change runs to its end, also if the client that asked for it has gone away.
//! - When [`Guard::revoke`] returns, no request that comes later is accepted with that key.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `sqlite` | [`SqliteGuard`]: a guard over a SQLite file, with its upkeep; [`SqliteOptions`] |
//! | `testing` | [`testing`]: a store in memory, a clock that tests move, ready-made callers |
//!
//! Neither is on by default.
//!
//! [`GuardLayer`]: layer::GuardLayer
//! [`GuardLayer::scope`]: layer::GuardLayer::scope
//! [`GuardLayer::cost`]: layer::GuardLayer::cost
//! [`Gate`]: keyward::Gate
//! [`Gate::store`]: keyward::Gate::store
//!
//! Each module uses only those above it in this list.

mod peer;

pub mod seen;

pub mod guard;

pub mod caller;

pub mod layer;

mod node_log;

mod follower;

pub mod upkeep;

#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(feature = "testing")]
pub mod testing;

pub use caller::{Caller, RequiredScope, Scoped};
pub use guard::{Guard, GuardOptions, TICKET_PATIENCE};
pub use keyward;
pub use keyward_http;
pub use keyward_http::{
    Authenticated, Clock, Door, RateLimitHeaders, Rejection, Required, SystemClock, clock,
    credentials, fault, input, origin, rate_limit, rejection, throttle,
};
#[cfg(feature = "sqlite")]
pub use keyward_sqlite;
pub use peer::peer_address;
pub use seen::DecisionSlot;
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteGuard, SqliteOptions};
pub use upkeep::{Pulse, Upkeep};

/// The examples of a document, which compile; those of the README are with `keyward-admin`.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/keys.md")]
struct Keys;
