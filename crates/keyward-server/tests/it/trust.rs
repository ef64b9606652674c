//! Which certificates are trusted: of the issuer, of the server that the command line talks to, and
//! of feeds.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use serde_json::json;
use tempfile::{TempDir, tempdir};

use crate::cli;
use crate::issuer::{FakeIssuer, SigningKey};
use crate::server::{ADMIN_KEY, Server};
use crate::tls::Authority;

const TIERS: &str = r#"{"tiers":[],"count":0}"#;

fn file(folder: &TempDir, name: &str, authority: &Authority) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, &authority.pem).unwrap();
    path
}

/// The program with the admin key, and these variables.
fn keyward(folder: &TempDir, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command.env_clear().env("ADMIN_API_KEY", ADMIN_KEY).envs(variables.iter().copied());
    command.current_dir(folder.path()).args(arguments).output().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A server that sends these responses, and its address.
fn answering(bodies: &[&str]) -> (cli::Server, SocketAddr) {
    let answers = bodies.iter().map(|body| cli::answer("200 OK", "", body)).collect();
    let server = cli::Server::answering(answers);
    let address = server.url.strip_prefix("http://").unwrap().parse().unwrap();
    (server, address)
}

#[test]
fn an_issuer_is_vouched_for_by_the_authority_of_a_file_or_by_the_systems() {
    let (ours, other) = (Authority::new(), Authority::new());
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    let base = ours.front("localhost", issuer.address);
    let issuer = issuer.at(base);
    let folder = tempdir().unwrap();
    file(&folder, "ours.pem", &ours);
    file(&folder, "other.pem", &other);
    let token = issuer.token(&key, &json!({}));
    let url = issuer.url();
    let base = [("KEYWARD_OIDC_ISSUER", url.as_str()), ("KEYWARD_OIDC_AUDIENCE", "keyward")];
    for (variables, status) in [
        (&[][..], 503),
        (&[("KEYWARD_OIDC_CA_FILE", "other.pem")], 503),
        (&[("KEYWARD_OIDC_CA_FILE", "ours.pem")], 200),
        (&[("SSL_CERT_FILE", "ours.pem")], 200),
        (&[("SSL_CERT_FILE", "ours.pem"), ("KEYWARD_OIDC_CA_FILE", "other.pem")], 503),
        (&[("SSL_CERT_FILE", "missing.pem")], 503),
    ] {
        let environment: Vec<_> = base.iter().chain(variables).copied().collect();
        let server = Server::start_with(folder.path(), &environment);
        assert_eq!(server.get("/admin/tiers", &token).status, status, "{variables:?}");
        let (_, log) = server.stop();
        let says_what_to_do = log.contains(
            "is not trusted: no authority that is trusted here made its certificate; set \
             `oidc_ca_file` to a file with the certificate of its authority",
        );
        assert_eq!(says_what_to_do, status == 503, "{variables:?}: {log}");
    }
    assert_eq!(issuer.asked(), 2, "an untrusted issuer is not asked");
}

#[test]
fn sighup_reads_the_authorities_of_the_issuer_anew() {
    let (before, after) = (Authority::new(), Authority::new());
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    let base = after.front("localhost", issuer.address);
    let issuer = issuer.at(base);
    let folder = tempdir().unwrap();
    file(&folder, "ca.pem", &before);
    let url = issuer.url();
    let environment = [
        ("KEYWARD_OIDC_ISSUER", url.as_str()),
        ("KEYWARD_OIDC_AUDIENCE", "keyward"),
        ("KEYWARD_OIDC_CA_FILE", "ca.pem"),
    ];
    let mut server = Server::start_with(folder.path(), &environment);
    let status =
        |server: &Server| server.get("/admin/tiers", &issuer.token(&key, &json!({}))).status;
    assert_eq!(status(&server), 503);
    fs::write(folder.path().join("ca.pem"), "none").unwrap();
    server.signal("HUP");
    server.wait_for_log("Kept all settings as they were");
    file(&folder, "ca.pem", &after);
    server.signal("HUP");
    server.wait_for_log("The issuer that vouches for people");
    assert_eq!(status(&server), 200);
}

#[test]
fn a_server_is_vouched_for_by_the_authority_of_a_file_or_by_the_systems() {
    let (ours, other) = (Authority::new(), Authority::new());
    let folder = tempdir().unwrap();
    file(&folder, "ours.pem", &ours);
    file(&folder, "other.pem", &other);
    for (variables, flag, status) in [
        (&[][..], None, 3),
        (&[], Some("other.pem"), 3),
        (&[], Some("ours.pem"), 0),
        (&[("KEYWARD_CA_FILE", "ours.pem")], None, 0),
        (&[("KEYWARD_CA_FILE", "ours.pem")], Some("other.pem"), 3),
        (&[("SSL_CERT_FILE", "ours.pem")], None, 0),
        (&[("SSL_CERT_FILE", "ours.pem")], Some("other.pem"), 3),
    ] {
        let (server, address) = answering(&[TIERS]);
        let url = ours.front("localhost", address);
        let flags = flag.map(|file| ["--ca-file", file]);
        let flags = flags.iter().flatten().copied();
        let arguments: Vec<_> =
            ["tier", "list", "--json", "--server", &url].into_iter().chain(flags).collect();
        let output = keyward(&folder, variables, &arguments);
        let errors = errors(&output);
        assert_eq!(output.status.code(), Some(status), "{variables:?} {flag:?}: {errors}");
        if status == 0 {
            let request = &server.requests.join().unwrap()[0];
            assert!(request.contains(ADMIN_KEY), "{request}");
        } else {
            let errors = errors.replace(&url, "URL");
            insta::allow_duplicates! { insta::assert_snapshot!(errors, @"error: the server at URL is not trusted: no authority that is trusted here made its certificate; give the certificate of its authority with --ca-file FILE or KEYWARD_CA_FILE"); }
        }
    }
}

#[test]
fn a_server_with_an_untrusted_certificate_is_reported() {
    let ours = Authority::new();
    let folder = tempdir().unwrap();
    file(&folder, "ours.pem", &ours);
    let (_, address) = answering(&[TIERS]);
    let elsewhere = ours.front("keys.example", address);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let answering = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let _hello = client.read(&mut [0; 4_096]).unwrap();
        client.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").unwrap();
    });
    let told = |url: &str| {
        let arguments = ["tier", "list", "--server", url, "--ca-file", "ours.pem"];
        let output = keyward(&folder, &[], &arguments);
        assert_eq!(output.status.code(), Some(3));
        errors(&output).replace(url, "URL")
    };
    insta::assert_snapshot!(told(&elsewhere), @"error: the server at URL is not trusted: its certificate is for another name; name it as its certificate does, or give it another certificate");
    insta::assert_snapshot!(told(&plain), @"error: the server at URL is not trusted: it does not speak TLS; write http:// if it speaks plain HTTP, or name another port");
    answering.join().unwrap();
}

#[cfg(feature = "news")]
#[test]
fn a_feed_may_have_the_authority_of_a_file_too() {
    let ours = Authority::new();
    let folder = tempdir().unwrap();
    file(&folder, "ours.pem", &ours);
    let feed = r#"{"version":"https://jsonfeed.org/version/1.1","title":"F","items":[{"id":"1","title":"T","url":"https://x.example/1"}]}"#;
    for (flags, status) in [(&[][..], 1), (&["--ca-file", "ours.pem"][..], 0)] {
        let (_, feeds) = answering(&[feed]);
        let (server, _) = answering(&[r#"{"added":1,"updated":0,"skipped":0}"#]);
        let url = format!("{}/feed.json", ours.front("localhost", feeds));
        let arguments = [&["articles", "import", &url, "--server", &server.url], flags].concat();
        let output = keyward(&folder, &[], &arguments);
        let errors = errors(&output);
        assert_eq!(output.status.code(), Some(status), "{errors}");
        assert_eq!(errors.contains("--ca-file FILE"), status == 1, "{errors}");
        assert!(!errors.contains("UnknownIssuer"), "a parser's word: {errors}");
    }
}

#[test]
fn the_doctor_checks_over_tls_too() {
    let ours = Authority::new();
    let key = SigningKey::ed25519("a");
    let issuer = FakeIssuer::start(&[&key]);
    let base = ours.front("localhost", issuer.address);
    let issuer = issuer.at(base);
    let folder = tempdir().unwrap();
    file(&folder, "ours.pem", &ours);
    let url = issuer.url();
    let base = [
        ("KEYWARD_OIDC_ISSUER", url.as_str()),
        ("KEYWARD_OIDC_AUDIENCE", "keyward"),
        ("KEYWARD_TOKEN", "eyJh.e30.c2ln"),
    ];
    for (more, flags, health) in [
        (None, &[][..], "fail"),
        (Some(("KEYWARD_OIDC_CA_FILE", "ours.pem")), &["--ca-file", "ours.pem"], "ok"),
    ] {
        let missing = r#"{"detail":"Missing Authorization header"}"#;
        let (_, address) = answering(&[missing, r#"{"status":"ready"}"#, TIERS, TIERS]);
        let front = ours.front("localhost", address);
        let environment: Vec<_> = base.iter().copied().chain(more).collect();
        let arguments = [&["doctor", "--json", "--server", &front], flags].concat();
        let output = keyward(&folder, &environment, &arguments);
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = found["checks"].as_array().unwrap();
        let status = |name: &str| {
            let check = checks.iter().find(|check| check["check"] == name);
            check.map(|check| check["status"].as_str().unwrap())
        };
        assert_eq!(status("issuer"), Some(health), "{found}");
        let is_trusted = health == "ok";
        assert_eq!(status("server"), Some(if is_trusted { "ok" } else { "warn" }), "{found}");
        assert_eq!(status("access token"), is_trusted.then_some("ok"), "{found}");
    }
}

#[test]
fn a_file_of_authorities_that_is_none_ends_with_wrong_usage() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("none.pem"), "nothing\n").unwrap();
    let told = |variables: &[(&str, &str)], arguments: &[&str]| {
        let output = keyward(&folder, variables, arguments);
        assert_eq!(output.status.code(), Some(2));
        errors(&output)
    };
    let by_flag = told(&[], &["tier", "list", "--ca-file", "none.pem"]);
    insta::assert_snapshot!(by_flag, @"error: file none.pem holds no certificate; one begins with `-----BEGIN CERTIFICATE-----`");
    let issuer = ("KEYWARD_OIDC_ISSUER", "https://login.example");
    let audience = ("KEYWARD_OIDC_AUDIENCE", "keyward");
    let serve = told(&[issuer, audience, ("KEYWARD_OIDC_CA_FILE", "none.pem")], &["serve"]);
    insta::assert_snapshot!(serve, @"error: setting `oidc_ca_file` (environment variable KEYWARD_OIDC_CA_FILE): file none.pem holds no certificate; one begins with `-----BEGIN CERTIFICATE-----`");
    fs::write(folder.path().join("ours.pem"), Authority::new().pem).unwrap();
    let alone = told(&[("KEYWARD_OIDC_CA_FILE", "ours.pem")], &["serve"]);
    insta::assert_snapshot!(alone, @"error: setting `oidc_ca_file` (environment variable KEYWARD_OIDC_CA_FILE): means nothing without `oidc_issuer`; set both or none");
    assert!(!Path::new(&folder.path().join("keyward.db")).exists());
}
