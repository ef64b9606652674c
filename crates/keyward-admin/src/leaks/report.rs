//! `POST /leaks`: any client that holds a secret may report that it leaked.
//!
//! The response does not reveal which secrets were real. It waits until the real ones are kept, for
//! just as long if there are none, so that its time reveals nothing either; the keys are revoked
//! after it.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{self, FromRef, Request};
use http::StatusCode;
use keyward::Now;
use keyward::audit::Actor;
use keyward::details::Reason;
use keyward::digest::Digest;
use keyward::key::Presented;
use keyward::store::{LeakReport, StoreError};
use keyward::time::SteadyNanos;
use keyward_api::body::{Known, RequestBody as _};
use keyward_api::leaks::{Received, ReportBody, ReportsBody};
use keyward_axum::input::Query;
use keyward_axum::throttle::Throttle;
use keyward_axum::{Guard, Rejection};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use super::book::Book;
use super::caught_up::CaughtUp;
use super::reason::Secrets;
use super::revoke::revoke_leaked;
use crate::body::read_whole;
use crate::failure::broken;
use crate::request_id::RequestId;
use crate::routes::{Access, Routes, route};

/// Most bytes of a body: a full list at its longest is 251 kB.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// Most requests whose response was sent and whose keys are still being revoked. With 100 reports
/// each, that is 6 400 revocations, at some 300 bytes.
const PENDING_MAX: u32 = 64;
/// How often it is tried at once to revoke the reported keys. A busy store keeps each try for 5 s,
/// and the stop of a server waits for the last.
const TRIES_MAX: u32 = 3;
/// Pause between two of them.
const TRY_PAUSE: Duration = Duration::from_secs(1);
/// Keys that are revoked at once. They take a commit or two, so that the next reports are kept in
/// the time that they take anyway, and the time of one response does not reveal the result of the
/// last.
const PART_LEN: usize = 8;
/// Pause before each part: the responses are on their way, and the next commit of reports is
/// not under way yet.
const PART_PAUSE: Duration = Duration::from_millis(5);

/// The state of reports without authentication. A clone shares everything.
#[derive(Clone, Debug)]
pub(super) struct Reports {
    addresses: Arc<Throttle>,
    book: Book,
    caught_up: CaughtUp,
    /// Each task that revokes holds a permit to its end.
    pending: Arc<Semaphore>,
    /// Notified of reports that are kept and whose keys could not be revoked.
    late: Arc<Notify>,
}

#[derive(Clone, FromRef)]
struct State {
    guard: Guard,
    reports: Reports,
}

/// The route of reports without authentication.
pub(super) fn routes(guard: &Guard, reports: &Reports) -> Routes {
    let state = State { guard: guard.clone(), reports: reports.clone() };
    Routes::new().add(Access::Open, route!(report_leaks)).with_state(&state)
}

impl Reports {
    /// Takes so many requests a minute from one address.
    pub(super) fn new(per_minute: NonZeroU32) -> Self {
        let pending = Semaphore::new(PENDING_MAX as usize);
        let addresses = Arc::new(Throttle::new(Some(per_minute)));
        let (pending, late) = (Arc::new(pending), Arc::default());
        Self { addresses, book: Book::new(), caught_up: CaughtUp::default(), pending, late }
    }

    /// Notified of reports that are kept and whose keys could not be revoked.
    pub(super) fn late(&self) -> Arc<Notify> {
        Arc::clone(&self.late)
    }

    fn admit(&self, address: Option<IpAddr>, now: SteadyNanos) -> Result<(), Rejection> {
        // Clients of unknown address are limited together.
        let address = address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        self.addresses.count(address, now).map_err(|retry_after| {
            Rejection::new(StatusCode::TOO_MANY_REQUESTS, "Too many reports")
                .retry_after(retry_after)
        })
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, Rejection> {
        Arc::clone(&self.pending).try_acquire_owned().map_err(|_| Rejection::unavailable())
    }

    /// Takes no more reports, and waits until all that were taken are dealt with.
    pub(super) async fn finish(&self) {
        // Once all permits are held here, no task has one.
        let all = self.pending.acquire_many(PENDING_MAX).await;
        self.pending.close();
        drop(all);
    }
}

/// Reports secrets that leaked. Each that is, or was, a key's has the key revoked.
///
/// The response is the same whether they were real or not, and so is its time. Once it is sent, the
/// keys are revoked even if the server is killed, at its next start at the latest.
/// The server has this only if `leak_reports` is set.
#[utoipa::path(
    post, path = "/leaks", tag = "leaks", request_body = ReportsBody,
    responses(
        (status = 202, description = "Received", body = Received),
        (status = 404, description = "Not Found"),
        (status = 429, description = "Too many reports"),
        (status = 503, description = "Service Unavailable"),
    ),
)]
pub(crate) async fn report_leaks(
    extract::State(guard): extract::State<Guard>,
    extract::State(reports): extract::State<Reports>,
    request: Request,
) -> Result<(StatusCode, Json<Received>), Rejection> {
    let (parts, body) = request.into_parts();
    let address = guard.client_address(&parts.headers, &parts.extensions);
    reports.admit(address, guard.clock().now().steady)?;
    let body = read_whole(body, BODY_BYTES_MAX).await?;
    let now = guard.clock().now();
    let (received, found) = read(parts.uri.query(), &body, now).map_err(Rejection::masked)?;
    let permit = reports.permit()?;
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.as_str().to_owned());
    let report = |(digest, reason)| {
        let request_id = request_id.clone();
        LeakReport { digest, reason, address, request_id, at: now.unix }
    };
    // Before any of them is looked up, so that the time reveals nothing.
    reports.caught_up.wait(&guard).await?;
    // Memory knows them, and takes as long for the others.
    let known = found.into_iter().filter(|(digest, _)| guard.gate().index().find(digest).is_some());
    let known: Vec<_> = known.map(report).collect();
    let (tell, told) = oneshot::channel();
    // The client may hang up: from here on the revocation no longer depends on it.
    tokio::spawn(async move {
        keep_and_revoke(&guard, &reports, known, tell).await;
        drop(permit);
    });
    told.await.map_err(|_| Rejection::unavailable())??;
    Ok((StatusCode::ACCEPTED, Json(Received { received })))
}

/// Keeps the reports, has the response sent, and revokes the keys; tries again if the store fails.
/// A revocation that fails is kept until it succeeds, at the latest when the server starts.
async fn keep_and_revoke(
    guard: &Guard,
    reports: &Reports,
    known: Vec<LeakReport>,
    tell: oneshot::Sender<Result<(), Rejection>>,
) {
    let kept = reports.book.keep(guard, known.clone()).await;
    let is_kept = kept.is_ok();
    drop(tell.send(kept));
    if !is_kept || known.is_empty() {
        return;
    }
    let (count, request_id) = (known.len(), known.first().and_then(|one| one.request_id.clone()));
    for tries_left in (0..TRIES_MAX).rev() {
        let Err(error) = revoke_in_parts(guard, &known).await else { return };
        drop(broken(error));
        if tries_left == 0 {
            tracing::error!(count, request_id, "Later is tried again what {count} reports named");
            reports.late.notify_one();
        } else {
            tracing::warn!(count, request_id, "Trying again what {count} reports named");
            tokio::time::sleep(TRY_PAUSE).await;
        }
    }
}

async fn revoke_in_parts(guard: &Guard, known: &[LeakReport]) -> Result<(), StoreError> {
    let mut done = Ok(());
    for part in known.chunks(PART_LEN) {
        tokio::time::sleep(PART_PAUSE).await;
        done = done.and(revoke_and_forget(guard, part).await);
    }
    done
}

async fn revoke_and_forget(guard: &Guard, known: &[LeakReport]) -> Result<(), StoreError> {
    revoke_leaked(guard, known, &Actor::LeakReport).await?;
    let digests = known.iter().map(|report| report.digest).collect();
    guard.gate().store().forget_leaks(digests).await
}

/// The digest of a reported secret, and the reason for the audit trail.
type Named = (Digest, Option<Reason>);

/// How many reports there were, and the reports whose text can be a key at all.
fn read(query: Option<&str>, body: &[u8], now: Now) -> Result<(usize, Vec<Named>), Rejection> {
    let faults = Query::parse(query).unknown(&[]);
    if !faults.is_empty() {
        return Err(Rejection::unprocessable(faults));
    }
    let known = Known { tiers: &[], now };
    let reports = ReportsBody::read(body, known)?.reports.0;
    let secrets = Secrets::of(reports.iter().map(|report| report.text.as_str()));
    let leak = |ReportBody { text, found_at }: &ReportBody| {
        let digest = Digest::of(Presented::parse(text).ok()?);
        let reason = secrets.reason("reported by the holder of its secret", found_at);
        Some((digest, reason))
    };
    Ok((reports.len(), reports.iter().filter_map(leak).collect()))
}

#[cfg(test)]
mod tests {
    use keyward::UnixMillis;

    use super::*;

    fn now() -> Now {
        Now::new(UnixMillis(0), SteadyNanos(0))
    }

    fn read_body(body: &str) -> Result<(usize, usize), Rejection> {
        read(None, body.as_bytes(), now()).map(|(received, leaks)| (received, leaks.len()))
    }

    fn report(text: &str) -> String {
        format!(r#"{{"text":"{text}","found_at":"https://example.com"}}"#)
    }

    fn body(reports: &[String]) -> String {
        format!(r#"{{"reports":[{}]}}"#, reports.join(","))
    }

    #[test]
    fn texts_that_can_be_no_keys_are_received_as_well() {
        let reports = [report("a"), report("with spaces in it"), report("could-be-one")];
        assert_eq!(read_body(&body(&reports)).unwrap(), (3, 1));
    }

    #[test]
    fn a_list_has_1_to_100_reports() {
        let of = |count| body(&vec![report("could-be-one"); count]);
        assert!(read_body(&of(0)).is_err());
        assert_eq!(read_body(&of(100)).unwrap(), (100, 100));
        assert!(read_body(&of(101)).is_err());
        let longest = body(&vec![
            format!(
                r#"{{"text":"{}","found_at":"{}"}}"#,
                "t".repeat(512),
                "f".repeat(2_000)
            );
            100
        ]);
        assert!(longest.len() < BODY_BYTES_MAX, "{}", longest.len());
        assert!(read_body(&longest).is_ok());
    }
}
