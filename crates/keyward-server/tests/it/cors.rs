//! Pages of other origins in browsers.

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Response, Server};

const PREFLIGHT: [&str; 2] =
    ["access-control-request-method: GET", "access-control-request-headers: authorization"];

fn preflight(server: &Server, path: &str, origin: &str) -> Response {
    let origin = format!("origin: {origin}");
    server.send("OPTIONS", path, &[&origin, PREFLIGHT[0], PREFLIGHT[1]], "")
}

fn vary(response: &Response) -> String {
    let lines = response.headers.iter().filter(|(name, _)| name == "vary");
    lines.map(|(_, value)| value.to_lowercase()).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_page_of_a_listed_origin_may_send_a_key_and_read_the_limits() {
    let folder = tempdir().unwrap();
    let origins = "https://app.example, http://localhost:5173";
    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_CORS_ORIGINS", origins)];
    let server = Server::start_with(folder.path(), &environment);
    let (_, secret) = server.issue("page");
    for origin in ["https://app.example", "http://localhost:5173"] {
        // The browser sends a preflight first, without the key.
        let asked = preflight(&server, "/key", origin);
        assert!((200..300).contains(&asked.status), "{asked:?}");
        assert_eq!(asked.header("access-control-allow-origin"), Some(origin));
        assert_eq!(asked.header("access-control-allow-methods"), Some("GET,HEAD"));
        let allowed = asked.header("access-control-allow-headers").unwrap();
        assert!(allowed.contains("authorization") && allowed.contains("x-api-key"), "{allowed}");
        let key = format!("authorization: Bearer {secret}");
        let wrong = "authorization: Bearer wrong-wrong".to_owned();
        for (key, status) in [(key, 200), (wrong, 401)] {
            let headers = [&*format!("origin: {origin}"), &key];
            let response = server.send("GET", "/key", &headers, "");
            assert_eq!(response.status, status);
            assert_eq!(response.header("access-control-allow-origin"), Some(origin));
            assert_eq!(response.header("access-control-allow-credentials"), None);
            let exposed = response.header("access-control-expose-headers").unwrap();
            for name in ["ratelimit", "ratelimit-policy", "x-ratelimit-reset", "retry-after"] {
                assert!(exposed.split(',').any(|exposed| exposed == name), "{exposed}");
            }
            let vary = vary(&response);
            for name in ["origin", "authorization", "x-api-key"] {
                assert!(vary.contains(name), "{vary}");
            }
        }
    }
    // Caches must not reuse the response to another origin, nor the response to a request without
    // an origin.
    assert!(vary(&server.get("/key", &secret)).contains("origin"));
    for origin in ["https://app.example.evil", "http://app.example", "null"] {
        let asked = preflight(&server, "/key", origin);
        assert_eq!(asked.header("access-control-allow-origin"), None, "{origin}");
    }
    for path in ["/admin/api-keys", "/admin/tiers", "/leaks", "/docs", "/nothing"] {
        let asked = preflight(&server, path, "https://app.example");
        assert!(matches!(asked.status, 403..=405), "{path}: {asked:?}");
        assert_eq!(asked.header("access-control-allow-origin"), None, "{path}");
        let response = server.send("GET", path, &["origin: https://app.example"], "");
        assert_eq!(response.header("access-control-allow-origin"), None, "{path}");
    }
    let other = server.send("POST", "/key", &["origin: https://app.example"], "");
    assert_eq!(other.brief(), r#"405 {"detail":"Method Not Allowed"}"#);
    assert_eq!(other.header("allow"), Some("GET,HEAD"));
}

#[test]
fn every_page_may_if_the_setting_allows_it_and_none_by_default() {
    let folder = tempdir().unwrap();
    let environment = [("ADMIN_API_KEY", ADMIN_KEY), ("KEYWARD_CORS_ORIGINS", "*")];
    let server = Server::start_with(folder.path(), &environment);
    let asked = preflight(&server, "/key", "https://anyone.example");
    assert_eq!(asked.header("access-control-allow-origin"), Some("*"));
    let admin = preflight(&server, "/admin/tiers", "https://anyone.example");
    assert_eq!(admin.header("access-control-allow-origin"), None);

    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let asked = preflight(&server, "/key", "https://app.example");
    assert_eq!(asked.brief(), r#"405 {"detail":"Method Not Allowed"}"#);
    let (_, secret) = server.issue("page");
    let response = server.get("/key", &secret);
    assert!(!response.headers.iter().any(|(name, _)| name.starts_with("access-control-")));
}
