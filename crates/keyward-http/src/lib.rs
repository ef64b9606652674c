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
//! # Ways to begin
//!
//! | the keys are | begin with |
//! |---|---|
//! | in a store of the service | [`Authenticator::new`] over a [`Gate`], and a [`SystemClock`] |
//! | in memory, in a test (feature `testing`) | [`testing::authenticator`], [`testing::issue`] |
//!
//! An [`Authenticator`] has no loop: a service calls [`Authenticator::follow`] and
//! [`Authenticator::flush`] about once a second, and [`Authenticator::keep_reading`] in the end.
//! Its [`Options`] name the proxies that are trusted ([`TrustedProxies`]), how many wrong keys an
//! address may present, and which header fields report limits ([`RateLimitHeaders`]).
//!
//! # Requests and responses
//!
//! | to | call |
//! |---|---|
//! | decide about a request that must have a key | [`Authenticator::authenticate`] |
//! | decide about a request that may have a key | [`Authenticator::authenticate_optional`] |
//! | require a scope, or count a request as several | [`Required`] |
//! | know the caller, and when it was allowed | [`Authenticated`] |
//! | complete the headers of the response | [`Authenticator::complete`] |
//! | reject a request, in the form that it asks for | [`Rejection::respond`], [`Form::of`] |
//! | decide on behalf of a proxy | [`Authenticator::authenticate_from`] |
//! | know the client of that proxy | [`Authenticator::forwarded_address`] |
//! | decide about a key that comes another way | [`Authenticator::authenticate_text`] |
//! | know how many requests were allowed and rejected, and why | [`Authenticator::verdicts`] |
//! | make a change, on record | [`Authenticator::gate`], [`Authenticator::audit`] |
//!
//! Rejections of a service's own are made with [`Rejection::new`], and those of bad input with
//! [`Rejection::unprocessable`].
//!
//! # The parts
//!
//! | module | content |
//! |---|---|
//! | [`authenticator`] | the decision about a request, and what a service needs around it |
//! | [`rejection`], [`form`] | rejections as responses, in the form that the client asks for |
//! | [`credentials`] | the key in a request: [`credentials::find`] |
//! | [`door`] | the way on which a request asks: [`Door`] |
//! | [`verdicts`] | the count of decisions, by door and outcome |
//! | [`origin`] | the address of a client: [`TrustedProxies::client_address`] |
//! | [`throttle`] | the count of wrong keys: [`Throttle::count`], [`Throttle::check`] |
//! | [`rate_limit`] | the header fields for limits: [`RateLimitHeaders::complete`] |
//! | [`cache`] | the header fields for caches: [`cache::keep_private`] |
//! | [`input`] | queries and JSON bodies: [`Query`], [`json_object`], [`Fields`] |
//! | [`fault`] | every fault of an input, found at once (422): [`Fault`] |
//! | [`clock`] | the time: [`Clock`] |
//!
//! # Guarantees
//!
//! - A decision waits for nothing, reads the clock once, and allocates only for a rejection.
//! - Unknown, revoked, suspended and expired keys get one response, to the letter.
//! - A key in the URL is never read, and header lines that may hold a key are never printed.
//! - `X-Forwarded-For` is read in one place, and believed only of proxies that are trusted.
//! - A response that depends on a key is no shared cache's to keep.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `axum-core` | rejections are responses of axum (`IntoResponse`) |
//! | `testing` | [`testing`]: a store in memory, a clock that only the test moves |
//!
//! Neither is on by default.
//!
//! [`Gate`]: keyward::Gate
//! [`TrustedProxies`]: origin::TrustedProxies
//! [`TrustedProxies::client_address`]: origin::TrustedProxies::client_address
//! [`Throttle::count`]: throttle::Throttle::count
//! [`Throttle::check`]: throttle::Throttle::check
//! [`Query`]: input::Query
//! [`json_object`]: input::json_object
//! [`Fields`]: input::Fields
//! [`Fault`]: fault::Fault
//!
//! Each module uses only those above it in this list.

pub mod clock;

pub mod fault;

pub mod credentials;

mod words;

pub mod door;

pub mod verdicts;

pub mod cache;

pub mod rate_limit;

pub mod form;

pub mod rejection;

pub mod input;

pub mod origin;

pub mod throttle;

pub mod authenticator;

#[cfg(feature = "testing")]
pub mod testing;

pub use authenticator::{Authenticated, Authenticator, Options, Required};
pub use clock::{Clock, SystemClock};
pub use door::Door;
pub use form::Form;
pub use keyward;
pub use rate_limit::RateLimitHeaders;
pub use rejection::Rejection;
