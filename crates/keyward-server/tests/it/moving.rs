//! Moving keys in and out, each command as a process of its own, against a server that responds by
//! path.

mod export;
mod import;

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{answer, keyward, read_request, story};

/// A digest in hex, as another system would write it.
fn digest(number: u64) -> String {
    format!("{number:064x}")
}

/// A server that responds by method and path, and keeps the requests.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

#[derive(Clone)]
struct Request {
    /// Method and path.
    line: String,
    body: String,
}

impl Server {
    /// Responds until the test ends; an empty response ends the connection.
    fn start(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&requests), Arc::new(answer));
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                thread::spawn(move || {
                    let mut connection: TcpStream = connection.unwrap();
                    let text = read_request(&mut connection);
                    let (head, body) = text.split_once("\r\n\r\n").unwrap();
                    let line = head.split(" HTTP/1.1").next().unwrap().to_owned();
                    let request = Request { line, body: body.to_owned() };
                    kept.lock().unwrap().push(request.clone());
                    connection.write_all(&answer(&request)).unwrap();
                });
            }
        });
        Self { url, requests }
    }

    fn lines(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|request| request.line.clone()).collect()
    }

    /// The keys that were sent, independent of the order of the requests.
    fn keys(&self) -> Vec<Value> {
        let requests = self.requests.lock().unwrap();
        let bodies = requests.iter().filter(|request| request.line.contains("/admin/import"));
        let keys = |request: &Request| {
            let body: Value = serde_json::from_str(&request.body).unwrap();
            body["keys"].as_array().unwrap().clone()
        };
        bodies.flat_map(keys).collect()
    }
}

fn ok(body: &Value) -> Vec<u8> {
    answer("200 OK", "", &body.to_string()).into_bytes()
}

/// The server's results for keys: keys named `there` are skipped, keys of the tier `gold` are
/// rejected, and the others added.
fn import(request: &Request) -> Vec<u8> {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let outcome = |key: &Value| match (key["name"].as_str(), key["tier"].as_str()) {
        (_, Some("gold")) => json!({"status": "refused", "reason": "there is no tier `gold`"}),
        (Some("there"), _) => json!({"status": "skipped", "key_id": 1}),
        _ => json!({"status": "added", "key_id": 2}),
    };
    let keys: Vec<_> = body["keys"].as_array().unwrap().iter().map(outcome).collect();
    assert!(keys.len() <= 1_000);
    ok(&json!({"added": 0, "skipped": 0, "refused": 0, "keys": keys}))
}

/// A directory with files, in which commands run.
struct Desk {
    directory: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.text(name)
    }

    /// The output of a command, and its exit status.
    fn run(&self, server: &Server, arguments: &[&str]) -> String {
        self.story(&server.url, &keyward(&server.url, arguments))
    }

    fn story(&self, url: &str, output: &Output) -> String {
        story(url, output).replace(self.directory.path().to_str().unwrap(), "DIR")
    }
}
