//! The example: a service with its own route, a guard over a SQLite file, and the control plane.

use http::StatusCode;
use keyward_axum::SqliteGuard;

use crate::{ADMIN_KEY, admin, send, service};

#[tokio::test]
async fn a_key_that_an_operator_issues_opens_the_route_of_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let keys = SqliteGuard::open(folder.path().join("keys.db")).await.unwrap();
    let control = service::control(&keys, ADMIN_KEY).await.unwrap();
    let app = service::app(&keys, &control);
    assert_eq!(send(&app, ("GET", "/"), &[], "").await.status, StatusCode::UNAUTHORIZED);
    let issued = admin(&app, ("POST", "/admin/api-keys"), r#"{"name":"weather-bot"}"#).await;
    assert_eq!(issued.status, StatusCode::CREATED, "{:?}", issued.body);
    let secret = issued.json()["api_key"].as_str().unwrap().to_owned();
    let greeted = send(&app, ("GET", "/"), &[("x-api-key", &secret)], "").await;
    assert_eq!((greeted.status, &*greeted.body), (StatusCode::OK, &b"Hello, weather-bot!\n"[..]));
    // Reports come from the file, and so does a copy.
    let listed = admin(&app, ("GET", "/admin/api-keys"), "").await.json();
    assert_eq!(listed["api_keys"][0]["name"], "weather-bot");
    let copy = admin(&app, ("GET", "/admin/backup"), "").await;
    assert!(copy.body.starts_with(b"SQLite format 3\0"));
    let revoked = admin(&app, ("DELETE", "/admin/api-keys/1"), "").await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    let rejected = send(&app, ("GET", "/"), &[("x-api-key", &secret)], "").await;
    assert_eq!(rejected.status, StatusCode::UNAUTHORIZED);
    control.close().await;
    keys.close().await.unwrap();
}
