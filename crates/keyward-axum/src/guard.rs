//! The guard: a gate, a clock, and everything a web app does with them.

mod changes;
mod check;

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use http::Extensions;
use http::header::HeaderMap;
use keyward::audit::{Actor, Audit};
use keyward::gate::{Flushed, Gate};
use keyward::store::StoreError;
use keyward::time::Now;
use keyward::{Asked, Verdict};
use keyward_http::clock::Clock;
use keyward_http::failures::Failures;
use keyward_http::origin::TrustedProxies;
use keyward_http::rate_limit::RateLimitHeaders;

pub(crate) use self::changes::finished;
pub(crate) use self::check::{Asking, Checked};
use crate::peer::peer_address;

/// What guards an app. A clone shares everything; put one into the app's state.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    gate: Gate,
    clock: Box<dyn Clock>,
    failures: Failures,
    proxies: TrustedProxies,
    rate_limit_headers: RateLimitHeaders,
}

/// Tells guards apart while they live, as they do while they handle a request, without holding on
/// to them: all requests would count that up and down in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GuardId(usize);

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

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("gate", &self.0.gate).finish_non_exhaustive()
    }
}

impl Guard {
    /// A guard over this gate, by this clock.
    ///
    /// Keys that are restricted to networks, and the count of wrong keys, need to know where a
    /// request comes from: [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo) among its
    /// extensions, as axum puts it there. Without it, such keys are refused.
    #[must_use]
    pub fn new(gate: Gate, clock: impl Clock + 'static, options: GuardOptions) -> Self {
        let GuardOptions { failures_per_minute, trusted_proxies, rate_limit_headers } = options;
        // What an earlier start knew of the wall clock goes on from here.
        gate.follow(clock.now());
        Self(Arc::new(Inner {
            gate,
            clock: Box::new(clock),
            failures: Failures::new(failures_per_minute),
            proxies: trusted_proxies,
            rate_limit_headers,
        }))
    }

    /// Which header fields tell callers how they stand.
    pub(crate) fn rate_limit_headers(&self) -> RateLimitHeaders {
        self.0.rate_limit_headers
    }

    /// Which guard this is.
    pub(crate) fn id(&self) -> GuardId {
        GuardId(Arc::as_ptr(&self.0).addr())
    }

    /// The gate, for reading. Changes go through the guard, which sees them to their end.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// What time it is, and how late it may be; see [`Gate::judge`].
    #[must_use]
    pub fn now(&self) -> Now {
        self.0.gate.judge(self.0.clock.now())
    }

    /// Follows the wall clock, and says what time it is then; see [`Gate::follow`]. Upkeep does so
    /// about once a second.
    pub fn follow(&self) -> Now {
        self.0.clock.sync();
        self.0.gate.follow(self.0.clock.now())
    }

    /// What an audit entry says about a change that this actor makes now.
    #[must_use]
    pub fn audit(
        &self,
        actor: Actor,
        address: Option<IpAddr>,
        request_id: Option<String>,
    ) -> Audit {
        Audit { actor, at: self.0.clock.now().unix, address, request_id, once: None }
    }

    /// What an audit entry says about a change that the program makes now, on its own account.
    #[must_use]
    pub fn program(&self) -> Audit {
        Audit::program(self.0.clock.now().unix)
    }

    /// The address that a request comes from, as far as that is known.
    #[must_use]
    pub fn client_address(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
        self.0.proxies.client_address(headers, peer_address(extensions))
    }

    /// Moves all that was counted so far to the store; see [`Gate::flush`].
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if something is left, which the next flush takes.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let clock = || self.0.clock.now();
        loop {
            let Flushed { rows: _, more } = self.0.gate.flush(&clock).await?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Moves the latest reading of the clock to the store; see [`Gate::keep_reading`].
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if the store did not take it.
    pub async fn keep_reading(&self) -> Result<(), StoreError> {
        self.0.gate.keep_reading(&|| self.0.clock.now()).await
    }

    /// Decides about a text, by the guard's own clock: for credentials that come another way than
    /// in the headers of a request.
    ///
    /// # Errors
    ///
    /// Returns [`Denied`](keyward::Denied), the reason for the refusal.
    pub fn verify(&self, asked: &Asked<'_>) -> Verdict {
        self.0.gate.verify(asked, self.0.clock.now())
    }
}
