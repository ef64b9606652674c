//! Schemathesis: sends the real program thousands of requests that its own description allows or
//! forbids, and compares every response with that description.
//!
//! Python and its packages live under `target/`; `xtask/schemathesis/` lists the packages and the
//! checks, and where the description cannot tell the whole truth.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::tools::{keyward, target, venv};

/// The directory of the packages, the settings and the hooks.
const SETUP: &str = "xtask/schemathesis";
/// How long the server may take for one of our own requests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Builds the program, serves with it, and asks.
pub(crate) fn run() -> Result<()> {
    let root = env::current_dir().context("asking for the working directory")?;
    let target = target()?;
    let folder = target.join("schemathesis");
    let python = prepare()?;
    let program = keyward()?;
    let run = folder.join("run");
    if run.exists() {
        fs::remove_dir_all(&run).context("removing the files of the run before")?;
    }
    fs::create_dir_all(&run).with_context(|| format!("making {}", run.display()))?;
    let server = Server::start(&program, &run)?;
    let key = server.issue()?;
    // The script names the Python that it was installed for, which may be that of another copy.
    let mut command = Command::new(&python);
    command.arg(python.with_file_name("schemathesis"));
    command.arg("--config-file").arg(root.join(SETUP).join("schemathesis.toml"));
    command.args(["run", "--checks", "all"]);
    command.arg(format!("http://{}/openapi.json", server.address));
    // All of its files are under `target/`.
    command.current_dir(&run).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("PYTHONPATH", root.join(SETUP)).env("SCHEMATHESIS_HOOKS", "hooks");
    command.env("SCHEMATHESIS_ADMIN_KEY", &server.admin_key).env("SCHEMATHESIS_KEY", key);
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    ask(&mut command)?;
    let log = server.stop()?;
    ensure!(!log.contains("ERROR"), "the server logged errors meanwhile:\n{log}");
    Ok(())
}

/// The packages with their versions.
fn prepare() -> Result<PathBuf> {
    let wanted = fs::read_to_string(Path::new(SETUP).join("requirements.txt"));
    let wanted = wanted.context("reading requirements.txt")?;
    venv("schemathesis", &wanted.lines().collect::<Vec<_>>())
}

/// Runs schemathesis. A hook or thread of its that breaks ends the run early, and all tests until
/// then count as passed; so output on standard error fails the run as well.
fn ask(command: &mut Command) -> Result<()> {
    let child = command.stderr(Stdio::piped()).spawn().context("starting schemathesis")?;
    let output = child.wait_with_output().context("waiting for schemathesis")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    eprint!("{errors}");
    ensure!(output.status.success(), "schemathesis failed");
    ensure!(!errors.contains("Traceback"), "schemathesis broke down, and did not ask everything");
    Ok(())
}

fn new_admin_key() -> Result<String> {
    let mut bytes = [0; 16];
    let mut source = File::open("/dev/urandom").context("asking the system for randomness")?;
    source.read_exact(&mut bytes).context("reading randomness")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The real program, on a free port, with a fresh database.
struct Server {
    child: Child,
    /// Held open: the greeting goes on after the line with the address.
    greeting: BufReader<ChildStdout>,
    address: String,
    /// Of this run alone: behind a proxy, as it seems to be, it accepts none that a source prints.
    admin_key: String,
    log: PathBuf,
}

impl Server {
    fn start(program: &Path, folder: &Path) -> Result<Self> {
        let (log, admin_key) = (folder.join("server.log"), new_admin_key()?);
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .current_dir(folder)
            .env_clear()
            .env("ADMIN_API_KEY", &admin_key)
            // Asking without a key is part of the checks, and no reason to slow down.
            .env("KEYWARD_FAILURES_PER_MINUTE", "1000000")
            // Asking with a wrong admin key is, too, and ten a minute are too many from one
            // address: each request comes from an address of its own, as behind a proxy.
            .env("KEYWARD_TRUSTED_PROXIES", "127.0.0.1/32")
            .env("KEYWARD_LEAK_REPORTS", "1000000")
            // No server listens there; no signature is GitHub's anyway.
            .env("KEYWARD_GITHUB_LEAKS", "http://127.0.0.1:1/")
            .env("KEYWARD_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).context("making the server's log")?)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let greeting = BufReader::new(child.stdout.take().context("the server has a greeting")?);
        let mut server = Self { child, greeting, address: String::new(), admin_key, log };
        let mut line = String::new();
        while server.greeting.read_line(&mut line).context("reading the server's greeting")? != 0 {
            if let Some(address) = line.trim().strip_prefix("listening  http://") {
                address.clone_into(&mut server.address);
                return Ok(server);
            }
            line.clear();
        }
        bail!("the server did not start:\n{}", server.stop()?)
    }

    /// Issues a key that has no limit and every scope, number 1, and one that may be changed.
    fn issue(&self) -> Result<String> {
        self.send("PUT", "/admin/tiers/unbounded", r#"{"limits":[]}"#)?;
        let body = r#"{"name":"schemathesis","tier":"unbounded","scopes":["*"]}"#;
        let answer = self.send("POST", "/admin/api-keys", body)?;
        self.send("POST", "/admin/api-keys", r#"{"name":"a key to change"}"#)?;
        let key = answer.split(r#""api_key":""#).nth(1).and_then(|rest| rest.split('"').next());
        key.map(str::to_owned).with_context(|| format!("no key was issued: {answer}"))
    }

    fn send(&self, method: &str, path: &str, body: &str) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address).context("connecting to the server")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
        let key = &self.admin_key;
        let headers = format!("x-admin-key: {key}\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(format!("{head}{headers}{body}").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).context("reading the server's response")?;
        Ok(answer)
    }

    /// Ends it, and returns its log.
    fn stop(self) -> Result<String> {
        let log = self.log.clone();
        drop(self);
        fs::read_to_string(&log).context("reading the server's log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that ended by itself is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
