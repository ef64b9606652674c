//! How many more allocations a guarded response makes than an open one.

use axum::Router;
use axum::body::Body;
use axum::handler::Handler as _;
use axum::response::Response;
use axum::routing::get;
use http::{Request, StatusCode};
use keyward_axum::{Caller, Guard, GuardOptions, RateLimitHeaders, testing};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use crate::{App, limits};

const MEASURED: u64 = 10;

fn respond(runtime: &Runtime, router: &Router, request: Request<Body>) -> Response {
    runtime.block_on(router.clone().oneshot(request)).unwrap()
}

/// Allocations of one response, on a thread that has responded before.
fn allocations(runtime: &Runtime, router: &Router, path: &str, secret: &str) -> u64 {
    let request = || Request::get(path).header("x-api-key", secret).body(Body::empty()).unwrap();
    for _ in 0..3 {
        assert_eq!(respond(runtime, router, request()).status(), StatusCode::OK);
    }
    let requests: Vec<_> = (0..MEASURED).map(|_| request()).collect();
    let measured = allocation_counter::measure(|| {
        requests.into_iter().for_each(|request| drop(respond(runtime, router, request)));
    });
    assert_eq!(measured.count_total % MEASURED, 0, "each response takes memory as often");
    measured.count_total / MEASURED
}

#[test]
fn a_guarded_response_takes_memory_a_few_times_more() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (told, by_extractor_max, by_layer_max) in [
        (RateLimitHeaders::Both, 4, 6),
        (RateLimitHeaders::Standard, 4, 6),
        (RateLimitHeaders::Neither, 3, 5),
    ] {
        let options = GuardOptions { rate_limit_headers: told, ..GuardOptions::default() };
        let (guard, _clock) = runtime.block_on(testing::guard_with(options));
        let secret = runtime.block_on(testing::issue(&guard, "weather-bot"));
        let of = |router: &Router, path| allocations(&runtime, router, path, &secret);
        let routes = Router::new()
            .route("/open", get(async || "hello"))
            .route("/guarded", get(async |_: Caller| "hello"))
            .layer(guard.responses())
            .with_state(App { guard: guard.clone() });
        let more = of(&routes, "/guarded") - of(&routes, "/open");
        assert!(more <= by_extractor_max, "{told:?}: {more} by an extractor");
        let more = of(&layered(&guard), "/guarded") - of(&layered(&guard), "/open");
        assert!(more <= by_layer_max, "{told:?}: {more} by a layer");
    }
}

/// Each limit of a caller would be one too many if it took memory of its own.
#[test]
fn further_limits_take_no_more_memory_than_a_second_one() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (guard, _clock) = runtime.block_on(testing::guard());
    let secret = runtime.block_on(testing::issue(&guard, "weather-bot"));
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let of = |count: usize| {
        let limits: Vec<_> = names.iter().take(count).map(|name| (*name, 100, 60)).collect();
        runtime.block_on(limits::limit(&guard, &limits));
        allocations(&runtime, &layered(&guard), "/guarded", &secret)
    };
    let (one, two, eight) = (of(1), of(2), of(8));
    assert!(two <= one + 1, "{one} with one limit, {two} with two");
    assert_eq!(two, eight);
}

fn layered(guard: &Guard) -> Router {
    let greet = async || "hello";
    let guarded = greet.layer(guard.layer());
    Router::new().route("/open", get(greet)).route("/guarded", get(guarded))
}
