//! The same for every door: while memory may decide nothing, none lets a request in.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use keyward::issue::NewKey;
use keyward::key::Prefix;
use keyward::limit::{Cost, Limit, Limits, Revision};
use keyward::memory::MemoryCluster;
use keyward::store::Tickets as _;
use keyward::ticket::{Ask, Terms, Ticket};
use keyward::time::SteadyNanos;
use keyward::{Asked, Gate, KeyId};
use keyward_axum::{Guard, GuardOptions, SystemClock, Upkeep, testing};
use serde_json::json;
use tower::ServiceExt as _;

use super::*;

/// Asks each door but gRPC's about a key, and returns the door, the status, `Retry-After` and the
/// body.
async fn ask(router: &Router, secret: &str) -> Vec<Told> {
    ask_but(router, secret, "").await
}

/// A door, the status, `Retry-After` and the body.
type Told = (&'static str, u16, Option<String>, String);

/// The same, but for one door.
async fn ask_but(router: &Router, secret: &str, but: &str) -> Vec<Told> {
    let verify = json!({ "key": secret }).to_string();
    let batch = json!({ "requests": [{ "key": secret }] }).to_string();
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    let asks = [
        (Method::POST, "/verify", json, verify),
        (Method::POST, "/verify/batch", json, batch),
        (Method::GET, "/doors/forwarded", json, String::new()),
        (Method::GET, "/doors/haproxy", json, String::new()),
        (Method::GET, "/doors/envoy", json, String::new()),
        (Method::GET, "/doors/nginx", json, String::new()),
        (Method::POST, "/introspect", form, format!("token={secret}")),
    ];
    let mut told = Vec::new();
    for (method, path, media_type, body) in asks.into_iter().filter(|ask| ask.1 != but) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media_type)
            .header("x-api-key", secret)
            .header("x-forwarded-for", "192.0.2.1")
            .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 50_000))))
            .body(Body::from(body))
            .unwrap();
        let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
        let retry_after = parts.headers.get("retry-after").map(|it| it.to_str().unwrap().into());
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        // nginx lets no other status pass.
        let true_one = parts.headers.get("x-keyward-status").filter(|_| path == "/doors/nginx");
        let status = true_one.map(|status| status.to_str().unwrap().parse().unwrap());
        told.push((path, status.unwrap_or(parts.status.as_u16()), retry_after, body));
    }
    told
}

#[tokio::test]
async fn no_door_lets_a_request_in_while_memory_may_decide_nothing() {
    let (guard, _clock) = testing::guard().await;
    let secret = testing::issue(&guard, "weather-bot").await;
    let router: Router = Doors::new(guard.clone(), DoorOptions::default()).routes().into_router();
    let lease = guard.gate().index().lease();
    lease.end();
    for (path, status, retry_after, body) in ask(&router, &secret).await {
        assert_eq!((status, retry_after.as_deref()), (503, Some("1")), "{path}: {body}");
        let expected = match path {
            "/introspect" => r#"{"error":"temporarily_unavailable"}"#,
            "/doors/nginx" => "",
            _ => r#"{"detail":"Service Unavailable"}"#,
        };
        assert_eq!(body, expected, "{path}");
    }
    let counted = |outcome: &str| {
        let all = guard.verdicts().iter().filter(|(_, of, _)| of.as_str() == outcome);
        all.map(|(_, _, count)| count).sum::<u64>()
    };
    assert_eq!(counted("unavailable"), 7);
    assert_eq!(guard.gate().usage().unknown(), 0);
    lease.grant(SteadyNanos::NEVER);
    for (path, status, _, body) in ask(&router, &secret).await {
        assert_eq!(status, 200, "{path}: {body}");
    }
    assert_eq!((counted("unavailable"), counted("allowed")), (7, 6));
}

/// A door of a node whose limits others share, and the secret of a key with 6 requests a minute.
async fn sharing() -> (MemoryCluster, Guard, Upkeep, String) {
    let lease = Duration::from_secs(5);
    let cluster = MemoryCluster::new(lease);
    let gate = Gate::open(Arc::new(cluster.node(1)), Prefix::default()).await.unwrap();
    let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    let upkeep = Upkeep::start(guard.clone(), lease);
    let key = NewKey::plain("bot".parse().unwrap(), "basic".parse().unwrap(), None);
    let key = NewKey { limits: Some(six_a_minute()), ..key };
    let issued = guard.issue(key, guard.program()).await.unwrap();
    let secret = issued.secret.expose().to_owned();
    while guard.verify(&Asked::of(&secret)).is_err() {
        tokio::task::yield_now().await;
    }
    (cluster, guard, upkeep, secret)
}

fn six_a_minute() -> Limits {
    let six = NonZeroU32::new(6).unwrap();
    Limits::of(Limit::new("a", six, Duration::from_secs(60), six).ok())
}

#[tokio::test]
async fn every_door_takes_from_limits_that_nodes_share() {
    let (cluster, guard, upkeep, secret) = sharing().await;
    let router: Router = Doors::new(guard.clone(), DoorOptions::default()).routes().into_router();
    // Another node takes one of the six.
    let other = cluster.node(2);
    let own = Terms::of_key(KeyId::new(1).unwrap(), six_a_minute(), Revision(0));
    let taken = other.take(Ask { own, owner: None, cost: Cost::ONE }).await;
    assert!(matches!(taken, Ticket::Granted(_)));
    let told = ask(&router, &secret).await;
    for (path, status, _, body) in &told[..5] {
        assert_eq!(*status, 200, "{path}: {body}");
    }
    let (path, status, retry_after, _) = &told[5];
    assert_eq!((*path, *status, retry_after.as_deref()), ("/doors/nginx", 429, Some("10")));
    // A question takes nothing.
    assert_eq!((told[6].0, told[6].1), ("/introspect", 200));
    upkeep.stop().await.unwrap();
}

#[tokio::test]
async fn without_the_store_no_door_lets_a_key_with_limits_in() {
    let (cluster, guard, upkeep, secret) = sharing().await;
    let router: Router = Doors::new(guard.clone(), DoorOptions::default()).routes().into_router();
    cluster.wire().hold();
    // Introspection reads the time of issue from the store.
    for (path, status, retry_after, body) in ask_but(&router, &secret, "/introspect").await {
        let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let verdict = match path {
            "/verify" => Some(&body),
            "/verify/batch" => Some(&body["results"][0]),
            _ => None,
        };
        if let Some(verdict) = verdict {
            let words = [&verdict["valid"], &verdict["verdict"], &verdict["status"]];
            assert_eq!(words, [&json!(false), &json!("unavailable"), &json!(503)], "{path}");
            assert_eq!(verdict["headers"]["Retry-After"], "1");
        } else {
            assert_eq!((status, retry_after.as_deref()), (503, Some("1")), "{path}: {body}");
        }
    }
    drop(upkeep);
}

/// The requests of a batch are decided in their order, and each that has no response is unavailable
/// alone.
#[tokio::test]
async fn a_batch_is_decided_in_its_order() {
    let (cluster, guard, upkeep, secret) = sharing().await;
    let router: Router = Doors::new(guard.clone(), DoorOptions::default()).routes().into_router();
    let words = ["allowed", "limited", "allowed", "limited", "unknown"];
    assert_eq!(batch(&router, &secret).await, words);
    upkeep.stop().await.unwrap();
    drop(cluster);

    let (cluster, guard, upkeep, secret) = sharing().await;
    let router: Router = Doors::new(guard.clone(), DoorOptions::default()).routes().into_router();
    cluster.wire().hold();
    let mut words = ["unavailable"; 5];
    words[4] = "unknown";
    assert_eq!(batch(&router, &secret).await, words);
    drop(upkeep);
}

/// The verdicts of a batch of requests that cost 5, 2, 1 and 0, and of a wrong key.
async fn batch(router: &Router, secret: &str) -> Vec<String> {
    let costs = [5, 2, 1, 0].map(|cost| json!({ "key": secret, "cost": cost }));
    let requests: Vec<_> = costs.into_iter().chain([json!({ "key": "wrong" })]).collect();
    let request = Request::post("/verify/batch")
        .header("content-type", "application/json")
        .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 50_000))))
        .body(Body::from(json!({ "requests": requests }).to_string()))
        .unwrap();
    let body = router.clone().oneshot(request).await.unwrap().into_body();
    let body = body.collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let words = body["results"].as_array().unwrap().iter().map(|it| it["verdict"].as_str());
    words.map(|word| word.unwrap().to_owned()).collect()
}
