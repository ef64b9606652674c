//! Reports of any client that holds a secret.

use std::path::Path;
use std::thread;

use rusqlite::Connection;
use serde_json::json;
use tempfile::tempdir;

use super::{revocations, works};
use crate::sample;
use crate::server::{ADMIN_KEY, Response, Server};

fn start(folder: &Path, per_minute: &str) -> Server {
    let on = ("KEYWARD_LEAK_REPORTS", per_minute);
    Server::start_with(folder, &[("ADMIN_API_KEY", ADMIN_KEY), on, ("KEYWARD_LOG", "trace")])
}

fn report(server: &Server, texts: &[&str]) -> Response {
    let report = |text: &&str| json!({ "text": text, "found_at": "https://paste.example/1" });
    let reports: Vec<_> = texts.iter().map(report).collect();
    server.send("POST", "/leaks", &[], &json!({ "reports": reports }).to_string())
}

#[test]
fn it_is_off_unless_set() {
    let folder = tempdir().unwrap();
    let server = Server::start(folder.path());
    let unknown = server.send("POST", "/nothing", &[], "").brief();
    assert_eq!(report(&server, &["kw_whatever"]).brief(), unknown);
    assert_eq!(server.send("GET", "/leaks", &[], "").brief(), unknown);
}

#[test]
fn the_response_hides_which_keys_were_real_and_those_are_revoked() {
    let folder = tempdir().unwrap();
    let server = start(folder.path(), "1000");
    let (_, real) = server.issue("leaked");
    let (_, other) = server.issue("not leaked");
    let former = [("former-with-grace", "2100-01-01T00:00:00Z")];
    sample::add(&server, &[sample::key("rotated", &former, "present-secret")]);
    let seen = |texts: &[&str]| {
        let mut response = report(&server, texts);
        response.headers.retain(|(name, _)| name != "x-request-id" && name != "date");
        (response.status, response.headers, response.body)
    };
    let unreal = seen(&["kw_nobody-has-this-secret", "neither this, which cannot be one"]);
    assert_eq!((unreal.0, unreal.2.as_str()), (202, r#"{"received":2}"#));
    assert_eq!(seen(&[&real, "former-with-grace"]), unreal);
    assert_eq!(seen(&[&real, "former-with-grace"]), unreal, "once it is revoked, too");

    // Accepted reports are processed before the server has stopped.
    let (status, errors) = server.stop();
    assert!(status.success(), "{errors}");
    let server = start(folder.path(), "1000");
    assert!(!works(&server, &real) && works(&server, &other));
    assert!(!works(&server, "former-with-grace") && !works(&server, "present-secret"));
    let reason = "reported by the holder of its secret: https://paste.example/1";
    let expected = ("leak-report".to_owned(), reason.to_owned());
    assert_eq!(revocations(&server), [expected.clone(), expected]);
}

#[test]
fn a_received_report_is_retried_after_the_store_failed() {
    let folder = tempdir().unwrap();
    let on = ("KEYWARD_LEAK_REPORTS", "1000");
    let mut server = Server::start_with(folder.path(), &[("ADMIN_API_KEY", ADMIN_KEY), on]);
    let (_, real) = server.issue("leaked");
    let file = Connection::open(folder.path().join("keyward.db")).unwrap();
    assert_eq!(file.execute("UPDATE keys SET scopes = '!' WHERE id = 1", []).unwrap(), 1);
    assert_eq!(report(&server, &[&real]).status, 202);
    let log = server.wait_for_log("what 1 reports named");
    assert!(log.contains("Trying again"), "{log}");
    assert_eq!(file.execute("UPDATE keys SET scopes = '' WHERE id = 1", []).unwrap(), 1);
    assert!(server.stop().0.success());
    let server = start(folder.path(), "1000");
    assert!(!works(&server, &real));
}

#[test]
fn a_received_report_is_carried_out_even_if_the_server_is_killed_at_once() {
    let folder = tempdir().unwrap();
    let server = start(folder.path(), "1000");
    let secrets: Vec<_> = (0..300).map(|_| server.issue("leaked").1).collect();
    let (_, other) = server.issue("not leaked");
    thread::scope(|scope| {
        let texts = secrets
            .chunks(100)
            .map(|secrets| -> Vec<&str> { secrets.iter().map(String::as_str).collect() });
        let server = &server;
        let reporting: Vec<_> =
            texts.map(|texts| scope.spawn(move || report(server, &texts).status)).collect();
        for status in reporting {
            assert_eq!(status.join().unwrap(), 202);
        }
    });
    server.kill();
    // Reports are off now, but the accepted ones are still processed.
    let server = Server::start(folder.path());
    assert!(secrets.iter().all(|secret| !works(&server, secret)));
    assert!(works(&server, &other));
}

#[test]
fn kept_reports_are_carried_out_on_record_before_the_first_request() {
    let folder = tempdir().unwrap();
    let server = start(folder.path(), "1000");
    let (_, real) = server.issue("leaked");
    assert_eq!(report(&server, &["kw_nobody-has-this-secret", "nor this"]).status, 202);
    server.kill();
    let file = Connection::open(folder.path().join("keyward.db")).unwrap();
    let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, u64>(0)).unwrap();
    // Unknown secrets are not written, but took a commit.
    assert_eq!(count("SELECT count(*) FROM leaks"), 0);
    assert_eq!(count("SELECT commits FROM leaks_kept"), 1);
    let keep = "INSERT INTO leaks VALUES (unhex(?1), 'found in a page', '192.0.2.7', 'r-1', 7)";
    file.execute(keep, [sample::digest(&real)]).unwrap();
    // The leak of a key that is gone, as an earlier copy of the database would have it.
    file.execute("INSERT INTO leaks VALUES (zeroblob(32), NULL, NULL, NULL, 7)", []).unwrap();
    let server = Server::start(folder.path());
    assert!(!works(&server, &real));
    assert_eq!(count("SELECT count(*) FROM leaks"), 0);
    let page = server.admin("GET", "/admin/audit?verb=revoke", "").json();
    let entry = &page["entries"][0];
    assert_eq!(entry["actor"], "leak-report");
    assert_eq!(entry["address"], "192.0.2.7");
    assert_eq!(entry["request_id"], "r-1");
    assert_eq!(entry["details"]["after"]["revoked_reason"], "found in a page");
}

#[test]
fn a_report_that_may_not_survive_gets_try_again() {
    let folder = tempdir().unwrap();
    let on = ("KEYWARD_LEAK_REPORTS", "1000");
    let server = Server::start_with(folder.path(), &[("ADMIN_API_KEY", ADMIN_KEY), on]);
    let (_, real) = server.issue("leaked");
    // Another process writes, and does not end.
    let held = Connection::open(folder.path().join("keyward.db")).unwrap();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    for text in [real.as_str(), "kw_nobody-has-this-secret"] {
        let response = report(&server, &[text]);
        assert_eq!(response.brief(), r#"503 {"detail":"Service Unavailable"}"#, "{text}");
    }
    held.execute_batch("ROLLBACK").unwrap();
    assert_eq!(report(&server, &[&real]).status, 202);
    assert!(server.stop().0.success());
    assert!(!works(&Server::start(folder.path()), &real));
}

#[test]
fn reports_of_an_address_are_limited() {
    let folder = tempdir().unwrap();
    let server = start(folder.path(), "2");
    let (_, secret) = server.issue("leaked");
    assert_eq!(report(&server, &["kw_a-guess-of-mine"]).status, 202);
    // Malformed reports count as well.
    assert_eq!(server.send("POST", "/leaks", &[], "{}").status, 422);
    let rejected = report(&server, &[&secret]);
    assert_eq!(rejected.brief(), r#"429 {"detail":"Too many reports"}"#);
    let secs: u64 = rejected.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&secs), "{secs}");
    assert!(works(&server, &secret));
}

#[test]
fn invalid_reports_are_rejected_without_an_echo() {
    let folder = tempdir().unwrap();
    let mut server = start(folder.path(), "1000");
    let log = server.read_log();
    let (_, secret) = server.issue("leaked");
    let at = "https://paste.example/1";
    let long = "f".repeat(2_001);
    let bodies = [
        format!(r#"{{"reports":["{secret}"]}}"#),
        format!(r#"{{"reports":"{secret}"}}"#),
        format!(r#"{{"reports":{{"{secret}":1}}}}"#),
        format!(r#"{{"{secret}":[]}}"#),
        format!(r#"["{secret}"]"#),
        format!(r#""{secret}""#),
        format!(r#"{{"reports":[{{"text":"{secret}"}}]}}"#),
        format!(r#"{{"reports":[{{"text":"{secret}","found_at":7}}]}}"#),
        format!(r#"{{"reports":[{{"text":"{secret}","found_at":"{long}"}}]}}"#),
        format!(r#"{{"reports":[{{"text":["{secret}"],"found_at":"{at}"}}]}}"#),
        format!(r#"{{"reports":[{{"text":"{secret}","found_at":"{at}","{secret}":1}}]}}"#),
        format!(r#"{{"reports":[{{"text":"{secret}","found_at":"{at}"}}],"more":"{secret}"}}"#),
        format!(r#"{{"reports":[{{"text":"{secret}" "found_at"}}]}}"#),
    ];
    for body in &bodies {
        let response = server.send("POST", "/leaks", &[], body);
        assert_eq!(response.status, 422, "{body}");
        assert!(!response.body.contains(&secret[8..]), "{}", response.body);
    }
    let in_query = server.send("POST", &format!("/leaks?text={secret}"), &[], "");
    assert_eq!(in_query.status, 422);
    assert!(!in_query.body.contains(&secret[8..]), "{}", in_query.body);
    let too_many = vec!["kw_whatever"; 101];
    assert_eq!(report(&server, &too_many).status, 422);
    let large = format!(r#"{{"reports":[{{"text":"{}"}}]}}"#, "x".repeat(256 * 1024));
    assert_eq!(server.send("POST", "/leaks", &[], &large).status, 413);
    // A real one, whose location contains the secret.
    let body = json!({ "reports": [{ "text": secret, "found_at": format!("{at}?{secret}") }] });
    assert_eq!(server.send("POST", "/leaks", &[], &body.to_string()).status, 202);
    assert!(server.stop().0.success());
    let log = log.join().unwrap();
    assert!(log.contains("/leaks"), "the log is empty, so this test proves nothing");
    assert!(!log.contains(&secret[8..]), "a secret is in the log");
    for file in folder.path().read_dir().unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let part = &secret.as_bytes()[8..];
        assert!(!bytes.windows(part.len()).any(|window| window == part));
    }
}
