//! The guard: a gate, a clock, and everything a web app does with them.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use http::Extensions;
use http::header::HeaderMap;
use keyward::gate::{Flushed, Gate, IssueError, PutTierError};
use keyward::issue::{Issued, NewKey};
use keyward::record::KeyId;
use keyward::store::{Actor, Audit, StoreError, TierRecord};
use keyward::time::Now;
use keyward::{Denied, Verdict};
use tokio::task::{JoinError, JoinHandle};

use crate::answer::Refusal;
use crate::clock::Clock;
use crate::credentials::{self, CredentialsError};
use crate::failures::Failures;

/// What guards an app. A clone shares everything; put one into the app's state.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    gate: Gate,
    clock: Box<dyn Clock>,
    failures: Failures,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("gate", &self.0.gate).finish_non_exhaustive()
    }
}

impl Guard {
    /// A guard over this gate, by this clock.
    ///
    /// `failures_per_minute` bounds how many wrong keys one peer address may present before it
    /// gets 429 instead of 401; `None` is no limit. It needs to know the peer:
    /// [`ConnectInfo<SocketAddr>`] among the request's extensions, as axum puts it there.
    /// Behind a proxy all callers share the proxy's address, so set it high or to `None`.
    #[must_use]
    pub fn new(
        gate: Gate,
        clock: impl Clock + 'static,
        failures_per_minute: Option<NonZeroU32>,
    ) -> Self {
        let failures = Failures::new(failures_per_minute);
        Self(Arc::new(Inner { gate, clock: Box::new(clock), failures }))
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

    /// What an audit entry says about a change that this actor makes now.
    #[must_use]
    pub fn audit(&self, actor: Actor, request_id: Option<String>) -> Audit {
        Audit { actor, at: self.0.clock.now().unix, request_id }
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

    /// Revokes a key; see [`Gate::revoke`]. It runs to its end even if the caller goes away.
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if it is not known whether the revocation survives.
    pub async fn revoke(&self, id: KeyId, audit: Audit) -> Result<bool, StoreError> {
        let guard = self.clone();
        finished(tokio::spawn(async move { guard.0.gate.revoke(id, audit).await })).await?
    }

    /// Writes a tier; see [`Gate::put_tier`]. It runs to its end even if the caller goes away.
    ///
    /// # Errors
    ///
    /// Returns [`PutTierError`] if the tier was not written.
    pub async fn put_tier(&self, tier: TierRecord, audit: Audit) -> Result<bool, PutTierError> {
        let guard = self.clone();
        let now = self.0.clock.now().steady;
        let putting = tokio::spawn(async move { guard.0.gate.put_tier(tier, audit, now).await });
        finished(putting).await.map_err(PutTierError::from)?
    }

    /// Moves all that was counted so far to the store; see [`Gate::flush`].
    ///
    /// # Errors
    ///
    /// Returns [`StoreError`] if something is left, which the next flush takes.
    pub async fn flush(&self) -> Result<(), StoreError> {
        loop {
            let Flushed { rows: _, more } = self.0.gate.flush(self.0.clock.now().unix).await?;
            if !more {
                return Ok(());
            }
        }
    }

    /// Decides about the key that a request presents.
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        extensions: &Extensions,
        scope: Option<&str>,
    ) -> Checked {
        let text = match credentials::find(headers) {
            Ok(Some(text)) => text,
            Ok(None) => return Checked::NoKey,
            Err(CredentialsError::Several) => return Checked::Refused(Refusal::several_keys()),
            Err(CredentialsError::BadFormat) => return Checked::Refused(Refusal::bad_format()),
        };
        let now = self.0.clock.now();
        match self.0.gate.verify(text, scope, now) {
            Ok(caller) => Checked::Allowed(caller, now),
            Err(denied) => Checked::Refused(self.refuse(&denied, extensions, scope, now)),
        }
    }

    fn refuse(
        &self,
        denied: &Denied,
        extensions: &Extensions,
        scope: Option<&str>,
        now: Now,
    ) -> Refusal {
        let key_works = matches!(denied, Denied::Limited(_) | Denied::OutOfScope);
        let peer = extensions.get::<ConnectInfo<SocketAddr>>();
        if let Some(ConnectInfo(peer)) = peer.filter(|_| !key_works)
            && let Err(retry_after) = self.0.failures.count(peer.ip(), now.steady)
        {
            return Refusal::limited(retry_after);
        }
        Refusal::denied(denied, scope, now.unix)
    }

    /// Decides about a text, by the guard's own clock: for credentials that come another way than
    /// in the headers of a request.
    ///
    /// # Errors
    ///
    /// Returns [`Denied`], the reason for the refusal.
    pub fn verify(&self, text: &str, scope: Option<&str>) -> Verdict {
        self.0.gate.verify(text, scope, self.0.clock.now())
    }
}

/// What [`Guard::check`] found.
pub(crate) enum Checked {
    /// The request presents no key at all.
    NoKey,
    /// The key works.
    Allowed(keyward::Caller, Now),
    /// It does not, or it is not one key.
    Refused(Refusal),
}

/// Waits for a change that runs as a task of its own, so that a client who hangs up half-way
/// cannot leave the store changed and memory not.
async fn finished<T>(change: JoinHandle<T>) -> Result<T, StoreError> {
    change.await.map_err(|error: JoinError| StoreError::Unavailable(Box::new(error)))
}
