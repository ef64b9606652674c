//! A line of the log for each request.

use std::sync::mpsc::Receiver;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Connection, Server};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const BASE: [(&str, &str); 2] = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_ACCESS_LOG", "on")];

/// The next line about a request.
fn next(lines: &Receiver<String>) -> String {
    lines.iter().find(|line| line.contains("keyward::access")).expect("the server logs it")
}

#[test]
fn a_line_names_the_route_and_the_key_and_never_the_secret() {
    let folder = tempdir().unwrap();
    let environment: Vec<_> = BASE.into_iter().chain([("KEYWARD_LOG_FORMAT", "json")]).collect();
    let mut server = Server::start_with(folder.path(), &environment);
    let lines = server.log_lines();
    let next = || {
        let line = next(&lines);
        (serde_json::from_str::<Value>(&line).unwrap()["fields"].clone(), line)
    };
    let (id, secret) = server.issue("weather-bot");
    let (issued, _) = next();
    assert_eq!((&issued["method"], &issued["route"]), (&"POST".into(), &"/admin/api-keys".into()));
    assert_eq!((&issued["status"], issued.get("verdict")), (&201.into(), None));

    let trace = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01");
    let headers = [&format!("x-api-key: {secret}"), "x-request-id: my-request", trace.as_str()];
    assert_eq!(server.send("GET", "/key", &headers, "").status, 200);
    let (allowed, line) = next();
    for (field, expected) in [
        ("listener", Value::from("public")),
        ("method", "GET".into()),
        ("route", "/key".into()),
        ("status", 200.into()),
        ("verdict", "allowed".into()),
        ("key_id", id.into()),
        ("door", "guard".into()),
        ("request_id", "my-request".into()),
        ("trace_id", TRACE.into()),
        ("message", "GET /key: 200".into()),
    ] {
        assert_eq!(allowed[field], expected, "{field}");
    }
    assert!(allowed["duration_ms"].as_f64().is_some_and(|took| 0.0 < took));
    assert!(!line.contains(&secret) && !line.contains("weather-bot"));

    // A wrong key, which a client put into the path as well.
    let path = format!("/articles/{secret}");
    assert_eq!(server.send("GET", &path, &["x-api-key: wrong"], "").status, 404);
    let (unknown, line) = next();
    assert_eq!((&unknown["route"], unknown.get("verdict")), (&"".into(), None));
    assert!(!line.contains(&secret[..20]));
    assert_eq!(server.send("GET", "/key", &["x-api-key: wrong"], "").status, 401);
    let (denied, _) = next();
    assert_eq!((&denied["verdict"], denied.get("key_id")), (&"unknown".into(), None));
    let begun = denied["trace_id"].as_str().unwrap();
    assert!(begun.len() == 32 && begun != TRACE, "a trace of its own");

    server.admin("DELETE", &format!("/admin/api-keys/{id}"), "");
    next();
    assert_eq!(server.get("/key", &secret).status, 401);
    let (revoked, _) = next();
    assert_eq!((&revoked["verdict"], &revoked["key_id"]), (&"revoked".into(), &id.into()));
}

#[test]
fn a_line_for_people_has_the_same() {
    let folder = tempdir().unwrap();
    let mut server = Server::start_with(folder.path(), &BASE);
    let lines = server.log_lines();
    assert_eq!(server.send("GET", "/key", &[], "").status, 401);
    let line = next(&lines);
    for part in ["GET /key: 401", "listener=\"public\"", "verdict=\"missing\"", "door=\"guard\""] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn requests_are_not_logged_unless_that_is_asked_for() {
    let folder = tempdir().unwrap();
    let mut server = Server::start_with(folder.path(), &BASE[..1]);
    let log = server.read_log();
    assert_eq!(server.send("GET", "/key", &[], "").status, 401);
    server.signal("TERM");
    assert!(!log.join().unwrap().contains("keyward::access"));
}

#[test]
fn a_door_logs_the_route_that_a_service_names() {
    let folder = tempdir().unwrap();
    let doors = [("KEYWARD_DOORS_LISTEN", "127.0.0.1:0"), ("KEYWARD_LOG_FORMAT", "json")];
    let environment: Vec<_> = BASE.into_iter().chain(doors).collect();
    let mut server = Server::start_with(folder.path(), &environment);
    let lines = server.log_lines();
    let (_, secret) = server.issue("weather-bot");
    next(&lines);
    let verify = |resource: &str| {
        let body = json!({ "key": secret, "resource": resource }).to_string();
        let doors = server.doors().unwrap();
        assert_eq!(Connection::open(doors).send("POST", "/verify", &[], &body).status, 200);
        serde_json::from_str::<Value>(&next(&lines)).unwrap()["fields"].clone()
    };
    let logged = verify("GET /v1/articles/{id}");
    assert_eq!(logged["resource"], "GET /v1/articles/{id}");
    assert_eq!((&logged["door"], &logged["verdict"]), (&"verify".into(), &"allowed".into()));
    let logged = verify(&format!("GET /v1/{secret}"));
    assert!(!logged.to_string().contains(&secret[..20]), "{logged}");
}
