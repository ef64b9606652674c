//! Two guards whose keys share limits: the layer and the extractor wait for the store.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::routing::get;
use axum::{Router, response::Response};
use http::{Request, StatusCode};
use keyward_axum::keyward::audit::Audit;
use keyward_axum::keyward::gate::TierBefore;
use keyward_axum::keyward::issue::NewKey;
use keyward_axum::keyward::key::Prefix;
use keyward_axum::keyward::limit::{Limit, Limits};
use keyward_axum::keyward::memory::MemoryCluster;
use keyward_axum::keyward::{Asked, Gate};
use keyward_axum::keyward_http::verdicts::Outcome;
use keyward_axum::{Caller, Door, Guard, GuardOptions, SystemClock, Upkeep};
use tower::ServiceExt as _;

/// Two guards over one database, whose clock stands still, so that no bucket fills.
struct Two {
    cluster: MemoryCluster,
    guards: [Guard; 2],
    upkeep: [Upkeep; 2],
    routes: [Router; 2],
}

async fn node(cluster: &MemoryCluster, number: usize) -> (Guard, Upkeep, Router) {
    let gate = Gate::open(Arc::new(cluster.node(number)), Prefix::default()).await.unwrap();
    let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    let upkeep = Upkeep::start(guard.clone(), Duration::from_secs(1));
    let layered = Router::new().route("/layer", get(async || "layer")).layer(guard.layer());
    let costly =
        Router::new().route("/costly", get(async || "costly")).layer(guard.layer().cost(3));
    let routes = Router::new()
        .route("/extractor", get(async |caller: Caller| caller.name().to_owned()))
        .route("/either", get(async |caller: Option<Caller>| caller.is_some().to_string()))
        .layer(guard.responses())
        .merge(layered)
        .merge(costly)
        .with_state(guard.clone());
    (guard, upkeep, routes)
}

impl Two {
    async fn new() -> Self {
        let cluster = MemoryCluster::new(Duration::from_secs(2));
        let (one, other) = (node(&cluster, 1).await, node(&cluster, 2).await);
        let two = Self {
            cluster,
            guards: [one.0, other.0],
            upkeep: [one.1, other.1],
            routes: [one.2, other.2],
        };
        for at in [0, 1] {
            two.until(at, "wrong", StatusCode::UNAUTHORIZED).await;
        }
        two
    }

    async fn issue(&self, limits: Option<Limits>) -> String {
        let key = NewKey::plain("bot".parse().unwrap(), "basic".parse().unwrap(), None);
        let audit = self.guards[0].program();
        let issued = self.guards[0].issue(NewKey { limits, ..key }, audit).await.unwrap();
        let secret = issued.secret.expose().to_owned();
        // On a machine that is busy, both may be late.
        while self.guards.iter().any(|guard| guard.verify(&Asked::of(&secret)).is_err()) {
            tokio::task::yield_now().await;
        }
        secret
    }

    async fn get(&self, at: usize, path: &str, key: &str) -> Response {
        let request = Request::get(path).header("x-api-key", key).body(Body::empty()).unwrap();
        self.routes[at].clone().oneshot(request).await.unwrap()
    }

    /// Waits until a guard says this, which takes nothing.
    async fn until(&self, at: usize, key: &str, status: StatusCode) {
        while self.get(at, "/layer", key).await.status() != status {
            tokio::task::yield_now().await;
        }
    }

    async fn stop(self) {
        for upkeep in self.upkeep {
            upkeep.stop().await.unwrap();
        }
    }
}

fn limits(amount: u32) -> Limits {
    let amount = amount.try_into().unwrap();
    Limits::of(Limit::new("a", amount, Duration::from_secs(60), amount).ok())
}

#[tokio::test]
async fn requests_at_two_guards_take_from_one_limit() {
    let two = Two::new().await;
    let key = two.issue(Some(limits(7))).await;
    let mut left = Vec::new();
    for (at, path) in [(0, "/layer"), (1, "/extractor"), (0, "/either"), (1, "/layer")] {
        let response = two.get(at, path, &key).await;
        assert_eq!(response.status(), StatusCode::OK);
        left.push(response.headers()["x-ratelimit-remaining"].to_str().unwrap().to_owned());
    }
    assert_eq!(left, ["6", "5", "4", "3"]);
    // Many at once: 3 are left, and one that costs 3 takes all of them or none.
    let paths = ["/costly", "/costly", "/costly"];
    let all = paths.iter().enumerate().map(|(at, path)| two.get(at % 2, path, &key));
    let mut allowed = 0;
    for response in all.collect::<Vec<_>>() {
        let response = response.await;
        allowed += usize::from(response.status() == StatusCode::OK);
    }
    assert_eq!(allowed, 1);
    let denied = two.get(1, "/layer", &key).await;
    assert_eq!(denied.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(denied.headers()["retry-after"], "9");
    two.stop().await;
}

#[tokio::test]
async fn without_the_store_keys_with_limits_are_503_and_all_others_go_on() {
    let two = Two::new().await;
    let (limited, free) = (two.issue(None).await, two.issue(Some(Limits::of(None))).await);
    for at in [0, 1] {
        two.until(at, &limited, StatusCode::OK).await;
        two.until(at, &free, StatusCode::OK).await;
    }
    two.cluster.wire().hold();
    for path in ["/layer", "/extractor", "/either"] {
        let response = two.get(0, path, &limited).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(two.get(0, path, &free).await.status(), StatusCode::OK, "{path}");
    }
    assert_eq!(two.guards[0].verdicts().of(Door::Guard, Outcome::Unavailable), 3);
    let counts = two.guards[0].gate().ticket_counts().unwrap();
    assert_eq!((counts.wasted, counts.unavailable), (3, 3));
}

/// A guard that is late when it asks has its follower go on at once, and the request waits.
#[tokio::test]
async fn limits_that_change_hold_at_both_guards_at_once() {
    let two = Two::new().await;
    let key = two.issue(None).await;
    two.until(1, &key, StatusCode::OK).await;
    let audit: Audit = two.guards[0].program();
    let (name, before) = ("basic".parse().unwrap(), TierBefore::Any);
    two.guards[0].put_tier(name, limits(2), before, audit).await.unwrap();
    // The limit has another name, so that its bucket is full.
    let mut statuses = Vec::new();
    for at in [1, 0, 1, 0] {
        statuses.push(two.get(at, "/layer", &key).await.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
    two.stop().await;
}
