//! The guard: a gate, a clock, and everything a web app does with them.

mod check;

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::Extensions;
use http::header::HeaderMap;
use keyward::audit::{Actor, Audit};
use keyward::change::KeyChange;
use keyward::details::{Reason, StoredKey, Versions};
use keyward::gate::{ChangeError, Flushed, Gate, IssueError, PutTierError, TierBefore};
use keyward::issue::{Issued, NewKey, Rotated};
use keyward::query::OwnerDetails;
use keyward::record::{KeyId, Owner};
use keyward::store::{StoreError, TierDeleted, TierRecord};
use keyward::tier::TierName;
use keyward::time::Now;
use keyward::transfer::{ImportedKey, KeyCopy};
use keyward::{Asked, Verdict};
use tokio::task::{JoinError, JoinHandle};

pub(crate) use self::check::{Asking, Checked};
use crate::clock::Clock;
use crate::failures::Failures;
use crate::origin::TrustedProxies;
use crate::rate_limit::RateLimitHeaders;

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

    /// Takes the wall clock for right, on record, where it is in doubt; see [`Gate::accept_clock`].
    /// Only a person can know that it is right.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether that survives.
    pub async fn accept_clock(&self, audit: Audit) -> Result<bool, StoreError> {
        let guard = self.clone();
        let accepting = tokio::spawn(async move {
            let clock = || guard.0.clock.now();
            guard.0.gate.accept_clock(audit, &clock).await
        });
        finished(accepting).await?
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
        self.0.proxies.client_address(headers, extensions)
    }

    /// Issues a key; see [`Gate::issue`].
    ///
    /// # Errors
    ///
    /// Returns [`IssueError`] if no key was issued.
    pub async fn issue(&self, key: NewKey, audit: Audit) -> Result<Issued, IssueError> {
        let guard = self.clone();
        let issuing = tokio::spawn(async move { guard.0.gate.issue(key, audit).await });
        finished(issuing).await.map_err(IssueError::from)?
    }

    /// Changes a key; see [`Gate::change`]. It runs to its end even if the caller goes away, like
    /// all changes here.
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError`] if the key was not changed, or if that is not known.
    pub async fn change(
        &self,
        id: KeyId,
        change: KeyChange,
        expected: Option<Versions>,
        audit: Audit,
    ) -> Result<StoredKey, ChangeError> {
        let guard = self.clone();
        let changing = tokio::spawn(async move {
            guard.0.gate.change(id, change, expected, audit, &|| guard.0.clock.now()).await
        });
        finished(changing).await.map_err(ChangeError::from)?
    }

    /// Gives a key another secret; see [`Gate::rotate`].
    ///
    /// # Errors
    ///
    /// Returns [`ChangeError`]; then nobody holds a new secret that works.
    pub async fn rotate(
        &self,
        id: KeyId,
        grace: Duration,
        expected: Option<Versions>,
        audit: Audit,
    ) -> Result<Rotated, ChangeError> {
        let guard = self.clone();
        let rotating = tokio::spawn(async move {
            let clock = || guard.0.clock.now();
            guard.0.gate.rotate(id, grace, expected, audit, &clock).await
        });
        finished(rotating).await.map_err(ChangeError::from)?
    }

    /// Revokes a key; see [`Gate::revoke`].
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether the revocation survives.
    pub async fn revoke(
        &self,
        id: KeyId,
        reason: Option<Reason>,
        audit: Audit,
    ) -> Result<bool, StoreError> {
        let guard = self.clone();
        let revoking = tokio::spawn(async move { guard.0.gate.revoke(id, reason, audit).await });
        finished(revoking).await?
    }

    /// Suspends or resumes an owner with all keys; see [`Gate::set_owner_suspended`].
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether the change survives.
    pub async fn set_owner_suspended(
        &self,
        owner: Owner,
        suspended: bool,
        audit: Audit,
    ) -> Result<OwnerDetails, StoreError> {
        let guard = self.clone();
        let changing =
            tokio::spawn(
                async move { guard.0.gate.set_owner_suspended(owner, suspended, audit).await },
            );
        finished(changing).await?
    }

    /// Adds keys that came from elsewhere; see [`Gate::import`].
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known which were added.
    pub async fn import(
        &self,
        keys: Vec<KeyCopy>,
        dry_run: bool,
        audit: Audit,
    ) -> Result<Vec<ImportedKey>, StoreError> {
        let guard = self.clone();
        let importing = async move { guard.0.gate.import(keys, dry_run, audit).await };
        finished(tokio::spawn(importing)).await?
    }

    /// Writes a tier; see [`Gate::put_tier`].
    ///
    /// # Errors
    ///
    /// Returns [`PutTierError`] if the tier was not written.
    pub async fn put_tier(&self, tier: TierRecord, audit: Audit) -> Result<bool, PutTierError> {
        self.put_tier_if(tier, TierBefore::Any, audit).await
    }

    /// Writes a tier if it is what is expected; see [`Gate::put_tier_if`].
    ///
    /// # Errors
    ///
    /// Returns [`PutTierError`] if the tier was not written.
    pub async fn put_tier_if(
        &self,
        tier: TierRecord,
        before: TierBefore,
        audit: Audit,
    ) -> Result<bool, PutTierError> {
        let guard = self.clone();
        let putting = tokio::spawn(async move {
            guard.0.gate.put_tier_if(tier, before, audit, &|| guard.0.clock.now()).await
        });
        finished(putting).await.map_err(PutTierError::from)?
    }

    /// Deletes a tier that no key has; see [`Gate::delete_tier`].
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether the tier is gone.
    pub async fn delete_tier(
        &self,
        name: TierName,
        audit: Audit,
    ) -> Result<TierDeleted, StoreError> {
        let deleted = self.delete_tier_if(name, TierBefore::Any, audit).await?;
        Ok(deleted.unwrap_or(TierDeleted::Unknown))
    }

    /// Deletes a tier if it is what is expected; see [`Gate::delete_tier_if`].
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether the tier is gone.
    pub async fn delete_tier_if(
        &self,
        name: TierName,
        before: TierBefore,
        audit: Audit,
    ) -> Result<Option<TierDeleted>, StoreError> {
        let guard = self.clone();
        let deleting = async move { guard.0.gate.delete_tier_if(name, before, audit).await };
        finished(tokio::spawn(deleting)).await?
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

/// Waits for a change that runs as a task of its own, so that a client who hangs up half-way
/// cannot leave the store changed and memory not.
pub(crate) async fn finished<T>(change: JoinHandle<T>) -> Result<T, StoreError> {
    change.await.map_err(|error: JoinError| StoreError::Unavailable(Box::new(error)))
}
