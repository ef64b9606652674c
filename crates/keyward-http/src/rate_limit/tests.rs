//! Tests of the header fields for one limit; several limits are tested through a guard.

use std::num::NonZeroU32;

use keyward::limit::Limit;

use super::*;

fn limit(name: &str, number: u32, per: u64) -> Limit {
    let number = NonZeroU32::new(number).unwrap();
    Limit::new(name, number, Duration::from_secs(per), number).unwrap()
}

fn written(which: RateLimitHeaders, limit: &Limit) -> Vec<String> {
    let standing =
        Standing { limit: *limit, remaining: 7, full_after: Duration::from_millis(1_001) };
    let mut headers = HeaderMap::new();
    which.write(&mut headers, &Standings::one(standing), UnixMillis(5_000));
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
    headers.iter().map(line).collect()
}

#[test]
fn which_fields_are_written_is_a_choice() {
    let limit = limit("requests", 10, 60);
    let standard =
        [r#"ratelimit-policy: "requests";q=10;w=60"#, r#"ratelimit: "requests";r=7;t=2"#];
    let x = ["x-ratelimit-limit: 10", "x-ratelimit-remaining: 7", "x-ratelimit-reset: 7"];
    assert_eq!(written(RateLimitHeaders::Standard, &limit), standard);
    assert_eq!(written(RateLimitHeaders::XRateLimit, &limit), x);
    assert_eq!(written(RateLimitHeaders::Both, &limit), [&standard[..], &x].concat());
    assert!(written(RateLimitHeaders::Neither, &limit).is_empty());
}

/// More limits than are kept, some of which differ in their names alone.
#[test]
fn a_limit_is_never_taken_for_another() {
    for _ in 0..2 {
        for number in 1..100 {
            for name in ["a", "b", "a-name-of-24-characters-"] {
                let limit = limit(name, number, u64::from(number) * 60);
                let [policy, _, most, ..] = &*written(RateLimitHeaders::Both, &limit) else {
                    panic!("five fields")
                };
                let per = number * 60;
                assert_eq!(*policy, format!("ratelimit-policy: \"{name}\";q={number};w={per}"));
                assert_eq!(*most, format!("x-ratelimit-limit: {number}"));
            }
        }
    }
}

#[test]
fn a_rejection_resets_when_the_next_request_is_let_in() {
    let limit = limit("requests", 1, 60);
    let check = |retry_millis, at, expected: [&str; 2]| {
        let full_after = Duration::from_secs(60);
        let standing = Standing { limit, remaining: 0, full_after };
        let retry_after = Duration::from_millis(retry_millis);
        let mut headers = HeaderMap::new();
        let exceeded = Exceeded::new(standing, retry_after);
        RateLimitHeaders::Both.write_refused(&mut headers, &exceeded, UnixMillis(at));
        assert_eq!([&headers[RATE_LIMIT], &headers[X_RESET]], expected);
    };
    check(600, 5_000, [r#""requests";r=0;t=1"#, "6"]);
    check(600, 5_500, [r#""requests";r=0;t=1"#, "7"]);
    check(59_001, 5_000, [r#""requests";r=0;t=60"#, "65"]);
    check(2_000, 5_000, [r#""requests";r=0;t=2"#, "7"]);
}
