//! The audit trail from the command line.

use tempfile::TempDir;

use super::{Server, answer, first_lines, keyward, story};

/// An entry outside of a chain; its number is kept verbatim.
const ENTRY: &str = r#"{"id":1,"at":"2026-11-24T09:30:00.000Z","actor":"admin-key","address":"127.0.0.1","verb":"issue","key_id":7,"tier":null,"owner":null,"request_id":"r1","details":{"n":1.10},"previous":"0000000000000000000000000000000000000000000000000000000000000000","digest":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}"#;

fn page(entries: &str, next: &str) -> String {
    answer("200 OK", "", &format!(r#"{{"entries":[{entries}],"count":1,"next_after":{next}}}"#))
}

#[test]
fn list_sends_every_filter() {
    let server = Server::answering(vec![page(ENTRY, "null")]);
    let filters =
        ["--key-id", "7", "--actor", "oidc:a@b", "--verb", "issue", "--since", "2026-11-01"];
    let output = keyward(&server.url, &[&["audit", "list"][..], &filters].concat());
    insta::assert_snapshot!(story(&server.url, &output), @r"
    id  at                        actor      address    verb   of     what
    1   2026-11-24T09:30:00.000Z  admin-key  127.0.0.1  issue  key 7  n: 1.1
    exit status 0
    ");
    insta::assert_debug_snapshot!(first_lines(&server.requests.join().unwrap()), @r#"
    [
        "GET /admin/audit?key_id=7&actor=oidc%3Aa%40b&verb=issue&since=2026-11-01T00%3A00%3A00.000Z&order=desc&limit=100 HTTP/1.1",
    ]
    "#);
}

#[test]
fn json_has_the_cursor_of_the_trail() {
    let list = |pages: Vec<String>, arguments: &[&str]| {
        let server = Server::answering(pages);
        let output =
            keyward(&server.url, &[&["audit", "list", "--json", "--key", "7"], arguments].concat());
        let requests = server.requests.join().unwrap();
        assert!(requests[0].contains("?key_id=7&"), "{requests:?}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let json = list(vec![page(ENTRY, "1")], &["--limit", "1"]);
    assert_eq!((&json["count"], &json["next_after"]), (&1.into(), &1.into()));
    let json = list(vec![page(ENTRY, "1"), page(ENTRY, "null")], &["--all"]);
    assert_eq!(json["count"], 2);
    assert!(json["next_after"].is_null());
}

#[test]
fn export_keeps_entries_letter_by_letter_over_all_pages() {
    let second = ENTRY.replace(r#""id":1"#, r#""id":2"#);
    let pages = || vec![page(ENTRY, "1"), page(&second, "null")];
    let server = Server::answering(pages());
    let output = keyward(&server.url, &["audit", "export"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{ENTRY}\n{second}\n"));
    let requests = server.requests.join().unwrap();
    let lines =
        ["GET /admin/audit?limit=500 HTTP/1.1", "GET /admin/audit?after=1&limit=500 HTTP/1.1"];
    assert_eq!(first_lines(&requests), lines);

    let directory = TempDir::new().unwrap();
    let path = directory.path().join("trail.jsonl");
    let shown = path.to_str().unwrap();
    let server = Server::answering(pages());
    let output = keyward(&server.url, &["audit", "export", "--output", shown]);
    assert!(story(&server.url, &output).starts_with("Wrote 2 entries to "), "{output:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{ENTRY}\n{second}\n"));

    let output = keyward("http://127.0.0.1:1", &["audit", "export", "--output", shown]);
    assert_eq!(output.status.code(), Some(1), "an export replaces nothing: {output:?}");

    let server = Server::answering(vec![page(&second, "null")]);
    let output = keyward(&server.url, &["audit", "export", "--output", shown, "--force"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{second}\n"));
}

#[test]
fn an_export_of_the_trail_that_breaks_leaves_no_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("trail.jsonl");
    let server = Server::answering(vec![page(ENTRY, "1"), String::new()]);
    let output = keyward(&server.url, &["audit", "export", "--output", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn verify_names_the_first_break() {
    let server = Server::answering(vec![page(ENTRY, "null")]);
    let output = keyward(&server.url, &["audit", "verify"]);
    let story = story(&server.url, &output);
    let start = "The trail is broken: entry 1 was edited: it does not have its own digest.\n";
    assert!(story.starts_with(start) && story.ends_with("exit status 1"), "{story}");
}

#[test]
fn verify_of_a_file_asks_no_server() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("trail.jsonl");
    std::fs::write(&path, "").unwrap();
    let verify = |more: &[&str]| {
        let start = ["audit", "verify", path.to_str().unwrap()];
        keyward("http://127.0.0.1:1", &[&start[..], more].concat())
    };
    assert_eq!(verify(&[]).status.code(), Some(0));
    let output = verify(&["--expect", &"ab".repeat(32)]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    for garbage in [&b"{}\n"[..], b"\xff\n", b"{\"id\":1,"] {
        std::fs::write(&path, garbage).unwrap();
        let output = verify(&[]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told = String::from_utf8(output.stdout).unwrap();
        let start = "The trail is broken: line 1 is no entry of an audit trail: ";
        assert!(told.starts_with(start), "{told}");
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(verify(&[]).status.code(), Some(2), "there is no file to check");
}
