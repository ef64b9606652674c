//! The control plane, mounted in an app of its own.

#![cfg(test)] // Tells Clippy that helpers here are test code too.

#[path = "../../examples/service.rs"]
#[expect(dead_code, reason = "the test serves it in its own way")]
mod service;

mod cluster;
mod example;
mod mount;
mod unread;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use keyward_admin::admin_key::{AdminKey, AdminKeyDigests};
use keyward_admin::{AccessOptions, AdminOptions, Control};
use keyward_axum::keyward::Gate;
use keyward_axum::keyward::memory::MemoryStore;
use keyward_axum::{Guard, GuardOptions, SystemClock};
use serde_json::Value;
use tower::ServiceExt as _;

const ADMIN_KEY: &str = "an-admin-key-for-these-tests";

/// A response, read whole.
struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Response {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A guard over an empty store in memory, and its control plane.
async fn control(options: AdminOptions) -> (Guard, Control) {
    let store = Arc::new(MemoryStore::default());
    let gate = Gate::open(Arc::clone(&store) as _, "kw".parse().unwrap()).await.unwrap();
    let guard = Guard::new(gate, SystemClock::start(), GuardOptions::default());
    let control = Control::open(guard.clone(), store, options).await.unwrap();
    (guard, control)
}

/// Options with an admin key.
fn open_to_the_admin_key() -> AdminOptions {
    let admin_keys = AdminKeyDigests::only(&AdminKey::parse(ADMIN_KEY).unwrap());
    let access = AccessOptions { admin_keys, ..AccessOptions::default() };
    AdminOptions { access, ..AdminOptions::default() }
}

/// Sends a request from loopback.
async fn send(
    app: &Router,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> Response {
    let peer = ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 1_234)));
    let mut request = Request::builder().method(method).uri(path).extension(peer);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send_whole(app, request.body(body.to_owned().into()).unwrap()).await
}

async fn send_whole(app: &Router, request: Request<Body>) -> Response {
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response { status: parts.status, headers: parts.headers, body }
}

/// Sends a request with the admin key.
async fn admin(app: &Router, route: (&str, &str), body: &str) -> Response {
    send(app, route, &[("x-admin-key", ADMIN_KEY)], body).await
}
