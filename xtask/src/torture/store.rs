//! The store of a run: a SQLite file of one node, or a PostgreSQL of its own for several.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::link::Link;
use super::lock;
use super::node::Programs;
use super::server::{self, Server};
use crate::ports::Ports;

/// A PostgreSQL, with a relay in front of it for each node.
#[derive(Debug)]
pub(crate) struct Postgres {
    pub(crate) links: Vec<Link>,
    /// How long a node may decide after it last heard from the store.
    pub(crate) lease: Duration,
    /// The newer of both programs, while the schema is that of the older one.
    newer: Mutex<Option<PathBuf>>,
    folder: PathBuf,
    /// The server that takes changes.
    primary: Mutex<Arc<Server>>,
    pub(crate) ports: Ports,
}

impl Postgres {
    /// Starts it, and has the older of both programs make its schema.
    pub(crate) fn start(
        programs: &Programs,
        folder: &Path,
        (nodes, lease): (usize, Duration),
    ) -> Result<Self> {
        let ports = Ports::new();
        let server = Server::start(folder, &ports)?;
        let lease_words = ["--lease", &format!("{}s", lease.as_secs())];
        migrate(&programs.older, folder, &server, &lease_words)?;
        let links = (0..nodes).map(|_| Link::start(server.port)).collect::<Result<_>>()?;
        let (newer, folder) = (Mutex::new(Some(programs.newer.clone())), folder.to_owned());
        let primary = Mutex::new(Arc::new(server));
        Ok(Self { links, lease, newer, folder, primary, ports })
    }

    /// Brings the schema to that of the newer program, once.
    pub(crate) fn upgrade(&self) -> Result<()> {
        let newer = lock(&self.newer).take();
        newer.map_or(Ok(()), |newer| migrate(&newer, &self.folder, &self.primary(), &[]))
    }

    pub(crate) fn lease_ms(&self) -> u64 {
        u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX)
    }

    /// The settings of a node.
    pub(crate) fn settings(&self, node: usize) -> Result<Vec<(&'static str, String)>> {
        let link = self.link(node)?;
        let mut settings = vec![("DATABASE_URL", server::url(link.port))];
        if 1 < self.links.len() {
            settings.push(("KEYWARD_CLUSTER", "on".to_owned()));
            // No load balancer has to notice that a node stops.
            settings.push(("KEYWARD_STOP_DELAY", "0s".to_owned()));
        }
        Ok(settings)
    }

    pub(crate) fn link(&self, node: usize) -> Result<&Link> {
        self.links.get(node).context("each node has a relay")
    }

    pub(crate) fn primary(&self) -> Arc<Server> {
        Arc::clone(&lock(&self.primary))
    }

    /// Leads all nodes to another server.
    pub(crate) fn replace_primary(&self, server: Server) {
        let port = server.port;
        *lock(&self.primary) = Arc::new(server);
        for link in &self.links {
            link.lead_to(port);
            link.drop_all();
        }
    }
}

fn migrate(program: &Path, folder: &Path, server: &Server, words: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    command.arg("migrate").args(words);
    command.current_dir(folder).env_clear().env("DATABASE_URL", server::url(server.port));
    let output = command.output().context("starting `keyward migrate`")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`keyward migrate` failed: {error}");
    Ok(())
}
