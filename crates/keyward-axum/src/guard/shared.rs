//! Decisions that may wait for the store, where several nodes share the limits of keys.

use std::net::IpAddr;
use std::time::Duration;

use http::header::HeaderMap;
use keyward::{Asked, Verdict};
use keyward_http::{Authenticated, Rejection, Required};

use super::Guard;

/// How long a request waits for the store to decide about its limits.
pub const TICKET_PATIENCE: Duration = Duration::from_millis(25);

/// Waits as long as a request does.
async fn patience() {
    tokio::time::sleep(TICKET_PATIENCE).await;
}

/// Where several nodes share a store, it decides about the limits of keys: these decide by that,
/// and the methods of the same purpose that do not wait by the limits of this process alone.
/// Elsewhere, these wait for nothing either.
impl Guard {
    /// Decides about a request that must have a key; see [`Authenticator::authenticate`].
    ///
    /// [`Authenticator::authenticate`]: keyward_http::Authenticator::authenticate
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use http::HeaderMap;
    /// use keyward_axum::{Required, testing};
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let mut headers = HeaderMap::new();
    /// let decided = guard.decide(&mut headers, None, Required::default()).await;
    /// assert_eq!(decided.unwrap_err().status(), 401);
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the response to send instead: 503 if the store said nothing within
    /// [`TICKET_PATIENCE`], else as [`Authenticator::authenticate`].
    pub async fn decide(
        &self,
        headers: &mut HeaderMap,
        peer: Option<IpAddr>,
        required: Required<'_>,
    ) -> Result<Authenticated, Rejection> {
        self.authenticate_shared(headers, peer, required, patience).await
    }

    /// Decides about a request that may have a key; see [`Authenticator::authenticate_optional`].
    ///
    /// [`Authenticator::authenticate_optional`]: keyward_http::Authenticator::authenticate_optional
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use http::HeaderMap;
    /// use keyward_axum::{Required, testing};
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let mut headers = HeaderMap::new();
    /// let decided = guard.decide_optional(&mut headers, None, Required::default()).await;
    /// assert!(decided.unwrap().is_none());
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Guard::decide`], except that a request without a key is not an error.
    pub async fn decide_optional(
        &self,
        headers: &mut HeaderMap,
        peer: Option<IpAddr>,
        required: Required<'_>,
    ) -> Result<Option<Authenticated>, Rejection> {
        self.authenticate_optional_shared(headers, peer, required, patience).await
    }

    /// Decides about a request that comes from `from`, whatever its headers say of that; see
    /// [`Authenticator::authenticate_from`].
    ///
    /// [`Authenticator::authenticate_from`]: keyward_http::Authenticator::authenticate_from
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use http::HeaderMap;
    /// use keyward_axum::{Required, testing};
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let (mut headers, from) = (HeaderMap::new(), Some([192, 0, 2, 7].into()));
    /// let decided = guard.decide_from(&mut headers, from, Required::default()).await;
    /// assert_eq!(decided.unwrap_err().status(), 401);
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Guard::decide`].
    pub async fn decide_from(
        &self,
        headers: &mut HeaderMap,
        from: Option<IpAddr>,
        required: Required<'_>,
    ) -> Result<Authenticated, Rejection> {
        self.authenticate_from_shared(headers, from, required, patience).await
    }

    /// Decides about a request that presents `text` as its key; see
    /// [`Authenticator::authenticate_text`].
    ///
    /// [`Authenticator::authenticate_text`]: keyward_http::Authenticator::authenticate_text
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use keyward_axum::{Required, testing};
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let secret = testing::issue(&guard, "weather-bot").await;
    /// let decided = guard.decide_text(&secret, None, Required::default()).await;
    /// assert_eq!(decided.unwrap().caller.name(), "weather-bot");
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Guard::decide`].
    pub async fn decide_text(
        &self,
        text: &str,
        from: Option<IpAddr>,
        required: Required<'_>,
    ) -> Result<Authenticated, Rejection> {
        self.authenticate_text_shared(text, from, required, patience).await
    }

    /// Decides about a text, for credentials that come another way than in the headers of a
    /// request; see [`Authenticator::verify`].
    ///
    /// [`Authenticator::verify`]: keyward_http::Authenticator::verify
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use keyward_axum::keyward::{Asked, Denied};
    /// use keyward_axum::testing;
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let secret = testing::issue(&guard, "weather-bot").await;
    /// assert!(guard.verified(&Asked::of(&secret)).await.is_ok());
    /// assert_eq!(guard.verified(&Asked::of("wrong")).await.unwrap_err(), Denied::Unknown);
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Denied`](keyward::Denied), the reason for the denial.
    pub async fn verified(&self, asked: &Asked<'_>) -> Verdict {
        let clock = || self.clock().now();
        self.gate().verify_shared(asked, &clock, patience).await.0
    }
}
