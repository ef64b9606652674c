//! Requests while memory may decide nothing.

use std::time::Duration;

use keyward_axum::keyward::Asked;
use keyward_axum::testing;

use super::{fresh, send, shown};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_guard_lets_no_request_in_without_a_lease_and_lets_them_in_again_with_the_next() {
    let (app, guard, clock) = fresh().await;
    let secret = testing::issue(&guard, "weather-bot").await;
    let headers = [("x-api-key", secret.as_str())];
    let lease = guard.gate().index().lease();
    lease.grant(guard.now().later_by(SECOND).steady);
    assert_eq!(send(&app, "/", &headers).await.status(), 200);
    clock.advance(SECOND);
    for path in ["/", "/maybe", "/scoped", "/asks"] {
        let answer = send(&app, path, &headers).await;
        assert_eq!(answer.headers()["retry-after"], "1");
        let shown = shown(answer).await;
        assert!(shown.starts_with("503 "), "{path}: {shown}");
        assert!(shown.ends_with(r#"{"detail":"Service Unavailable"}"#), "{path}: {shown}");
    }
    assert_eq!(guard.verify(&Asked::of(&secret)).unwrap_err().as_str(), "uncertain");
    // A request without a key asks nothing of memory.
    assert_eq!(send(&app, "/maybe", &[]).await.status(), 200);
    assert_eq!(send(&app, "/", &[]).await.status(), 401);
    lease.grant(guard.now().later_by(SECOND).steady);
    assert_eq!(send(&app, "/", &headers).await.status(), 200);
}
