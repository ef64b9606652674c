//! Promises that the router keeps by itself, whatever app mounts it.

use axum::Json;
use axum::extract::Extension;
use http::{Request, StatusCode};
use keyward_admin::access::Who;
use keyward_admin::routes::{Access, Endpoint, route, utoipa_axum};
use keyward_admin::{AccessOptions, AdminOptions, RequestId, Role};
use keyward_axum::keyward::audit::Actor;
use serde_json::{Value, json};

use crate::{ADMIN_KEY, admin, control, open_to_the_admin_key, send, send_whole};

#[tokio::test]
async fn by_default_it_is_closed() {
    let (_, control) = control(AdminOptions::default()).await;
    let app = control.router();
    for route in control.routes().iter() {
        let path = route.path().replace(['{', '}'], "");
        let response = send(&app, (route.method(), &path), &[("x-admin-key", "")], "{}").await;
        assert_eq!(response.status, StatusCode::INTERNAL_SERVER_ERROR, "{route:?}");
        assert_eq!(response.json()["detail"], "ADMIN_API_KEY is not configured");
        assert!(matches!(route.access(), Access::Admin(_)), "{route:?}");
    }
}

#[tokio::test]
async fn each_response_is_kept_out_of_caches_and_each_request_is_authenticated() {
    let options = AdminOptions { leak_reports: 1.try_into().ok(), ..open_to_the_admin_key() };
    let (_, control) = control(options).await;
    let app = control.router();
    for route in control.routes().iter() {
        let path = route.path().replace(['{', '}'], "");
        let response = send(&app, (route.method(), &path), &[], "{}").await;
        assert_eq!(response.header("cache-control"), Some("no-store"), "{route:?}");
        if route.access() != Access::Open {
            assert_eq!(response.status, StatusCode::FORBIDDEN, "{route:?}");
            assert_eq!(response.json()["detail"], "Invalid admin key", "{route:?}");
        }
    }
    // Nor does it need the app for a method that a path does not have.
    let response = admin(&app, ("TRACE", "/admin/tiers"), "").await;
    assert_eq!(response.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.json()["detail"], "Method Not Allowed");
}

#[test]
#[should_panic(expected = "a route has one handler and method")]
fn two_methods_are_not_one_route() {
    #[utoipa::path(get, path = "/admin/greetings")]
    async fn list() {}
    #[utoipa::path(post, path = "/admin/greetings")]
    async fn add() {}
    let _both: Endpoint = utoipa_axum::routes!(list, add).into();
}

#[tokio::test]
async fn routes_that_are_off_are_neither_served_nor_described() {
    let (_, without) = control(open_to_the_admin_key()).await;
    let document = without.openapi();
    for route in [("GET", "/admin/backup"), ("POST", "/leaks"), ("POST", "/leaks/github")] {
        assert_eq!(admin(&without.router(), route, "").await.status, StatusCode::NOT_FOUND);
        assert_eq!(document["paths"].get(route.1), None, "{route:?}");
    }
    let tags = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]);
    assert!(
        tags.eq(["keys", "usage", "owners", "tiers", "audit", "moving"].map(Value::from).iter())
    );
    let options = AdminOptions { leak_reports: 1.try_into().ok(), ..open_to_the_admin_key() };
    let (_, with) = control(options).await;
    let reported = r#"{"reports":[{"text":"not-a-key-at-all","found_at":"a page"}]}"#;
    let response = send(&with.router(), ("POST", "/leaks"), &[], reported).await;
    assert_eq!(response.status, StatusCode::ACCEPTED, "{:?}", response.body);
    assert!(with.openapi()["paths"]["/leaks"]["post"].is_object());
}

#[tokio::test]
async fn a_request_is_recorded_with_its_id_if_the_app_gives_it_one() {
    let (_, control) = control(open_to_the_admin_key()).await;
    let app = control.router();
    let put = |id: Option<&str>, tier: &str| {
        let mut request = Request::put(format!("/admin/tiers/{tier}"))
            .header("x-admin-key", ADMIN_KEY)
            .extension(axum::extract::ConnectInfo(std::net::SocketAddr::from(([127, 0, 0, 1], 1))));
        if let Some(id) = id.and_then(RequestId::parse) {
            request = request.extension(id);
        }
        request.body(r#"{"limits":[]}"#.into()).unwrap()
    };
    for (id, tier) in [(None, "a"), (Some("id-of-the-app"), "b")] {
        assert_eq!(send_whole(&app, put(id, tier)).await.status, StatusCode::CREATED);
    }
    let entries = admin(&app, ("GET", "/admin/audit"), "").await.json()["entries"].clone();
    let ids: Vec<_> =
        entries.as_array().unwrap().iter().map(|entry| &entry["request_id"]).collect();
    assert_eq!(ids, [&Value::Null, &json!("id-of-the-app")]);
}

#[tokio::test]
async fn the_admin_key_is_not_kept_even_if_another_header_holds_it() {
    let (_, control) = control(open_to_the_admin_key()).await;
    let app = control.router();
    let headers = [("x-admin-key", ADMIN_KEY), ("idempotency-key", ADMIN_KEY)];
    let response = send(&app, ("POST", "/admin/api-keys"), &headers, r#"{"name":"a"}"#).await;
    assert_eq!(response.status, StatusCode::BAD_REQUEST);
    let query = format!("/admin/api-keys?name={ADMIN_KEY}");
    assert_eq!(admin(&app, ("GET", &query), "").await.status, StatusCode::BAD_REQUEST);
}

#[utoipa::path(post, path = "/admin/greeting", tag = "own", responses((status = 200)))]
async fn greet(Extension(who): Extension<Who>) -> Json<bool> {
    Json(who.actor == Actor::AdminKey)
}

#[tokio::test]
async fn an_app_adds_routes_that_are_as_safe() {
    let (_, control) = control(open_to_the_admin_key()).await;
    let control = control.with_route(Role::Issuer, route!(greet));
    let app = control.router();
    let route = ("POST", "/admin/greeting");
    assert_eq!(admin(&app, route, "").await.json(), true);
    assert_eq!(send(&app, route, &[], "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(admin(&app, route, r#"{"a":1}"#).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let described = &control.openapi()["paths"]["/admin/greeting"]["post"];
    assert_eq!(described["security"], json!([{ "admin_key": [] }, { "person": [] }]));
}

#[tokio::test]
async fn a_route_that_is_not_mounted_in_the_control_plane_rejects_every_request() {
    let (_, control) = control(open_to_the_admin_key()).await;
    let routes = keyward_admin::routes::Routes::new();
    let app = routes.add(Access::Admin(Role::Viewer), route!(greet)).into_router();
    let response = admin(&app, ("POST", "/admin/greeting"), "").await;
    assert_eq!(response.json()["detail"], "Insufficient role");
    drop(control);
}

#[tokio::test]
async fn access_changes_while_it_serves() {
    let (_, control) = control(open_to_the_admin_key()).await;
    let app = control.router();
    let tiers = ("GET", "/admin/tiers");
    assert_eq!(admin(&app, tiers, "").await.status, StatusCode::OK);
    assert!(control.set_access(AccessOptions::default()).admin_key);
    assert_eq!(admin(&app, tiers, "").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    let elsewhere = AccessOptions {
        networks: vec!["192.0.2.0/24".parse().unwrap()],
        ..open_to_the_admin_key().access
    };
    control.set_access(elsewhere);
    assert_eq!(admin(&app, tiers, "").await.json()["detail"], "Address not allowed");
}
