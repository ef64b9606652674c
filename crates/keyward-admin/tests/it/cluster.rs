//! Responses of a node that shares its database.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::StatusCode;
use keyward_admin::Control;
use keyward_axum::keyward::Gate;
use keyward_axum::keyward::gate::KeptUp;
use keyward_axum::keyward::key::Prefix;
use keyward_axum::keyward::memory::{MemoryCluster, MemoryStore};
use keyward_axum::testing::{FakeClock, guard};
use keyward_axum::{Guard, GuardOptions};
use serde_json::Value;

use crate::{admin, open_to_the_admin_key};

/// A node with its control plane, and another one over the same database. One clock.
struct Two {
    own: Guard,
    other: Gate,
    app: Router,
    clock: FakeClock,
}

impl Two {
    async fn new() -> Self {
        let cluster = MemoryCluster::new(Duration::from_secs(5));
        let open = |number| Gate::open(Arc::new(cluster.node(number)), Prefix::default());
        let (own, other) = (open(1).await.unwrap(), open(2).await.unwrap());
        let (_, clock) = guard().await;
        let own = Guard::new(own, clock.clone(), GuardOptions::default());
        let reports = Arc::new(MemoryStore::default());
        let control = Control::open(own.clone(), reports, open_to_the_admin_key()).await.unwrap();
        Self { own, other, app: control.router(), clock }
    }

    /// Sends a request; while it waits, the own node follows, and the other one if it is heard.
    async fn send(&self, route: (&str, &str), body: &str, is_heard: bool) -> (StatusCode, Value) {
        let follow = async {
            loop {
                let clock = || self.own.clock().now();
                while self.own.gate().keep_up(&clock).await.unwrap() != KeptUp::Current {}
                if is_heard {
                    while self.other.keep_up(&clock).await.unwrap() != KeptUp::Current {}
                }
                if 0 < self.own.gate().settle(&clock).await.unwrap() {
                    self.clock.advance(Duration::from_millis(125));
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            response = admin(&self.app, route, body) => (response.status, response.json()),
            () = follow => unreachable!("it follows for ever"),
        }
    }
}

/// The body of an import.
fn import() -> String {
    let digest = "ab".repeat(32);
    format!(r#"{{"keys":[{{"name":"a","secrets":[{{"digest":"{digest}"}}]}}]}}"#)
}

#[tokio::test]
async fn a_response_says_whether_every_node_knows_what_was_given() {
    let two = Two::new().await;
    let import = import();
    let giving = [
        (("POST", "/admin/api-keys"), r#"{"name":"a","owner":"acme"}"#),
        (("POST", "/admin/import"), import.as_str()),
        (("POST", "/admin/api-keys/1/resume"), ""),
        (("POST", "/admin/owners/acme/resume"), ""),
    ];
    for (route, body) in giving {
        // It is suspended first.
        if let Some(object) = route.1.strip_suffix("/resume") {
            two.send(("POST", &format!("{object}/suspend")), "", true).await;
        }
        for is_heard in [false, true] {
            let (status, response) = two.send(route, body, is_heard).await;
            assert!(status.is_success(), "{route:?}: {response}");
            assert_eq!(response["everywhere"], is_heard, "{route:?}");
        }
    }
}

#[tokio::test]
async fn nothing_is_said_where_it_goes_without_saying() {
    let (two, import) = (Two::new().await, import());
    let issue = (("POST", "/admin/api-keys"), r#"{"name":"a","owner":"acme"}"#);
    let others = [
        (("POST", "/admin/import?dry_run=true"), import.as_str()),
        (("POST", "/admin/api-keys/1/suspend"), ""),
        (("PATCH", "/admin/api-keys/1"), r#"{"name":"b"}"#),
        (("GET", "/admin/api-keys/1"), ""),
        (("POST", "/admin/owners/acme/suspend"), ""),
    ];
    two.send(issue.0, issue.1, true).await;
    for (route, body) in others {
        let (status, response) = two.send(route, body, true).await;
        assert!(status.is_success(), "{route:?}: {response}");
        assert_eq!(response.get("everywhere"), None, "{route:?}");
    }
    // A store of its own.
    let (_, control) = crate::control(open_to_the_admin_key()).await;
    let response = admin(&control.router(), issue.0, issue.1).await;
    assert_eq!(response.json().get("everywhere"), None);
}
