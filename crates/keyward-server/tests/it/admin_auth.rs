//! Authentication of the control plane: addresses, and wrong admin keys.

use tempfile::tempdir;

use crate::server::{ADMIN_KEY, Response, Server, new_admin_key};

const FORBIDDEN: &str = r#"403 {"detail":"Invalid admin key"}"#;
const ELSEWHERE: &str = r#"403 {"detail":"Address not allowed"}"#;
const PATH: &str = "/admin/tiers";

fn start(folder: &tempfile::TempDir, more: &[(&str, &str)]) -> Server {
    let environment: Vec<_> = [("ADMIN_API_KEY", ADMIN_KEY)].iter().chain(more).copied().collect();
    Server::start_with(folder.path(), &environment)
}

/// Sends an admin key, as if through a proxy that names these hops, if any.
fn ask(server: &Server, key: &str, hops: Option<&str>) -> Response {
    let key = format!("x-admin-key: {key}");
    let hops = hops.map(|hops| format!("x-forwarded-for: {hops}"));
    let headers: Vec<_> = std::iter::once(&key).chain(&hops).map(String::as_str).collect();
    server.send("GET", PATH, &headers, "")
}

#[test]
fn ten_wrong_admin_keys_a_minute_are_too_many() {
    let folder = tempdir().unwrap();
    let server = start(&folder, &[]);
    // A missing key is no guess.
    for _ in 0..20 {
        assert_eq!(server.send("GET", PATH, &[], "").brief(), FORBIDDEN);
    }
    for number in 0..10 {
        assert_eq!(ask(&server, &format!("wrong-{number}"), None).brief(), FORBIDDEN);
    }
    let response = ask(&server, "wrong", None);
    assert_eq!(response.brief(), r#"429 {"detail":"Too many wrong admin keys"}"#);
    let secs: u64 = response.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=6).contains(&secs), "{secs}");
    assert_eq!(ask(&server, ADMIN_KEY, None).status, 200, "the right key is always let in");
    assert_eq!(
        ask(&server, "wrong", None).status,
        429,
        "a new connection does not start the count anew"
    );
}

#[test]
fn wrong_admin_keys_are_counted_by_the_true_address() {
    let folder = tempdir().unwrap();
    let server = start(&folder, &[]);
    let status = |number: u32| ask(&server, "wrong", Some(&format!("10.0.0.{number}"))).status;
    assert!((0..10).all(|number| status(number) == 403));
    assert_eq!(status(10), 429);

    let folder = tempdir().unwrap();
    let key = new_admin_key();
    let more = [("ADMIN_API_KEY", key.as_str()), ("KEYWARD_TRUSTED_PROXIES", "127.0.0.0/8")];
    let server = start(&folder, &more);
    let status = |hops: &str| ask(&server, "wrong", Some(hops)).status;
    // The addresses left of the client's own are made up by the client.
    assert!((0..10).all(|number| status(&format!("10.0.0.{number}, 192.0.2.1")) == 403));
    assert_eq!(status("192.0.2.1"), 429);
    // An address that happens to share its limit may be among them; not all of them do.
    assert!((2..6).any(|number| status(&format!("192.0.2.{number}")) == 403));
}

#[test]
fn addresses_outside_of_the_networks_are_rejected_before_any_key() {
    let folder = tempdir().unwrap();
    let server = start(&folder, &[("KEYWARD_ADMIN_NETWORKS", "10.0.0.0/8,2001:db8::/32")]);
    assert_eq!(ask(&server, ADMIN_KEY, None).brief(), ELSEWHERE);
    assert_eq!(ask(&server, "wrong", None).brief(), ELSEWHERE);
    assert_eq!(server.send("GET", PATH, &[], "").brief(), ELSEWHERE);
    // A false address in a header does not help, and the other routes are open to every address.
    assert_eq!(ask(&server, ADMIN_KEY, Some("10.0.0.1")).brief(), ELSEWHERE);
    assert_eq!(server.send("GET", "/healthz", &[], "").status, 200);
    assert_eq!(server.send("GET", "/key", &[], "").status, 401);
}

#[test]
fn the_client_of_a_trusted_proxy_has_to_be_within_the_networks() {
    let folder = tempdir().unwrap();
    let networks = "10.0.0.0/8,2001:db8::/32";
    let proxies = "127.0.0.1,172.16.0.0/12";
    let key = new_admin_key();
    let more = [
        ("ADMIN_API_KEY", key.as_str()),
        ("KEYWARD_ADMIN_NETWORKS", networks),
        ("KEYWARD_TRUSTED_PROXIES", proxies),
    ];
    let server = start(&folder, &more);
    for within in ["10.0.0.1", "192.0.2.1, 10.0.0.1", "10.0.0.1, 172.16.0.9", "[2001:db8::1]:9"] {
        assert_eq!(ask(&server, &key, Some(within)).status, 200, "{within}");
    }
    for outside in
        ["192.0.2.1", "10.0.0.1, 192.0.2.1", "10.0.0.1, 192.0.2.1, 172.16.0.9", "172.16.0.9"]
    {
        assert_eq!(ask(&server, &key, Some(outside)).brief(), ELSEWHERE, "{outside}");
    }
    for unreadable in ["", "unknown", "10.0.0.1,", "10.0.0.1, _proxy", "10.0.0.1/32"] {
        assert_eq!(ask(&server, &key, Some(unreadable)).brief(), ELSEWHERE, "{unreadable}");
    }
    assert_eq!(ask(&server, &key, None).brief(), ELSEWHERE);
}

#[test]
fn an_unknown_address_is_in_no_network() {
    let folder = tempdir().unwrap();
    let key = new_admin_key();
    let more = [("ADMIN_API_KEY", key.as_str()), ("KEYWARD_TRUSTED_PROXIES", "127.0.0.1")];
    let server = start(&folder, &more);
    assert_eq!(ask(&server, &key, Some("192.0.2.1")).status, 200);
    assert_eq!(ask(&server, &key, Some("unknown")).brief(), ELSEWHERE);
}

#[test]
fn a_response_to_another_method_names_the_methods_of_the_path() {
    let folder = tempdir().unwrap();
    let server = start(&folder, &[]);
    for (path, methods) in [
        ("/admin/api-keys", "GET,HEAD,POST"),
        ("/admin/api-keys/1", "GET,HEAD,PATCH,DELETE"),
        ("/admin/tiers/basic", "GET,HEAD,PUT,DELETE"),
    ] {
        assert_eq!(server.send("TRACE", path, &[], "").header("allow"), Some(methods), "{path}");
    }
    for method in ["TRACE", "OPTIONS", "PATCH"] {
        let response = server.send(method, PATH, &[], "");
        assert_eq!(response.brief(), r#"405 {"detail":"Method Not Allowed"}"#);
        assert_eq!(response.header("allow"), Some("GET,HEAD"));
    }
}

#[test]
fn an_admin_key_in_quotation_marks_is_logged_at_the_start() {
    let folder = tempdir().unwrap();
    let quoted = format!("\"{}\"", new_admin_key());
    let server = start(&folder, &[("ADMIN_API_KEY", &quoted)]);
    let (_, log) = server.stop();
    assert!(log.contains("WARN") && log.contains("quotation mark"), "{log}");
    assert!(!log.contains(&quoted[1..20]), "{log}");
}
