//! What a guarded response costs on top of an open one, without a socket; prints lines of
//! `name value unit`.
//!
//! `cargo bench -p keyward-axum --bench guard`. Both are measured in turns, in one run, and each
//! figure is the median of its turns, so that other load on the machine affects all figures alike.

#![expect(clippy::print_stdout, reason = "its lines are its result")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should stop at once")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::FromRef;
use axum::handler::Handler as _;
use axum::routing::get;
use http::Request;
use keyward_axum::keyward::Gate;
use keyward_axum::keyward::gate::TierBefore;
use keyward_axum::keyward::key::Prefix;
use keyward_axum::keyward::limit::{Limit, Limits};
use keyward_axum::keyward::memory::MemoryStore;
use keyward_axum::{Caller, Guard, GuardOptions, RateLimitHeaders, SystemClock, testing};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// Responses of one turn.
const RESPONSES: u32 = 20_000;
/// Turns of each measurement. Odd, so that one of them is the median.
const TURNS: usize = 31;

#[derive(Clone, FromRef)]
struct App {
    guard: Guard,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (name, told) in [
        ("five_headers", RateLimitHeaders::Both),
        ("two_headers", RateLimitHeaders::Standard),
        ("no_headers", RateLimitHeaders::Neither),
    ] {
        let (guard, secret) = runtime.block_on(guard(told));
        let by_layer = Router::new()
            .route("/open", get(async || "hello"))
            .route("/guarded", get((async || "hello").layer(guard.layer())));
        let by_extractor = Router::new()
            .route("/open", get(async || "hello"))
            .route("/guarded", get(async |_: Caller| "hello"))
            .layer(guard.responses())
            .with_state(App { guard });
        for (way, router) in [("layer", by_layer), ("extractor", by_extractor)] {
            let [open, guarded] = measure(&runtime, &router, &secret);
            println!("{name}.{way}.open {open:.0} ns");
            println!("{name}.{way}.guarded {guarded:.0} ns");
            println!("{name}.{way}.on_top {:.2} of the open one", guarded / open - 1.0);
        }
    }
}

/// A guard with a key whose limit is checked and never reached.
async fn guard(told: RateLimitHeaders) -> (Guard, String) {
    let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await.unwrap();
    let options = GuardOptions { rate_limit_headers: told, ..GuardOptions::default() };
    let guard = Guard::new(gate, SystemClock::start(), options);
    let many = 1_000_000_000.try_into().unwrap();
    let limit = Limit::new("requests", many, Duration::from_secs(1), many).unwrap();
    let (name, limits) = ("basic".parse().unwrap(), Limits::of(Some(limit)));
    guard.put_tier(name, limits, TierBefore::Any, guard.program()).await.unwrap();
    let secret = testing::issue(&guard, "weather-bot").await;
    (guard, secret)
}

/// Nanoseconds of an open and of a guarded response.
fn measure(runtime: &Runtime, router: &Router, secret: &str) -> [f64; 2] {
    let mut turns = [Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        for (path, nanos) in ["/open", "/guarded"].into_iter().zip(&mut turns) {
            nanos.push(turn(runtime, router, path, secret));
        }
    }
    turns.map(|mut nanos| {
        nanos.sort_by(f64::total_cmp);
        nanos.get(TURNS / 2).copied().unwrap()
    })
}

fn turn(runtime: &Runtime, router: &Router, path: &str, secret: &str) -> f64 {
    // Made before the measurement, which is without the client's work.
    let request = |_| Request::get(path).header("x-api-key", secret).body(Body::empty()).unwrap();
    let requests: Vec<_> = (0..RESPONSES).map(request).collect();
    runtime.block_on(async {
        let start = Instant::now();
        for request in requests {
            assert!(router.clone().oneshot(request).await.unwrap().status().is_success());
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(RESPONSES)
    })
}
