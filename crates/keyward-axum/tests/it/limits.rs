//! Several limits of a caller, as the header fields of its responses name them.

use std::num::NonZeroU32;
use std::time::Duration;

use insta::assert_snapshot;
use keyward_axum::keyward::limit::Limit;
use keyward_axum::keyward::store::TierRecord;
use keyward_axum::{Guard, testing};

use crate::{fresh, header_lines, send};

/// Gives the tier `basic` these limits: a name, an amount that may come at once, and the seconds
/// that it is counted over.
pub(crate) async fn limit(guard: &Guard, limits: &[(&str, u32, u64)]) {
    let limit = |(name, amount, secs): &(&str, u32, u64)| {
        let amount = NonZeroU32::new(*amount).unwrap();
        Limit::new(name, amount, Duration::from_secs(*secs), amount).unwrap()
    };
    let limits = limits.iter().map(limit).collect();
    let tier = TierRecord { name: "basic".parse().unwrap(), limits };
    guard.put_tier(tier, guard.program()).await.unwrap();
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
    // Least is left of the first one.
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
    // Least is left of the second one.
    assert_snapshot!(told().await, @r#"
    200 OK
    ratelimit-policy: "requests";q=3;w=60, "day";q=5;w=86400
    ratelimit: "requests";r=1;t=40, "day";r=0;t=86340
    x-ratelimit-limit: 5
    x-ratelimit-remaining: 0
    x-ratelimit-reset: 1767312000
    "#);
    // The longest wait is that of the second one, and all three times are the same.
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
