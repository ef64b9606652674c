//! The authenticator: a gate, a clock, and everything a service over HTTP does with them.

mod check;
mod flush;
mod shared;

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;

use http::header::HeaderMap;
use keyward::audit::{Actor, Audit};
use keyward::gate::Gate;
use keyward::time::Now;
use keyward::{Asked, Verdict};

pub use self::check::{Authenticated, Required};
use crate::clock::Clock;
use crate::origin::TrustedProxies;
use crate::rate_limit::RateLimitHeaders;
use crate::throttle::Throttle;
use crate::verdicts::Verdicts;

/// Decides about requests over HTTP, in any framework. One serves all requests of a program; share
/// it in an [`Arc`](std::sync::Arc).
///
/// It has no loop of its own. A service calls [`Authenticator::follow`] and
/// [`Authenticator::flush`] about once a second, and [`Authenticator::flush`] and
/// [`Authenticator::keep_reading`] before it ends; without that, usage is lost when the process
/// ends. `Guard` and `Upkeep` of `keyward-axum` do so on tokio.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use http::{HeaderMap, HeaderValue, StatusCode};
/// use keyward_http::{Required, testing};
///
/// let (authenticator, _clock) = testing::authenticator().await;
/// let secret = testing::issue(&authenticator, "weather-bot").await;
/// let authenticator = Arc::new(authenticator);
/// // The peer of the connection, as the server knows it.
/// let peer = Some([192, 0, 2, 1].into());
/// let decide = |key: &str| {
///     let mut headers = HeaderMap::new();
///     headers.insert("x-api-key", HeaderValue::from_str(key).unwrap());
///     authenticator.authenticate(&mut headers, peer, Required::default())
/// };
/// assert_eq!(decide(&secret).unwrap().caller.name(), "weather-bot");
/// assert_eq!(decide("wrong").unwrap_err().status(), StatusCode::UNAUTHORIZED);
/// # Ok(())
/// # }
/// ```
pub struct Authenticator {
    gate: Gate,
    clock: Box<dyn Clock>,
    throttle: Throttle,
    proxies: TrustedProxies,
    rate_limit_headers: RateLimitHeaders,
    verdicts: Verdicts,
}

/// Options of an [`Authenticator`]. By default nothing is limited and no proxy is trusted.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use http::{HeaderMap, HeaderValue, StatusCode};
/// use keyward_http::{Options, Required, testing};
///
/// let options = Options { failures_per_minute: 1.try_into().ok(), ..Options::default() };
/// let (authenticator, _clock) = testing::authenticator_with(options).await;
/// let mut headers = HeaderMap::new();
/// headers.insert("x-api-key", HeaderValue::from_static("wrong"));
/// let peer = Some([192, 0, 2, 1].into());
/// let mut reject = || authenticator.authenticate(&mut headers, peer, Required::default());
/// assert_eq!(reject().unwrap_err().status(), StatusCode::UNAUTHORIZED);
/// assert_eq!(reject().unwrap_err().status(), StatusCode::TOO_MANY_REQUESTS);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How many wrong keys one address may present a minute before it gets 429 instead of 401;
    /// `None` is no limit.
    ///
    /// Clients of a proxy that is not trusted share the proxy's address, and all clients without a
    /// known address share one limit.
    pub failures_per_minute: Option<NonZeroU32>,
    /// The proxies whose `X-Forwarded-For` names the client of a request.
    pub trusted_proxies: TrustedProxies,
    /// Which header fields report the state of the caller's limits; all by default.
    pub rate_limit_headers: RateLimitHeaders,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("gate", &self.gate).finish_non_exhaustive()
    }
}

impl Authenticator {
    /// An authenticator over this gate, by this clock.
    ///
    /// Keys that are restricted to networks, and the count of wrong keys, need the address of the
    /// client. Where that is not known, such keys are rejected.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    ///
    /// use keyward_http::keyward::memory::MemoryStore;
    /// use keyward_http::keyward::{Asked, Gate};
    /// use keyward_http::{Authenticator, Options, SystemClock, testing};
    ///
    /// // A real service opens its store here.
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Default::default()).await?;
    /// let authenticator = Authenticator::new(gate, SystemClock::start(), Options::default());
    /// let secret = testing::issue(&authenticator, "weather-bot").await;
    /// assert!(authenticator.verify(&Asked::of(&secret)).is_ok());
    /// assert!(authenticator.verify(&Asked::of("wrong")).is_err());
    ///
    /// // Now and then, and in the end:
    /// authenticator.follow();
    /// authenticator.flush().await?;
    /// authenticator.keep_reading().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(gate: Gate, clock: impl Clock + 'static, options: Options) -> Self {
        let Options { failures_per_minute, trusted_proxies, rate_limit_headers } = options;
        // From here on the clock is compared with the latest reading of an earlier run.
        gate.follow(clock.now());
        Self {
            gate,
            clock: Box::new(clock),
            throttle: Throttle::new(failures_per_minute),
            proxies: trusted_proxies,
            rate_limit_headers,
            verdicts: Verdicts::default(),
        }
    }

    /// The gate, for reading, and for changes whose future is not dropped half-way: a change that
    /// is dropped may be in the store and not in memory. `Guard` of `keyward-axum` runs each change
    /// to its end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_http::keyward::issue::NewKey;
    /// use keyward_http::testing;
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let key = NewKey::plain("weather-bot".parse()?, "basic".parse()?, None);
    /// let issued = authenticator.gate().issue(key, authenticator.program()).await?;
    /// assert!(authenticator.gate().store().find_key(issued.key_id).await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The clock.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use keyward_http::testing;
    ///
    /// let (authenticator, clock) = testing::authenticator().await;
    /// let before = authenticator.clock().now();
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(authenticator.clock().now(), before.later_by(Duration::from_secs(1)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Which header fields report the state of the caller's limits.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_http::{RateLimitHeaders, testing};
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// assert_eq!(authenticator.rate_limit_headers(), RateLimitHeaders::Both);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn rate_limit_headers(&self) -> RateLimitHeaders {
        self.rate_limit_headers
    }

    /// What time it is, and how late it may be; see [`Gate::judge`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_http::keyward::time::UnixMillis;
    /// use keyward_http::testing;
    ///
    /// let (authenticator, clock) = testing::authenticator().await;
    /// assert!(!authenticator.now().is_in_doubt());
    /// // The wall clock is set back: it may be as late as it was before.
    /// let before = authenticator.follow();
    /// clock.set(UnixMillis(before.unix.0 - 1_000));
    /// assert_eq!(authenticator.now().latest(), before.unix);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn now(&self) -> Now {
        self.gate.judge(self.clock.now())
    }

    /// Follows the wall clock, and says what time it is then; see [`Gate::follow`]. To be called
    /// about once a second.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use keyward_http::testing;
    ///
    /// let (authenticator, clock) = testing::authenticator().await;
    /// let before = authenticator.follow();
    /// clock.advance(Duration::from_secs(1));
    /// assert!(before.unix < authenticator.follow().unix);
    /// # Ok(())
    /// # }
    /// ```
    pub fn follow(&self) -> Now {
        self.clock.sync();
        self.gate.follow(self.clock.now())
    }

    /// What an audit entry says about a change that this actor makes now.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_http::keyward::audit::Actor;
    /// use keyward_http::testing;
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let ada = Actor::Person("ada".to_owned());
    /// let address = Some([192, 0, 2, 1].into());
    /// let audit = authenticator.audit(ada, address, Some("req-7".to_owned()));
    /// assert_eq!(audit.at, authenticator.now().unix);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn audit(
        &self,
        actor: Actor,
        address: Option<IpAddr>,
        request_id: Option<String>,
    ) -> Audit {
        Audit { actor, address, request_id, ..Audit::program(self.now().unix) }
    }

    /// What an audit entry says about a change that the program makes now, on its own account.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_http::keyward::audit::Actor;
    /// use keyward_http::testing;
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// assert_eq!(authenticator.program().actor, Actor::Program);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn program(&self) -> Audit {
        Audit::program(self.now().unix)
    }

    /// The address of the client whose connection comes from `peer`, as far as that is known; see
    /// [`TrustedProxies::client_address`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use http::{HeaderMap, HeaderValue};
    /// use keyward_http::testing;
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.7"));
    /// // No proxy is trusted, so the peer is the client.
    /// let peer = Some([198, 51, 100, 9].into());
    /// assert_eq!(authenticator.client_address(&headers, peer), peer);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn client_address(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<IpAddr> {
        self.proxies.client_address(headers, peer)
    }

    /// The address of the client on whose behalf a proxy asks, as far as that is known; see
    /// [`TrustedProxies::forwarded_address`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use http::{HeaderMap, HeaderValue};
    /// use keyward_http::testing;
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let mut headers = HeaderMap::new();
    /// assert_eq!(authenticator.forwarded_address(&headers), None);
    /// headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.7"));
    /// assert_eq!(authenticator.forwarded_address(&headers), "192.0.2.7".parse().ok());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn forwarded_address(&self, headers: &HeaderMap) -> Option<IpAddr> {
        self.proxies.forwarded_address(headers)
    }

    /// The proxies that are trusted.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_http::testing;
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// assert!(!authenticator.trusted_proxies().trust([10, 0, 0, 1].into()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn trusted_proxies(&self) -> &TrustedProxies {
        &self.proxies
    }

    /// Decides about a text, by the authenticator's own clock: for credentials that come another
    /// way than in the headers of a request.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_http::keyward::{Asked, Denied};
    /// use keyward_http::testing;
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let secret = testing::issue(&authenticator, "weather-bot").await;
    /// // For example the first message of a connection that has no headers.
    /// assert!(authenticator.verify(&Asked::of(&secret)).is_ok());
    /// assert_eq!(authenticator.verify(&Asked::of("wrong")).unwrap_err(), Denied::Unknown);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Denied`](keyward::Denied), the reason for the denial.
    pub fn verify(&self, asked: &Asked<'_>) -> Verdict {
        self.gate.verify(asked, self.clock.now())
    }
}
