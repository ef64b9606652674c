//! Input that a route does not read.
//!
//! The description of a route says which input it reads, and the rest is rejected before its
//! handler. A route that describes its query or its body and does not read it would take anything
//! there, which is noticed here.

use http::StatusCode;
use keyward_axum::SqliteGuard;
use serde_json::{Value, json};

use crate::{ADMIN_KEY, admin, service};

/// A path with things that are there in place of its parameters.
fn real(path: &str) -> String {
    path.replace("{key_id}", "1").replace("{name}", "basic").replace("{owner}", "acme")
}

#[tokio::test]
async fn every_route_rejects_every_parameter_and_field_that_it_does_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let keys = SqliteGuard::open(folder.path().join("keys.db")).await.unwrap();
    let control = service::control(&keys, ADMIN_KEY).await.unwrap();
    let app = control.router();
    let issued = admin(&app, ("POST", "/admin/api-keys"), r#"{"name":"a"}"#).await;
    assert_eq!(issued.status, StatusCode::CREATED, "{:?}", issued.body);
    let mut tried = 0;
    for route in control.operator_routes().iter() {
        let path = real(route.path());
        assert!(!path.contains('{'), "{route:?} has a parameter that this test does not know");
        let with_query = (format!("{path}?grase=0s"), "{}", "query");
        let with_body = (path, r#"{"grase":"0s"}"#, "body");
        for (path, body, place) in [with_query, with_body] {
            let response = admin(&app, (route.method(), &path), body).await;
            assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{route:?} {place}");
            let faults: Value = response.json()["detail"].clone();
            // Where a body may hold secrets, unknown names are not repeated.
            let places = [json!([place, "grase"]), json!([place])];
            let is_named = |fault: &Value| places.contains(&fault["loc"]);
            assert!(faults.as_array().unwrap().iter().any(is_named), "{route:?}: {faults}");
            tried += 1;
        }
    }
    assert!(48 < tried, "{tried}");
    assert_eq!(admin(&app, ("GET", "/admin/audit"), "").await.json()["count"], 1);
    keys.close().await.unwrap();
}
