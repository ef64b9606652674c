//! `cargo xtask monitoring`: the rules for Prometheus and the page of metrics, each checked by
//! Prometheus's own tool, and the dashboard.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::dashboard;
use crate::tools::{self, check};

const RULES: &str = "docs/monitoring/keyward-rules.yml";
const RULES_TESTED: &str = "docs/monitoring/keyward-rules.test.yml";
/// How long the server may take for the page.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sees to it that promtool is there.
pub(crate) fn install() -> Result<bool> {
    tools::apt(&["prometheus"])
}

/// Checks all of them.
pub(crate) fn run() -> Result<()> {
    if !install()? {
        return Ok(());
    }
    check(Command::new("promtool").args(["check", "rules", RULES]))?;
    check(Command::new("promtool").args(["test", "rules", RULES_TESTED]))?;
    dashboard::run()?;
    check_page(&page()?)
}

/// Has `promtool` read a page: its form, and the names and descriptions of its metrics.
fn check_page(page: &str) -> Result<()> {
    let mut promtool = Command::new("promtool");
    let mut child = promtool.args(["check", "metrics"]).stdin(Stdio::piped()).spawn();
    let child = child.as_mut().ok().context("`promtool` does not start")?;
    let mut input = child.stdin.take().context("`promtool` reads nothing")?;
    input.write_all(page.as_bytes()).context("writing to `promtool`")?;
    drop(input);
    let status = child.wait().context("waiting for `promtool`")?;
    ensure!(status.success(), "the page of metrics is not as `promtool` wants it");
    Ok(())
}

/// The page of the real program.
fn page() -> Result<String> {
    let target = tools::target()?;
    let (program, folder) = (tools::keyward()?, target.join("monitoring"));
    if folder.exists() {
        fs::remove_dir_all(&folder).context("removing the files of the run before")?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let mut server = Server::start(&program, &folder)?;
    let address = server.metrics()?;
    let mut stream = TcpStream::connect(&address).context("connecting to the server")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response).context("reading the page")?;
    let (head, page) = response.split_once("\r\n\r\n").context("there is no page")?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "the page is not to be had:\n{head}");
    Ok(page.to_owned())
}

/// The real program, on free ports, with a fresh database.
struct Server(Child);

impl Server {
    fn start(program: &Path, folder: &Path) -> Result<Self> {
        let flags = ["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"];
        let mut command = Command::new(program);
        command.args(flags).current_dir(folder).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn();
        child.map(Self).with_context(|| format!("starting {}", program.display()))
    }

    /// The address of the metrics, which its greeting names.
    fn metrics(&mut self) -> Result<String> {
        let greeting = self.0.stdout.as_mut().context("the server has a greeting")?;
        for line in BufReader::new(greeting).lines() {
            let line = line.context("reading the server's greeting")?;
            if let Some((_, address)) = line.split_once("  metrics    http://") {
                return Ok(address.to_owned());
            }
        }
        anyhow::bail!("the server did not start")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that ended by itself is gone already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
