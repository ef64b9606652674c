//! A known number of requests to a door, for counting the instructions that one takes.
//!
//! Arguments: `guarded`, a route of an app that asks for a key itself, `verify` or `nginx`, and how
//! often. Run under a tool that counts, with two numbers: the difference holds
//! neither start nor warm-up. The router is called without a connection.

use std::env;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use http::Request;
use keyward::issue::NewKey;
use keyward::limit::{Limit, Limits};
use keyward_axum::{Caller, Guard, testing};
use keyward_doors::{DoorOptions, Doors};
use tower::ServiceExt as _;

async fn greet(caller: Caller) -> String {
    format!("Hello, {}!\n", caller.name())
}

fn main() {
    // Without a number, as in `cargo bench`, it only shows that it runs.
    let args: Vec<String> = env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let what = args.first().map_or("guarded", String::as_str);
    let times: u64 = args.get(1).map_or(1, |times| times.parse().expect("a number of requests"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    runtime.block_on(async {
        let (guard, _clock) = testing::guard().await;
        let secret = issue(&guard).await;
        let app = app(what, guard);
        for _ in 0..times {
            let response = app.clone().oneshot(request(what, &secret)).await;
            let response = response.unwrap_or_else(|never| match never {});
            assert_eq!(response.status(), 200, "{what}");
        }
    });
}

/// A key whose limit is never reached.
async fn issue(guard: &Guard) -> String {
    let most = NonZeroU32::new(1_000_000_000).expect("it is not zero");
    let limit = Limit::new("requests", most, Duration::from_secs(60), most).expect("it is valid");
    let (name, tier) = ("weather-bot".parse().expect("a name"), "basic".parse().expect("a tier"));
    let limits = Some(Limits::of(Some(limit)));
    let key = NewKey { limits, ..NewKey::plain(name, tier, None) };
    let issued = guard.issue(key, guard.program()).await.expect("a store in memory keeps keys");
    issued.secret.expose().to_owned()
}

fn app(what: &str, guard: Guard) -> Router {
    let responses = guard.responses();
    let router = if what == "guarded" {
        Router::new().route("/", get(greet)).with_state(guard)
    } else {
        Doors::new(guard, DoorOptions::default()).routes().into_router()
    };
    router.layer(responses)
}

fn request(what: &str, secret: &str) -> Request<Body> {
    let peer = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 50_000)));
    let request = Request::builder().extension(peer);
    let request = match what {
        "guarded" => request.uri("/").header("x-api-key", secret).body(Body::empty()),
        "nginx" => request
            .uri("/doors/nginx")
            .header("x-api-key", secret)
            .header("x-forwarded-for", "192.0.2.7")
            .body(Body::empty()),
        "verify" => {
            let body = format!(r#"{{"key":"{secret}","address":"192.0.2.7"}}"#);
            request.method("POST").uri("/verify").body(Body::from(body))
        }
        // Which gets 404, and so ends the run.
        other => request.uri(format!("/{other}")).body(Body::empty()),
    };
    request.expect("the parts of a request are valid")
}
