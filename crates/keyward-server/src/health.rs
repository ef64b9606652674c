//! Whether the process runs (`GET /healthz`), and whether the store responds and upkeep goes on
//! (`GET /readyz`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
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

/// Reports whether changes can be made and counts are stored: whether the store responds and is
/// in order, upkeep goes on, and the clock is not in doubt.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "It is ready", body = Readiness),
    (status = 503, description = "Service Unavailable"),
))]
pub(crate) async fn show_readiness(
    State(guard): State<Guard>,
    State(store_check): State<StoreCheck>,
    State(pulse): State<Pulse>,
) -> Result<axum::Json<Readiness>, Rejection> {
    if !pulse.is_well() {
        return Err(Rejection::unavailable());
    }
    let now = guard.now();
    if now.is_in_doubt() {
        return Err(clock::in_doubt(now));
    }
    let check = async {
        let store = guard.gate().store();
        // The cause is logged where it is found.
        let is_well =
            store.trouble().is_none() || (store.mend().await.is_ok() && store.trouble().is_none());
        store.ping().await.map_err(|error| drop(broken(error))).is_ok() && is_well
    };
    if store_check.result(check).await {
        Ok(axum::Json(Readiness { status: Ready::Ready }))
    } else {
        Err(Rejection::unavailable())
    }
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
    use tokio::sync::oneshot;

    use super::*;

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
        assert!(tokio::time::timeout(std::time::Duration::ZERO, abandoned).await.is_err());
        assert!(store_check.result(async { true }).await);
    }
}
