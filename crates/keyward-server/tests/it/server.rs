//! The real program as a child process, and a client that sends any bytes.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

/// The admin key of the servers in these tests that only this machine reaches. It is public here,
/// so that a server that seems to be behind a proxy rejects it.
pub(crate) const ADMIN_KEY: &str = "an-admin-key-for-these-tests";
/// How long a test waits for a response before it fails rather than hangs.
const RESPONSE_WITHIN: Duration = Duration::from_secs(60);

/// A server on a free port, with its database in a folder of the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) greeting: String,
}

impl Server {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[("ADMIN_API_KEY", ADMIN_KEY)])
    }

    pub(crate) fn start_with(folder: &Path, environment: &[(&str, &str)]) -> Self {
        Self::spawn(&mut command(folder, environment))
    }

    /// A server on a backup without a ledger next to it: the start fails first, and names the flag
    /// that accepts the backup.
    pub(crate) fn start_restored(folder: &Path) -> Self {
        let environment = [("ADMIN_API_KEY", ADMIN_KEY)];
        let rejected = command(folder, &environment).output().unwrap();
        let said = String::from_utf8(rejected.stderr).unwrap();
        let flag = after_restore(&said);
        Self::spawn(command(folder, &environment).arg(flag))
    }

    /// The server that this command starts, whose standard output is read here.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        // The last line of the greeting is a command to type.
        let is_whole = |greeting: &str| {
            let export = greeting.split("  export ").nth(1);
            greeting.contains("  curl ") || export.is_some_and(|rest| rest.lines().count() == 2)
        };
        while !is_whole(&greeting) {
            assert_ne!(lines.read_line(&mut greeting).unwrap(), 0, "it ended: {greeting}");
        }
        let is_listener = |line: &&str| line.contains("://") && !line.starts_with("  database ");
        let listening = greeting.lines().find(is_listener).unwrap().split("://").nth(1).unwrap();
        let address = listening.split_whitespace().next().unwrap().parse().unwrap();
        child.stdout = Some(lines.into_inner());
        Self { child, address, greeting }
    }

    /// The address of the control plane, if it has a listener of its own.
    pub(crate) fn control(&self) -> Option<SocketAddr> {
        self.listener("admin")
    }

    /// The address of the metrics, if they have a listener of their own.
    pub(crate) fn metrics(&self) -> Option<SocketAddr> {
        self.listener("metrics")
    }

    /// The address of the doors, if there are any.
    pub(crate) fn doors(&self) -> Option<SocketAddr> {
        self.listener("doors")
    }

    /// The address after this word in the greeting.
    fn listener(&self, word: &str) -> Option<SocketAddr> {
        let word = format!("  {word} ");
        let line = self.greeting.lines().find_map(|line| line.strip_prefix(&word))?;
        Some(line.trim().split("://").nth(1)?.parse().unwrap())
    }

    /// The process that was started.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM, and returns the exit status and standard error.
    pub(crate) fn stop(self) -> (ExitStatus, String) {
        self.signal("TERM");
        self.wait()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let kill = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits for the end, and returns the exit status and standard error.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let mut errors = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut errors).unwrap();
        }
        (self.child.wait().unwrap(), errors)
    }

    /// Closes our end of its standard error, so that it has no reader.
    pub(crate) fn close_log(&mut self) {
        drop(self.child.stderr.take());
    }

    /// Reads standard error to its end on another thread, so that a long log does not block the
    /// server.
    pub(crate) fn read_log(&mut self) -> JoinHandle<String> {
        let mut stderr = self.child.stderr.take().unwrap();
        thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            log
        })
    }

    /// Reads standard error to its end on another thread, and passes each line on.
    pub(crate) fn log_lines(&mut self) -> Receiver<String> {
        let mut stderr = BufReader::new(self.child.stderr.take().unwrap());
        let (pass_on, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).unwrap() != 0 {
                // A test may have read enough.
                drop(pass_on.send(std::mem::take(&mut line)));
            }
        });
        lines
    }

    /// Reads standard error up to a line with these words, and returns that line. Text that was
    /// read beyond it is lost.
    pub(crate) fn wait_for_log(&mut self, words: &str) -> String {
        let mut lines = BufReader::new(self.child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "it ended without {words}");
        }
        self.child.stderr = Some(lines.into_inner());
        line
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// One request on a connection of its own.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Response {
        self.connect().send(method, path, headers, body)
    }

    pub(crate) fn admin(&self, method: &str, path: &str, body: &str) -> Response {
        self.send(method, path, &[&format!("x-admin-key: {ADMIN_KEY}")], body)
    }

    /// Issues a key and returns its id and secret.
    pub(crate) fn issue(&self, name: &str) -> (u64, String) {
        let response = self.admin("POST", "/admin/api-keys", &format!(r#"{{"name":"{name}"}}"#));
        assert_eq!(response.status, 201, "{}", response.body);
        issued(&response)
    }

    pub(crate) fn get(&self, path: &str, secret: &str) -> Response {
        self.send("GET", path, &[&format!("authorization: Bearer {secret}")], "")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A failed test must not leave a server running; one that ended is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The flag that a start names when it rejects a database that is older than its ledger.
pub(crate) fn after_restore(said: &str) -> String {
    let (_, rest) = said.split_once("--after-restore=").unwrap_or_else(|| panic!("{said}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    format!("--after-restore={digits}")
}

/// A random admin key.
pub(crate) fn new_admin_key() -> String {
    let digits = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", digits(), digits())
}

/// The program in this folder, with this environment and no other variable of Keyward.
pub(crate) fn command(folder: &Path, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    command.args(["serve", "--listen", "127.0.0.1:0"]).current_dir(folder);
    command.env_clear().envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn issued(response: &Response) -> (u64, String) {
    let json = response.json();
    (json["key_id"].as_u64().unwrap(), json["api_key"].as_str().unwrap().to_owned())
}

/// A connection that is kept open from request to request.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

/// The server's response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// The body as text; bytes that are no text are replaced.
    pub(crate) body: String,
    /// The body as it came.
    pub(crate) bytes: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Status and body on one line.
    pub(crate) fn brief(&self) -> String {
        format!("{} {}", self.status, self.body)
    }
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(RESPONSE_WITHIN)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> Response {
        self.try_send(method, path, headers, body).expect("the server responds")
    }

    /// `None` if the connection ended before a whole response came.
    pub(crate) fn try_send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &str,
    ) -> Option<Response> {
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\n{lines}");
        let request = format!("{head}content-length: {length}\r\n\r\n{body}");
        self.write(request.as_bytes())?;
        self.read()
    }

    /// Sends bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.get_mut().write_all(bytes).ok()
    }

    /// Shuts down the sending side, and goes on reading.
    pub(crate) fn half_close(&mut self) {
        self.stream.get_mut().shutdown(Shutdown::Write).unwrap();
    }

    pub(crate) fn read(&mut self) -> Option<Response> {
        let status = self.line()?.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let response = Response { status, headers, body: String::new(), bytes: Vec::new() };
        let length = response.header("content-length").map_or(0, |text| text.parse().unwrap());
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).ok()?;
        Some(Response { body: String::from_utf8_lossy(&bytes).into_owned(), bytes, ..response })
    }

    /// The bytes that have come and were not read yet; waits until there are some.
    pub(crate) fn peek(&mut self) -> &[u8] {
        self.stream.fill_buf().unwrap()
    }

    /// Whether the server closes the connection without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0]) {
            Ok(count) => count == 0,
            // Still open after [`RESPONSE_WITHIN`].
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).ok()?;
        (read != 0).then(|| line.trim_end().to_owned())
    }
}
