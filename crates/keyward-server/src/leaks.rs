//! Leaked keys: a client that holds a secret may have its key revoked.
//!
//! The text of a secret is in here from the body of a request to its digest, and goes nowhere else:
//! into no log, no response and no reason.

mod book;
pub(crate) mod github;
mod reason;
pub(crate) mod report;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use keyward::UnixMillis;
use keyward::audit::Actor;
use keyward::digest::Digest;
use keyward::store::{LeakReport, StoreError};
use keyward_axum::Guard;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::routes::{Access, Routes};
use crate::settings::Settings;
use keyward_admin::broken;

use self::github::{GitHub, report_github_leaks};
use self::report::{Reports, report_leaks};

/// Digests that the store is asked about at once.
const DIGESTS_MAX: usize = 1_000;
/// Reports that are worked off at once.
const WORKED_OFF_MAX: u32 = 1_000;
/// Pause before revocations that were given up for the time being are tried again.
const LATE_PAUSE: Duration = Duration::from_secs(30);

/// The receiver of reports of leaked keys. A clone shares everything.
#[derive(Clone, Debug)]
pub(crate) struct Leaks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `None` if reports without authentication are off.
    reports: Option<Reports>,
    /// `None` if reports of GitHub are off.
    github: Option<GitHub>,
    /// Notified of reports that are kept and whose keys could not be revoked.
    late: Notify,
}

impl Leaks {
    /// Takes the reports that these settings ask for. Nothing is read from GitHub yet.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self(Arc::new(Inner {
            reports: settings.leak_reports.map(Reports::new),
            github: settings.github_leaks.as_ref().map(GitHub::new),
            late: Notify::new(),
        }))
    }

    /// The same, once the keys are revoked that were reported before: the server may have been
    /// killed between a response and the revocations that it promised.
    pub(crate) async fn start(settings: &Settings, guard: &Guard) -> anyhow::Result<Self> {
        work_off(guard).await.context("revoking the keys that were reported as leaked")?;
        let leaks = Self::new(settings);
        tokio::spawn(leaks.clone().work_off_late(guard.clone()));
        Ok(leaks)
    }

    /// Takes reports of everyone.
    #[cfg(test)]
    pub(crate) fn all() -> Self {
        let url = "http://127.0.0.1:1/".parse().unwrap();
        let reports = Some(Reports::new(std::num::NonZeroU32::MIN));
        let github = Some(GitHub::new(&url));
        Self(Arc::new(Inner { reports, github, late: Notify::new() }))
    }

    /// Adds the routes that are on. The others are as unknown as any.
    pub(crate) fn add_routes(&self, mut routes: Routes) -> Routes {
        if self.0.reports.is_some() {
            routes = routes.post("/leaks", Access::Open, report_leaks);
        }
        if self.0.github.is_some() {
            routes = routes.post("/leaks/github", Access::Open, report_github_leaks);
        }
        routes
    }

    /// Revokes, for as long as the server runs, the keys that could not be revoked when they were
    /// reported.
    async fn work_off_late(self, guard: Guard) {
        loop {
            self.0.late.notified().await;
            tokio::time::sleep(LATE_PAUSE).await;
            while let Err(error) = work_off(&guard).await {
                drop(broken(error));
                tokio::time::sleep(LATE_PAUSE).await;
            }
        }
    }

    /// Takes no more reports without authentication, and waits until the keys of earlier ones are
    /// revoked.
    pub(crate) async fn finish(&self) {
        if let Some(reports) = &self.0.reports {
            reports.finish().await;
        }
    }
}

/// Revokes the keys whose secrets were reported and that are not revoked yet.
///
/// # Errors
///
/// Returns [`StoreError`] if some key may not be revoked. Repeating is safe.
async fn work_off(guard: &Guard) -> Result<(), StoreError> {
    let store = guard.gate().store();
    loop {
        let reports = store.kept_leaks(WORKED_OFF_MAX).await?;
        if reports.is_empty() {
            return Ok(());
        }
        revoke_leaked(guard, &reports, &Actor::LeakReport).await?;
        store.forget_leaks(reports.iter().map(|report| report.digest).collect()).await?;
    }
}

/// Revokes the keys whose secrets leaked, and returns which of these were real: the present or a
/// former secret of a key in any state.
///
/// A secret that was replaced and whose grace has ended is accepted nowhere any more. It is real,
/// but its key is left alone: otherwise a leak that was dealt with by a rotation would, on each
/// later report of the old text, revoke the new secret too.
///
/// # Errors
///
/// Returns [`StoreError`] if some key may not be revoked. The others are. Repeating is safe.
async fn revoke_leaked(
    guard: &Guard,
    leaks: &[LeakReport],
    actor: &Actor,
) -> Result<HashSet<[u8; 32]>, StoreError> {
    let mut real = HashSet::new();
    let mut failure = None;
    for leaks in leaks.chunks(DIGESTS_MAX) {
        let reports: HashMap<_, _> =
            leaks.iter().map(|leak| (*leak.digest.as_bytes(), leak)).collect();
        let digests = leaks.iter().map(|leak| leak.digest).collect();
        let found = match guard.gate().store().find_digests(digests).await {
            Ok(found) => found,
            Err(error) => {
                failure = failure.or(Some(error));
                continue;
            }
        };
        let mut revoking = JoinSet::new();
        for (digest, _, key) in found {
            real.insert(*digest.as_bytes());
            let Some(report) = reports.get(digest.as_bytes()) else { continue };
            if is_over(guard, &digest, report.at) {
                continue;
            }
            let audit = guard.audit(actor.clone(), report.address, report.request_id.clone());
            let (guard, reason, id) = (guard.clone(), report.reason.clone(), key.key.id);
            revoking.spawn(async move {
                let done = guard.revoke(id, reason, audit).await;
                tracing::warn!(key = %id, done = done.is_ok(), "A secret of key {id} leaked");
                done
            });
        }
        while let Some(revoked) = revoking.join_next().await {
            let revoked = revoked.map_err(|error| StoreError::Unavailable(Box::new(error)));
            failure = failure.or(revoked.flatten().err());
        }
    }
    failure.map_or(Ok(real), Err)
}

/// Whether a secret was replaced and its grace has ended.
fn is_over(guard: &Guard, digest: &Digest, now: UnixMillis) -> bool {
    let found = guard.gate().index().find(digest);
    found.and_then(|found| found.ends_at).is_some_and(|ends_at| ends_at <= now)
}
