//! The OpenAPI documents of all listeners: linters read them, generators make clients of them in
//! Python and TypeScript, and the types of these clients are checked.
//!
//! `xtask/openapi/` lists the tools, each with its version; they live under `target/`.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::tools::{check, keyward, npm, target, venv};

/// The directory of the packages and of the settings of tools.
const SETUP: &str = "xtask/openapi";
const FILES: [&str; 4] = ["package.json", "package-lock.json", "python.yaml", "spectral.yaml"];
/// How long the server may take for a document.
const PATIENCE: Duration = Duration::from_secs(60);

/// Builds the program, takes its documents, and hands them to the tools.
pub(crate) fn run() -> Result<()> {
    let folder = target()?.join("openapi");
    let run = folder.join("run");
    if run.exists() {
        fs::remove_dir_all(&run).context("removing the files of the run before")?;
    }
    fs::create_dir_all(&run).with_context(|| format!("making {}", run.display()))?;
    for file in FILES {
        fs::copy(Path::new(SETUP).join(file), folder.join(file))
            .with_context(|| format!("copying {file}"))?;
    }
    let listed = fs::read_to_string(Path::new(SETUP).join("requirements.txt"))
        .context("reading the packages of Python")?;
    let python = venv("openapi", &listed.lines().collect::<Vec<_>>())?;
    npm(&folder)?;
    let documents = documents(&run)?;
    lint(&folder, &documents)?;
    typescript(&folder, &documents)?;
    python_clients(&folder, &python, &documents)
}

/// The documents of a program with a listener for each kind of client.
fn documents(run: &Path) -> Result<Vec<&'static str>> {
    let server = Server::start(run)?;
    for (listener, address) in &server.addresses {
        let document = server.get(address)?;
        fs::write(run.join(listener).with_extension("json"), document)
            .with_context(|| format!("writing the document of {listener}"))?;
    }
    Ok(server.addresses.iter().map(|(listener, _)| *listener).collect())
}

fn lint(folder: &Path, documents: &[&str]) -> Result<()> {
    let files = || documents.iter().map(|name| format!("run/{name}.json"));
    // Redocly ends well in spite of warnings, and prints them.
    let mut redocly = Command::new("node");
    redocly.args(["node_modules/@redocly/cli/bin/cli.js", "lint", "--format", "stylish"]);
    redocly.args(["--extends", "recommended-strict"]).args(files());
    redocly.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    check(redocly.current_dir(folder))?;
    let mut spectral = Command::new("node");
    spectral.args(["node_modules/@stoplight/spectral-cli/dist/index.js", "lint"]);
    spectral.args(["--ruleset", "spectral.yaml", "--fail-severity", "error", "--quiet"]);
    check(spectral.args(["--display-only-failures"]).args(files()).current_dir(folder))
}

fn typescript(folder: &Path, documents: &[&str]) -> Result<()> {
    for name in documents {
        let mut made = Command::new("node");
        made.arg("node_modules/openapi-typescript/bin/cli.js").arg(format!("run/{name}.json"));
        check(made.args(["--output", &format!("run/{name}.ts")]).current_dir(folder))?;
    }
    let mut tsc = Command::new("node");
    tsc.args(["node_modules/typescript/bin/tsc", "--noEmit", "--strict"]);
    tsc.args(documents.iter().map(|name| format!("run/{name}.ts")));
    check(tsc.current_dir(folder))
}

fn python_clients(folder: &Path, python: &Path, documents: &[&str]) -> Result<()> {
    for name in documents {
        let mut made = Command::new(python);
        made.args(["-m", "openapi_python_client", "generate", "--meta", "none"]);
        made.args(["--fail-on-warning", "--config", "python.yaml", "--path"]);
        made.arg(format!("run/{name}.json"));
        made.args(["--output-path", &format!("run/python/{name}")]);
        check(made.current_dir(folder))?;
    }
    let mypy = ["-m", "mypy", "--strict", "run/python"];
    check(Command::new(python).args(mypy).current_dir(folder))
}

/// The settings of listeners that serve a document, and how the program calls them at its start.
const LISTENERS: [(&str, &str); 3] = [
    ("KEYWARD_LISTEN", "listening"),
    ("KEYWARD_ADMIN_LISTEN", "admin"),
    ("KEYWARD_DOORS_LISTEN", "doors"),
];

/// The real program, with listeners on free ports.
struct Server {
    child: Child,
    /// Held open: the greeting goes on after the lines with addresses.
    _greeting: BufReader<ChildStdout>,
    addresses: Vec<(&'static str, String)>,
}

impl Server {
    fn start(folder: &Path) -> Result<Self> {
        let log = folder.join("log");
        let mut child = Command::new(keyward()?)
            .arg("serve")
            .current_dir(folder)
            .env_clear()
            .env("ADMIN_API_KEY", "no-operator-has-this-key")
            .envs(LISTENERS.map(|(setting, _)| (setting, "127.0.0.1:0")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).context("making the server's log")?)
            .spawn()
            .context("starting the program")?;
        let mut greeting = BufReader::new(child.stdout.take().context("it has a greeting")?);
        let (mut line, mut addresses) = (String::new(), Vec::new());
        while greeting.read_line(&mut line).context("reading the server's greeting")? != 0 {
            for (_, label) in LISTENERS {
                let rest = line.trim().strip_prefix(label);
                let address = rest.and_then(|rest| rest.trim().strip_prefix("http://"));
                addresses.extend(address.map(|address| (label, address.to_owned())));
            }
            line.clear();
            if addresses.len() == LISTENERS.len() {
                return Ok(Self { child, _greeting: greeting, addresses });
            }
        }
        bail!("the server did not start:\n{}", fs::read_to_string(log).unwrap_or_default())
    }

    fn get(&self, address: &str) -> Result<String> {
        let mut stream = TcpStream::connect(address).context("connecting to the server")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head =
            format!("GET /openapi.json HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        let mut response = String::new();
        stream.read_to_string(&mut response).context("reading the server's response")?;
        let (head, body) = response.split_once("\r\n\r\n").context("the response has a head")?;
        ensure!(head.starts_with("HTTP/1.1 200 "), "no document at {address}: {head}");
        Ok(body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that ended by itself is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
