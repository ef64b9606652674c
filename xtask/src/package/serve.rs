//! A server that is started to see that it serves.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// How long the server may take for a response.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the server, asks whether it is ready, and has it end in order.
pub(crate) fn try_to(command: &mut Command) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the program")?;
    let greeting = BufReader::new(child.stdout.take().context("the server has a greeting")?);
    let ready = greeting
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.trim().strip_prefix("listening  http://").map(str::to_owned))
        .context("the server did not start")
        .and_then(|address| ask(&address));
    let id = child.id().to_string();
    let asked = Command::new("kill").args(["-TERM", &id]).status();
    ensure!(asked.is_ok_and(|status| status.success()), "the server has ended already");
    let status = child.wait().context("waiting for the server")?;
    ensure!(ready?.contains("200 OK"), "the server is not ready");
    ensure!(status.success(), "the server ended with {status}");
    Ok(())
}

fn ask(address: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).context("connecting to the server")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")?;
    let mut response = String::new();
    stream.read_to_string(&mut response).context("reading the server's response")?;
    Ok(response)
}
