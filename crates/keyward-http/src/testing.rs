//! For tests of services: a store in memory, a clock that only the test moves, and ready-made
//! callers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyward::digest::Digest;
use keyward::index::{Entry, Index};
use keyward::issue::NewKey;
use keyward::key::{Prefix, Presented, Secret};
use keyward::limit::Limits;
use keyward::memory::MemoryStore;
use keyward::record::{KeyId, Scopes};
use keyward::stored::StoredSecret;
use keyward::tier::Tier;
use keyward::time::{Now, SteadyNanos, UnixMillis};
use keyward::usage::Usage;
use keyward::{Asked, Gate, verify};

use crate::authenticator::{Authenticator, Options};
use crate::clock::Clock;

/// A clock that only the test moves. A clone is the same clock.
///
/// It begins at 2026-01-01T00:00:00Z.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use keyward_http::keyward::Asked;
/// use keyward_http::testing;
///
/// let (authenticator, clock) = testing::authenticator().await;
/// let secret = testing::issue(&authenticator, "weather-bot").await;
/// // The tier `basic` allows 100 requests a minute.
/// for _ in 0..100 {
///     assert!(authenticator.verify(&Asked::of(&secret)).is_ok());
/// }
/// assert!(authenticator.verify(&Asked::of(&secret)).is_err());
/// clock.advance(Duration::from_secs(60));
/// assert!(authenticator.verify(&Asked::of(&secret)).is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FakeClock(Arc<Mutex<Now>>);

impl Default for FakeClock {
    fn default() -> Self {
        let start = Now::new(UnixMillis(1_767_225_600_000), SteadyNanos(0));
        Self(Arc::new(Mutex::new(start)))
    }
}

impl FakeClock {
    /// Moves the clock forward.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use keyward_http::Clock as _;
    /// use keyward_http::testing::FakeClock;
    ///
    /// let clock = FakeClock::default();
    /// let before = clock.now();
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(clock.now(), before.later_by(Duration::from_secs(60)));
    /// ```
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.later_by(by);
    }

    /// Sets the wall clock, as a person or a time service does; the steady one goes on.
    ///
    /// ```
    /// use keyward_http::Clock as _;
    /// use keyward_http::keyward::time::UnixMillis;
    /// use keyward_http::testing::FakeClock;
    ///
    /// let clock = FakeClock::default();
    /// let before = clock.now();
    /// clock.set(UnixMillis(1_800_000_000_000));
    /// assert_eq!(clock.now().unix, UnixMillis(1_800_000_000_000));
    /// assert_eq!(clock.now().steady, before.steady, "limits do not notice");
    /// ```
    pub fn set(&self, unix: UnixMillis) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = Now::new(unix, now.steady);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Now {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An authenticator over an empty store in memory, and its clock.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use keyward_http::keyward::Asked;
/// use keyward_http::testing;
///
/// let (authenticator, _clock) = testing::authenticator().await;
/// let secret = testing::issue(&authenticator, "weather-bot").await;
/// assert!(authenticator.verify(&Asked::of(&secret)).is_ok());
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Panics if the operating system gives no randomness.
pub async fn authenticator() -> (Authenticator, FakeClock) {
    authenticator_with(Options::default()).await
}

/// The same with options.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use keyward_http::{Options, RateLimitHeaders, testing};
///
/// let rate_limit_headers = RateLimitHeaders::Neither;
/// let options = Options { rate_limit_headers, ..Options::default() };
/// let (authenticator, _clock) = testing::authenticator_with(options).await;
/// assert_eq!(authenticator.rate_limit_headers(), rate_limit_headers);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Panics if the operating system gives no randomness.
pub async fn authenticator_with(options: Options) -> (Authenticator, FakeClock) {
    let clock = FakeClock::default();
    let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await;
    let gate = gate.expect("a store in memory can be read");
    (Authenticator::new(gate, clock.clone(), options), clock)
}

/// Issues a key without scopes in the tier `basic` and returns its secret.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use keyward_http::keyward::Asked;
/// use keyward_http::testing;
///
/// let (authenticator, _clock) = testing::authenticator().await;
/// let secret = testing::issue(&authenticator, "weather-bot").await;
/// let caller = authenticator.verify(&Asked::of(&secret)).unwrap();
/// assert_eq!((caller.name(), caller.tier()), ("weather-bot", "basic"));
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Panics if `name` is not a valid name or the store was set to fail.
pub async fn issue(authenticator: &Authenticator, name: &str) -> String {
    issue_with(authenticator, name, &[]).await
}

/// Issues a key with these scopes in the tier `basic` and returns its secret.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use keyward_http::keyward::Asked;
/// use keyward_http::testing;
///
/// let (authenticator, _clock) = testing::authenticator().await;
/// let secret = testing::issue_with(&authenticator, "weather-bot", &["articles:read"]).await;
/// let caller = authenticator.verify(&Asked::of(&secret)).unwrap();
/// assert!(caller.grants("articles:read") && !caller.grants("articles:write"));
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Panics if `name` is not a valid name, a scope is not a valid scope, or the store was set to
/// fail.
pub async fn issue_with(authenticator: &Authenticator, name: &str, scopes: &[&str]) -> String {
    let key = new_key(name, scopes);
    let issued = authenticator.gate().issue(key, authenticator.program()).await;
    issued.expect("a store in memory keeps keys").secret.expose().to_owned()
}

/// A caller with this name and these scopes.
///
/// ```
/// let caller = keyward_http::testing::caller("weather-bot", &["articles:read"]);
/// assert!(caller.grants("articles:read"));
/// assert!(!caller.grants("articles:write"));
/// ```
///
/// # Panics
///
/// Panics if `name` is not a valid name or a scope is not a valid scope.
#[must_use]
pub fn caller(name: &str, scopes: &[&str]) -> keyward::Caller {
    let key = new_key(name, scopes);
    let secret = Secret::generate(&Prefix::default()).expect("the system gives randomness");
    let presented = Presented::parse(secret.expose()).expect("a generated secret can be presented");
    let id = KeyId::new(1).expect("1 is an id");
    let limits = Limits::of(None);
    let tier = Arc::new(Tier::new(key.tier.clone(), limits));
    let index = Index::default();
    let created_at = UnixMillis(0);
    let kept = StoredSecret { digest: Digest::of(presented), hint: String::new(), created_at };
    index.insert(Entry::new(&key.with_secret(kept).with_id(id), tier));
    let now = FakeClock::default().now();
    let verified = verify(&index, &Usage::default(), &Asked::of(secret.expose()), now);
    verified.expect("the key was just put into the index")
}

fn new_key(name: &str, scopes: &[&str]) -> NewKey {
    let scopes = scopes.iter().map(|scope| scope.parse().expect("a scope")).collect();
    let tier = "basic".parse().expect("a tier's name");
    let key = NewKey::plain(name.parse().expect("a name"), tier, None);
    NewKey { scopes: Scopes::new(scopes).expect("few scopes"), ..key }
}
