//! Several limits of a caller, as the header fields of its responses name them, and requests with a
//! cost.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU32;
use std::time::Duration;

use axum::Router;
use axum::handler::Handler as _;
use axum::routing::get;
use http::StatusCode;
use insta::assert_snapshot;
use keyward_axum::keyward::Asked;
use keyward_axum::keyward::count::Outcome;
use keyward_axum::keyward::gate::TierBefore;
use keyward_axum::keyward::limit::{COST_MAX, Cost, Limit, Limits};
use keyward_axum::{Guard, RequiredScope, Scoped, testing};
use tokio::net::TcpListener;

use crate::{App, fresh, header_lines, send};

/// Gives the tier `basic` these limits: a name, an amount that may come at once, and the seconds
/// that it is counted over.
pub(crate) async fn limit(guard: &Guard, limits: &[(&str, u32, u64)]) {
    let limit = |(name, amount, secs): &(&str, u32, u64)| {
        let amount = NonZeroU32::new(*amount).unwrap();
        Limit::new(name, amount, Duration::from_secs(*secs), amount).unwrap()
    };
    let limits = Limits::new(limits.iter().map(limit).collect()).unwrap();
    let basic = "basic".parse().unwrap();
    guard.put_tier(basic, limits, TierBefore::Any, guard.program()).await.unwrap();
}

#[tokio::test]
async fn all_limits_are_named_in_their_order_and_one_is_shown_alone() {
    let (router, guard, clock) = fresh().await;
    limit(&guard, &[("requests", 3, 60), ("day", 5, 86_400)]).await;
    let secret = testing::issue(&guard, "weather-bot").await;
    let told = async || {
        let response = send(&router, "/", &[("x-api-key", &secret)]).await;
        let all = header_lines(response.headers());
        let lines = all.lines().filter(|line| line.contains("ratelimit") || line.contains("retry"));
        let lines: Vec<_> = lines.collect();
        format!("{}\n{}", response.status(), lines.join("\n"))
    };
    // The first limit has the least remaining.
    assert_snapshot!(told().await, @r#"
    200 OK
    ratelimit-policy: "requests";q=3;w=60, "day";q=5;w=86400
    ratelimit: "requests";r=2;t=20, "day";r=4;t=17280
    x-ratelimit-limit: 3
    x-ratelimit-remaining: 2
    x-ratelimit-reset: 1767225620
    "#);
    told().await;
    told().await;
    assert_snapshot!(told().await, @r#"
    429 Too Many Requests
    ratelimit-policy: "requests";q=3;w=60, "day";q=5;w=86400
    ratelimit: "requests";r=0;t=20, "day";r=2;t=51840
    retry-after: 20
    x-ratelimit-limit: 3
    x-ratelimit-remaining: 0
    x-ratelimit-reset: 1767225620
    "#);
    clock.advance(Duration::from_secs(60));
    told().await;
    // The second limit has the least remaining.
    assert_snapshot!(told().await, @r#"
    200 OK
    ratelimit-policy: "requests";q=3;w=60, "day";q=5;w=86400
    ratelimit: "requests";r=1;t=40, "day";r=0;t=86340
    x-ratelimit-limit: 5
    x-ratelimit-remaining: 0
    x-ratelimit-reset: 1767312000
    "#);
    // The second limit has the longest wait, and all three times are the same.
    assert_snapshot!(told().await, @r#"
    429 Too Many Requests
    ratelimit-policy: "requests";q=3;w=60, "day";q=5;w=86400
    ratelimit: "requests";r=1;t=40, "day";r=0;t=17220
    retry-after: 17220
    x-ratelimit-limit: 5
    x-ratelimit-remaining: 0
    x-ratelimit-reset: 1767242880
    "#);
}

struct ExportArticles;

impl RequiredScope for ExportArticles {
    const SCOPE: &'static str = "articles:export";
    const COST: Cost = Cost::new(3).unwrap();
}

/// Routes that cost 5 and nothing by a layer, and 3 by an extractor, and one that costs too much.
fn priced(guard: &Guard) -> Router {
    let greet = async || "hello";
    let layer = |cost: Cost| guard.layer().scope("articles:export").cost(cost);
    Router::new()
        .route("/five", get(greet.layer(guard.layer().scope("articles:export").cost(5))))
        .route("/free", get(greet.layer(layer(Cost::NOTHING))))
        .route("/huge", get(greet.layer(layer(Cost::new(COST_MAX).unwrap()))))
        .route("/eleven", get(greet.layer(layer(11.into()))))
        .route("/three", get(async |_: Scoped<ExportArticles>| "hello"))
        .layer(guard.responses())
        .with_state(App { guard: guard.clone() })
}

/// The response on a socket: the status, the remaining requests, the time to wait, and the body.
async fn ask(to: SocketAddr, path: &'static str, secret: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nx-api-key: {secret}\r\n");
    let request = format!("{request}connection: close\r\n\r\n");
    let asking = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(to).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        text
    });
    let text = asking.await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap();
    let field = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.map_or_else(|| "-".to_owned(), |value| value.trim().to_owned())
    };
    let (left, wait) = (field("x-ratelimit-remaining:"), field("retry-after:"));
    format!("{path} {status} {left} {wait} {body}")
}

#[tokio::test]
async fn a_route_costs_what_is_said_beside_its_scope() {
    let (guard, clock) = testing::guard().await;
    limit(&guard, &[("requests", 10, 60), ("day", 20, 86_400)]).await;
    let secret = testing::issue_with(&guard, "weather-bot", &["articles:export"]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let routes = priced(&guard);
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
    let mut told = Vec::new();
    for path in ["/five", "/three", "/free", "/three", "/huge", "/eleven"] {
        told.push(ask(to, path, &secret).await);
    }
    clock.advance(Duration::from_secs(60));
    told.push(ask(to, "/three", &secret).await);
    serving.abort();
    assert_snapshot!(told.join("\n"), @r#"
    /five 200 5 - hello
    /three 200 2 - hello
    /free 200 2 - hello
    /three 429 2 6 {"detail":"Rate limit exceeded"}
    /huge 403 - - {"detail":"Request costs more than its limit ever allows"}
    /eleven 403 - - {"detail":"Request costs more than its limit ever allows"}
    /three 200 7 - hello
    "#);
    // Usage counts requests, not their costs.
    let caller = guard.verify(&Asked::of(&secret)).unwrap();
    let counted = guard.gate().counted(&caller, guard.now().unix);
    assert_eq!((counted[Outcome::Allowed], counted[Outcome::Limited]), (5, 3));
}

#[tokio::test]
async fn without_the_scope_nothing_is_taken_whatever_it_costs() {
    let (guard, _clock) = testing::guard().await;
    let secret = testing::issue(&guard, "weather-bot").await;
    let routes = priced(&guard);
    for path in ["/five", "/three", "/huge"] {
        let response = send(&routes, path, &[("x-api-key", &secret)]).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
        assert!(response.headers().contains_key("www-authenticate"), "{path}");
    }
    let left = guard.verify(&Asked::of(&secret)).unwrap().standing().unwrap().remaining;
    assert_eq!(left, 99);
}
