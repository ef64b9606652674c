//! Verdicts, as responses have them.

use http::header::HeaderMap;
use keyward::limit::{Exceeded, Standing};
use keyward::{Denied, KeyRef, UnixMillis};
use keyward_http::rate_limit::retry_secs;
use keyward_http::{Authenticated, Rejection};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::limit::LimitState;
use crate::shapes::{KeyNameText, KeyNumber, OwnerText, ScopeText, TierText, Time};

/// Whether a request is allowed, with all that its response needs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RequestVerdict)]
pub struct VerdictView<'a> {
    /// Whether the request is allowed.
    pub valid: bool,
    /// The verdict in one word, for the operator's log and not for the client.
    pub verdict: VerdictWord,
    /// The status of the response to the client; 200 stands for the service's own.
    #[schema(minimum = 200, maximum = 599)]
    pub status: u16,
    /// The `detail` of that response; `null` if the request is allowed.
    #[schema(required)]
    #[schema(value_type = Option<String>)]
    pub detail: Option<&'a str>,
    /// The key that was presented, whether it works or not; `null` if it is unknown.
    #[schema(required)]
    #[schema(value_type = Option<ShownKey<'_>>)]
    pub key: Option<ShownKey<'a>>,
    /// The state of the limit with the smallest remaining, or of the one with the longest wait;
    /// `null` if there is none, or if nothing was asked of it.
    #[schema(required)]
    #[schema(value_type = Option<AskedLimit>)]
    pub limit: Option<AskedLimit>,
    /// Header fields of the response to the client. Its own `Cache-Control` and `Vary` go before.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub headers: HeadersView<'a>,
}

/// A verdict for each request of a batch, in their order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RequestVerdicts)]
pub struct VerdictsView<'a> {
    #[schema(max_items = 100)]
    pub results: Vec<VerdictView<'a>>,
}

/// The verdict on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = VerdictWord)]
pub enum VerdictWord {
    /// The request is allowed.
    Allowed,
    /// No such key was ever issued.
    Unknown,
    Revoked,
    /// The key or its owner is suspended.
    Suspended,
    Expired,
    /// The secret was replaced by a rotation, and its grace has ended.
    Replaced,
    /// The key may not be used from this address.
    OutOfNetwork,
    /// The key lacks a scope.
    OutOfScope,
    /// A limit is reached.
    Limited,
    /// The cost is above the burst of a limit: waiting does not help.
    TooCostly,
    /// The key works, and the store did not say in time whether a limit is reached that several
    /// nodes share. The request may have taken its cost.
    Unavailable,
}

impl VerdictWord {
    /// The word of a rejection. `None` if it is no verdict: it is unknown whether the request is
    /// allowed, or the address presented too many wrong keys.
    #[must_use]
    pub fn of_rejection(rejection: &Rejection) -> Option<Self> {
        Self::of(rejection.denied()?)
    }

    /// The word of a denial; `None` if nothing could be decided.
    fn of(denied: &Denied) -> Option<Self> {
        match denied {
            Denied::Unknown => Some(Self::Unknown),
            Denied::Revoked(_) => Some(Self::Revoked),
            Denied::Suspended(_) => Some(Self::Suspended),
            Denied::Expired(_) => Some(Self::Expired),
            Denied::Replaced(_) => Some(Self::Replaced),
            Denied::OutOfNetwork(_) => Some(Self::OutOfNetwork),
            Denied::OutOfScope(_) => Some(Self::OutOfScope),
            Denied::Limited(..) => Some(Self::Limited),
            Denied::TooCostly(_) => Some(Self::TooCostly),
            Denied::Unavailable(_) => Some(Self::Unavailable),
            Denied::Uncertain | Denied::ClockInDoubt(_) => None,
        }
    }
}

impl<'a> VerdictView<'a> {
    /// The verdict that a request is allowed; `headers` are those of its response.
    #[must_use]
    pub fn allowed(allowed: &'a Authenticated, headers: &'a HeaderMap) -> Self {
        let Authenticated { caller, at, .. } = allowed;
        let limit = caller.standing().map(|one| AskedLimit::passed(&one, at.unix));
        Self {
            valid: true,
            verdict: VerdictWord::Allowed,
            status: 200,
            detail: None,
            key: Some(ShownKey::of(caller.key())),
            limit,
            headers: HeadersView(headers),
        }
    }

    /// The verdict that a request is denied; `None` if [`VerdictWord::of_rejection`] has no word.
    #[must_use]
    pub fn denied(rejection: &'a Rejection) -> Option<Self> {
        let verdict = VerdictWord::of_rejection(rejection)?;
        let (denied, at) = (rejection.denied()?, rejection.denied_at()?);
        let limit = if let Denied::Limited(_, exceeded) = denied {
            AskedLimit::exceeded(exceeded, at)
        } else {
            None
        };
        Some(Self {
            valid: false,
            verdict,
            status: rejection.status().as_u16(),
            detail: Some(rejection.detail()),
            key: denied.key().map(ShownKey::of),
            limit,
            headers: HeadersView(rejection.headers()),
        })
    }
}

/// A key, as a service sees it on whose behalf it was verified.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShownKey)]
pub struct ShownKey<'a> {
    #[schema(value_type = KeyNumber)]
    key_id: u64,
    #[schema(value_type = KeyNameText)]
    name: &'a str,
    #[schema(value_type = TierText)]
    tier: &'a str,
    #[schema(required, value_type = Option<OwnerText>)]
    owner: Option<&'a str>,
    #[schema(value_type = Vec<ScopeText>, max_items = 32)]
    scopes: Vec<&'a str>,
    /// The first instant at which it no longer works; `null` is never.
    #[schema(required)]
    expires_at: Option<Time>,
    /// What its holder noted about it.
    #[schema(value_type = Object)]
    metadata: &'a RawValue,
}

impl<'a> ShownKey<'a> {
    fn of(key: &'a KeyRef) -> Self {
        Self {
            key_id: key.key_id().get(),
            name: key.name(),
            tier: key.tier(),
            owner: key.owner(),
            scopes: key.scopes().collect(),
            expires_at: key.expires_at().map(Time),
            // It was JSON when it was stored.
            metadata: serde_json::from_str(key.metadata()).unwrap_or(RawValue::NULL),
        }
    }
}

/// The state of a limit, and how long to wait for it.
#[derive(Debug, Serialize, ToSchema)]
pub struct AskedLimit {
    #[serde(flatten)]
    state: LimitState,
    /// How long to wait, in whole seconds, at least 1; `null` if there is no need to.
    #[schema(required, minimum = 1)]
    retry_after: Option<u64>,
}

impl AskedLimit {
    fn passed(standing: &Standing, now: UnixMillis) -> Self {
        Self { state: LimitState::of(standing, now), retry_after: None }
    }

    fn exceeded(exceeded: &Exceeded, now: UnixMillis) -> Option<Self> {
        let Exceeded { standings, retry_after } = exceeded;
        let state = LimitState::reached(&standings.shown()?, *retry_after, now);
        Some(Self { state, retry_after: Some(retry_secs(*retry_after)) })
    }
}

/// Header fields, each by its name in the usual spelling.
#[derive(Debug)]
pub struct HeadersView<'a>(&'a HeaderMap);

impl Serialize for HeadersView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self
            .0
            .iter()
            .filter_map(|(name, value)| Some((spelling(name.as_str()), value.to_str().ok()?)));
        serializer.collect_map(fields)
    }
}

/// The usual spelling of the fields that a verdict has.
fn spelling(name: &str) -> &str {
    match name {
        "cache-control" => "Cache-Control",
        "ratelimit" => "RateLimit",
        "ratelimit-policy" => "RateLimit-Policy",
        "retry-after" => "Retry-After",
        "vary" => "Vary",
        "www-authenticate" => "WWW-Authenticate",
        "x-ratelimit-limit" => "X-RateLimit-Limit",
        "x-ratelimit-remaining" => "X-RateLimit-Remaining",
        "x-ratelimit-reset" => "X-RateLimit-Reset",
        other => other,
    }
}
