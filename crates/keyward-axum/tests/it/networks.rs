//! Keys that are restricted to networks, with and without a proxy.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Request, StatusCode};
use keyward_axum::keyward::Gate;
use keyward_axum::keyward::issue::NewKey;
use keyward_axum::keyward::key::Prefix;
use keyward_axum::keyward::memory::MemoryStore;
use keyward_axum::keyward::network::Networks;
use keyward_axum::origin::TrustedProxies;
use keyward_axum::testing::FakeClock;
use keyward_axum::{Guard, GuardOptions};
use tower::ServiceExt as _;

use crate::app;

/// A guard that trusts proxies in 10.0.0.0/8, and the secret of a key for 192.0.2.0/24 alone.
async fn restricted() -> (Guard, String) {
    let gate = Gate::open(Arc::new(MemoryStore::default()), Prefix::default()).await.unwrap();
    let trusted_proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
    let options = GuardOptions { trusted_proxies, ..GuardOptions::default() };
    let guard = Guard::new(gate, FakeClock::default(), options);
    let key = NewKey::plain("office".parse().unwrap(), "basic".parse().unwrap(), None);
    let networks = Networks::new(vec!["192.0.2.0/24".parse().unwrap()]).unwrap();
    let issued = guard.issue(NewKey { networks, ..key }, guard.program()).await.unwrap();
    let secret = issued.secret.expose().to_owned();
    (guard, secret)
}

async fn ask(guard: &Guard, secret: &str, peer: Option<&str>, forwarded: &[&str]) -> StatusCode {
    let mut request = Request::get("/").header("x-api-key", secret);
    for line in forwarded {
        request = request.header("x-forwarded-for", *line);
    }
    if let Some(peer) = peer {
        request = request.extension(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
    }
    app(guard).oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
}

#[tokio::test]
async fn a_key_works_from_its_networks_alone() {
    let (guard, secret) = restricted().await;
    let check = async |peer, forwarded: &[&str], expected| {
        let status = ask(&guard, &secret, peer, forwarded).await;
        assert_eq!(status, expected, "{peer:?} {forwarded:?}");
    };
    check(Some("192.0.2.7:1"), &[], StatusCode::OK).await;
    check(Some("[::ffff:192.0.2.7]:1"), &[], StatusCode::OK).await;
    check(Some("198.51.100.7:1"), &[], StatusCode::FORBIDDEN).await;
    // A client outside the network forges an address of the network.
    check(Some("198.51.100.7:1"), &["192.0.2.7"], StatusCode::FORBIDDEN).await;
    // The proxy reports that address; then a client of the proxy forges it.
    check(Some("10.0.0.1:1"), &["192.0.2.7"], StatusCode::OK).await;
    check(Some("10.0.0.1:1"), &["192.0.2.7, 198.51.100.7"], StatusCode::FORBIDDEN).await;
    check(Some("10.0.0.1:1"), &["192.0.2.7", "198.51.100.7"], StatusCode::FORBIDDEN).await;
    // The address is not known.
    check(Some("10.0.0.1:1"), &["unknown"], StatusCode::FORBIDDEN).await;
    check(None, &[], StatusCode::FORBIDDEN).await;
}
