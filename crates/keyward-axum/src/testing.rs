//! For tests of an app's own handlers: a store in memory, a clock that only the test moves, and
//! ready-made callers.

pub use keyward_http::testing::{FakeClock, issue, issue_with};

use crate::caller::Caller;
use crate::guard::{Guard, GuardOptions};

/// A guard over an empty store in memory, and its clock.
///
/// # Panics
///
/// Panics if the operating system gives no randomness.
pub async fn guard() -> (Guard, FakeClock) {
    guard_with(GuardOptions::default()).await
}

/// The same with options.
///
/// # Panics
///
/// Panics if the operating system gives no randomness.
pub async fn guard_with(options: GuardOptions) -> (Guard, FakeClock) {
    let (authenticator, clock) = keyward_http::testing::authenticator_with(options).await;
    (Guard::from(authenticator), clock)
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
