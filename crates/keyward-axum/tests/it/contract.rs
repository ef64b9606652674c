//! The whole responses that existing clients rely on: status, headers, body.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::IntoResponse as _;
use http::{Request, StatusCode};
use insta::assert_snapshot;
use keyward_axum::keyward::Asked;
use keyward_axum::keyward::Gate;
use keyward_axum::keyward::key::Prefix;
use keyward_axum::keyward::memory::MemoryStore;
use keyward_axum::origin::TrustedProxies;
use keyward_axum::testing::FakeClock;
use keyward_axum::{Guard, GuardOptions, testing};
use tower::ServiceExt as _;

use crate::{app, fresh, send, shown};

#[tokio::test]
async fn a_key_that_works_is_let_in_and_told_how_it_stands() {
    let (router, guard, _clock) = fresh().await;
    let secret = testing::issue(&guard, "weather-bot").await;
    let bearer = format!("Bearer {secret}");
    assert_snapshot!(shown(send(&router, "/", &[("authorization", &bearer)]).await).await, @r#"
    200 OK
    cache-control: private, no-cache
    content-type: text/plain; charset=utf-8
    ratelimit-policy: "requests";q=100;w=60
    ratelimit: "requests";r=99;t=1
    vary: Authorization, X-API-Key
    x-ratelimit-limit: 100
    x-ratelimit-remaining: 99
    x-ratelimit-reset: 1767225601

    weather-bot
    "#);
    let lower = format!("bearer {secret}");
    let (authorization, api_key) = (("authorization", lower.as_str()), ("x-api-key", &*secret));
    for headers in [
        &[authorization][..],
        &[api_key],
        &[authorization, ("x-api-key", "")],
        &[api_key, ("authorization", " ")],
        &[api_key, ("authorization", "Basic dTpw")],
    ] {
        assert_eq!(send(&router, "/", headers).await.status(), StatusCode::OK, "{headers:?}");
    }
}

#[tokio::test]
async fn no_key_and_a_malformed_line_are_told_apart() {
    let (router, _guard, _clock) = fresh().await;
    let empty = [("authorization", ""), ("x-api-key", " ")];
    assert_eq!(
        shown(send(&router, "/", &empty).await).await,
        shown(send(&router, "/", &[]).await).await
    );
    assert_snapshot!(shown(send(&router, "/", &[]).await).await, @r#"
    401 Unauthorized
    cache-control: private, no-cache
    content-type: application/json
    vary: Authorization, X-API-Key
    www-authenticate: Bearer

    {"detail":"Missing Authorization header"}
    "#);
    let basic = [("authorization", "Basic abc")];
    assert_snapshot!(shown(send(&router, "/", &basic).await).await, @r#"
    401 Unauthorized
    cache-control: private, no-cache
    content-type: application/json
    vary: Authorization, X-API-Key
    www-authenticate: Bearer error="invalid_request"

    {"detail":"Invalid Authorization format. Use: Bearer YOUR_API_KEY"}
    "#);
}

#[tokio::test]
async fn unknown_and_revoked_keys_get_the_same_answer_to_the_letter() {
    let (router, guard, _clock) = fresh().await;
    let secret = testing::issue(&guard, "weather-bot").await;
    let id = guard.verify(&Asked::of(&secret)).unwrap().key_id();
    assert!(guard.revoke(id, None, guard.program()).await.unwrap());
    let unknown = shown(send(&router, "/", &[("x-api-key", "kw_nobody_has_this")]).await).await;
    let revoked = shown(send(&router, "/", &[("x-api-key", &secret)]).await).await;
    let too_short = shown(send(&router, "/", &[("x-api-key", "kw")]).await).await;
    assert_eq!(revoked, unknown);
    assert_eq!(too_short, unknown);
    assert_snapshot!(unknown, @r#"
    401 Unauthorized
    cache-control: private, no-cache
    content-type: application/json
    vary: Authorization, X-API-Key
    www-authenticate: Bearer error="invalid_token"

    {"detail":"Invalid or inactive API key"}
    "#);
}

#[tokio::test]
async fn several_keys_are_refused_even_if_they_work() {
    let (router, guard, _clock) = fresh().await;
    let secret = testing::issue(&guard, "weather-bot").await;
    let bearer = format!("Bearer {secret}");
    let both = [("authorization", bearer.as_str()), ("x-api-key", secret.as_str())];
    assert_snapshot!(shown(send(&router, "/", &both).await).await, @r#"
    400 Bad Request
    cache-control: private, no-cache
    content-type: application/json
    vary: Authorization, X-API-Key
    www-authenticate: Bearer error="invalid_request"

    {"detail":"More than one API key in the request"}
    "#);
}

#[tokio::test]
async fn a_reached_limit_says_when_to_come_back() {
    let (router, guard, clock) = fresh().await;
    let secret = testing::issue(&guard, "weather-bot").await;
    let key = [("x-api-key", secret.as_str())];
    for _ in 0..100 {
        assert_eq!(send(&router, "/", &key).await.status(), StatusCode::OK);
    }
    assert_snapshot!(shown(send(&router, "/", &key).await).await, @r#"
    429 Too Many Requests
    cache-control: private, no-cache
    content-type: application/json
    ratelimit-policy: "requests";q=100;w=60
    ratelimit: "requests";r=0;t=1
    retry-after: 1
    vary: Authorization, X-API-Key
    x-ratelimit-limit: 100
    x-ratelimit-remaining: 0
    x-ratelimit-reset: 1767225601

    {"detail":"Rate limit exceeded"}
    "#);
    clock.advance(Duration::from_secs(1));
    assert_eq!(send(&router, "/", &key).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_missing_scope_is_refused_and_takes_nothing() {
    let (router, guard, _clock) = fresh().await;
    let without = testing::issue(&guard, "without").await;
    let with = testing::issue_with(&guard, "with", &["articles:read"]).await;
    assert_snapshot!(shown(send(&router, "/scoped", &[("x-api-key", &without)]).await).await, @r#"
    403 Forbidden
    cache-control: private, no-cache
    content-type: application/json
    vary: Authorization, X-API-Key
    www-authenticate: Bearer error="insufficient_scope", scope="articles:read"

    {"detail":"Insufficient scope"}
    "#);
    let answer = send(&router, "/", &[("x-api-key", &without)]).await;
    assert_eq!(answer.headers()["x-ratelimit-remaining"], "99");
    assert_eq!(send(&router, "/scoped", &[("x-api-key", &with)]).await.status(), StatusCode::OK);
    assert_eq!(send(&router, "/asks", &[("x-api-key", &with)]).await.status(), StatusCode::OK);
    let asked = send(&router, "/asks", &[("x-api-key", &without)]).await;
    assert_eq!(asked.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_optional_caller_is_nobody_or_somebody_but_never_wrong() {
    let (router, guard, _clock) = fresh().await;
    let secret = testing::issue(&guard, "weather-bot").await;
    let body = async |headers: &[(&str, &str)]| shown(send(&router, "/maybe", headers).await).await;
    assert!(body(&[]).await.ends_with("\nnobody"));
    assert!(body(&[("x-api-key", &secret)]).await.ends_with("\nweather-bot"));
    assert!(body(&[("x-api-key", "kw_nobody_has_this")]).await.starts_with("401"));
}

#[tokio::test]
async fn whoever_asks_gets_a_problem_document() {
    let (router, guard, _clock) = fresh().await;
    let accept = ("accept", "application/problem+json");
    assert_snapshot!(shown(send(&router, "/", &[accept]).await).await, @r#"
    401 Unauthorized
    cache-control: private, no-cache
    content-type: application/problem+json
    vary: Authorization, X-API-Key
    www-authenticate: Bearer

    {"type":"about:blank","title":"Unauthorized","status":401,"detail":"Missing Authorization header"}
    "#);
    // A rejection that a handler returns, which does not know what the client accepts.
    let secret = testing::issue(&guard, "weather-bot").await;
    let headers = [accept, ("x-api-key", secret.as_str())];
    let asked = shown(send(&router, "/asks", &headers).await).await;
    assert!(asked.contains(r#""title":"Forbidden","status":403,"detail":"Insufficient scope"}"#));
    assert!(asked.contains("x-ratelimit-remaining: 99"), "{asked}");
}

#[tokio::test]
async fn a_problem_document_keeps_every_line_of_the_plain_answer() {
    let (_, guard, _clock) = fresh().await;
    let cookies = async |_: Request<Body>| {
        let mut answer = keyward_axum::Rejection::not_found().into_response();
        for (name, value) in
            [("set-cookie", "a=1"), ("vary", "accept"), ("set-cookie", "b=2"), ("vary", "origin")]
        {
            answer.headers_mut().append(name, value.parse().unwrap());
        }
        answer
    };
    let router = axum::Router::new().fallback(cookies).layer(guard.responses());
    let accept = ("accept", "application/problem+json");
    let answer = send(&router, "/", &[accept]).await;
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let lines = |name| answer.headers().get_all(name).iter().collect::<Vec<_>>();
    assert_eq!(lines("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(lines("vary"), ["accept", "origin"]);
    assert_eq!(lines("content-type").len(), 1);
}

#[tokio::test]
async fn a_key_in_the_url_is_never_read() {
    let (router, guard, _clock) = fresh().await;
    let secret = testing::issue(&guard, "weather-bot").await;
    for name in ["api_key", "key", "token", "access_token", "x-api-key"] {
        let answer = send(&router, &format!("/?{name}={secret}"), &[]).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn wrong_keys_are_limited_by_address_and_right_ones_are_not() {
    // A direct client, a client of the proxy that forges an address, and clients whose address in
    // the proxy's header cannot be read, which count as one.
    let sources: [(&str, [&[u8]; 3]); 3] = [
        ("192.0.2.1:7", [b"", b"", b""]),
        ("10.0.0.1:7", [b"\xff, 198.51.100.7", b"a, 198.51.100.7", b"\x80,198.51.100.7"]),
        ("10.0.0.1:7", [b"unknown", b"198.51.100.8, \xff", b"_hidden"]),
    ];
    for (peer, forwarded) in sources {
        // A guard for each, since two addresses may happen to share a limit.
        let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await.unwrap();
        let failures_per_minute = NonZeroU32::new(2);
        let trusted_proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let options =
            GuardOptions { failures_per_minute, trusted_proxies, ..GuardOptions::default() };
        let guard = Guard::new(gate, FakeClock::default(), options);
        let secret = testing::issue(&guard, "weather-bot").await;
        let router = app(&guard);
        let peer: SocketAddr = peer.parse().unwrap();
        let from = async |forwarded: &[u8], key: &str| {
            let request = Request::get("/").header("x-api-key", key).extension(ConnectInfo(peer));
            let request = request.header("x-forwarded-for", forwarded);
            router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
        };
        let mut answers = Vec::new();
        for forwarded in forwarded {
            answers.push(from(forwarded, "kw_nobody_has_this").await);
        }
        assert_eq!(answers[0].status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answers[1].status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answers[2].status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answers[2].headers()["retry-after"], "30");
        assert_eq!(from(forwarded[2], &secret).await.status(), StatusCode::OK);
    }
}
