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
pub(crate) fn page(server: &Server) -> String {
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

/// The value of a sample, by its name and labels; `None` if there is none.
pub(crate) fn sample(page: &str, name: &str) -> Option<f64> {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

/// Asks for the page until a sample is this.
fn wait_for(server: &Server, name: &str, expected: f64) {
    let is_there = || sample(&page(server), name) == Some(expected);
    assert!((0..5_000).any(|_| is_there()), "{name} is not {expected}");
}

#[test]
fn changes_and_what_the_store_did_are_counted() {
    let folder = tempdir().unwrap();
    let server = Server::start_with(folder.path(), &[KEY, METRICS_LISTEN]);
    let (id, _) = server.issue("a");
    assert_eq!(server.admin("DELETE", &format!("/admin/api-keys/{id}"), "").status, 204);
    assert_eq!(server.admin("DELETE", "/admin/api-keys/99", "").status, 404);
    let page = page(&server);
    for change in ["issue", "revoke"] {
        let total = format!(r#"keyward_changes_total{{change="{change}"}}"#);
        assert_eq!(sample(&page, &total), Some(1.0));
        let count = format!(r#"keyward_change_duration_seconds_count{{change="{change}"}}"#);
        assert_eq!(sample(&page, &count), Some(1.0));
    }
    assert_eq!(sample(&page, r#"keyward_changes_total{change="edit"}"#), Some(0.0));
    let operations = |operation: &str, result: &str| {
        let labels = format!(r#"operation="{operation}",result="{result}""#);
        sample(&page, &format!("keyward_store_operations_total{{{labels}}}")).unwrap()
    };
    assert!(3.0 <= operations("commit", "ok"), "two changes, and one that was rejected");
    assert!(0.0 < operations("read", "ok"));
    assert_eq!(operations("commit", "error"), 0.0);
    assert_eq!(operations("backup", "ok"), 0.0);
    assert!(2.0 <= sample(&page, "keyward_commit_changes_sum").unwrap());
    // The trail is checked when the program starts.
    wait_for(&server, "keyward_audit_chain_valid", 1.0);
}

#[test]
fn verdicts_are_counted_by_door_and_by_tier() {
    let folder = tempdir().unwrap();
    let environment = [KEY, METRICS_LISTEN, ("KEYWARD_FLUSH_EVERY", "10ms")];
    let server = Server::start_with(folder.path(), &environment);
    let (_, secret) = server.issue("weather-bot");
    let (id, revoked) = server.issue("old-bot");
    assert_eq!(server.admin("DELETE", &format!("/admin/api-keys/{id}"), "").status, 204);
    let get = |headers: &[&str]| server.send("GET", "/key", headers, "").status;
    let key = |secret: &str| format!("x-api-key: {secret}");
    assert_eq!(get(&[&key(&secret)]), 200);
    assert_eq!(get(&[&key(&revoked)]), 401);
    assert_eq!(get(&[&key("wrong")]), 401);
    assert_eq!(get(&[]), 401);
    assert_eq!(get(&["authorization: Basic YTpi"]), 401);
    assert_eq!(get(&[&key(&secret), &format!("authorization: Bearer {secret}")]), 400);
    let page = page(&server);
    let guard = |outcome: &str| {
        let labels = format!(r#"door="guard",outcome="{outcome}""#);
        sample(&page, &format!("keyward_verdicts_total{{{labels}}}"))
    };
    for outcome in ["allowed", "revoked", "unknown", "missing", "malformed", "ambiguous"] {
        assert_eq!(guard(outcome), Some(1.0), "{outcome}");
    }
    for outcome in ["limited", "suspended", "expired", "flooded", "unavailable"] {
        assert_eq!(guard(outcome), Some(0.0), "{outcome}");
    }
    let nginx = r#"keyward_verdicts_total{door="nginx",outcome="allowed"}"#;
    assert_eq!(sample(&page, nginx), Some(0.0));
    wait_for(&server, r#"keyward_tier_verdicts_total{tier="basic",outcome="allowed"}"#, 1.0);
    wait_for(&server, "keyward_usage_pending", 0.0);
    wait_for(&server, "keyward_usage_flushed_total", 2.0);
}

#[test]
fn keys_are_counted_by_state() {
    let folder = tempdir().unwrap();
    let server = Server::start_with(folder.path(), &[KEY, METRICS_LISTEN]);
    for body in [r#"{"name":"a"}"#, r#"{"name":"b","expires_in":"2d"}"#] {
        assert_eq!(server.admin("POST", "/admin/api-keys", body).status, 201);
    }
    let (id, _) = server.issue("c");
    assert_eq!(server.admin("DELETE", &format!("/admin/api-keys/{id}"), "").status, 204);
    let page = page(&server);
    let keys = |state: &str| sample(&page, &format!(r#"keyward_keys{{state="{state}"}}"#));
    assert_eq!(
        (keys("active"), keys("revoked"), keys("expired")),
        (Some(2.0), Some(1.0), Some(0.0))
    );
    let within =
        |time: &str| sample(&page, &format!(r#"keyward_keys_expiring{{within="{time}"}}"#));
    assert_eq!((within("1d"), within("7d"), within("30d")), (Some(0.0), Some(1.0), Some(1.0)));
}

#[test]
fn rejections_of_operators_are_counted_by_reason() {
    let folder = tempdir().unwrap();
    let leaks = [("KEYWARD_LEAK_REPORTS", "100")];
    let environment: Vec<_> = [KEY, METRICS_LISTEN].into_iter().chain(leaks).collect();
    let server = Server::start_with(folder.path(), &environment);
    let send = |headers: &[&str]| {
        Connection::open(server.address).send("GET", "/admin/tiers", headers, "").status
    };
    assert_eq!((send(&["x-admin-key: wrong"]), send(&[])), (403, 403));
    let report =
        |body: &str| Connection::open(server.address).send("POST", "/leaks", &[], body).status;
    let one = r#"{"reports":[{"text":"kw_a","found_at":"https://paste.example/1"}]}"#;
    assert_eq!((report(one), report("{}")), (202, 422));
    let page = page(&server);
    for (name, expected) in [
        (r#"keyward_admin_rejections_total{reason="wrong_key"}"#, 1.0),
        (r#"keyward_admin_rejections_total{reason="no_key"}"#, 1.0),
        (r#"keyward_admin_rejections_total{reason="address"}"#, 0.0),
        (r#"keyward_oidc_key_fetches_total{result="error"}"#, 0.0),
        (r#"keyward_leak_reports_total{source="anyone",result="accepted"}"#, 1.0),
        (r#"keyward_leak_reports_total{source="anyone",result="rejected"}"#, 1.0),
        (r#"keyward_leak_reports_total{source="github",result="accepted"}"#, 0.0),
    ] {
        assert_eq!(sample(&page, name), Some(expected), "{name}");
    }
}

#[test]
fn connections_are_those_of_each_listener() {
    let folder = tempdir().unwrap();
    let server = Server::start_with(folder.path(), &[KEY, METRICS_LISTEN]);
    let public = r#"keyward_connections{listener="public"}"#;
    wait_for(&server, public, 0.0);
    let held = [Connection::open(server.address), Connection::open(server.address)];
    wait_for(&server, public, 2.0);
    drop(held);
    wait_for(&server, public, 0.0);
    // The one that asks.
    wait_for(&server, r#"keyward_connections{listener="metrics"}"#, 1.0);
}

#[test]
fn responses_are_timed_by_template_and_no_path_is_a_label() {
    let folder = tempdir().unwrap();
    let server = Server::start_with(folder.path(), &[KEY, METRICS_LISTEN]);
    let path = "/admin/api-keys/123456789";
    assert_eq!(server.admin("GET", path, "").status, 404);
    for (method, path, status) in
        [("GET", "/a-path-of-a-client", 404), ("BREW", "/key", 405), ("GET", "/key", 401)]
    {
        let response = Connection::open(server.address).send(method, path, &[], "");
        assert_eq!(response.status, status, "{method} {path}");
    }
    let page = page(&server);
    for (method, route, status) in [
        ("GET", "/admin/api-keys/{key_id}", 404),
        ("GET", "", 404),
        ("_OTHER", "/key", 405),
        ("GET", "/key", 401),
    ] {
        let labels = format!(
            r#"http_request_method="{method}",http_route="{route}",http_response_status_code="{status}""#
        );
        let name = format!("http_server_request_duration_seconds_count{{{labels}}}");
        assert_eq!(sample(&page, &name), Some(1.0), "{labels}");
    }
    for told in ["a-path-of-a-client", "123456789", "BREW"] {
        assert!(!page.contains(told), "{told}");
    }
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
