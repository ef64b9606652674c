//! The routes, and the layers in front of them.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use http::header::{ACCEPT, HOST};
use keyward_admin::routes::Route;
use keyward_axum::Caller;
use tokio::sync::Notify;
use tower::{Service, ServiceExt as _};

use super::*;
use crate::edge::RequestBounds;
use crate::edge::Watch;
use crate::openapi::tests::{app_in, listed, served};

/// The table that `tests/it/access.rs` walks with every kind of caller.
const TABLE: &str = include_str!("../../tests/it/access/routes.txt");

/// Every route of the real program, the ones that describe it among them.
async fn every_route(folder: &Path) -> Vec<Route> {
    let pages = openapi::routes().with_state(&Document::of([]));
    let apart = [("KEYWARD_METRICS_LISTEN", "127.0.0.1:0")];
    let Listed { public, metrics, doors, .. } = listed(folder, &apart).await;
    let (metrics, doors) = (metrics.unwrap(), doors.unwrap());
    let there = metrics.iter().chain(doors.iter());
    let only_there = there.filter(|route| !["/healthz", "/readyz"].contains(&route.path()));
    public.iter().chain(pages.iter()).chain(only_there).cloned().collect()
}

#[tokio::test]
async fn every_route_has_its_row_in_the_table_of_access() {
    let row = |line: &str| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let lines = lines.filter(|line| cfg!(feature = "news") || !line.contains("/articles"));
    let expected: BTreeSet<_> = lines.clone().map(row).collect();
    assert_eq!(expected.len(), lines.count(), "no row stands there twice");
    let folder = tempfile::tempdir().unwrap();
    let routes = every_route(folder.path()).await;
    let registered: BTreeSet<_> = routes
        .iter()
        .map(|route| {
            let access = match route.access() {
                Access::Open => "open",
                Access::Key => "key",
                Access::Door => "door",
                Access::Admin(role) => role.as_str(),
            };
            format!("{} {} {access}", route.method(), route.path())
        })
        .collect();
    assert_eq!(registered.len(), routes.len(), "no route is registered twice");
    assert_eq!(registered, expected, "tests/it/access/routes.txt has every route");
}

#[tokio::test]
async fn everything_under_admin_asks_for_a_role_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    for route in every_route(folder.path()).await.iter() {
        let asks = matches!(route.access(), Access::Admin(_));
        assert_eq!(asks, route.path().starts_with("/admin"), "{route:?}");
    }
}

/// How often memory is taken for a response, on a thread that has responded before.
fn allocations<S>(front: &S, request: impl Fn() -> Request) -> u64
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let respond = |request| runtime.block_on(front.clone().oneshot(request)).unwrap();
    for _ in 0..3 {
        assert_eq!(respond(request()).status(), StatusCode::OK);
    }
    let request = request();
    allocation_counter::measure(|| drop(respond(request))).count_total
}

#[test]
fn health_is_told_with_few_allocations() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let front = runtime.block_on(served(folder.path(), &[])).public;
    let request = || Request::get("/healthz").header(HOST, "a").body(Body::empty()).unwrap();
    let bare = Router::new().route("/healthz", get(health::show_health));
    let (all, bare) = (allocations(&front, request), allocations(&bare, request));
    assert!(all <= 25, "{all} allocations, {bare} of them by axum itself");
}

#[utoipa::path(get, path = "/panics")]
async fn make_a_mistake(_: Option<Caller>) {
    if true {
        panic!("a mistake");
    }
}

#[utoipa::path(get, path = "/slow")]
async fn never_respond(_: Option<Caller>) {
    std::future::pending::<()>().await;
}

/// The layers that respond in a handler's stead are inside the layer that finishes responses.
#[tokio::test]
async fn a_mistake_of_ours_depends_on_the_key_too() {
    let folder = tempfile::tempdir().unwrap();
    let (app, _) = app_in(folder.path()).await;
    let routes = Routes::new()
        .add(Access::Key, route!(make_a_mistake))
        .add(Access::Key, route!(never_respond))
        .with_state(&app);
    let front = finished(ListenerName::Public, routes, &app.guard, &Edge::new(Duration::ZERO, 0));
    for (path, status) in [("/panics", 500), ("/slow", 408)] {
        let request =
            Request::get(path).header(HOST, "a").header(ACCEPT, "application/problem+json");
        let response = front.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status);
        let said = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(said("vary"), "Authorization, X-API-Key");
        assert_eq!(said("cache-control"), "private, no-cache");
        assert_eq!(said("content-type"), "application/problem+json");
        assert_eq!(said("x-request-id").len(), 16);
    }
}

#[tokio::test]
async fn a_copy_of_the_database_may_take_longer_than_other_responses() {
    let folder = tempfile::tempdir().unwrap();
    let (_, control) = app_in(folder.path()).await;
    let over = Arc::new(Notify::new());
    let made = Arc::clone(&over);
    let make = async move || made.notified().await;
    let router = Router::new()
        .route("/slow", get(std::future::pending::<()>))
        .route("/admin/backup", get(make));
    let bounds = RequestBounds { time: Duration::ZERO, at_once: NonZeroU32::MAX };
    let edge = Edge::hiding(bounds, 0, control, Watch::default());
    let router = edge.receive(ListenerName::Public, Templates::default(), router);
    let ask = |path: &str| {
        let request = Request::get(path).header(HOST, "a").body(Body::empty()).unwrap();
        router.clone().oneshot(request)
    };
    let slow = async {
        let first = ask("/slow").await.unwrap().status();
        // By the end of the second one, the time of the copy has passed as well.
        let second = ask("/slow").await.unwrap().status();
        over.notify_one();
        [first, second]
    };
    let (copy, slow) = tokio::join!(ask("/admin/backup"), slow);
    assert_eq!(slow, [StatusCode::REQUEST_TIMEOUT; 2]);
    assert_eq!(copy.unwrap().status(), StatusCode::OK);
}
