//! Which requests pass, and what they are counted as.

use http::{HeaderMap, StatusCode};
use keyward_http::keyward::Asked;
use keyward_http::keyward::limit::Cost;
use keyward_http::{Options, Required, testing};

use crate::{ask, authenticator, headers};

#[tokio::test]
async fn a_request_with_one_key_that_works_passes() {
    let (authenticator, _clock) = testing::authenticator().await;
    let secret = testing::issue(&authenticator, "weather-bot").await;
    let bearer = format!("Bearer {secret}");
    for line in [("authorization", bearer.as_str()), ("x-api-key", &secret)] {
        assert_eq!(ask(&authenticator, &[line]).unwrap().caller.name(), "weather-bot");
    }
    for (lines, expected) in [
        (&[][..], StatusCode::UNAUTHORIZED),
        (&[("x-api-key", "wrong")], StatusCode::UNAUTHORIZED),
        (&[("authorization", secret.as_str())], StatusCode::UNAUTHORIZED),
        (&[("authorization", &bearer), ("x-api-key", &secret)], StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(ask(&authenticator, lines).unwrap_err().status(), expected);
    }
}

#[tokio::test]
async fn an_optional_key_is_none_or_one_that_works() {
    let (authenticator, _clock) = testing::authenticator().await;
    let decide = |headers: &mut HeaderMap| {
        authenticator.authenticate_optional(headers, None, Required::default())
    };
    assert!(decide(&mut HeaderMap::new()).unwrap().is_none());
    let rejection = decide(&mut headers(&[("x-api-key", "wrong")])).unwrap_err();
    assert_eq!(rejection.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_route_requires_a_scope_and_takes_a_cost() {
    let (authenticator, _clock) = testing::authenticator().await;
    let secret = testing::issue_with(&authenticator, "weather-bot", &["articles:read"]).await;
    let decide = |scope, cost: u16| {
        let scopes = [scope];
        let cost = Cost::from(cost);
        let required = Required { scopes: &scopes, cost, ..Required::default() };
        let mut headers = headers(&[("x-api-key", &secret)]);
        authenticator.authenticate(&mut headers, None, required)
    };
    let remaining = |scope, cost| decide(scope, cost).unwrap().caller.standing().unwrap().remaining;
    assert_eq!(remaining("articles:read", 5), 95);
    // Rejected, so nothing is taken.
    let forbidden = |scope, cost| decide(scope, cost).unwrap_err().status();
    assert_eq!(forbidden("articles:write", 5), StatusCode::FORBIDDEN);
    assert_eq!(forbidden("articles:read", 101), StatusCode::FORBIDDEN);
    assert_eq!(remaining("articles:read", 1), 94);
}

#[tokio::test]
async fn a_key_is_not_printed_once_the_request_was_looked_at() {
    let authenticator = authenticator(Options::default()).await;
    let mut headers = headers(&[("x-api-key", "hunter2"), ("authorization", "Basic hunter2")]);
    assert!(authenticator.authenticate(&mut headers, None, Required::default()).is_err());
    assert!(!format!("{headers:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_credential_that_comes_another_way_is_decided_by_the_same_clock() {
    let (authenticator, _clock) = testing::authenticator().await;
    let secret = testing::issue(&authenticator, "weather-bot").await;
    assert!(authenticator.verify(&Asked::of(&secret)).is_ok());
    assert!(authenticator.verify(&Asked::of("wrong")).is_err());
}
