//! Whether the process runs (`GET /healthz`), and whether it should get requests (`GET /readyz`):
//! the store responds, or as one of several nodes the process has heard from it lately; upkeep goes
//! on, and nothing has asked for the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use http::StatusCode;
use keyward::gate::Standing;
use keyward::time::Now;
use keyward_api::clock;
use keyward_axum::{Guard, Pulse, Rejection};
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;

use keyward_admin::broken;

/// The check whether the store responds, which any client may trigger. One check runs at a time,
/// and all waiting requests share its result, so that unauthenticated clients cannot keep the store
/// busy. A clone shares everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoreCheck(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// How many checks have ended. It is read to learn whether another one ended meanwhile, and
    /// changes only under the lock, which orders everything.
    ended: AtomicU64,
    /// The last result. Held while the check runs; if the client that triggered it hangs up, the
    /// next waiting one runs it.
    last: Mutex<bool>,
}

impl StoreCheck {
    /// Whether the store responds: the result of `check`, or of one that another request made
    /// meanwhile.
    async fn result(&self, check: impl Future<Output = bool>) -> bool {
        let ended = self.0.ended.load(Ordering::Relaxed);
        let mut last = self.0.last.lock().await;
        if self.0.ended.load(Ordering::Relaxed) == ended {
            *last = check.await;
            self.0.ended.fetch_add(1, Ordering::Relaxed);
        }
        *last
    }
}

/// By how much the wall clock of a node may differ from the store's.
const WALL_MAX_MS: u64 = 30_000;

/// Whether the end was asked for. A clone shares it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stopping(
    /// Relaxed: a moment sooner or later are both right.
    Arc<AtomicBool>,
);

impl Stopping {
    /// Lets load balancers send requests elsewhere from now on.
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Reports that the process runs.
#[utoipa::path(get, path = "/healthz", tag = "health", responses(
    (status = 200, description = "It runs", body = Health),
))]
pub(crate) async fn show_health() -> axum::Json<Health> {
    axum::Json(Health { status: Status::Ok })
}

/// That the process runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(inline)]
    status: Status,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
}

/// Reports whether to send requests here: whether the store responds and is in order, upkeep goes
/// on, the clock is not in doubt, and the program is not about to stop.
///
/// A node of a cluster does not ask the store: it is ready while it has heard from it within the
/// lease, and its wall clock differs from the store's by less than 30 s.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "It is ready", body = Readiness),
    (status = 503, description = "Service Unavailable"),
))]
pub(crate) async fn show_readiness(
    State(guard): State<Guard>,
    State(store_check): State<StoreCheck>,
    State(pulse): State<Pulse>,
    State(stopping): State<Stopping>,
) -> Result<axum::Json<Readiness>, Rejection> {
    if stopping.has_begun() {
        return Err(unready("The server is about to stop"));
    }
    if !pulse.is_well() {
        return Err(Rejection::unavailable());
    }
    let now = guard.now();
    if now.is_in_doubt() {
        return Err(clock::in_doubt(now));
    }
    match guard.gate().standing() {
        Some(standing) => check_node(&standing, now)?,
        None => check_store(&guard, &store_check).await?,
    }
    Ok(axum::Json(Readiness { status: Ready::Ready }))
}

/// A node decides by its lease, so its readiness depends on that; and if nodes asked a store that
/// is slow, all of them would be out of service at once.
fn check_node(standing: &Standing, now: Now) -> Result<(), Rejection> {
    if standing.lease_until <= now.steady {
        return Err(unready("This node has not heard from the database for the time of its lease"));
    }
    if WALL_MAX_MS <= standing.wall_ahead_ms.unsigned_abs() {
        return Err(unready("The clocks of this node and of the database differ by 30 s or more"));
    }
    Ok(())
}

async fn check_store(guard: &Guard, store_check: &StoreCheck) -> Result<(), Rejection> {
    let check = async {
        let store = guard.gate().store();
        // The cause is logged where it is found.
        let is_well =
            store.trouble().is_none() || (store.mend().await.is_ok() && store.trouble().is_none());
        store.ping().await.map_err(|error| drop(broken(error))).is_ok() && is_well
    };
    if store_check.result(check).await { Ok(()) } else { Err(Rejection::unavailable()) }
}

fn unready(why: &'static str) -> Rejection {
    Rejection::new(StatusCode::SERVICE_UNAVAILABLE, why).retry_after(Duration::ZERO)
}

/// That changes can be made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    #[schema(inline)]
    status: Ready,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Ready {
    Ready,
}

#[cfg(test)]
mod tests {
    use keyward::audit::ChangeId;
    use keyward::time::{SteadyNanos, UnixMillis};
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn a_node_is_ready_while_its_lease_holds_and_its_clock_is_about_right() {
        let ready = |until: u64, wall_ahead_ms: i64| {
            let standing = Standing {
                lease: Duration::from_secs(5),
                lease_until: SteadyNanos(until),
                applied: ChangeId(1),
                waiting: 0,
                settled: 0,
                settled_by_clock: 0,
                expelled: 0,
                diverged: 0,
                dropped: 0,
                unreadable: 0,
                wall_ahead_ms,
            };
            check_node(&standing, Now::new(UnixMillis(0), SteadyNanos(100))).is_ok()
        };
        assert_eq!((ready(101, 0), ready(100, 0), ready(0, 0)), (true, false, false));
        assert_eq!((ready(101, 29_999), ready(101, 30_000)), (true, false));
        assert_eq!((ready(101, -29_999), ready(101, -30_000)), (true, false));
        assert!(!ready(101, i64::MIN));
    }

    #[tokio::test]
    async fn one_check_of_the_store_serves_all_waiting_requests() {
        let (store_check, (send, received)) = (StoreCheck::default(), oneshot::channel());
        let first = store_check.result(async { received.await.unwrap() });
        let second = store_check.result(async { panic!("the store is checked twice") });
        // They are polled in this order: both wait when the result comes.
        let (first, second, sent) = tokio::join!(first, second, async { send.send(true) });
        assert_eq!((first, second, sent), (true, true, Ok(())));
        // A later request checks anew.
        assert!(!store_check.result(async { false }).await);
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_leaves_the_check_to_the_next() {
        let store_check = StoreCheck::default();
        let abandoned = store_check.result(std::future::pending());
        assert!(tokio::time::timeout(Duration::ZERO, abandoned).await.is_err());
        assert!(store_check.result(async { true }).await);
    }
}
