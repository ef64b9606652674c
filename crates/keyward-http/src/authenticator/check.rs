//! The decision about a request: its key is found and verified, and a denial becomes a response.

use std::net::{IpAddr, Ipv6Addr};

use http::header::HeaderMap;
use keyward::limit::Cost;
use keyward::time::Now;
use keyward::verify::Purpose;
use keyward::{Asked, Denied, KeyRef, Verdict};

use super::Authenticator;
use crate::credentials::{self, CredentialsError};
use crate::door::Door;
use crate::rejection::{DeniedAs, Rejection};
use crate::verdicts::{Decision, Outcome, Verdicts};

/// What a route requires of a request. The default is a key that works, at the cost of one request.
///
/// ```
/// use keyward_http::Required;
/// use keyward_http::keyward::limit::Cost;
///
/// // An export counts as five ordinary requests, and its key needs a scope.
/// let scopes = ["articles:export"];
/// let export = Required { scopes: &scopes, cost: Cost::from(5), ..Required::default() };
/// // By default, any key that works will do.
/// let any = Required::default();
/// assert_eq!((any.scopes.len(), any.cost), (0, Cost::ONE));
/// # let _ = export;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Required<'a> {
    /// The scopes that the key has to have, each a `resource:action`: all of them, and none by
    /// default.
    pub scopes: &'a [&'a str],
    /// How many ordinary requests it counts as for the limits of the key and of its owner.
    pub cost: Cost,
    /// The door that the request came to.
    pub door: Door,
    /// Why a verdict is asked for.
    pub purpose: Purpose,
}

impl<'a> Required<'a> {
    pub(super) fn asked(self, text: &'a str, from: Option<IpAddr>) -> Asked<'a> {
        let Self { scopes, cost, door: _, purpose } = self;
        Asked { text, scopes, from, cost, purpose }
    }
}

/// A request whose key works. It has been counted, and its cost taken from the limits.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use http::{HeaderMap, HeaderValue};
/// use keyward_http::{Required, testing};
///
/// let (authenticator, _clock) = testing::authenticator().await;
/// let mut headers = HeaderMap::new();
/// let secret = testing::issue(&authenticator, "weather-bot").await;
/// headers.insert("x-api-key", HeaderValue::try_from(secret)?);
/// let passed = authenticator.authenticate(&mut headers, None, Required::default()).unwrap();
/// assert_eq!((passed.caller.name(), passed.caller.tier()), ("weather-bot", "basic"));
/// assert_eq!(passed.at, authenticator.now());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The key, and the state of its limits after this request.
    pub caller: keyward::Caller,
    /// The reading of the clock by which the request was decided.
    pub at: Now,
    /// The decision in few words, as it was counted.
    pub decision: Decision,
}

impl Authenticator {
    /// Decides about a request that must have a key.
    ///
    /// `peer` is the address of the other end of the connection, `None` if it is not known; after a
    /// [trusted proxy](super::Options::trusted_proxies), `X-Forwarded-For` names the client. The
    /// header lines that may contain a key are marked sensitive, so that nothing prints them
    /// afterwards. It reads the clock once, never waits, and allocates only for a rejection.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// use http::{HeaderMap, HeaderValue, StatusCode};
    /// use keyward_http::{Required, testing};
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let secret = testing::issue_with(&authenticator, "weather-bot", &["articles:read"]).await;
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-api-key", HeaderValue::try_from(secret).unwrap());
    ///
    /// // The key has the scope, so the request passes.
    /// let read = Required { scopes: &["articles:read"], ..Required::default() };
    /// let passed = authenticator.authenticate(&mut headers, None, read).unwrap();
    /// assert_eq!(passed.caller.name(), "weather-bot");
    ///
    /// // It lacks another, so the request is rejected and takes nothing from the limits.
    /// let write = Required { scopes: &["articles:write"], ..Required::default() };
    /// let rejection = authenticator.authenticate(&mut headers, None, write).unwrap_err();
    /// assert_eq!(rejection.status(), StatusCode::FORBIDDEN);
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the response to send instead:
    ///
    /// | status | when |
    /// |---|---|
    /// | 400 | the request has several keys |
    /// | 401 | it has no key, a malformed one, or one that does not work |
    /// | 403 | the key lacks the scope, comes from another network, or the cost is above a limit |
    /// | 429 | a limit of the key is used up, or the address presented too many wrong keys |
    /// | 503 | the key works by one reading of a clock that is in doubt, and not by another |
    /// | 503 | the [lease](keyward::lease::Lease) of memory has ended, and nothing is decided |
    pub fn authenticate(
        &self,
        headers: &mut HeaderMap,
        peer: Option<IpAddr>,
        required: Required<'_>,
    ) -> Result<Authenticated, Rejection> {
        let from = self.client_address(headers, peer);
        self.authenticate_from(headers, from, required)
    }

    /// Decides about a request that may have a key: `None` is a request without one. A key that
    /// does not work is rejected here too.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// use http::{HeaderMap, HeaderValue, StatusCode};
    /// use keyward_http::{Required, testing};
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let mut headers = HeaderMap::new();
    /// let decide = |headers: &mut HeaderMap| {
    ///     authenticator.authenticate_optional(headers, None, Required::default())
    /// };
    ///
    /// // Without a key the request passes, and has no caller.
    /// assert!(decide(&mut headers).unwrap().is_none());
    ///
    /// // With a wrong one it is rejected.
    /// headers.insert("x-api-key", HeaderValue::from_static("wrong"));
    /// assert_eq!(decide(&mut headers).unwrap_err().status(), StatusCode::UNAUTHORIZED);
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Authenticator::authenticate`], except that a request without a key is not an error.
    pub fn authenticate_optional(
        &self,
        headers: &mut HeaderMap,
        peer: Option<IpAddr>,
        required: Required<'_>,
    ) -> Result<Option<Authenticated>, Rejection> {
        let from = self.client_address(headers, peer);
        match self.find_key(headers, required.door)? {
            Some(text) => self.authenticate_text(text, from, required).map(Some),
            None => Ok(None),
        }
    }

    /// Decides about a request that must have a key and comes from `from`, whatever its headers say
    /// of that: the verdict on behalf of a proxy.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// use http::{HeaderMap, HeaderValue};
    /// use keyward_http::{Door, Required, testing};
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let mut headers = HeaderMap::new();
    /// let nginx = Required { door: Door::Nginx, ..Required::default() };
    /// let rejection = authenticator.authenticate_from(&mut headers, None, nginx).unwrap_err();
    /// assert_eq!(rejection.status(), 401);
    ///
    /// let secret = testing::issue(&authenticator, "weather-bot").await;
    /// headers.insert("x-api-key", HeaderValue::try_from(secret).unwrap());
    /// assert!(authenticator.authenticate_from(&mut headers, None, nginx).is_ok());
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Authenticator::authenticate`].
    pub fn authenticate_from(
        &self,
        headers: &mut HeaderMap,
        from: Option<IpAddr>,
        required: Required<'_>,
    ) -> Result<Authenticated, Rejection> {
        let text = self.need_key(headers, required.door)?;
        self.authenticate_text(text, from, required)
    }

    /// Decides about a request that presents `text` as its key, from `from`.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// use keyward_http::{Door, Required, testing};
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let secret = testing::issue(&authenticator, "weather-bot").await;
    /// let required = Required { door: Door::Verify, ..Required::default() };
    /// assert!(authenticator.authenticate_text(&secret, None, required).is_ok());
    /// let rejection = authenticator.authenticate_text("wrong", None, required).unwrap_err();
    /// assert_eq!(rejection.denied().map(|denied| denied.as_str()), Some("unknown"));
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Authenticator::authenticate`].
    pub fn authenticate_text(
        &self,
        text: &str,
        from: Option<IpAddr>,
        required: Required<'_>,
    ) -> Result<Authenticated, Rejection> {
        let now = self.clock.now();
        let asked = required.asked(text, from);
        self.decided(self.gate.verify(&asked, now), now, &asked, required.door)
    }

    /// Counts a verdict, and makes a response of a denial.
    pub(super) fn decided(
        &self,
        verdict: Verdict,
        now: Now,
        asked: &Asked<'_>,
        door: Door,
    ) -> Result<Authenticated, Rejection> {
        match verdict {
            Ok(caller) => {
                let decision = Decision::passed(door, asked.purpose, caller.key_id());
                self.verdicts.count(decision);
                Ok(Authenticated { caller, at: now, decision })
            }
            Err(denied) => Err(self.reject(denied, asked, door, now).private()),
        }
    }

    /// The key that a request presents; `None` if it has none.
    pub(super) fn find_key<'h>(
        &self,
        headers: &'h mut HeaderMap,
        door: Door,
    ) -> Result<Option<&'h str>, Rejection> {
        credentials::find(headers).map_err(|error| self.reject_credentials(&error, door))
    }

    /// The key that a request has to present.
    pub(super) fn need_key<'h>(
        &self,
        headers: &'h mut HeaderMap,
        door: Door,
    ) -> Result<&'h str, Rejection> {
        let missing = || self.rejected(Rejection::no_key(), door, Outcome::Missing);
        self.find_key(headers, door)?.ok_or_else(missing)
    }

    /// Completes the headers of a response to a request for which a key was looked for: what caches
    /// may do with it, and the state of the caller's limits. A handler's own `Cache-Control` is
    /// kept, and its `Vary` is extended. Rejections are complete.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use http::HeaderMap;
    /// use keyward_http::testing;
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// // A key was looked for, and there was none.
    /// let mut response = HeaderMap::new();
    /// authenticator.complete(&mut response, None);
    /// assert_eq!(response["vary"], "Authorization, X-API-Key");
    /// assert_eq!(response["cache-control"], "private, no-cache");
    /// # Ok(())
    /// # }
    /// ```
    pub fn complete(&self, headers: &mut HeaderMap, request: Option<&Authenticated>) {
        let stood = request.map(|request| (request.caller.standings(), request.at.unix));
        self.rate_limit_headers.complete(headers, stood);
    }

    fn reject(&self, denied: Denied, asked: &Asked<'_>, door: Door, now: Now) -> Rejection {
        let (outcome, key_id) = (Outcome::from(&denied), denied.key().map(KeyRef::key_id));
        let told = self.rate_limit_headers;
        let (rejection, outcome) = match Rejection::of_denied(denied, asked.scopes, now.unix, told)
        {
            DeniedAs::NoWrongKey(rejection) => (rejection, outcome),
            // A question says nothing of the address that a wrong key comes from.
            DeniedAs::WrongKey(rejection) if asked.purpose == Purpose::Introspection => {
                (rejection, outcome)
            }
            DeniedAs::WrongKey(rejection) => {
                // All clients without a known address share one limit.
                let address = asked.from.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
                match self.throttle.count(address, now.steady) {
                    Ok(()) => (rejection, outcome),
                    Err(retry_after) => (Rejection::limited(retry_after), Outcome::Flooded),
                }
            }
        };
        self.counted(rejection, Decision { door, outcome, key_id })
    }

    fn reject_credentials(&self, error: &CredentialsError, door: Door) -> Rejection {
        match error {
            CredentialsError::Several => {
                self.rejected(Rejection::several_keys(), door, Outcome::Ambiguous)
            }
            CredentialsError::BadFormat => {
                self.rejected(Rejection::bad_format(), door, Outcome::Malformed)
            }
        }
    }

    /// Counts the rejection of a request that names no key that there is.
    fn rejected(&self, rejection: Rejection, door: Door, outcome: Outcome) -> Rejection {
        self.counted(rejection, Decision { door, outcome, key_id: None })
    }

    fn counted(&self, rejection: Rejection, decision: Decision) -> Rejection {
        self.verdicts.count(decision);
        rejection.decided(decision)
    }

    /// The decisions so far, by door and outcome. A request that may do without a key and has none
    /// is none of them, and neither is [`Authenticator::verify`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use keyward_http::verdicts::Outcome;
    /// use keyward_http::{Door, Required, testing};
    ///
    /// let (authenticator, _clock) = testing::authenticator().await;
    /// let secret = testing::issue(&authenticator, "weather-bot").await;
    /// authenticator.authenticate_text(&secret, None, Required::default()).unwrap();
    /// assert_eq!(authenticator.verdicts().of(Door::Guard, Outcome::Allowed), 1);
    /// # }
    /// ```
    #[must_use]
    pub fn verdicts(&self) -> &Verdicts {
        &self.verdicts
    }
}
