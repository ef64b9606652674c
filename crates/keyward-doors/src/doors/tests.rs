//! The same for every door: while memory may decide nothing, none lets a request in.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use keyward::time::SteadyNanos;
use keyward_axum::testing;
use serde_json::json;
use tower::ServiceExt as _;

use super::*;

/// Asks each door but gRPC's about a key, and returns the door, the status, `Retry-After` and the
/// body.
async fn ask(router: &Router, secret: &str) -> Vec<(&'static str, u16, Option<String>, String)> {
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
    for (method, path, media_type, body) in asks {
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
