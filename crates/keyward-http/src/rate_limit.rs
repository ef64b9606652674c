//! The header fields that report the state of a caller's limits.
//!
//! They are written for each accepted request, so without the machinery of `format!`. With one
//! limit, the parts that depend only on the limit are rendered once, and the rest shares one piece
//! of memory. With several, all fields share one piece of memory, however many limits there are.

mod text;
mod values;

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use keyward::UnixMillis;
use keyward::limit::{Exceeded, Standing, Standings};

use self::values::{Reset, Values};
use crate::cache;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
/// Most fields that are written for one response.
const FIELDS_MAX: usize = 5;

/// Which header fields report the state of the caller's limits. The `Retry-After` of a rejection
/// does not depend on this: it is always sent.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use http::{HeaderMap, HeaderValue};
/// use keyward_http::{Options, RateLimitHeaders, Required, testing};
///
/// let told = RateLimitHeaders::Standard;
/// let options = Options { rate_limit_headers: told, ..Options::default() };
/// let (authenticator, _clock) = testing::authenticator_with(options).await;
/// let secret = testing::issue(&authenticator, "weather-bot").await;
/// let mut request = HeaderMap::new();
/// request.insert("x-api-key", HeaderValue::try_from(secret)?);
/// let passed = authenticator.authenticate(&mut request, None, Required::default()).ok();
///
/// let mut response = HeaderMap::new();
/// authenticator.complete(&mut response, passed.as_ref());
/// assert_eq!(response["ratelimit"], r#""requests";r=99;t=1"#);
/// assert!(!response.contains_key("x-ratelimit-limit"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateLimitHeaders {
    /// `RateLimit-Policy` and `RateLimit`, as in version 10 of the IETF draft *RateLimit header
    /// fields for HTTP*: one line each with all limits of the key, in their order, and those of its
    /// owner after them.
    Standard,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`, which older clients read. They name one
    /// limit: of an accepted request that with the smallest remaining, of a rejected one that with
    /// the longest wait.
    XRateLimit,
    /// All five.
    #[default]
    Both,
    /// None of them.
    Neither,
}

impl RateLimitHeaders {
    fn has_standard(self) -> bool {
        match self {
            Self::Standard | Self::Both => true,
            Self::XRateLimit | Self::Neither => false,
        }
    }

    fn has_x(self) -> bool {
        match self {
            Self::XRateLimit | Self::Both => true,
            Self::Standard | Self::Neither => false,
        }
    }

    /// Completes the headers of a response to a request for which a key was looked for; `stood` is
    /// the state of the caller's limits when the request was allowed, `None` without a caller.
    ///
    /// ```
    /// use http::HeaderMap;
    /// use keyward_http::RateLimitHeaders;
    ///
    /// // A key was looked for, and there was none.
    /// let mut headers = HeaderMap::new();
    /// RateLimitHeaders::Both.complete(&mut headers, None);
    /// assert_eq!(headers["cache-control"], "private, no-cache");
    /// assert!(!headers.contains_key("ratelimit"));
    /// ```
    pub fn complete(self, headers: &mut HeaderMap, stood: Option<(&Standings, UnixMillis)>) {
        headers.reserve(cache::FIELDS_MAX + FIELDS_MAX);
        cache::keep_private(headers);
        if let Some((standings, at)) = stood {
            self.write(headers, standings, at);
        }
    }

    /// Writes the state of the limits of a request that was allowed at `at`: a limit's reset is the
    /// time at which it is fully available again.
    fn write(self, headers: &mut HeaderMap, standings: &Standings, at: UnixMillis) {
        let Some(shown) = standings.shown() else { return };
        let reset = Reset::new(shown.full_after, at);
        self.write_reset(headers, standings, &shown, reset);
    }

    /// Writes the state of the limits of a request that was rejected at `at`: the reset of the
    /// limit with the longest wait is the time at which the next request will be allowed, the same
    /// as in `Retry-After`.
    pub(crate) fn write_refused(
        self,
        headers: &mut HeaderMap,
        exceeded: &Exceeded,
        at: UnixMillis,
    ) {
        let Some(shown) = exceeded.standings.shown() else { return };
        let mut reset = Reset::new(exceeded.retry_after, at);
        reset.secs = reset.secs.max(1);
        self.write_reset(headers, &exceeded.standings, &shown, reset);
    }

    fn write_reset(
        self,
        headers: &mut HeaderMap,
        standings: &Standings,
        shown: &Standing,
        reset: Reset,
    ) {
        if self == Self::Neither {
            return;
        }
        let values = match standings.iter().nth(1) {
            None => Values::of_one(shown, reset),
            Some(_) => Values::of_several(standings, shown, reset),
        };
        let mut put = |name, value: Option<HeaderValue>| {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        };
        if self.has_standard() {
            put(RATE_LIMIT_POLICY, values.policy);
            put(RATE_LIMIT, values.state);
        }
        if self.has_x() {
            put(X_LIMIT, values.burst);
            put(X_REMAINING, values.remaining);
            put(X_RESET, values.reset);
        }
    }
}

/// How long to wait before trying again, in whole seconds, at least 1: the value of `Retry-After`.
///
/// ```
/// use std::time::Duration;
///
/// use keyward_http::rate_limit::retry_secs;
///
/// let told = [0, 1_000, 1_001].map(|millis| retry_secs(Duration::from_millis(millis)));
/// assert_eq!(told, [1, 1, 2]);
/// ```
#[must_use]
pub fn retry_secs(after: Duration) -> u64 {
    ceil_secs(after).max(1)
}

fn ceil_secs(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() != 0)
}

#[cfg(test)]
mod tests;
