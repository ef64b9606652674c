//! The client commands, each as a process of its own, against a server with given responses.

mod audit;
mod doctor;
mod life;
mod plans;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread::{self, JoinHandle};

use tempfile::TempDir;

const ADMIN_KEY: &str = "an-admin-key-for-these-tests";

/// A server that sends these responses, one to a connection, and returns the requests.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) requests: JoinHandle<Vec<String>>,
}

impl Server {
    pub(crate) fn answering(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = thread::spawn(move || {
            let answer = |answer: String| {
                let (mut connection, _) = listener.accept().unwrap();
                let request = read_request(&mut connection);
                connection.write_all(answer.as_bytes()).unwrap();
                request
            };
            answers.into_iter().map(answer).collect()
        });
        Self { url, requests }
    }
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let len = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-type: application/json\r\n\
         content-length: {len}\r\nconnection: close\r\n\r\n{body}"
    )
}

pub(crate) fn read_request(connection: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4_096];
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let len = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if len.map_or(0, |len| len.parse().unwrap()) <= body.len() {
                return text;
            }
        }
        let read = connection.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "the request ended early: {text}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
}

pub(crate) fn keyward(server: &str, arguments: &[&str]) -> Output {
    keyward_reading("", server, arguments)
}

/// The program with only the admin key and the server in its environment.
fn command(server: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    let environment = [("KEYWARD_SERVER", server), ("ADMIN_API_KEY", ADMIN_KEY)];
    command.env_clear().envs(environment).args(arguments);
    command
}

/// Runs the program with this on its standard input.
fn keyward_reading(input: &str, server: &str, arguments: &[&str]) -> Output {
    let directory = TempDir::new().unwrap();
    let mut command = command(server, arguments);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.current_dir(directory.path()).spawn().unwrap();
    // A program that reads nothing may have closed its end by now.
    let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The first lines of the requests.
fn first_lines(requests: &[String]) -> Vec<&str> {
    requests.iter().map(|request| request.lines().next().unwrap()).collect()
}

pub(crate) fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

/// The exit status, and the output, with the server's changing port masked.
pub(crate) fn story(server: &str, output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    let code = output.status.code().unwrap();
    format!("{out}{err}exit status {code}").replace(server, "http://SERVER")
}

const ISSUED: &str = r#"{"api_key":"kw_secret","key_id":7,"name":"mobile","tier":"pro","created_at":"2026-01-01T00:00:00.000Z","hint":"kw_secr","scopes":["articles:read"],"expires_at":"2030-01-31T12:00:00.000Z","owner":null,"networks":[],"limits":null,"metadata":{},"version":1}"#;

#[test]
fn issue_sends_what_was_asked_for_and_shows_the_key() {
    let server = Server::answering(vec![answer("201 Created", "", ISSUED)]);
    let arguments = ["key", "issue", "--name", "mobile", "--tier", "pro"];
    let more = ["--scope", "articles:read", "--expires-at", "2030-01-31T12:00:00Z"];
    let output = keyward(&server.url, &[&arguments[..], &more].concat());
    insta::assert_snapshot!(story(&server.url, &output));

    let requests = server.requests.join().unwrap();
    let request = &requests[0];
    assert!(request.starts_with("POST /admin/api-keys HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("x-admin-key: {ADMIN_KEY}\r\n")), "{request}");
    insta::assert_snapshot!(body(request), @r#"{"name":"mobile","tier":"pro","scopes":["articles:read"],"expires_at":"2030-01-31T12:00:00.000Z"}"#);
}

#[test]
fn quiet_issue_prints_the_key_alone() {
    let server = Server::answering(vec![answer("201 Created", "", ISSUED)]);
    let output = keyward(&server.url, &["key", "issue", "--name", "x", "--quiet"]);
    assert_eq!(story(&server.url, &output), "kw_secret\nexit status 0");
}

#[test]
fn a_secret_that_was_not_received_is_a_failure() {
    let rotated = ISSUED.replace("created_at", "rotated_at");
    for (arguments, body, what) in [
        (
            &["key", "issue", "--name", "x"][..],
            ISSUED,
            "was issued but its secret could not be shown",
        ),
        (&["key", "rotate", "7"], &rotated, "has a new secret, which could not be shown"),
    ] {
        for form in [&[][..], &["--quiet"], &["--json"]] {
            let server = Server::answering(vec![answer("200 OK", "", body)]);
            let arguments = [arguments, form].concat();
            // As in `keyward key issue … | true`, if `true` ends first.
            let (reader, closed) = std::io::pipe().unwrap();
            drop(reader);
            let mut command = command(&server.url, &arguments);
            let output = command.stdout(closed).output().unwrap();
            let story = story(&server.url, &output);
            assert!(story.starts_with(&format!("error: key 7 {what}")), "{story}");
            assert!(story.ends_with("exit status 1") && !story.contains("kw_secret"), "{story}");
        }
    }
}

#[test]
fn an_early_end_of_a_list_is_fine() {
    let body = r#"{"api_keys":[],"count":0,"next_cursor":null}"#;
    let server = Server::answering(vec![answer("200 OK", "", body)]);
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(&server.url, &["key", "list"]).stdout(closed).output().unwrap();
    assert_eq!(story(&server.url, &output), "exit status 0");
}

#[test]
fn the_admin_key_comes_from_a_file() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, "the-key-in-the-file\n").unwrap();
    let file = file.to_str().unwrap();
    for (flag, variable) in [
        (&["--admin-api-key-file", file][..], None),
        (&["--admin-key-file", file], None),
        (&[], Some(("KEYWARD_ADMIN_API_KEY_FILE", file))),
    ] {
        let body = r#"{"api_keys":[],"count":0,"next_cursor":null}"#;
        let server = Server::answering(vec![answer("200 OK", "", body)]);
        let mut command = command(&server.url, &[&["key", "list"], flag].concat());
        let output = command.env_remove("ADMIN_API_KEY").envs(variable).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let requests = server.requests.join().unwrap();
        assert!(requests[0].contains("x-admin-key: the-key-in-the-file\r\n"), "{requests:?}");
    }
}

#[test]
fn an_empty_variable_names_no_server() {
    for (server, told) in [
        // There may be no server at the default address, or another one.
        ("", "127.0.0.1:8000"),
        ("nowhere", "setting `server` (environment variable KEYWARD_SERVER): write it like"),
    ] {
        let output = keyward(server, &["key", "list", "--limit", "1"]);
        let told_something = String::from_utf8(output.stderr.clone()).unwrap();
        assert!(output.status.success() || told_something.contains(told), "{output:?}");
        assert_ne!(output.status.code() == Some(2), server.is_empty(), "{output:?}");
    }
}

#[test]
fn a_key_in_place_of_an_id_is_not_repeated() {
    let secret = "kw_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1";
    let output = keyward("http://127.0.0.1:1", &["key", "identify", secret]);
    let story = story("http://127.0.0.1:1", &output);
    assert!(story.contains("'kw_yhjs…'") && !story.contains(&secret[8..16]), "{story}");
    assert!(story.ends_with("exit status 2"), "{story}");
    let output = keyward("http://127.0.0.1:1", &["audit", "verify", secret]);
    assert!(!String::from_utf8(output.stderr).unwrap().contains(&secret[8..16]));
}

#[test]
fn help_version_and_completions_are_printed() {
    let printed = |arguments: &[&str]| {
        let output = keyward("http://127.0.0.1:1", arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(printed(&["key", "issue", "--help"]).contains("--name <NAME>"));
    assert!(printed(&["--version"]).starts_with("keyward "));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("keyward") && script.contains("admin-api-key-file"), "{shell}");
    }
}

#[test]
fn texts_of_a_server_cannot_steer_the_terminal() {
    let refused = answer("409 Conflict", "", r#"{"detail":"no\u001b[2J\u202eway"}"#);
    let server = Server::answering(vec![refused]);
    let output = keyward(&server.url, &["tier", "delete", "pro"]);
    let story = story(&server.url, &output);
    assert!(story.contains("no\u{fffd}[2J\u{fffd}way"), "{story}");
}

#[test]
fn show_prints_a_key_and_its_usage() {
    let key = r#"{"key_id":7,"name":"mobile","tier":"pro","owner":null,"state":"active","suspended_by":[],"hint":"kw_abcd","scopes":["a:read","b:*"],"networks":[],"limits":null,"metadata":{},"version":1,"created_at":"2026-01-01T00:00:00.000Z","expires_at":null,"last_used_at":null}"#;
    let counts = r#""allowed":3,"limited":1,"out_of_scope":0,"out_of_network":0,"suspended":0,"revoked":0,"expired":0"#;
    let usage = format!(
        r#"{{"key_id":7,"from":"2026-01-01T00:00:00.000Z","to":"2026-01-02T00:00:00.000Z","bucket":"hour","total":{{{counts}}},"hours":[{{"hour":"2026-01-01T10:00:00.000Z",{counts}}}]}}"#
    );
    let answers = vec![answer("200 OK", "", key), answer("200 OK", "", &usage)];
    let server = Server::answering(answers);
    let output = keyward(&server.url, &["key", "show", "7"]);
    insta::assert_snapshot!(story(&server.url, &output));
}

#[test]
fn a_wrong_admin_key_ends_with_advice() {
    let refused = answer("403 Forbidden", "", r#"{"detail":"Invalid admin key"}"#);
    let server = Server::answering(vec![refused]);
    let output = keyward(&server.url, &["key", "list"]);
    insta::assert_snapshot!(story(&server.url, &output), @r"
    error: the server at http://SERVER rejected the request with 403 Forbidden: Invalid admin key; set ADMIN_API_KEY to the key that the server has
    exit status 1
    ");
}

#[test]
fn a_lost_response_to_a_change_says_that_it_may_have_been_made() {
    let server = Server::answering(vec![String::new()]);
    let output = keyward(&server.url, &["key", "revoke", "7"]);
    let story = story(&server.url, &output);
    assert!(story.contains("the change may have been made all the same"), "{story}");
    assert!(story.ends_with("exit status 3"), "{story}");
}

#[test]
fn an_absent_server_ends_with_advice() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let output = keyward(&url, &["key", "list"]);
    let story = story(&url, &output);
    assert!(
        story.starts_with("error: no server responds at http://SERVER; start one with"),
        "{story}"
    );
    assert!(story.ends_with("exit status 3"), "{story}");
}

#[test]
fn a_command_without_admin_key_ends_with_advice() {
    let output = Command::new(env!("CARGO_BIN_EXE_keyward"))
        .env_clear()
        .args(["key", "list"])
        .output()
        .unwrap();
    insta::assert_snapshot!(story("http://none", &output), @r"
    error: no admin key and no access token; set ADMIN_API_KEY to the key that the server has, or give --admin-api-key-file FILE, or --token-file FILE to act as yourself
    exit status 2
    ");
}
