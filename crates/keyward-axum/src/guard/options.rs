//! What may be set about a guard.

use std::num::NonZeroU32;

use crate::origin::TrustedProxies;
use crate::rate_limit::RateLimitHeaders;

/// What may be set about a guard. By default nothing is limited and no proxy is trusted.
#[derive(Clone, Debug, Default)]
pub struct GuardOptions {
    /// How many wrong keys one address may present a minute before it gets 429 instead of 401;
    /// `None` is no limit. Behind a proxy that is not trusted all callers share its address, and so
    /// do all whose address is not known.
    pub failures_per_minute: Option<NonZeroU32>,
    /// The proxies whose `X-Forwarded-For` tells where a request comes from.
    pub trusted_proxies: TrustedProxies,
    /// Which header fields tell callers how they stand with their limit; all, unless set.
    pub rate_limit_headers: RateLimitHeaders,
}
