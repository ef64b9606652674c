//! A request is verified once for all layers and extractors, and the layer works with any tower
//! service.

use std::convert::Infallible;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use keyward_axum::keyward::Asked;
use keyward_axum::keyward::gate::TierBefore;
use keyward_axum::keyward::limit::{Limit, Limits};
use keyward_axum::{Caller, Guard, Scoped, testing};
use tower::{ServiceBuilder, ServiceExt as _};

use crate::{App, ReadArticles, send};

async fn used(guard: &Guard, secret: &str) -> u32 {
    // This look is itself a request, the last one.
    100 - 1 - guard.verify(&Asked::of(secret)).unwrap().standing().unwrap().remaining
}

#[tokio::test]
async fn layers_and_extractors_take_one_request_together() {
    let (guard, _clock) = testing::guard().await;
    let secret = testing::issue_with(&guard, "weather-bot", &["articles:read"]).await;
    let handler = async |_: Caller, again: Scoped<ReadArticles>, maybe: Option<Caller>| {
        format!("{} {}", again.name(), maybe.is_some())
    };
    let router = Router::new()
        .route("/", get(handler))
        .layer(guard.layer())
        .layer(guard.layer())
        .layer(guard.responses())
        .with_state(App { guard: guard.clone() });
    let answer = send(&router, "/", &[("x-api-key", &secret)]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["x-ratelimit-remaining"], "99");
    assert_eq!(used(&guard, &secret).await, 1);
}

#[tokio::test]
async fn a_layer_with_a_scope_refuses_without_taking_anything() {
    let (guard, _clock) = testing::guard().await;
    let secret = testing::issue(&guard, "weather-bot").await;
    let router =
        Router::new().route("/", get(async || "never")).layer(guard.layer().scope("articles:read"));
    let answer = send(&router, "/", &[("x-api-key", &secret)]).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(used(&guard, &secret).await, 0);
}

#[tokio::test]
async fn whom_one_guard_let_in_is_a_stranger_to_another() {
    let ((outer, _), (inner, _)) = (testing::guard().await, testing::guard().await);
    let secret = testing::issue(&outer, "weather-bot").await;
    let router = Router::new()
        .route("/", get(async |caller: Caller| caller.name().to_owned()))
        .route("/open", get(async || "for the outer one alone"))
        .layer(outer.layer())
        .with_state(App { guard: inner });
    let key = [("x-api-key", secret.as_str())];
    assert_eq!(send(&router, "/", &key).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(send(&router, "/open", &key).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn any_tower_service_can_be_guarded() {
    let (guard, _clock) = testing::guard().await;
    let secret = testing::issue(&guard, "weather-bot").await;
    let inner = tower::service_fn(async |request: Request<()>| {
        let caller = request.extensions().get::<Caller>().unwrap().name().to_owned();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(caller))))
    });
    let service = ServiceBuilder::new().layer(guard.layer()).service(inner);
    let request = Request::builder().header("x-api-key", &secret).body(()).unwrap();
    let answer = service.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let answer = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn two_hundred_parallel_requests_get_exactly_the_limit() {
    let (guard, _clock) = testing::guard().await;
    let limit = Limit::new(
        "requests",
        50.try_into().unwrap(),
        std::time::Duration::from_secs(60),
        50.try_into().unwrap(),
    );
    let (name, limits) = ("basic".parse().unwrap(), Limits::of(Some(limit.unwrap())));
    let audit = guard.program();
    assert!(!guard.put_tier(name, limits, TierBefore::Any, audit).await.unwrap());
    let secret = testing::issue(&guard, "weather-bot").await;
    let router = crate::app(&guard);
    let mut sent = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (router, secret) = (router.clone(), secret.clone());
        sent.spawn(async move { send(&router, "/", &[("x-api-key", &secret)]).await.status() });
    }
    let statuses = sent.join_all().await;
    let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!(count(StatusCode::OK), 50);
    assert_eq!(count(StatusCode::TOO_MANY_REQUESTS), 150);
}
