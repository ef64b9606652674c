//! The response to a denied request: the only code that makes HTTP of a denial.

use http::StatusCode;
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use keyward::{Denied, UnixMillis};

use super::Rejection;
use crate::rate_limit::RateLimitHeaders;

/// The response to a denied request, and whether it counts as a failure of its address.
#[derive(Debug)]
pub(crate) enum DeniedAs {
    /// The key works, but not for this request, or it is uncertain whether it works: it does not
    /// count as a wrong key of the address.
    NoWrongKey(Rejection),
    /// The key does not work: it counts as a wrong one of the address.
    WrongKey(Rejection),
}

impl Rejection {
    /// 401: the key does not work.
    fn wrong_key() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Invalid or inactive API key")
            .header(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer error="invalid_token""#))
    }

    /// The response to a denial at `at`, where `scopes` were required; `told` selects the header
    /// fields that report the limits. No other function maps a denial to HTTP.
    ///
    /// Unknown, revoked, suspended and expired keys look the same from outside, so that a response
    /// does not show an attacker which keys exist.
    pub(crate) fn of_denied(
        denied: Denied,
        scopes: &[&str],
        at: UnixMillis,
        told: RateLimitHeaders,
    ) -> DeniedAs {
        let mut response = Self::of_reason(&denied, scopes, at, told);
        let (DeniedAs::NoWrongKey(rejection) | DeniedAs::WrongKey(rejection)) = &mut response;
        rejection.denied = Some(Box::new((denied, at)));
        response
    }

    fn of_reason(
        denied: &Denied,
        scopes: &[&str],
        at: UnixMillis,
        told: RateLimitHeaders,
    ) -> DeniedAs {
        match denied {
            Denied::Limited(_, exceeded) => {
                let mut rejection = Self::limited(exceeded.retry_after);
                told.write_refused(&mut rejection.headers, exceeded, at);
                DeniedAs::NoWrongKey(rejection)
            }
            // Waiting does not help, so there is no `Retry-After`.
            Denied::TooCostly(_) => {
                let detail = "Request costs more than its limit ever allows";
                DeniedAs::NoWrongKey(Self::new(StatusCode::FORBIDDEN, detail))
            }
            Denied::OutOfScope(_) => DeniedAs::NoWrongKey(Self::out_of_scope(&scopes.join(" "))),
            // The caller has presented the secret, so this shows an attacker nothing.
            Denied::OutOfNetwork(_) => {
                DeniedAs::NoWrongKey(Self::new(StatusCode::FORBIDDEN, "Address not allowed"))
            }
            // It works by one reading of the clock, or it was not looked for, or the store said
            // nothing about its limits.
            Denied::ClockInDoubt(_) | Denied::Uncertain | Denied::Unavailable(_) => {
                DeniedAs::NoWrongKey(Self::unavailable())
            }
            Denied::Unknown
            | Denied::Suspended(_)
            | Denied::Revoked(_)
            | Denied::Expired(_)
            | Denied::Replaced(_) => DeniedAs::WrongKey(Self::wrong_key()),
        }
    }
}
