//! A span for each request, as a collector gets it.

mod collector;

use std::net::TcpListener;
use std::path::Path;

use serde_json::json;
use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Connection, Server};
use crate::tls::Authority;

use collector::Collector;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const OTHER_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00f067aa0ba902b7";

/// A server that sends its spans to this URL.
fn start(folder: &Path, url: &str, more: &[(&str, &str)]) -> Server {
    let base = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_OTLP_ENDPOINT", url)];
    Server::start_with(folder, &[&base, more].concat())
}

/// The field of a client that records the trace, or does not.
fn traceparent(trace: &str, flags: &str) -> String {
    format!("traceparent: 00-{trace}-{PARENT}-{flags}")
}

/// Ends the server, which sends what waits, and returns its log.
fn stop(server: Server) -> String {
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
    log
}

#[test]
fn a_request_is_a_span_of_its_trace_without_the_key() {
    let (folder, collector) = (tempdir().unwrap(), Collector::start());
    let server = start(folder.path(), &collector.url(), &[]);
    let (id, secret) = server.issue("weather-bot");
    let headers = [format!("x-api-key: {secret}"), traceparent(TRACE, "01")];
    assert_eq!(server.send("GET", "/key", &headers.each_ref().map(String::as_str), "").status, 200);
    let headers = [format!("x-api-key: {secret}x"), traceparent(OTHER_TRACE, "01")];
    assert_eq!(server.send("GET", "/key", &headers.each_ref().map(String::as_str), "").status, 401);
    assert_eq!(server.admin("GET", &format!("/admin/api-keys/{id}"), "").status, 200);
    // A key in a path, which is rejected, and a key as the state of the client's tracing.
    let state = format!("tracestate: keys={secret}");
    server.send("GET", &format!("/articles/{secret}"), &[&state, &traceparent(TRACE, "01")], "");
    let log = stop(server);
    assert!(!log.contains("WARN"), "{log}");

    let sent = collector.sent();
    let allowed = sent.span("GET /key", TRACE);
    assert_eq!((allowed.parent().as_str(), allowed.kind), (PARENT, 2));
    assert_ne!(allowed.id(), PARENT);
    assert!(allowed.start_time_unix_nano < allowed.end_time_unix_nano);
    let id = id.to_string();
    for (name, expected) in [
        ("http.request.method", "GET"),
        ("http.route", "/key"),
        ("http.response.status_code", "200"),
        ("url.scheme", "http"),
        ("keyward.listener", "public"),
        ("keyward.door", "guard"),
        ("keyward.verdict", "allowed"),
        ("keyward.key_id", &id),
    ] {
        assert_eq!(allowed.get(name).as_deref(), Some(expected), "{name}");
    }
    assert_eq!(allowed.names().len(), 8, "{:?}", allowed.names());
    let denied = sent.span("GET /key", OTHER_TRACE);
    assert_eq!(denied.get("keyward.verdict").as_deref(), Some("unknown"));
    assert_eq!(denied.get("http.response.status_code").as_deref(), Some("401"));
    assert_eq!(denied.get("keyward.key_id"), None);
    assert_ne!(denied.status.as_ref().map(|status| status.code), Some(2));
    // One that names no trace begins its own, and has no parent.
    let route = "/admin/api-keys/{key_id}";
    let own = sent.spans.iter().find(|span| span.get("http.route").as_deref() == Some(route));
    let own = own.unwrap();
    assert!(own.name == format!("GET {route}") && own.parent().is_empty());
    assert!(![TRACE, OTHER_TRACE].contains(&own.trace().as_str()));
    assert_eq!(sent.resource["service.name"], "keyward");
    assert_eq!(sent.resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(sent.spans.len(), 5);
    let has = |text: &str| sent.bytes.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has("GET /key"), "the texts of spans are found");
    for text in [&secret[..20], "weather-bot", ADMIN_KEY, "127.0.0.1:0", "/articles/"] {
        assert!(!has(text), "{text}");
    }
}

#[test]
fn a_door_has_spans_with_the_route_that_a_service_names() {
    let (folder, collector) = (tempdir().unwrap(), Collector::start());
    let doors = [("KEYWARD_DOORS_LISTEN", "127.0.0.1:0")];
    let server = start(folder.path(), &collector.url(), &doors);
    let (_, secret) = server.issue("weather-bot");
    let verify = |trace: &str, resource: &str| {
        let body = json!({ "key": secret, "resource": resource }).to_string();
        let mut connection = Connection::open(server.doors().unwrap());
        let response = connection.send("POST", "/verify", &[&traceparent(trace, "01")], &body);
        assert_eq!(response.status, 200);
    };
    verify(TRACE, "GET /v1/articles/{id}");
    verify(OTHER_TRACE, &format!("GET /v1/{secret}"));
    stop(server);
    let sent = collector.sent();
    let asked = sent.span("POST /verify", TRACE);
    for (name, expected) in [
        ("keyward.listener", "doors"),
        ("keyward.door", "verify"),
        ("keyward.verdict", "allowed"),
        ("keyward.resource", "GET /v1/articles/{id}"),
    ] {
        assert_eq!(asked.get(name).as_deref(), Some(expected), "{name}");
    }
    let hidden = sent.span("POST /verify", OTHER_TRACE).get("keyward.resource").unwrap();
    assert!(hidden.starts_with("GET /v1/") && !hidden.contains(&secret[..20]), "{hidden}");
}

#[test]
fn a_trace_that_the_client_does_not_record_is_not_sent() {
    let (folder, collector) = (tempdir().unwrap(), Collector::start());
    let server = start(folder.path(), &collector.url(), &[]);
    assert_eq!(server.send("GET", "/key", &[&traceparent(TRACE, "00")], "").status, 401);
    assert_eq!(server.send("GET", "/key", &[&traceparent(OTHER_TRACE, "01")], "").status, 401);
    stop(server);
    let sent = collector.sent();
    let traces: Vec<_> = sent.spans.iter().map(|span| span.trace()).collect();
    assert_eq!(traces, [OTHER_TRACE]);
}

#[test]
fn a_batch_is_sent_as_opentelemetry_has_it_and_with_the_operators_fields() {
    let (folder, collector) = (tempdir().unwrap(), Collector::start());
    let more = [
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=weather"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
    ];
    let server = start(folder.path(), &collector.url(), &more);
    assert_eq!(server.send("GET", "/healthz", &[], "").status, 200);
    stop(server);
    let sent = collector.sent();
    let [head] = &sent.heads[..] else { panic!("{:?}", sent.heads) };
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    for line in ["content-type: application/x-protobuf", "x-tenant: weather"] {
        assert!(head.lines().any(|one| one == line), "{line}: {head}");
    }
    assert_eq!(sent.resource["deployment.environment.name"], "test");
}

#[test]
fn a_span_is_sent_while_the_server_runs() {
    let (folder, collector) = (tempdir().unwrap(), Collector::start());
    let server = start(folder.path(), &collector.url(), &[]);
    assert_eq!(server.send("GET", "/healthz", &[], "").status, 200);
    let mut sent = collector.sent();
    while sent.spans.is_empty() {
        sent = collector.sent();
        std::thread::yield_now();
    }
    assert_eq!(sent.spans[0].name, "GET /healthz");
}

#[test]
fn a_collector_with_tls_needs_a_certificate_of_a_trusted_authority() {
    let (folder, collector) = (tempdir().unwrap(), Collector::start());
    let (authority, other) = (Authority::new(), Authority::new());
    let url = authority.front("localhost", collector.address);
    for (trusted, count) in [(&authority, 1), (&other, 0)] {
        let file = folder.path().join("authority.pem");
        std::fs::write(&file, &trusted.pem).unwrap();
        let server = start(folder.path(), &url, &[("SSL_CERT_FILE", file.to_str().unwrap())]);
        assert_eq!(server.send("GET", "/healthz", &[], "").status, 200);
        let log = stop(server);
        assert_eq!(collector.sent().spans.len(), count);
        let advice = "no authority that is trusted here made its certificate; have the system";
        assert_eq!(log.contains(advice), count == 0, "{log}");
    }
}

#[test]
fn a_collector_that_takes_nothing_costs_spans_alone() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failing = Collector::responding("400 Bad Request");
    for (url, why) in [
        (format!("http://{free}"), "nothing listens there"),
        (failing.url(), "it responded with 400 Bad Request"),
    ] {
        let folder = tempdir().unwrap();
        let mut server = start(folder.path(), &url, &[("KEYWARD_METRICS_LISTEN", "127.0.0.1:0")]);
        let (_, secret) = server.issue("weather-bot");
        assert_eq!(server.get("/key", &secret).status, 200);
        let line = server.wait_for_log("Spans did not reach");
        assert!(line.contains(why) && line.contains("WARN"), "{line}");
        let mut metrics = Connection::open(server.metrics().unwrap());
        let page = metrics.send("GET", "/metrics", &[], "").body;
        let dropped =
            page.lines().find_map(|line| line.strip_prefix("keyward_spans_dropped_total "));
        assert!(dropped.is_some_and(|count| count.parse::<u64>().unwrap() >= 1), "{page}");
        assert_eq!(server.get("/key", &secret).status, 200);
        stop(server);
    }
}

#[test]
fn a_collector_that_never_responds_holds_up_neither_requests_nor_the_end() {
    // Connections are made, and nothing is read from them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempdir().unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let server = start(folder.path(), &url, &[]);
    let (_, secret) = server.issue("weather-bot");
    assert_eq!(server.get("/key", &secret).status, 200);
    // The collector would have been given up after ten seconds, without this line.
    let log = stop(server);
    assert!(log.contains("The last spans did not reach"), "{log}");
    assert!(log.contains("usage is flushed and the database is closed"), "{log}");
}
