//! The guard: an authenticator that a whole app shares, and changes that run to their end.

mod changes;
mod owners;
mod shared;
mod tiers;

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use http::Extensions;
use http::header::HeaderMap;
use keyward::gate::Gate;
use keyward_http::{Authenticator, Clock};

pub(crate) use self::changes::finished;
pub use self::shared::TICKET_PATIENCE;
use crate::peer::peer_address;

/// Options of a guard. By default nothing is limited and no proxy is trusted.
pub use keyward_http::Options as GuardOptions;

/// Guards an app. A clone shares everything; put one into the app's state.
///
/// It is an [`Authenticator`], with [layers](Guard::layer) and extractors for axum, and with
/// changes that run to their end.
///
/// ```
/// use keyward_axum::{Guard, testing};
///
/// /// Where all keys of the app come from: a handler's state, and the app's own tasks.
/// struct App {
///     guard: Guard,
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (guard, _clock) = testing::guard().await;
/// let app = App { guard: guard.clone() };
/// // A key that one of them issues works with the other.
/// let secret = testing::issue(&app.guard, "weather-bot").await;
/// assert!(guard.verify(&keyward_axum::keyward::Asked::of(&secret)).is_ok());
/// # });
/// ```
#[derive(Clone)]
pub struct Guard(Arc<Authenticator>);

/// The identity of a guard among those in memory; a guard is in memory while it handles a request.
/// It is not a counted reference to the guard, since all requests would then change the same count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GuardId(usize);

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("gate", self.gate()).finish_non_exhaustive()
    }
}

impl Deref for Guard {
    type Target = Authenticator;

    fn deref(&self) -> &Authenticator {
        &self.0
    }
}

impl From<Authenticator> for Guard {
    fn from(authenticator: Authenticator) -> Self {
        Self(Arc::new(authenticator))
    }
}

impl Guard {
    /// A guard over this gate, by this clock.
    ///
    /// Keys that are restricted to networks, and the count of wrong keys, need to know where a
    /// request comes from: [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo) among its
    /// extensions, as axum puts it there. Without it, such keys are rejected.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// use keyward_axum::keyward::memory::MemoryStore;
    /// use keyward_axum::keyward::{Asked, Gate};
    /// use keyward_axum::{Guard, GuardOptions, SystemClock, Upkeep, testing};
    ///
    /// // A real service opens its store here.
    /// let gate = Gate::open(Arc::new(MemoryStore::default()), Default::default()).await?;
    /// let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    /// let upkeep = Upkeep::start(guard.clone(), Duration::from_secs(1));
    ///
    /// let secret = testing::issue(&guard, "weather-bot").await;
    /// assert!(guard.verify(&Asked::of(&secret)).is_ok());
    /// assert!(guard.verify(&Asked::of("wrong")).is_err());
    /// upkeep.stop().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(gate: Gate, clock: impl Clock + 'static, options: GuardOptions) -> Self {
        Self::from(Authenticator::new(gate, clock, options))
    }

    /// Which guard this is.
    pub(crate) fn id(&self) -> GuardId {
        GuardId(Arc::as_ptr(&self.0).addr())
    }

    /// The gate, for reading. Changes go through the guard, which runs them to their end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use keyward_axum::testing;
    ///
    /// let (guard, _clock) = testing::guard().await;
    /// let names = guard.gate().tier_names();
    /// let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
    /// assert_eq!(names, ["basic", "pro", "enterprise"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn gate(&self) -> &Gate {
        self.0.gate()
    }

    /// The address that a request comes from, as far as that is known.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::net::SocketAddr;
    ///
    /// use axum::extract::ConnectInfo;
    /// use http::{Extensions, HeaderMap, HeaderValue};
    /// use keyward_axum::origin::TrustedProxies;
    /// use keyward_axum::{GuardOptions, testing};
    ///
    /// let trusted_proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse()?]);
    /// let options = GuardOptions { trusted_proxies, ..GuardOptions::default() };
    /// let (guard, _clock) = testing::guard_with(options).await;
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.7"));
    /// let mut extensions = Extensions::new();
    ///
    /// // The peer is not known.
    /// assert_eq!(guard.client_address(&headers, &extensions), None);
    /// extensions.insert(ConnectInfo("10.0.0.1:50000".parse::<SocketAddr>()?));
    /// assert_eq!(guard.client_address(&headers, &extensions), Some("192.0.2.7".parse()?));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn client_address(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
        self.0.client_address(headers, peer_address(extensions))
    }
}
