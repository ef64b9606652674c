//! For tests of an app's own handlers: a store in memory, a clock that only the test moves, and
//! ready-made callers.

pub use keyward_http::testing::{FakeClock, issue, issue_with};

use keyward::Asked;

use crate::caller::Caller;
use crate::guard::{Guard, GuardOptions};

/// A guard over an empty store in memory, and its clock.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use keyward_axum::keyward::Asked;
/// use keyward_axum::testing;
///
/// let (guard, clock) = testing::guard().await;
/// let secret = testing::issue(&guard, "weather-bot").await;
/// // The tier `basic` allows 100 requests a minute, and no time passes by itself.
/// for _ in 0..100 {
///     assert!(guard.verify(&Asked::of(&secret)).is_ok());
/// }
/// assert!(guard.verify(&Asked::of(&secret)).is_err());
/// clock.advance(Duration::from_secs(60));
/// assert!(guard.verify(&Asked::of(&secret)).is_ok());
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Panics if the operating system gives no randomness.
pub async fn guard() -> (Guard, FakeClock) {
    guard_with(GuardOptions::default()).await
}

/// The same with options.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use http::{HeaderMap, HeaderValue};
/// use keyward_axum::keyward_http::Required;
/// use keyward_axum::{GuardOptions, testing};
///
/// let options = GuardOptions { failures_per_minute: 1.try_into().ok(), ..Default::default() };
/// let (guard, _clock) = testing::guard_with(options).await;
/// let mut headers = HeaderMap::new();
/// headers.insert("x-api-key", HeaderValue::from_static("wrong"));
/// let mut reject = || guard.authenticate(&mut headers, None, Required::default()).unwrap_err();
/// assert_eq!(reject().status(), 401);
/// assert_eq!(reject().status(), 429);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Panics if the operating system gives no randomness.
pub async fn guard_with(options: GuardOptions) -> (Guard, FakeClock) {
    let (authenticator, clock) = keyward_http::testing::authenticator_with(options).await;
    (Guard::from(authenticator), clock)
}

/// The word for the verdict about a key: `allowed`, or why it is denied.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use keyward_axum::testing;
///
/// let (guard, _clock) = testing::guard().await;
/// let secret = testing::issue(&guard, "weather-bot").await;
/// assert_eq!(testing::verdict(&guard, &secret), "allowed");
/// assert_eq!(testing::verdict(&guard, "wrong key"), "unknown");
/// # }
/// ```
#[must_use]
pub fn verdict(guard: &Guard, secret: &str) -> &'static str {
    guard.verify(&Asked::of(secret)).map_or_else(|denied| denied.as_str(), |_| "allowed")
}

/// Waits until the [`verdict`] is this, such as at another node of a cluster.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use keyward_axum::testing;
///
/// let (guard, _clock) = testing::guard().await;
/// testing::until(&guard, "wrong key", "unknown").await;
/// # }
/// ```
pub async fn until(guard: &Guard, secret: &str, expected: &str) {
    while verdict(guard, secret) != expected {
        tokio::task::yield_now().await;
    }
}

/// A caller with this name and these scopes, for calling a handler directly.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use keyward_axum::{Caller, testing};
///
/// async fn greet(caller: Caller) -> String {
///     format!("Hello, {}!", caller.name())
/// }
///
/// let caller = testing::caller("weather-bot", &["articles:read"]);
/// assert!(caller.require("articles:read").is_ok());
/// assert!(caller.require("articles:write").is_err());
/// assert_eq!(greet(caller).await, "Hello, weather-bot!");
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Panics if `name` is not a valid name or a scope is not a valid scope.
#[must_use]
pub fn caller(name: &str, scopes: &[&str]) -> Caller {
    Caller::new(keyward_http::testing::caller(name, scopes), None)
}
