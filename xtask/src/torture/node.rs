//! A node: the real program, which is paused, killed and started again.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Signal;

use super::lock;
use crate::child::Child;
use crate::http::{Connection, Request};
use crate::ports::Ports;

/// The admin key of all nodes. They listen on loopback alone.
pub(crate) const ADMIN_KEY: &str = "the-admin-key-of-a-tortured-node";
/// How often a node is started again that ends in place of getting ready.
const TRIES: usize = 3;
/// How long a node may take to say whether it is ready.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// The two versions of the program that take turns, which may be the same.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) older: PathBuf,
    pub(crate) newer: PathBuf,
}

/// A node, which runs or does not.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) number: usize,
    pub(crate) public: u16,
    pub(crate) doors: u16,
    programs: Programs,
    is_newer: AtomicBool,
    folder: PathBuf,
    settings: Vec<(&'static str, String)>,
    /// How often it was started again.
    starts: AtomicU32,
    child: Mutex<Option<Child>>,
}

impl Node {
    /// A node that does not run yet, with a directory of its own below this one.
    pub(crate) fn new(
        number: usize,
        programs: Programs,
        folder: &Path,
        ports: &Ports,
        settings: Vec<(&'static str, String)>,
    ) -> Result<Self> {
        let folder = folder.join(format!("node-{number}"));
        fs::create_dir(&folder).context("making the directory of a node")?;
        let (public, doors) = (ports.take()?, ports.take()?);
        let (is_newer, starts, child) = Default::default();
        Ok(Self { number, public, doors, programs, is_newer, folder, settings, starts, child })
    }

    /// Which start the process is that accepts a connection now, or accepted one before.
    pub(crate) fn started(&self) -> u32 {
        self.starts.load(Ordering::SeqCst)
    }

    /// Starts it, and does not wait until it is ready.
    pub(crate) fn start(&self) -> Result<()> {
        let Programs { older, newer } = &self.programs;
        let mut command =
            Command::new(if self.is_newer.load(Ordering::SeqCst) { newer } else { older });
        command.args(["serve", "--listen", &format!("127.0.0.1:{}", self.public)]);
        command.args(["--doors-listen", &format!("127.0.0.1:{}", self.doors)]);
        command.current_dir(&self.folder).env_clear();
        command.env("ADMIN_API_KEY", ADMIN_KEY).env("KEYWARD_LOG", "info");
        // Keys that were ended are asked about all the time.
        command.env("KEYWARD_FAILURES_PER_MINUTE", "0");
        command.envs(self.settings.iter().map(|(name, value)| (*name, value)));
        let log = self.folder.join(format!("{}.log", self.started()));
        *lock(&self.child) = Some(Child::start(command, log, self.public)?);
        Ok(())
    }

    /// Waits until it is ready. If it ends instead, it is started again, as by a service manager: a
    /// store that does not respond in time is an error at its start.
    pub(crate) fn wait_until_ready(&self) -> Result<()> {
        let mut tries = 0..TRIES;
        loop {
            let (end, has_ended) = {
                let mut child = lock(&self.child);
                let child = child.as_mut().context("the node runs")?;
                (child.wait_until(is_ready), child.has_ended())
            };
            if end.is_ok() || !has_ended || tries.next().is_none() {
                return end;
            }
            self.kill()?;
            self.start()?;
        }
    }

    pub(crate) fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    pub(crate) fn go_on(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        lock(&self.child).as_ref().map_or(Ok(()), |child| child.signal(signal))
    }

    /// Ends it at once.
    pub(crate) fn kill(&self) -> Result<()> {
        if let Some(mut child) = lock(&self.child).take() {
            child.kill()?;
        }
        self.starts.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Has it run the other version of the program from its next start on.
    pub(crate) fn change_version(&self) {
        self.is_newer.fetch_xor(true, Ordering::SeqCst);
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&self) {
        drop(lock(&self.child).take());
        self.starts.fetch_add(1, Ordering::SeqCst);
    }
}

fn is_ready(port: u16) -> bool {
    let connection = Connection::open(Ipv4Addr::LOCALHOST, port);
    let asked = connection.and_then(|it| it.patience(READY_WITHIN)?.send(&Request::get("/readyz")));
    asked.is_ok_and(|response| response.status() == 200)
}
