//! The one integration-test binary of the web app's side.

#![cfg(test)] // Tells Clippy that helpers here are test code too.

mod allocations;
mod caches;
mod changes;
mod clock;
mod cluster;
mod contract;
mod lease;
mod limits;
mod networks;
mod once;
mod shared;
mod sqlite;
mod traces;
mod upkeep;

use axum::Router;
use axum::body::Body;
use axum::extract::FromRef;
use axum::response::IntoResponse as _;
use axum::routing::get;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use keyward_axum::testing::FakeClock;
use keyward_axum::{Caller, Guard, RequiredScope, Scoped, testing};
use tower::ServiceExt as _;

/// The state of the little app that these tests talk to.
#[derive(Clone, Debug, FromRef)]
struct App {
    guard: Guard,
}

struct ReadArticles;

impl RequiredScope for ReadArticles {
    const SCOPE: &'static str = "articles:read";
}

/// `/` needs a key, `/maybe` may have one, `/scoped` needs a scope, `/asks` asks for it inside.
fn app(guard: &Guard) -> Router {
    let routes = Router::new()
        .route("/", get(async |caller: Caller| caller.name().to_owned()))
        .route(
            "/maybe",
            get(async |caller: Option<Caller>| {
                caller.map_or_else(|| "nobody".to_owned(), |caller| caller.name().to_owned())
            }),
        )
        .route("/scoped", get(async |caller: Scoped<ReadArticles>| caller.name().to_owned()))
        .route(
            "/asks",
            get(async |caller: Caller| match caller.require("articles:read") {
                Ok(()) => caller.name().to_owned().into_response(),
                Err(rejection) => rejection.into_response(),
            }),
        );
    routes.layer(guard.responses()).with_state(App { guard: guard.clone() })
}

async fn fresh() -> (Router, Guard, FakeClock) {
    let (guard, clock) = testing::guard().await;
    (app(&guard), guard, clock)
}

/// Sends a request with these headers.
async fn send(router: &Router, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

/// A whole response as text: status, headers in order, body.
async fn shown(answer: Response<Body>) -> String {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let headers = header_lines(&parts.headers);
    format!("{}\n{headers}\n{}", parts.status, String::from_utf8(body.to_vec()).unwrap())
}

fn header_lines(headers: &HeaderMap) -> String {
    let line =
        |(name, value): (_, &http::HeaderValue)| format!("{name}: {}\n", value.to_str().unwrap());
    // The length follows from the body, which is shown.
    let said = headers.iter().filter(|(name, _)| *name != http::header::CONTENT_LENGTH);
    let mut lines: Vec<_> = said.map(line).collect();
    lines.sort();
    lines.concat()
}
