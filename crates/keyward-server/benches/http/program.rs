//! The real program, as a process of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

pub(crate) const ADMIN_KEY: &str = "an-admin-key-for-benchmarks";

/// The setting of the doors' address.
pub(crate) const DOORS_LISTEN: &str = "KEYWARD_DOORS_LISTEN";

pub(crate) struct Program {
    child: Child,
    /// Kept open, so that the program can go on printing.
    _stdout: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
    /// Where the doors are, if the environment says that there are some.
    pub(crate) doors: Option<SocketAddr>,
}

impl Program {
    pub(crate) fn start(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).current_dir(folder).env_clear();
        command.env("ADMIN_API_KEY", ADMIN_KEY).envs(environment.iter().copied());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut address_of = |listener: &str| loop {
            let mut line = String::new();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "no {listener}");
            if let Some(rest) = line.trim_start().strip_prefix(listener) {
                return rest.trim().strip_prefix("http://").unwrap().parse().unwrap();
            }
        };
        let address = address_of("listening");
        let has_doors = environment.iter().any(|(name, _)| *name == DOORS_LISTEN);
        let doors = has_doors.then(|| address_of("doors"));
        Self { child, _stdout: stdout, address, doors }
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// The status of a guarded request.
    pub(crate) fn get(&self, path: &str, secret: &str) -> u16 {
        Self::get_from(self.address, path, secret)
    }

    /// The same, for a thread that does not have the program.
    pub(crate) fn get_from(address: SocketAddr, path: &str, secret: &str) -> u16 {
        let header = format!("authorization: Bearer {secret}");
        let (status, _) = send(address, "GET", path, &header, "");
        status
    }

    pub(crate) fn admin(&self, method: &str, path: &str, body: &str) -> String {
        let (status, body) =
            send(self.address, method, path, &format!("x-admin-key: {ADMIN_KEY}"), body);
        assert!((200..300).contains(&status), "{status} {body}");
        body
    }

    pub(crate) fn issue(&self) -> String {
        self.issue_with(r#"{"name":"bench"}"#)
    }

    /// Issues the key that a body describes, and returns its secret.
    pub(crate) fn issue_with(&self, body: &str) -> String {
        self.issue_whole(body).1
    }

    /// The same, with its id.
    pub(crate) fn issue_whole(&self, body: &str) -> (u64, String) {
        let body = self.admin("POST", "/admin/api-keys", body);
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        let id = json.get("key_id").unwrap().as_u64().unwrap();
        (id, json.get("api_key").unwrap().as_str().unwrap().to_owned())
    }

    /// A node of a cluster decides nothing until it has heard from its store.
    pub(crate) fn wait_until_ready(&self) {
        while self.get("/readyz", "") != 200 {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn send(address: SocketAddr, method: &str, path: &str, header: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n");
    let length = body.len();
    let request = format!("{head}{header}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
