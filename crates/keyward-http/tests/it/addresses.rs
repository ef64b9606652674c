//! Where requests come from: the throttle of wrong keys, and keys of a network.

use std::net::IpAddr;
use std::num::NonZeroU32;

use http::StatusCode;
use keyward_http::keyward::issue::NewKey;
use keyward_http::keyward::network::Networks;
use keyward_http::origin::TrustedProxies;
use keyward_http::{Authenticator, Options, Required, testing};

use crate::{authenticator, headers};

const PROXY: &str = "10.0.0.1";

/// One wrong key a minute and address, after a proxy in 10.0.0.0/8.
async fn throttled() -> Authenticator {
    authenticator(Options {
        failures_per_minute: NonZeroU32::new(1),
        trusted_proxies: TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]),
        ..Options::default()
    })
    .await
}

fn status(at: &Authenticator, key: &str, peer: Option<&str>, forwarded: &str) -> StatusCode {
    let mut headers = headers(&[("x-api-key", key), ("x-forwarded-for", forwarded)]);
    let peer = peer.map(|peer| peer.parse::<IpAddr>().unwrap());
    match at.authenticate(&mut headers, peer, Required::default()) {
        Ok(_) => StatusCode::OK,
        Err(rejection) => rejection.status(),
    }
}

#[tokio::test]
async fn an_address_presents_so_many_wrong_keys_and_no_more() {
    let at = throttled().await;
    let secret = testing::issue(&at, "weather-bot").await;
    let wrong = |peer, forwarded| status(&at, "wrong", peer, forwarded);
    let (once, too_often) = (StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(wrong(Some("192.0.2.1"), ""), once);
    // An `X-Forwarded-For` from the client is not believed, one from a trusted proxy is.
    assert_eq!(wrong(Some("192.0.2.1"), "198.51.100.9"), too_often);
    assert_eq!(wrong(Some(PROXY), "192.0.2.1"), too_often);
    assert_eq!(wrong(Some(PROXY), "203.0.113.5"), once);
    // All clients without a known address count as one.
    assert_eq!((wrong(None, ""), wrong(None, "")), (once, too_often));
    // A key that works is never rejected because of its address.
    assert_eq!(status(&at, &secret, Some("192.0.2.1"), ""), StatusCode::OK);
}

#[tokio::test]
async fn a_key_of_a_network_works_from_there_alone() {
    let at = throttled().await;
    let key = NewKey::plain("office".parse().unwrap(), "basic".parse().unwrap(), None);
    let networks = Networks::new(vec!["192.0.2.0/24".parse().unwrap()]).unwrap();
    let issued = at.gate().issue(NewKey { networks, ..key }, at.program()).await.unwrap();
    let secret = issued.secret.expose();
    for (peer, forwarded, expected) in [
        (Some("192.0.2.7"), "", StatusCode::OK),
        (Some("198.51.100.7"), "192.0.2.7", StatusCode::FORBIDDEN),
        (Some(PROXY), "192.0.2.7", StatusCode::OK),
        (Some(PROXY), "198.51.100.7", StatusCode::FORBIDDEN),
        (None, "192.0.2.7", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(status(&at, secret, peer, forwarded), expected, "{peer:?} {forwarded}");
    }
}
