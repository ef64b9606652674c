//! The decision about a request where several nodes share the limits of keys: it may wait for the
//! store.
//!
//! What waits knows a runtime, and this crate knows none: the calling code says how long a request
//! waits, as a future of its runtime. Where limits are not shared, none of this waits.

use std::net::IpAddr;

use http::header::HeaderMap;

use super::{Authenticated, Authenticator, Required};
use crate::rejection::Rejection;

impl Authenticator {
    /// As [`Authenticator::authenticate`], by limits that several nodes share. A request of a key
    /// with limits waits for the store, for as long as the future that `patience` makes is pending;
    /// then it is 503 with `Retry-After: 1`, and it may have taken its cost.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use http::{HeaderMap, HeaderValue, StatusCode};
    /// use keyward_http::{Required, testing};
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let patience = || tokio::time::sleep(Duration::from_millis(25));
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-api-key", HeaderValue::from_static("wrong"));
    /// let required = Required::default();
    /// let decided = authenticator.authenticate_shared(&mut headers, None, required, patience);
    /// assert_eq!(decided.await.unwrap_err().status(), StatusCode::UNAUTHORIZED);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Authenticator::authenticate`].
    pub async fn authenticate_shared<F: Future<Output = ()>>(
        &self,
        headers: &mut HeaderMap,
        peer: Option<IpAddr>,
        required: Required<'_>,
        patience: impl FnOnce() -> F,
    ) -> Result<Authenticated, Rejection> {
        let from = self.client_address(headers, peer);
        self.authenticate_from_shared(headers, from, required, patience).await
    }

    /// As [`Authenticator::authenticate_optional`], by limits that several nodes share; see
    /// [`Authenticator::authenticate_shared`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::future::pending;
    ///
    /// use http::HeaderMap;
    /// use keyward_http::{Required, testing};
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let (mut headers, required) = (HeaderMap::new(), Required::default());
    /// let decided =
    ///     authenticator.authenticate_optional_shared(&mut headers, None, required, pending::<()>);
    /// assert!(decided.await.unwrap().is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Authenticator::authenticate_optional`].
    pub async fn authenticate_optional_shared<F: Future<Output = ()>>(
        &self,
        headers: &mut HeaderMap,
        peer: Option<IpAddr>,
        required: Required<'_>,
        patience: impl FnOnce() -> F,
    ) -> Result<Option<Authenticated>, Rejection> {
        let from = self.client_address(headers, peer);
        let Some(text) = self.find_key(headers, required.door)? else { return Ok(None) };
        self.authenticate_text_shared(text, from, required, patience).await.map(Some)
    }

    /// As [`Authenticator::authenticate_from`], by limits that several nodes share; see
    /// [`Authenticator::authenticate_shared`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::future::pending;
    ///
    /// use http::HeaderMap;
    /// use keyward_http::{Door, Required, testing};
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let required = Required { door: Door::Nginx, ..Required::default() };
    /// let mut headers = HeaderMap::new();
    /// let decided =
    ///     authenticator.authenticate_from_shared(&mut headers, None, required, pending::<()>);
    /// assert_eq!(decided.await.unwrap_err().status(), 401);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Authenticator::authenticate`].
    pub async fn authenticate_from_shared<F: Future<Output = ()>>(
        &self,
        headers: &mut HeaderMap,
        from: Option<IpAddr>,
        required: Required<'_>,
        patience: impl FnOnce() -> F,
    ) -> Result<Authenticated, Rejection> {
        let text = self.need_key(headers, required.door)?;
        self.authenticate_text_shared(text, from, required, patience).await
    }

    /// As [`Authenticator::authenticate_text`], by limits that several nodes share; see
    /// [`Authenticator::authenticate_shared`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::future::pending;
    ///
    /// use keyward_http::{Required, testing};
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let secret = testing::issue(&authenticator, "weather-bot").await;
    /// let required = Required::default();
    /// let decided =
    ///     authenticator.authenticate_text_shared(&secret, None, required, pending::<()>);
    /// assert_eq!(decided.await.unwrap().caller.name(), "weather-bot");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Authenticator::authenticate`].
    pub async fn authenticate_text_shared<F: Future<Output = ()>>(
        &self,
        text: &str,
        from: Option<IpAddr>,
        required: Required<'_>,
        patience: impl FnOnce() -> F,
    ) -> Result<Authenticated, Rejection> {
        let asked = required.asked(text, from);
        let clock = || self.clock.now();
        let (verdict, now) = self.gate.verify_shared(&asked, &clock, patience).await;
        self.decided(verdict, now, &asked, required.door)
    }
}
