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
//! let answer = app.clone().oneshot(request.body(axum::body::Body::empty())?).await?;
//! assert_eq!(answer.status(), StatusCode::OK);
//! assert_eq!(answer.headers()["x-ratelimit-remaining"], "99");
//!
//! let answer = app.oneshot(Request::get("/").body(axum::body::Body::empty())?).await?;
//! assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(answer.headers()["www-authenticate"], "Bearer");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! Keys that survive a restart are in a SQLite file: [`SqliteGuard`] opens it in one call (feature
//! `sqlite`). For frameworks other than axum there is [`keyward_http`].
//!
//! | feature | what it adds |
//! |---|---|
//! | `sqlite` | [`SqliteGuard`]: a guard over a SQLite file, with its upkeep |
//! | `testing` | [`testing`]: a store in memory, a clock that tests move, ready-made callers |
//!
//! Neither is on by default.
//!
//! Each module uses only those above it in this list.

mod peer;

pub mod guard;

pub mod caller;

pub mod layer;

pub mod upkeep;

#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(feature = "testing")]
pub mod testing;

pub use caller::{Caller, RequiredScope, Scoped};
pub use guard::{Guard, GuardOptions};
pub use keyward;
pub use keyward_http;
pub use keyward_http::{
    Clock, RateLimitHeaders, Rejection, SystemClock, clock, credentials, failures, fault, input,
    origin, rate_limit, rejection,
};
#[cfg(feature = "sqlite")]
pub use keyward_sqlite;
pub use peer::peer_address;
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteGuard, SqliteOptions};
pub use upkeep::{Pulse, Upkeep};

/// The examples of the README, which compile.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
