//! `GET /metrics` of the real program.

use std::net::SocketAddr;

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Connection, Response, Server};

const METRICS_LISTEN: (&str, &str) = ("KEYWARD_METRICS_LISTEN", "127.0.0.1:0");
const ADMIN_LISTEN: (&str, &str) = ("KEYWARD_ADMIN_LISTEN", "127.0.0.1:0");
const KEY: (&str, &str) = ("ADMIN_API_KEY", ADMIN_KEY);

fn get(address: SocketAddr, path: &str, headers: &[&str]) -> Response {
    Connection::open(address).send("GET", path, headers, "")
}

/// The page of a server whose metrics have a listener of their own.
fn page(server: &Server) -> String {
    let response = get(server.metrics().expect("the greeting names it"), "/metrics", &[]);
    assert_eq!(response.status, 200);
    response.body
}

#[test]
fn metrics_are_never_on_a_listener_of_callers() {
    for (environment, on_admin, on_own) in [
        (&[KEY][..], false, false),
        (&[KEY, ADMIN_LISTEN], true, false),
        (&[KEY, METRICS_LISTEN], false, true),
        (&[KEY, ADMIN_LISTEN, METRICS_LISTEN], false, true),
    ] {
        let folder = tempdir().unwrap();
        let server = Server::start_with(folder.path(), environment);
        assert_eq!(get(server.address, "/metrics", &[]).brief(), r#"404 {"detail":"Not Found"}"#);
        let status = |address: Option<SocketAddr>| {
            address.map(|address| get(address, "/metrics", &[]).status)
        };
        let expected = if on_admin { 200 } else { 404 };
        assert!(status(server.control()).is_none_or(|status| status == expected));
        assert_eq!(status(server.metrics()), on_own.then_some(200));
        // Its listener has nothing of the others'.
        if let Some(metrics) = server.metrics() {
            assert_eq!(get(metrics, "/key", &[]).status, 404);
            assert_eq!(get(metrics, "/admin/tiers", &[]).status, 404);
            assert_eq!(get(metrics, "/readyz", &[]).status, 200);
        }
    }
}

#[test]
fn the_form_is_the_one_that_the_client_prefers() {
    let folder = tempdir().unwrap();
    let server = Server::start_with(folder.path(), &[KEY, METRICS_LISTEN]);
    let metrics = server.metrics().unwrap();
    let plain = get(metrics, "/metrics", &[]);
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(plain.header("cache-control"), Some("no-store"));
    assert_eq!(plain.header("vary"), Some("Accept"));
    assert!(plain.body.contains("# TYPE process_cpu_seconds_total counter\n"));
    assert!(!plain.body.contains("# EOF"));
    let open = get(metrics, "/metrics", &["accept: application/openmetrics-text; version=1.0.0"]);
    let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.header("content-type"), Some(form));
    assert!(open.body.contains("# TYPE process_cpu_seconds counter\n"));
    assert!(open.body.ends_with("\n# EOF\n"));
}

/// Operators build rules and dashboards on these names.
#[test]
fn names_types_and_descriptions_are_kept() {
    let folder = tempdir().unwrap();
    let server = Server::start_with(folder.path(), &[KEY, METRICS_LISTEN]);
    let families: String = page(&server)
        .lines()
        .filter(|line| line.starts_with("# "))
        .map(|line| format!("{line}\n"))
        .collect();
    insta::assert_snapshot!(families);
}
