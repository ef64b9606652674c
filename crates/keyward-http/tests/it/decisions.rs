//! Which requests pass, and what they are counted as.

use std::num::NonZeroU32;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use keyward_http::keyward::Asked;
use keyward_http::keyward::limit::Cost;
use keyward_http::keyward::verify::Purpose;
use keyward_http::verdicts::{Decision, Outcome};
use keyward_http::{Authenticated, Door, Options, Rejection, Required, testing};

use crate::{ask, authenticator, headers};

const SECOND: Duration = Duration::from_secs(1);

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

/// The counts, apart from zeros.
fn counted(authenticator: &keyward_http::Authenticator) -> Vec<(Door, Outcome, u64)> {
    authenticator.verdicts().iter().filter(|(_, _, count)| *count != 0).collect()
}

#[tokio::test]
async fn each_decision_is_counted_once_under_its_door_and_outcome() {
    let (authenticator, _clock) = testing::authenticator().await;
    let secret = testing::issue(&authenticator, "weather-bot").await;
    let bearer = format!("Bearer {secret}");
    let door = Required { door: Door::Nginx, ..Required::default() };
    let scopes = ["articles:write"];
    let mut decided = Vec::new();
    let mut decide = |lines: &[(&'static str, &str)], required| {
        let decision = authenticator.authenticate(&mut headers(lines), None, required);
        decided.push(match decision {
            Ok(passed) => passed.decision,
            Err(rejection) => rejection.decision().unwrap(),
        });
    };
    decide(&[("x-api-key", &secret)], door);
    decide(&[("x-api-key", &secret)], Required { scopes: &scopes, ..door });
    decide(&[("x-api-key", &secret)], Required { cost: Cost::from(99), ..door });
    decide(&[("x-api-key", &secret)], Required { cost: Cost::from(101), ..door });
    decide(&[("x-api-key", &secret)], Required { purpose: Purpose::Introspection, ..door });
    decide(&[("x-api-key", &secret)], Required { purpose: Purpose::Repeat, ..door });
    decide(&[], door);
    decide(&[("x-api-key", "wrong")], door);
    decide(&[("authorization", &secret)], door);
    decide(&[("authorization", &bearer), ("x-api-key", &secret)], door);
    let outcomes: Vec<_> = decided.iter().map(|decision| decision.outcome).collect();
    assert_eq!(
        outcomes,
        [
            Outcome::Allowed,
            Outcome::OutOfScope,
            Outcome::Allowed,
            Outcome::Limited,
            Outcome::Introspected,
            Outcome::Allowed,
            Outcome::Missing,
            Outcome::Unknown,
            Outcome::Malformed,
            Outcome::Ambiguous,
        ]
    );
    let knows_key = |decision: &Decision| decision.key_id.is_some();
    assert!(decided[..6].iter().all(knows_key) && !decided[6..].iter().any(knows_key));
    assert_eq!(
        counted(&authenticator),
        [
            (Door::Nginx, Outcome::Allowed, 3),
            (Door::Nginx, Outcome::Limited, 1),
            (Door::Nginx, Outcome::OutOfScope, 1),
            (Door::Nginx, Outcome::Introspected, 1),
            (Door::Nginx, Outcome::Unknown, 1),
            (Door::Nginx, Outcome::Missing, 1),
            (Door::Nginx, Outcome::Malformed, 1),
            (Door::Nginx, Outcome::Ambiguous, 1),
        ]
    );
}

#[tokio::test]
async fn a_limit_that_is_used_up_and_a_flood_are_counted_as_such() {
    let options = Options { failures_per_minute: 1.try_into().ok(), ..Options::default() };
    let (authenticator, _clock) = testing::authenticator_with(options).await;
    let secret = testing::issue(&authenticator, "weather-bot").await;
    let all = Required { cost: Cost::from(100), ..Required::default() };
    let outcome = |result: Result<Authenticated, Rejection>| match result {
        Ok(passed) => passed.decision.outcome,
        Err(rejection) => rejection.decision().unwrap().outcome,
    };
    let decide = |text: &str| outcome(authenticator.authenticate_text(text, None, all));
    assert_eq!((decide(&secret), decide(&secret)), (Outcome::Allowed, Outcome::Limited));
    assert_eq!((decide("wrong"), decide("wrong")), (Outcome::Unknown, Outcome::Flooded));
    assert_eq!(counted(&authenticator).len(), 4);
}

#[tokio::test]
async fn a_request_that_may_do_without_a_key_is_not_decided() {
    let (authenticator, _clock) = testing::authenticator().await;
    let mut none = HeaderMap::new();
    let found = authenticator.authenticate_optional(&mut none, None, Required::default());
    assert!(found.unwrap().is_none());
    assert_eq!(counted(&authenticator), []);
}

#[tokio::test]
async fn while_the_lease_of_memory_has_ended_a_request_is_503_and_counts_as_no_wrong_key() {
    let options = Options { failures_per_minute: NonZeroU32::new(1), ..Options::default() };
    let (authenticator, clock) = testing::authenticator_with(options).await;
    let secret = testing::issue(&authenticator, "weather-bot").await;
    let lease = authenticator.gate().index().lease();
    lease.grant(authenticator.now().later_by(SECOND).steady);
    let status = |text: &str| match ask(&authenticator, &[("x-api-key", text)]) {
        Ok(passed) => (200, passed.caller.standing().unwrap().remaining.to_string()),
        Err(rejection) => {
            let headers = rejection.headers();
            let retry_after = headers.get("retry-after").map(|it| it.to_str().unwrap().to_owned());
            (rejection.status().as_u16(), retry_after.unwrap_or_default())
        }
    };
    assert_eq!(status(&secret), (200, "99".to_owned()));
    clock.advance(SECOND);
    for text in [&secret, "wrong", "wrong too"] {
        assert_eq!(status(text), (503, "1".to_owned()));
    }
    let rejection = ask(&authenticator, &[("x-api-key", &secret)]).unwrap_err();
    assert_eq!(rejection.detail(), "Service Unavailable");
    assert_eq!(authenticator.verdicts().of(Door::Guard, Outcome::Unavailable), 4);
    assert_eq!(authenticator.gate().usage().unknown(), 0);
    lease.grant(authenticator.now().later_by(SECOND).steady);
    // Of the limit, only the first request has taken, and one has come back since.
    assert_eq!(status(&secret), (200, "99".to_owned()));
    // The first wrong key of the address.
    assert_eq!(status("wrong").0, 401);
    assert_eq!(status("wrong").0, 429);
}
