//! The store of a run: a SQLite file of one node, or a PostgreSQL of its own for several.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::link::Link;
use super::lock;
use super::server::{self, Server};
use crate::ports::Ports;

/// How long a node may decide after it last heard from the store.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// A PostgreSQL, with a relay in front of it for each node.
#[derive(Debug)]
pub(crate) struct Postgres {
    pub(crate) links: Vec<Link>,
    /// The server that takes changes.
    primary: Mutex<Arc<Server>>,
    pub(crate) ports: Ports,
}

impl Postgres {
    /// Starts it, and has the program make its schema.
    pub(crate) fn start(program: &Path, folder: &Path, nodes: usize) -> Result<Self> {
        let ports = Ports::new();
        let server = Server::start(folder, &ports)?;
        migrate(program, folder, &server)?;
        let links = (0..nodes).map(|_| Link::start(server.port)).collect::<Result<_>>()?;
        Ok(Self { links, primary: Mutex::new(Arc::new(server)), ports })
    }

    /// The settings of a node.
    pub(crate) fn settings(&self, node: usize) -> Result<Vec<(&'static str, String)>> {
        let link = self.link(node)?;
        let mut settings = vec![("DATABASE_URL", server::url(link.port))];
        if 1 < self.links.len() {
            settings.push(("KEYWARD_CLUSTER", "on".to_owned()));
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

fn migrate(program: &Path, folder: &Path, server: &Server) -> Result<()> {
    let mut command = Command::new(program);
    command.args(["migrate", "--lease", &format!("{}s", LEASE.as_secs())]);
    command.current_dir(folder).env_clear().env("DATABASE_URL", server::url(server.port));
    let output = command.output().context("starting `keyward migrate`")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`keyward migrate` failed: {error}");
    Ok(())
}
