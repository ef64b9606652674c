//! Keyward over HTTP, for any framework whose requests and responses are those of the crate `http`.
//!
//! An [`Authenticator`] decides about each request: one with a key that works passes, and the
//! response to every other one is a [`Rejection`], as the HTTP contract has it. There is no web
//! framework and no runtime in this crate; for axum and tower there is `keyward-axum`.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use keyward_http::{Authenticator, Form, Required, testing};
//!
//! /// Greets callers whose key works.
//! fn greet(authenticator: &Authenticator, mut request: Request<()>) -> Response<Bytes> {
//!     // The address of the other end of the connection, as far as the server knows it.
//!     let peer = Some([192, 0, 2, 1].into());
//!     let required = Required::default();
//!     match authenticator.authenticate(request.headers_mut(), peer, required) {
//!         Ok(passed) => {
//!             let greeting = format!("Hello, {}!", passed.caller.name());
//!             let mut response = Response::new(Bytes::from(greeting));
//!             authenticator.complete(response.headers_mut(), Some(&passed));
//!             response
//!         }
//!         Err(rejection) => rejection.respond(Form::of(request.headers())),
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (authenticator, _clock) = testing::authenticator().await;
//! let secret = testing::issue(&authenticator, "weather-bot").await;
//!
//! let request = Request::get("/").header("authorization", format!("Bearer {secret}"));
//! let response = greet(&authenticator, request.body(())?);
//! assert_eq!(response.status(), StatusCode::OK);
//! assert_eq!(response.body(), "Hello, weather-bot!");
//! assert_eq!(response.headers()["x-ratelimit-remaining"], "99");
//!
//! let response = greet(&authenticator, Request::get("/").body(())?);
//! assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(response.body(), r#"{"detail":"Missing Authorization header"}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`authenticator`] | the decision about a request, and what a service needs around it |
//! | [`rejection`], [`form`] | rejections as responses, in the form that the client asks for |
//! | [`credentials`] | the key in a request |
//! | [`origin`], [`failures`] | the address of a client, the throttle of wrong keys |
//! | [`rate_limit`], [`cache`] | the header fields for limits and for caches |
//! | [`input`], [`fault`] | queries and JSON bodies, with every fault found at once (422) |
//! | [`clock`] | the time |
//!
//! The feature `axum-core` makes rejections responses of axum, and `testing` has a store in memory
//! and a clock that only the test moves. No feature is on by default.
//!
//! Each module uses only those above it in this list.

pub mod clock;

pub mod fault;

pub mod credentials;

pub mod cache;

pub mod rate_limit;

pub mod form;

pub mod rejection;

pub mod input;

pub mod origin;

pub mod failures;

pub mod authenticator;

#[cfg(feature = "testing")]
pub mod testing;

pub use authenticator::{Authenticated, Authenticator, Options, Required};
pub use clock::{Clock, SystemClock};
pub use form::Form;
pub use keyward;
pub use rate_limit::RateLimitHeaders;
pub use rejection::Rejection;
