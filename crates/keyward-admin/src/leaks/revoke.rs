//! Revoking the keys whose secrets leaked.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use keyward::UnixMillis;
use keyward::audit::Actor;
use keyward::digest::Digest;
use keyward::store::{LeakReport, StoreError};
use keyward_axum::Guard;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::failure::broken;

/// Digests that the store is asked about at once.
const DIGESTS_MAX: usize = 1_000;
/// Reports that are worked off at once.
const WORKED_OFF_MAX: u32 = 1_000;
/// Pause before revocations that were given up for the time being are tried again; and on a cluster
/// between two looks whether a node kept reports and was killed, which no start of it follows.
const LATE_PAUSE: Duration = Duration::from_secs(30);

/// Revokes, for as long as the app runs, the keys that could not be revoked when they were
/// reported; `late` is notified of such reports. On a cluster, those of other nodes too.
pub(super) async fn work_off_late(late: &Notify, guard: &Guard) {
    let is_alone = guard.gate().standing().is_none();
    loop {
        if is_alone {
            late.notified().await;
        }
        tokio::time::sleep(LATE_PAUSE).await;
        while let Err(error) = work_off(guard).await {
            drop(broken(error));
            tokio::time::sleep(LATE_PAUSE).await;
        }
    }
}

/// Revokes the keys whose secrets were reported and that are not revoked yet.
///
/// # Errors
///
/// Returns [`StoreError`] if some key may not be revoked. Repeating is safe.
pub(super) async fn work_off(guard: &Guard) -> Result<(), StoreError> {
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
pub(super) async fn revoke_leaked(
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
