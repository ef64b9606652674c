//! The header fields for caches: a response to a request with a key is for its caller alone.

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, VARY};
use http::{HeaderMap, HeaderName, Request, StatusCode};
use keyward_axum::{Caller, Guard, Rejection, testing};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{App, ReadArticles, fresh, send};

const BOTH: (Option<&str>, Option<&str>) =
    (Some("private, no-cache"), Some("Authorization, X-API-Key"));

/// The header fields of the response for caches; a second line of either is a mistake.
fn said(headers: &HeaderMap) -> (Option<&str>, Option<&str>) {
    let only = |name: HeaderName| {
        let mut lines = headers.get_all(name).iter();
        let first = lines.next().map(|line| line.to_str().unwrap());
        assert_eq!(lines.next(), None);
        first
    };
    (only(CACHE_CONTROL), only(VARY))
}

/// The requests of every kind of caller, and what each gets at `/scoped`.
async fn kinds(guard: &Guard) -> Vec<(Vec<(&'static str, String)>, StatusCode)> {
    let with = testing::issue_with(guard, "with", &["articles:read"]).await;
    let without = testing::issue(guard, "without").await;
    let used_up = testing::issue_with(guard, "used-up", &["articles:read"]).await;
    let limited = [("x-api-key", used_up.as_str())];
    let router = crate::app(guard);
    while send(&router, "/", &limited).await.status() == StatusCode::OK {}
    let key = |text: &str| ("x-api-key", text.to_owned());
    let authorization = |text: String| ("authorization", text);
    let problem = ("accept", "application/problem+json".to_owned());
    vec![
        (vec![], StatusCode::UNAUTHORIZED),
        (vec![problem.clone()], StatusCode::UNAUTHORIZED),
        (vec![authorization("Basic abc".to_owned())], StatusCode::UNAUTHORIZED),
        (vec![key("kw_nobody_has_this")], StatusCode::UNAUTHORIZED),
        (vec![key(&with), authorization(format!("Bearer {with}"))], StatusCode::BAD_REQUEST),
        (vec![key(&without)], StatusCode::FORBIDDEN),
        (vec![key(&without), problem], StatusCode::FORBIDDEN),
        (vec![key(&used_up)], StatusCode::TOO_MANY_REQUESTS),
        (vec![key(&with)], StatusCode::OK),
    ]
}

async fn check(router: &Router, path: &str, headers: &[(&str, String)], status: StatusCode) {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let response = send(router, path, &headers).await;
    assert_eq!(response.status(), status, "{path} {headers:?}");
    assert_eq!(said(response.headers()), BOTH, "{path} {headers:?}");
}

#[tokio::test]
async fn whoever_asks_the_response_is_for_its_caller_alone() {
    let (router, guard, _clock) = fresh().await;
    let scoped = guard.layer().scope("articles:read");
    let layered = Router::new().route("/scoped", get(async || "")).layer(scoped);
    for (headers, status) in kinds(&guard).await {
        check(&router, "/scoped", &headers, status).await;
        check(&layered, "/scoped", &headers, status).await;
    }
}

#[tokio::test]
async fn so_is_a_rejection_without_any_layer() {
    let (_, guard, _clock) = fresh().await;
    let bare = Router::new()
        .route("/scoped", get(async |_: keyward_axum::Scoped<ReadArticles>| ()))
        .route("/asks", get(async |caller: Caller| caller.require("articles:read")))
        .with_state(App { guard: guard.clone() });
    let refused = kinds(&guard).await;
    for (headers, status) in refused.iter().filter(|(_, status)| *status != StatusCode::OK) {
        check(&bare, "/scoped", headers, *status).await;
    }
    let (without, _) = &refused[5];
    check(&bare, "/asks", without, StatusCode::FORBIDDEN).await;
}

/// A key was looked for, whether or not there was one and independently of the handler's response.
#[tokio::test]
async fn a_response_depends_on_a_key_that_was_only_looked_for() {
    let (router, guard, _clock) = fresh().await;
    check(&router, "/maybe", &[], StatusCode::OK).await;
    let whatever = Router::new()
        .route("/", get(async |_: Result<Caller, Response>| "whatever"))
        .route("/gone", get(async |_: Caller| Rejection::not_found()))
        .route("/open", get(async || ""))
        .layer(guard.responses())
        .with_state(App { guard: guard.clone() });
    let key = [("x-api-key", testing::issue(&guard, "weather-bot").await)];
    for headers in [&[][..], &[("x-api-key", "kw_nobody_has_this".to_owned())], &key] {
        check(&whatever, "/", headers, StatusCode::OK).await;
    }
    check(&whatever, "/gone", &key, StatusCode::NOT_FOUND).await;
    // No key was looked for.
    let headers = [("x-api-key", key[0].1.as_str())];
    for (path, status) in [("/open", StatusCode::OK), ("/nowhere", StatusCode::NOT_FOUND)] {
        let response = send(&whatever, path, &headers).await;
        assert_eq!((response.status(), said(response.headers())), (status, (None, None)));
    }
}

#[tokio::test]
async fn so_does_what_answers_in_a_handlers_stead() {
    let (_, guard, _clock) = fresh().await;
    let panics = async |_: Caller| {
        if true {
            panic!("a mistake");
        }
    };
    let router = Router::new()
        .route("/", get(panics))
        .layer(CatchPanicLayer::new())
        .layer(guard.responses())
        .with_state(App { guard: guard.clone() });
    let key = [("x-api-key", testing::issue(&guard, "weather-bot").await)];
    check(&router, "/", &key, StatusCode::INTERNAL_SERVER_ERROR).await;
    // Inside a layer that requires a key, for routes that exist and for other paths.
    let layered = Router::new().route("/", get(async || "")).layer(guard.layer());
    check(&layered, "/nowhere", &key, StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn what_a_handler_says_of_caches_stays() {
    let (_, guard, _clock) = fresh().await;
    let says = async |_: Caller, request: Request<Body>| {
        let mut response = "".into_response();
        for name in [CACHE_CONTROL, VARY] {
            for line in request.headers().get_all(format!("say-{name}")) {
                response.headers_mut().append(name.clone(), line.clone());
            }
        }
        response
    };
    let router = Router::new()
        .route("/", get(says))
        .layer(guard.responses())
        .with_state(App { guard: guard.clone() });
    let secret = testing::issue(&guard, "weather-bot").await;
    for (asked, expected) in [
        ([("say-cache-control", "public, max-age=60"), ("x", "")], ("public, max-age=60", BOTH.1)),
        (
            [("say-vary", "Accept-Encoding"), ("x", "")],
            ("private, no-cache", Some("Accept-Encoding, Authorization, X-API-Key")),
        ),
        (
            [("say-vary", "x-api-key"), ("say-vary", "Origin")],
            ("private, no-cache", Some("x-api-key, Origin, Authorization")),
        ),
        ([("say-vary", "*"), ("say-cache-control", "no-store")], ("no-store", Some("*"))),
    ] {
        let headers = [asked[0], asked[1], ("x-api-key", secret.as_str())];
        let response = send(&router, "/", &headers).await;
        assert_eq!(said(response.headers()), (Some(expected.0), expected.1), "{asked:?}");
    }
}
