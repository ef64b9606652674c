//! What the control plane has counted: plain numbers, for an app that shows metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a control plane has counted since it was opened. No number in it ever decreases, and no
/// word in it is chosen by a client.
///
/// ```
/// use keyward_admin::AdminCounts;
///
/// // The value of a control plane that has had no request.
/// let counts = AdminCounts::default();
/// assert!(counts.rejections.is_empty() && counts.leak_reports.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminCounts {
    /// Requests that were rejected for who sent them, by the reason: `address`, `no_key`,
    /// `wrong_key`, `too_many_wrong_keys`, `wrong_token`, `too_many_wrong_tokens`, `no_role`,
    /// `not_configured`, and `unavailable` where it could not be known.
    pub rejections: Vec<(&'static str, u64)>,
    /// Readings of the issuer's keys, by their result: `ok` or `error`.
    pub oidc_key_fetches: Vec<(&'static str, u64)>,
    /// Reports of leaked keys, by their source, `anyone` or `github`, and by their result:
    /// `accepted` or `rejected`.
    pub leak_reports: Vec<(&'static str, &'static str, u64)>,
}

/// A number that goes up. A clone shares it. Relaxed: a number to look at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<AtomicU64>);

impl Count {
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often something succeeded and how often it failed. A clone shares both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    pub(crate) ok: Count,
    pub(crate) failed: Count,
}

impl Results {
    pub(crate) fn count(&self, is_ok: bool) {
        if is_ok { self.ok.up() } else { self.failed.up() }
    }
}

/// Why a request to the control plane is rejected for who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Address,
    NoKey,
    WrongKey,
    TooManyWrongKeys,
    WrongToken,
    TooManyWrongTokens,
    NoRole,
    NotConfigured,
    Unavailable,
}

impl Reason {
    const ALL: [Self; 9] = [
        Self::Address,
        Self::NoKey,
        Self::WrongKey,
        Self::TooManyWrongKeys,
        Self::WrongToken,
        Self::TooManyWrongTokens,
        Self::NoRole,
        Self::NotConfigured,
        Self::Unavailable,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::NoKey => "no_key",
            Self::WrongKey => "wrong_key",
            Self::TooManyWrongKeys => "too_many_wrong_keys",
            Self::WrongToken => "wrong_token",
            Self::TooManyWrongTokens => "too_many_wrong_tokens",
            Self::NoRole => "no_role",
            Self::NotConfigured => "not_configured",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What authentication counts. A clone shares everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccessCounts {
    rejections: Arc<[AtomicU64; Reason::ALL.len()]>,
    pub(crate) key_fetches: Results,
}

impl AccessCounts {
    pub(crate) fn rejected(&self, reason: Reason) {
        if let Some(count) = self.rejections.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn rejections(&self) -> Vec<(&'static str, u64)> {
        let counts = self.rejections.iter().map(|count| count.load(Ordering::Relaxed));
        Reason::ALL.map(Reason::as_str).into_iter().zip(counts).collect()
    }
}
