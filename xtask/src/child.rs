//! Programs that a chore starts, each ended by its id when the chore is done with it.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child as Process, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How often it is looked whether a program is ready, or has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How many looks until a program that is not ready is given up: a minute.
const LOOKS: usize = 3_000;
/// How many looks until a program that was asked to end is killed: 5 s.
const LOOKS_AT_END: usize = 250;

/// A running program. It is ended when this is dropped, also after an error.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    program: String,
    log: PathBuf,
    port: u16,
}

impl Child {
    /// Starts a program whose output goes to a log, and which will listen on this port.
    ///
    /// Envoy ends when the thread does that has started it.
    pub(crate) fn start(mut command: Command, log: PathBuf, port: u16) -> Result<Self> {
        let output = File::create(&log).with_context(|| format!("making {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let program = command.get_program().display().to_string();
        let process = command.spawn().with_context(|| format!("starting {program}"))?;
        Ok(Self { process, program, log, port })
    }

    /// Waits until it accepts connections.
    pub(crate) fn wait_until_it_listens(&mut self) -> Result<()> {
        self.wait_until(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
    }

    /// Waits until it is ready, by asking its port.
    pub(crate) fn wait_until(&mut self, is_ready: impl Fn(u16) -> bool) -> Result<()> {
        for _ in 0..LOOKS {
            if let Some(status) = self.process.try_wait().context("looking at a program")? {
                bail!("{} ended with {status}:\n{}", self.program, self.log());
            }
            if is_ready(self.port) {
                return Ok(());
            }
            thread::sleep(LOOK_EVERY);
        }
        bail!("{} does not get ready:\n{}", self.program, self.log())
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.id().context("a program has an id")?;
        kill_process(id, signal).with_context(|| format!("sending a signal to {}", self.program))
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill().with_context(|| format!("killing {}", self.program))?;
        self.process.wait().context("waiting for a program that was killed").map(drop)
    }

    /// Waits until it has ended by itself, or by a signal.
    pub(crate) fn wait_until_it_ends(&mut self) -> Result<()> {
        self.process.wait().with_context(|| format!("waiting for {}", self.program)).map(drop)
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    fn id(&self) -> Option<Pid> {
        i32::try_from(self.process.id()).ok().and_then(Pid::from_raw)
    }

    /// Everything that the program has written until now.
    pub(crate) fn log(&self) -> String {
        fs::read(&self.log).map_or_else(
            |error| format!("its log cannot be read: {error}"),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }
}

impl Drop for Child {
    /// Asks the program to end, since nginx and Apache have children of their own.
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        let is_asked = self.id().is_some_and(|id| kill_process(id, Signal::TERM).is_ok());
        for _ in 0..if is_asked { LOOKS_AT_END } else { 0 } {
            if self.has_ended() {
                return;
            }
            thread::sleep(LOOK_EVERY);
        }
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
