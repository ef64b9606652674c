//! The responses to requests that passed and to rejected ones.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, RETRY_AFTER, VARY};
use http::{Response, StatusCode};
use keyward_http::keyward::gate::TierBefore;
use keyward_http::keyward::limit::{Limit, Limits};
use keyward_http::{Authenticator, Form, Options, RateLimitHeaders, testing};

use crate::{ask, authenticator, headers};

/// Allows the keys of the tier `basic` one request a minute.
async fn allow_one(authenticator: &Authenticator) {
    let one = 1.try_into().unwrap();
    let limit = Limit::new("requests", one, Duration::from_secs(60), one).unwrap();
    let limits = Limits::new(vec![limit]).unwrap();
    let name = "basic".parse().unwrap();
    let clock = || authenticator.clock().now();
    let by = authenticator.program();
    let written = authenticator.gate().put_tier(name, limits, TierBefore::Any, by, &clock);
    written.await.unwrap();
}

#[tokio::test]
async fn a_response_says_how_its_caller_stands_and_that_it_is_private() {
    for (told, fields) in [(RateLimitHeaders::Both, 5), (RateLimitHeaders::Neither, 0)] {
        let options = Options { rate_limit_headers: told, ..Options::default() };
        let authenticator = authenticator(options).await;
        let secret = testing::issue(&authenticator, "weather-bot").await;
        let passed = ask(&authenticator, &[("x-api-key", &secret)]).unwrap();
        let mut completed = headers(&[("vary", "accept")]);
        authenticator.complete(&mut completed, Some(&passed));
        assert_eq!(completed[VARY], "accept, Authorization, X-API-Key");
        assert_eq!(completed[CACHE_CONTROL], "private, no-cache");
        assert_eq!(completed.len(), 2 + fields);
        let mut without_key = HeaderMap::new();
        authenticator.complete(&mut without_key, None);
        assert_eq!(without_key.len(), 2, "{without_key:?}");
    }
}

#[tokio::test]
async fn a_rejection_is_a_response_in_the_form_that_the_client_reads() {
    let (authenticator, _clock) = testing::authenticator().await;
    let secret = testing::issue(&authenticator, "weather-bot").await;
    allow_one(&authenticator).await;
    let line = [("x-api-key", secret.as_str())];
    assert!(ask(&authenticator, &line).is_ok());
    let rejection = ask(&authenticator, &line).unwrap_err();
    for (accept, media_type) in [
        ("application/json", "application/json"),
        ("application/problem+json", "application/problem+json"),
    ] {
        let form = Form::of(&headers(&[("accept", accept)]));
        let response: Response<Bytes> = rejection.clone().respond(form);
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        let of = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(of(CONTENT_TYPE.as_str()), media_type);
        assert_eq!(of(RETRY_AFTER.as_str()), "60");
        assert_eq!(of("x-ratelimit-remaining"), "0");
        assert_eq!(of("ratelimit-policy"), r#""requests";q=1;w=60"#);
        assert_eq!(of(CACHE_CONTROL.as_str()), "private, no-cache");
        let body = std::str::from_utf8(response.body()).unwrap();
        assert!(body.contains(r#""detail":"Rate limit exceeded""#), "{body}");
    }
}
